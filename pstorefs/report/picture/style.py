"""How a page looks, and the little that its script does: constants.

Light or dark is the reader's own setting. The four colours, blue, amber, teal and wine or
rose, are told apart with any kind of colour vision, and from the grey of everything else. Texts
have a contrast of 4.5 at least, marks of 3 (WCAG 2.2, 1.4.3 and 1.4.11). tests/unit/test_picture.py
computes both.
"""

from __future__ import annotations

#: Signatures that have a colour of their own.
COLOURED = 4

LIGHT = {
    "paper": "#fcfcfa",
    "ink": "#1c2024",
    "soft": "#5a636c",
    "line": "#dfe2e4",
    "tint": "#f2f3f1",
    "link": "#0a5697",
    "new": "#a32a1c",
    "c0": "#528fe0",
    "c1": "#c67d10",
    "c2": "#2a636f",
    "c3": "#5c1f2e",
    "rest": "#8b939a",
}
DARK = {
    "paper": "#15181b",
    "ink": "#e3e6e8",
    "soft": "#9ca6ae",
    "line": "#31373c",
    "tint": "#1d2125",
    "link": "#82b8ea",
    "new": "#ff9a8a",
    "c0": "#3c82dd",
    "c1": "#ee8c2b",
    "c2": "#beefe5",
    "c3": "#d98cc2",
    "rest": "#616a72",
}


def _variables(colours: dict[str, str]) -> str:
    return ":root{" + ";".join(f"--{name}:{value}" for name, value in colours.items()) + "}"


_COLOURS = f"""
:root{{color-scheme:light dark}}
{_variables(LIGHT)}
@media (prefers-color-scheme:dark){{{_variables(DARK)}}}
"""
STYLE = (
    _COLOURS
    + """
*{box-sizing:border-box}
html{font:16px/1.5 system-ui,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif;
 color:var(--ink);background:var(--paper);-webkit-text-size-adjust:100%}
body{max-width:64rem;margin:0 auto;padding:2.5rem 1.5rem 4rem}
h1{font-size:1.5rem;line-height:1.25;font-weight:650;margin:0;overflow-wrap:anywhere}
h2{font-size:1.125rem;font-weight:650;margin:3rem 0 .75rem;color:var(--ink)}
p{margin:.25rem 0 .75rem;max-width:44rem}
a{color:var(--link);text-underline-offset:.2em;text-decoration:underline 1px var(--line)}
a:hover{text-decoration-color:currentColor}
:focus-visible{outline:2px solid var(--link);outline-offset:2px;border-radius:2px}
.soft,figcaption,footer{color:var(--soft)}
.mono,code,pre{font-family:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace}
.mono,code{font-size:.8125rem;overflow-wrap:anywhere}
.skip{position:absolute;left:-100rem}
.skip:focus{position:static}

.figures{display:flex;flex-wrap:wrap;gap:1rem 3rem;margin:1.75rem 0 0}
.figures div{display:flex;flex-direction:column-reverse}
.figures dt{color:var(--soft);font-size:.875rem}
.figures dd{margin:0;font-size:2rem;line-height:1.15;font-weight:600;
 font-variant-numeric:tabular-nums}
.figures .fresh dd{color:var(--new)}

figure{margin:0}
svg.chart{display:block;width:calc(100% - 3rem);height:240px;margin-left:3rem;overflow:visible}
svg text{font-size:12px;fill:var(--soft);font-variant-numeric:tabular-nums}
svg line{stroke:var(--line)}
svg .base{stroke:var(--soft)}
.c0{fill:var(--c0);background:var(--c0)}.c1{fill:var(--c1);background:var(--c1)}
.c2{fill:var(--c2);background:var(--c2)}.c3{fill:var(--c3);background:var(--c3)}
.rest{fill:var(--rest);background:var(--rest)}
.legend{list-style:none;margin:1rem 0 0;padding:0;font-size:.875rem;color:var(--soft)}
.legend li{display:flex;gap:.625rem;align-items:baseline;padding:.125rem 0}
.legend .n{margin-left:auto;padding-left:1rem;font-variant-numeric:tabular-nums}
.legend .name{color:var(--ink);overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.swatch{flex:none;display:inline-block;width:.75rem;height:.75rem;border-radius:2px;
 forced-color-adjust:none}

table{border-collapse:collapse;width:100%;font-size:.875rem;line-height:1.4}
th,td{text-align:left;vertical-align:top;padding:.625rem 1rem .625rem 0;
 border-bottom:1px solid var(--line)}
thead th{color:var(--soft);font-weight:500;padding-top:0;vertical-align:bottom;white-space:nowrap}
tbody th{font-weight:400}
th:last-child,td:last-child{padding-right:0}
.num{text-align:right;font-variant-numeric:tabular-nums}
.when{white-space:nowrap;font-variant-numeric:tabular-nums}
.name{overflow-wrap:anywhere}
.sig{display:block;color:var(--soft);margin-top:.125rem}
tbody th.name{position:relative;padding-left:1.375rem}
.name>.swatch{position:absolute;left:0;top:.8rem}
.more{white-space:nowrap}
.kernel{display:block;white-space:nowrap;max-width:13rem;overflow:hidden;text-overflow:ellipsis}
.new{display:inline-block;color:var(--new);border:1px solid currentColor;border-radius:3px;
 font-size:.75rem;line-height:1.2;font-weight:600;padding:0 .3rem;margin-right:.4rem;
 vertical-align:.08em}
th button{all:unset;cursor:pointer;color:inherit}
th button:hover{color:var(--ink)}
th button:focus-visible{outline:2px solid var(--link);outline-offset:2px}
th[aria-sort] button::after{content:" \\2193";color:var(--ink)}
th[aria-sort=ascending] button::after{content:" \\2191"}

details{border-bottom:1px solid var(--line)}
summary{cursor:pointer;padding:.625rem 0;overflow-wrap:anywhere}
summary:hover{background:var(--tint)}
.inside{padding:.25rem 0 1.5rem 1.125rem;scroll-margin-top:6rem}
.facts{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1.25rem;
 margin:0 0 1rem;font-size:.875rem}
.facts dt{color:var(--soft)}
.facts dd{margin:0;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
.facts .line{display:block}
.facts time{margin-right:.5rem}
pre{font-size:.8125rem;line-height:1.45;background:var(--tint);border:1px solid var(--line);
 border-radius:4px;padding:1rem;margin:0;overflow:auto;max-height:34rem;tab-size:8}
.data{margin-top:1rem;font-size:.875rem;border:0}
.data .scroll{overflow-x:auto}
.data td,.data th{padding:.25rem 1rem .25rem 0}
.data thead th{white-space:normal;min-width:5rem}
footer{margin-top:3rem;font-size:.875rem}
footer ul{padding-left:1.1rem;margin:.25rem 0 1rem}

@media (max-width:46rem){
 body{padding:1.5rem 1rem 3rem}
 .figures{display:grid;grid-template-columns:1fr 1fr;gap:1rem}
 .figures dd{font-size:1.625rem}
 svg.chart{width:calc(100% - 2.25rem);margin-left:2.25rem}
 .cards,.cards tbody{display:block}
 .cards thead{position:absolute;left:-100rem}
 .cards tr{display:grid;grid-template-columns:repeat(3,auto);justify-content:space-between;
  gap:.375rem 1rem;padding:.75rem 0;border-bottom:1px solid var(--line)}
 .cards th,.cards td{border:0;padding:0}
 .cards tbody th.name{padding-left:1.375rem}
 .name>.swatch{top:.2rem}
 .cards .name,.cards .wide{grid-column:1/-1}
 .cards .num{text-align:left}
 .kernel{display:inline-block;vertical-align:bottom;margin-right:1rem}
 .cards td::before{content:attr(data-label);display:block;color:var(--soft);font-size:.75rem}
 .facts{grid-template-columns:1fr;gap:0}
 .facts dd{margin-bottom:.5rem}
 .inside{padding-left:0}
 pre{padding:.75rem;font-size:.75rem}
}
@media print{
 :root{color-scheme:light}
 body{max-width:none;padding:0}
 pre{max-height:none;white-space:pre-wrap}
}
"""
)

#: Opens what a link leads to where the browser does not, and sorts the table by a click or Enter.
SCRIPT = """
"use strict";
(() => {
  const show = () => {
    const target = document.getElementById(location.hash.slice(1));
    const around = target && target.closest("details");
    if (around && !around.open) { around.open = true; target.scrollIntoView(); }
  };
  addEventListener("hashchange", show);
  show();
  const table = document.getElementById("signatures");
  if (!table) return;
  const heads = [...table.tHead.rows[0].cells];
  const value = (row, column) => row.cells[column].dataset.value || "";
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const text = head.classList.contains("name");
      const was = head.getAttribute("aria-sort");
      const up = was ? was === "descending" : text;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...table.tBodies[0].rows];
      rows.sort((one, other) => {
        const a = value(one, column), b = value(other, column);
        const order = head.classList.contains("num") ? a - b : a < b ? -1 : a > b ? 1 : 0;
        return up ? order : -order;
      });
      table.tBodies[0].append(...rows);
    });
  });
})();
"""
