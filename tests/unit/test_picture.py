"""The page of --report-html: what is counted, what is shown, and that nothing hostile gets out."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import math
import os
import re
import stat
from collections import Counter
from datetime import datetime, timezone
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pstorefs.cli import report_html
from pstorefs.cli.pstorefs import main
from pstorefs.fleet.remote import open_remote
from pstorefs.report.picture import chart, crashes, style
from pstorefs.report.picture.crashes import Bounds, Crash, Facts, Group
from pstorefs.report.picture.gather import Found, UnreadableError, gather
from pstorefs.report.picture.markup import element
from pstorefs.report.picture.of_fleet import Fleet
from pstorefs.report.picture.page import policy, render
from pstorefs.settings.ship import Ship
from tests.fleet import crashes as fleet_crashes
from tests.fleet import nights, site

VOID = {"meta", "br"}
NOW = nights.TODAY


class Page(HTMLParser):
    """A page taken apart; a tag that is never closed, or closed twice, is an error."""

    def __init__(self, data: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: dict[str, list[str]] = {}
        self.comments: list[str] = []
        self.feed(data.decode())
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self.open[-1] if self.open else "", []).append(data)

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def values(self, name: str) -> list[str]:
        return [value for _, attribute, value in self.attributes if attribute == name]

    def text(self, tag: str) -> str:
        return "".join(self.texts.get(tag, []))


class Told:
    """An origin that is a list."""

    def __init__(
        self, found: list[Crash], facts: dict[str, Facts] | None = None, report: bytes = b""
    ) -> None:
        self.name, self.is_fleet = "s3://crashes/fleet", True
        self.found, self.said, self.text = found, facts or {}, report
        self.asked: list[str] = []

    def crashes(self, most: int) -> Found:
        return Found(self.found[:most], [])

    def facts(self, crash: Crash) -> Facts | None:
        self.asked.append(crash.id)
        return self.said.get(crash.id, Facts("a title", "2:0123456789abcdef"))

    def presumed(self, crash: Crash) -> bool:
        return crash.title != "console"

    def place(self, crash: Crash) -> str:
        return crash.where

    def report(self, crash: Crash, most: int) -> bytes:
        if not self.text:
            raise UnreadableError(f"404: {crash.id} is gone")
        return self.text[:most]


def crash(at: str, group: str = "bug-f-01234567", number: int = 0, machine: str = "m") -> Crash:
    name = f"{number:016x}"
    return Crash(at[:10], at, group, "a title", f"host-{machine}", machine, "6.1.0", name, name)


def shown(origin: Any, bounds: Bounds | None = None) -> Page:  # noqa: ANN401 (an Origin)
    bounds = bounds or Bounds()
    return Page(render(gather(origin, NOW, bounds), bounds))


@pytest.fixture(scope="module")
def spool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nights.night(tmp_path_factory.mktemp("spool"), 250)


def of_spool(directory: Path, bounds: Bounds | None = None) -> tuple[bytes, Page]:
    settings = Ship()
    settings.url = f"file://{directory}"
    bounds = bounds or Bounds()
    picture = gather(Fleet(open_remote(settings), settings.url), NOW, bounds)
    data = render(picture, bounds)
    return data, Page(data)


# What is counted

DATED = [
    ("2026-11-28T01:00:00Z", True),
    ("2026-11-29T00:00:00Z", True),  # a machine whose clock is ahead
    ("2026-11-30T00:00:00Z", False),
    ("2026-11-28", True),
    ("1970-01-01T00:00:05Z", False),
    ("2010-12-31", False),
    ("2026-13-01", False),
    ("2026-02-30", False),
    ("9999-99-99", False),
    ("", False),
]


@pytest.mark.parametrize(("at", "good"), DATED)
def test_a_crash_counts_if_its_day_can_be_believed(at: str, good: bool) -> None:
    found, strange = crashes.dated([crash(at)], "2026-11-28")
    assert (len(found), strange) == (good, not good)


DAYS = [
    ([], "2026-11-26", "2026-11-28"),
    (["2026-11-27"], "2026-11-26", "2026-11-28"),
    (["2026-11-26"], "2026-11-26", "2026-11-28"),
    (["2026-11-25"], "2026-11-23", "2026-11-25"),  # the last three days would be empty
    (["2026-11-20", "2026-11-29"], "2026-11-27", "2026-11-29"),
]


@pytest.mark.parametrize(("there", "first", "last"), DAYS)
def test_the_days_shown_end_today_or_with_the_newest_crash(
    there: list[str], first: str, last: str
) -> None:
    days = crashes.days_shown([crash(day) for day in there], "2026-11-28", 3)
    assert (days[0], days[-1], len(days)) == (first, last, 3)


@pytest.mark.parametrize(
    ("first", "new"), [("2026-11-26T23:59:59Z", False), ("2026-11-27T00:00:00Z", True)]
)
def test_a_signature_is_new_that_was_first_seen_yesterday_or_today(first: str, new: bool) -> None:
    own = [crash(first), crash("2026-11-28T05:00:00Z", number=1)]
    (group,) = crashes.grouped(own, ["2026-11-27", "2026-11-28"], "2026-11-28")
    assert (group.is_new, group.count) == (new, 1 + new)


def test_new_and_frequent_signatures_both_get_a_row() -> None:
    def group(key: str, count: int, new: bool) -> Group:
        return Group(key, [], Counter({"2026-11-28": count}), new)

    frequent = [group(f"frequent{n}", 100 - n, False) for n in range(6)]
    new = [group(f"new{n}", 6 - n, True) for n in range(6)]
    rows, others = crashes.chosen([*frequent, *new], 6)
    assert [row.key for row in rows] == [
        *("new0", "new1", "new2", "frequent0", "frequent1", "frequent2")
    ]
    assert len(others) == 6


def test_what_is_listed_twice_is_counted_once() -> None:
    at = "2026-11-28T01:00:00Z"
    there = [crash(at, number=n) for n in (1, 1, 2)] + [crash(at, number=2, machine="n")]
    assert [c.id[-1] for c in crashes.each_once(there)] == ["1", "2", "2"]


def test_a_dump_that_grew_is_one_crash_on_the_page(tmp_path: Path) -> None:
    (one,) = nights.crashes(1)
    bundle, entry = nights.objects(one)
    old = json.loads(entry.data)
    new = {**old, "id": "1" * 64, "replaces": old["id"], "title": "grown"}
    key = entry.key.replace(old["id"][:16], "1" * 16)
    grown = nights.Made(key, json.dumps(new).encode())
    nights.write(tmp_path, [bundle, entry, grown])
    _, page = of_spool(tmp_path)
    assert page.texts["dd"][3] == "1"
    assert page.text("a").endswith("grown")


UNNAMED = [
    # name of the dump, what its entry says, what becomes of it
    ("20261128T010000Z-panic-1", {"title": "kernel panic: x", "crash": True}, "kernel panic: x"),
    ("20261128T010000Z-panic-1", None, "panic"),
    ("20261128T010000Z-console-ramoops-0", {"title": "kernel BUG at f.c", "crash": True},
     "kernel BUG at f.c"),
    ("20261128T010000Z-console-ramoops-0", {"title": "console log", "crash": False}, None),
    ("20261128T010000Z-console-ramoops-0", None, None),
    ("20261128T010000Z-restart-1", {"title": "restart", "crash": False}, None),
    ("undated-dmesg-ramoops-0-01234567", None, "dmesg"),
    ("reboot-01234567", {"title": "reboot without a record", "crash": False},
     "reboot without a record"),
    ("reboot-01234567", None, "reboot without a record"),
]  # fmt: skip


@pytest.mark.parametrize(("dump", "said", "title"), UNNAMED)
def test_a_dump_without_a_signature_counts_if_it_is_a_crash(
    dump: str, said: dict[str, Any] | None, title: str | None, tmp_path: Path
) -> None:
    key = f"v1/index/date=2026-11-28/{dump}_host_none_6.1.0_machine_{'0' * 16}.json"
    line = b"" if said is None else json.dumps({"id": "0" * 64, **said}).encode()
    nights.write(tmp_path, [nights.Made(key, line)])
    _, page = of_spool(tmp_path)
    if title is None:
        assert "Not counted: 1 log without a crash." in page.text("li")
    else:
        assert page.texts["a"][1:] == [title]


STEPS = [
    (0, 1),
    (1, 1),
    (4, 1),
    (5, 2),
    (8, 2),
    (9, 5),
    (20, 5),
    (21, 10),
    (485, 200),
    (10**6, 500_000),
]


@pytest.mark.parametrize(("most", "step"), STEPS)
def test_lines_of_the_chart_are_few_and_round(most: int, step: int) -> None:
    assert chart.step_of(most) == step


def test_bars_are_as_high_as_their_numbers() -> None:
    days = ["2026-11-27", "2026-11-28"]
    series = [
        chart.Series("one", "c0", {"2026-11-28": 30}),
        chart.Series("other", "rest", {"2026-11-27": 20, "2026-11-28": 10}),
    ]
    text = chart.chart(days, series, "t", "d")
    bars = re.findall(r'y="([\d.]+)" height="([\d.]+)" class="(\w+)"', text)
    heights = {(kind, round(float(y) + float(h))): float(h) for y, h, kind in bars}
    assert heights == {("rest", 202): 95.0, ("c0", 202): 142.5, ("rest", 58): 46.5}


# The page

ALLOWED = set(
    """html head meta title style body a header h1 p dl div dt dd main section h2 figure svg desc
    line text rect figcaption ul li span details summary table thead tbody tr th td time footer pre
    script""".split()  # noqa: SIM905 (a list to be read)
)
ATTRIBUTES = set(
    """lang charset http-equiv content name href class datetime id aria-labelledby aria-describedby
    aria-label role x x1 x2 y y1 y2 width height text-anchor scope tabindex data-label
    data-value""".split()  # noqa: SIM905
)


def harmless(data: bytes) -> Page:
    """Nothing in the page can load, run, move a terminal's cursor or turn a line round."""
    page = Page(data)
    assert set(page.tags) <= ALLOWED
    assert {name for _, name, _ in page.attributes} <= ATTRIBUTES
    assert all(value.startswith("#") for value in page.values("href"))
    assert page.comments == []
    assert (page.tags["script"], page.tags["style"]) == (1, 1)
    assert (page.text("script"), page.text("style")) == (style.SCRIPT, style.STYLE)
    text = data.decode()
    assert all(c.isprintable() or c == "\n" for c in text)
    assert "url(" not in style.STYLE
    assert "@import" not in style.STYLE
    return page


def test_the_page_is_whole_and_needs_nothing_else(spool: Path) -> None:
    data, _ = of_spool(spool)
    page = harmless(data)
    assert page.tags["h1"] == page.tags["main"] == 1
    assert "Crashes in file://" in page.text("h1")


def test_the_policy_forbids_all_but_this_style_and_this_script(spool: Path) -> None:
    _, page = of_spool(spool)
    (found,) = [value for value in page.values("content") if "default-src" in value]
    assert found == policy()
    hashes = re.findall(r"(\w+)-src 'sha256-([^']+)'", found)
    for name, digest in hashes:
        text = page.text(name).encode()
        assert digest == base64.b64encode(hashlib.sha256(text).digest()).decode()
    assert [name for name, _ in hashes] == ["style", "script"]
    assert found.startswith("default-src 'none'; ")
    assert "unsafe" not in found


def test_each_signature_has_a_row_that_leads_to_its_report(spool: Path) -> None:
    data, page = of_spool(spool)
    links = [value for value in page.values("href") if re.fullmatch(r"#s\d+", value)]
    assert len(links) == len(set(links)) == 12
    assert {link.removeprefix("#") for link in links} <= set(page.values("id"))
    assert page.tags["pre"] == 12
    assert page.text("pre").count("The kernel's own report:") == 12
    assert "nvme_tcp_io_work" in page.text("a")
    assert "6.12.57+deb13-amd64" in page.text("span")
    assert data.count(b'class="new"') == 2 * 2  # in the table and before the report


def test_the_table_and_the_chart_can_be_read_aloud(spool: Path) -> None:
    _, page = of_spool(spool)
    scopes = Counter(page.values("scope"))
    assert scopes["row"] == 12 + 30
    assert {"columnheader", "rowheader", "cell", "row", "img"} <= set(page.values("role"))
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    named = [*page.values("aria-labelledby"), *page.values("aria-describedby")]
    assert set(named) <= set(ids)
    assert "Stacked bars" in page.text("desc")
    assert page.values("tabindex").count("0") == 12 + 1  # what scrolls


def test_the_numbers_are_those_of_the_store(spool: Path) -> None:
    _, page = of_spool(spool)
    lines = [json.loads(path.read_text()) for path in (spool / "v1/index").rglob("*.json")]
    days = {f"2026-11-{day:02}" for day in range(1, 29)} | {"2026-10-30", "2026-10-31"}
    recent = [line for line in lines if line["date"] in days]
    nights_of = [line for line in lines if line["date"] in ("2026-11-27", "2026-11-28")]
    figures = [int(text) for text in page.texts["dd"][:4]]
    assert figures == [
        *(len(nights_of), len({line["machine"] for line in nights_of}), 2, len(recent)),
    ]


HOSTILE = [
    "<script>alert(1)</script>",
    "</pre></details><img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "\x1b]0;title\x07\x1b[2J\x1b[31mred",
    "javascript:alert(1)",
    "&lt;b&gt; &amp;#x3c;script",
    "\u202egnp.exe\u2066",
    "a\nb\rc\x00d\x85e\u2028f",
    "<!-- --><![CDATA[ ]]>",
    "\udcff\ud800",
    "</title><style>*{display:none}</style>",
    "x" * 100_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_text_of_a_crash_gets_out_of_its_place(text: str) -> None:
    evil = Crash("2026-11-28", "2026-11-28T01:00:00Z", text, *[text] * 6)
    origin = Told([evil], {text: Facts(text, text)})
    origin.text = text.encode(errors="surrogatepass")
    origin.name = text[:1000]
    bounds = Bounds()
    page = harmless(render(gather(origin, NOW, bounds), bounds))
    safe = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    assert safe in page.text("a")
    assert safe in page.text("summary")


@given(st.text(), st.text())
def test_any_text_comes_out_of_an_element_as_it_went_in(text: str, value: str) -> None:
    page = Page(element("p", text, title=value).encode())
    clean = [
        "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in each)
        for each in (text, value)
    ]
    assert [page.text("p"), *page.values("title")] == clean


ENTRIES: list[bytes] = [
    b"", b"{", b"[]", b"null", b"[" * 100_000, b"\xff\xfe", b'{"id": 5}', b"9" * 5000,
    b'{"id": "%s", "title": ["x"], "kernel": {"a": 1}, "crash": "no"}' % (b"0" * 64),
    b'{"id": "' + b"0" * 200_000 + b'"}',
]  # fmt: skip


@pytest.mark.parametrize("entry", ENTRIES, ids=range(len(ENTRIES)))
def test_an_index_entry_that_is_nonsense_costs_only_its_facts(tmp_path: Path, entry: bytes) -> None:
    name = f"20261128T010000Z-oops-1_host_bug-f-01234567_6.1.0_machine_{'0' * 16}.json"
    nights.write(tmp_path, [nights.Made(f"v1/index/date=2026-11-28/{name}", entry)])
    data, _ = of_spool(tmp_path)
    page = harmless(data)
    assert page.texts["a"][1:] == ["bug-f"]
    assert page.tags["pre"] == 0


STRANGE = [
    "v1/index/date=2026-11-28/no-entry.json",
    "v1/index/date=../x_y.json",
    "v1/index/date=2026-11-28/.hidden",
    "v1/index/nodate/20261128T010000Z_none_t_h_m_0123456789abcdef.json",
    "v1/index/date=2026-11-28/20261128T010000Z-oops-1_h_none_k_m_0123456789abcdef.json.new",
    "v1/dumps/zz/elsewhere.tar.gz",
]


@pytest.mark.parametrize("key", STRANGE)
def test_a_key_that_is_no_entry_is_passed_over(tmp_path: Path, key: str) -> None:
    nights.write(tmp_path, [nights.Made(key, b"{}")])
    _, page = of_spool(tmp_path)
    assert "No crash on record." in page.text("p")


def test_no_link_in_a_store_is_followed(tmp_path: Path) -> None:
    (made,) = [nights.objects(one) for one in nights.crashes(1)]
    nights.write(tmp_path / "store", list(made))
    index = tmp_path / "store" / made[1].key
    (tmp_path / "secret").write_bytes(index.read_bytes())
    index.unlink()
    index.symlink_to(tmp_path / "secret")
    _, page = of_spool(tmp_path / "store")
    assert page.tags["pre"] == 0


BUNDLES = [b"", b"no gzip", b"\x1f\x8b\x08" + b"\0" * 100]


@pytest.mark.parametrize("data", BUNDLES, ids=range(len(BUNDLES)))
def test_a_bundle_that_is_none_is_said_to_be_unreadable(tmp_path: Path, data: bytes) -> None:
    (made,) = [nights.objects(one) for one in nights.crashes(1)]
    nights.write(tmp_path, [nights.Made(made[0].key, data), made[1]])
    _, page = of_spool(tmp_path)
    assert page.tags["pre"] == 0
    assert "It cannot be read:" in page.text("p")


# Bounds


def test_a_page_has_so_many_rows_and_sums_up_the_others() -> None:
    many = [crash("2026-11-28T01:00:00Z", f"bug-f-{n:08x}", n, f"m{n}") for n in range(50)]
    page = shown(Told(many, report=b"report"), Bounds(groups=40))
    assert page.tags["pre"] == 40
    assert "10 rarer signatures with 10 crashes" in page.text("p")


def test_reports_are_cut_and_left_out_where_the_page_would_become_too_large() -> None:
    many = [crash("2026-11-28T01:00:00Z", f"bug-f-{n:08x}", n, f"m{n}") for n in range(10)]
    bounds = Bounds(report_bytes=1024, reports_bytes=3 * 1024 * 5)
    origin = Told(many, report=b"&" * 5000)  # five bytes each as HTML
    data = render(gather(origin, NOW, bounds), bounds)
    page = Page(data)
    assert page.text("pre") == "&" * 3 * 1024
    assert page.text("p").count("Cut after 1 KiB.") == 3
    assert page.text("p").count("Left out, as the page would become too large.") == 7


def test_a_page_of_the_largest_bounds_stays_below_five_megabytes() -> None:
    bounds = Bounds()
    many = [
        Crash("2026-11-28", "2026-11-28T01:00:00Z", f"{'<' * 100}{n}", "<" * 1000, "<" * 40,
              f"m{n}", "<" * 36 + str(n), f"{n}", "<" * 300)
        for n in range(2000)
    ]  # fmt: skip
    facts = {f"{n}": Facts("&" * 1000, "&" * 1000) for n in range(2000)}
    origin = Told(many, facts, report=b"&" * bounds.report_bytes)
    assert len(render(gather(origin, NOW, bounds), bounds)) < 5 << 20


def test_crashes_and_questions_have_a_bound() -> None:
    at = "2026-11-28T01:00:00Z"
    many = [crash(at, f"bug-f-{n % 50:08x}", n) for n in range(1000)]
    many += [crash(at, " panic", 1000 + n) for n in range(100)]
    origin = Told(many, report=b"report")
    shown(origin, Bounds(groups=10, unnamed=7))
    assert len(origin.asked) == 10 + 7


def test_a_store_that_takes_too_long_leaves_a_page_that_says_so() -> None:
    page = shown(Told([crash("2026-11-28T01:00:00Z")], report=b"report"), Bounds(seconds=-1))
    assert "answered too slowly" in page.text("li")
    assert page.tags["pre"] == 0


def test_older_days_beyond_the_bound_are_not_read(spool: Path) -> None:
    _, page = of_spool(spool, Bounds(crashes=10))
    assert "were looked at, those since" in page.text("li")


# How it looks


def linear(colour: str) -> list[float]:
    """Red, green and blue of sRGB, linear."""
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    return [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    red, green, blue = linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", [style.LIGHT, style.DARK], ids=["light", "dark"])
def test_texts_and_marks_have_contrast(colours: dict[str, str]) -> None:
    for ground in ("paper", "tint"):
        for text in ("ink", "soft", "link", "new"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    for mark in ("c0", "c1", "c2", "c3", "rest"):
        assert contrast(colours[mark], colours["paper"]) >= 3, mark


#: What is left of linear red, green and blue with each kind of colour vision (Machado et al. 2009).
VISIONS = {
    "all": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "protan": ((0.152, 1.053, -0.205), (0.115, 0.786, 0.099), (-0.004, -0.048, 1.052)),
    "deutan": ((0.367, 0.861, -0.228), (0.280, 0.673, 0.047), (-0.012, 0.043, 0.969)),
    "tritan": ((1.256, -0.077, -0.179), (-0.078, 0.931, 0.148), (0.005, 0.691, 0.304)),
}


def lab(colour: str, vision: str) -> tuple[float, float, float]:
    """CIE L*a*b* of a colour as seen, D65."""
    rgb = linear(colour)
    red, green, blue = (
        min(1.0, max(0.0, sum(a * b for a, b in zip(row, rgb, strict=True))))
        for row in VISIONS[vision]
    )
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883
    x, y, z = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


@pytest.mark.parametrize("colours", [style.LIGHT, style.DARK], ids=["light", "dark"])
@pytest.mark.parametrize("vision", VISIONS)
def test_the_colours_differ_for_any_kind_of_colour_vision(
    colours: dict[str, str], vision: str
) -> None:
    seen = {name: lab(colours[name], vision) for name in ("c0", "c1", "c2", "c3", "rest")}
    for one, other in itertools.combinations(seen, 2):
        # A difference of 2.3 can be seen with the patches side by side.
        assert math.dist(seen[one], seen[other]) > 20, (one, other)


# The command


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return site.archived(tmp_path_factory.mktemp("one"))


def test_a_place_without_crashes_may_be_the_wrong_one(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path, empty = tmp_path / "page.html", tmp_path / "empty"
    empty.mkdir()
    assert main(["--report-html", f"file://{empty}", str(path)]) == 0
    said = capfd.readouterr().out
    assert said.startswith(f"{path}: 0 crashes in 30 days: make sure that --ship or --archive")
    assert said.endswith(f"file://{empty}\n")


def test_the_page_of_an_archive_has_each_crash_and_its_report(
    archive: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "page.html"
    assert main(["--report-html", str(archive), str(path)]) == 0
    assert capfd.readouterr().out == f"{path}: 10 crashes in 30 days\n"
    page = harmless(path.read_bytes())
    assert "20260608T081503Z-panic-1" in page.text("span")
    assert "lkdtm_EXCEPTION" in page.text("a")
    assert page.text("pre").count("The kernel's own report:") == page.tags["pre"] > 1
    assert "Machines" not in page.text("th")


def test_a_directory_may_be_named_as_an_url_be_it_an_archive_or_a_store(
    archive: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = datetime.now(timezone.utc).replace(microsecond=0)
    fleet_crashes.write(tmp_path / "store", fleet_crashes.crashes(7, now, days=20))
    monkeypatch.chdir(tmp_path)
    said = {}
    for where in (str(archive), f"file://{archive}", "store", f"file://{tmp_path}/store"):
        assert main(["--report-html", where, "page.html"]) == 0
        said[where] = capfd.readouterr().out, Page(Path("page.html").read_bytes()).text("h1")
    one, as_url, store, store_as_url = said.values()
    assert one == as_url
    assert store == store_as_url
    assert one[0] == "page.html: 10 crashes in 30 days\n"
    assert store[0] == "page.html: 7 crashes in 30 days\n"


def test_the_page_is_for_its_owner_alone_and_a_file_keeps_its_mode(
    archive: Path, tmp_path: Path
) -> None:
    path = tmp_path / "page.html"
    before = os.umask(0)
    try:
        assert main(["--report-html", str(archive), str(path)]) == 0
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.write_text("old")
        path.chmod(0o644)
        assert main(["--report-html", str(archive), str(path)]) == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert path.read_bytes().startswith(b"<!doctype html>")
    assert [entry.name for entry in tmp_path.iterdir()] == ["page.html"]


def test_a_file_that_cannot_be_written_leaves_the_old_one(
    archive: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "page.html"
    path.write_text("old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        report_html.save(str(path), b"new")
    assert main(["--report-html", str(archive), str(path)]) == 2
    assert capfd.readouterr().err == f"pstorefs: {path}: No space left on device\n"
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["page.html"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "www").mkdir()
    (tmp_path / "page.html").symlink_to("www/page.html")
    report_html.save(str(tmp_path / "page.html"), b"new")
    assert (tmp_path / "page.html").is_symlink()
    assert (tmp_path / "www" / "page.html").read_bytes() == b"new"


def test_the_page_goes_to_standard_output(
    archive: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main(["--report-html", str(archive), "-"]) == 0
    harmless(capfdbinary.readouterr().out)


def test_an_archive_without_dumps_is_a_page_without_crashes(tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    path = tmp_path / "page.html"
    assert main(["--report-html", str(tmp_path / "archive"), str(path)]) == 0
    assert "No crash on record." in Page(path.read_bytes()).text("p")


WRONG = [
    ([], 1, "--report-html needs URL|DIRECTORY after it"),
    (["{here}"], 1, "--report-html needs FILE after it"),
    (["{here}", "page", "more"], 1, "too many arguments: more"),
    (["{here}", ""], 1, "an argument is empty"),
    (["{here}", "page", "--json"], 1, "--json does not go with --report-html"),
    (["s3://b/p", "page", "-o", "keep=1d"], 1, "option keep does not go with --report-html"),
    (["s3://b/p", "page", "-o", "endpoint=x"], 1, "endpoint: x does not begin with https"),
    (["s3://b/../p", "page"], 1, "has a prefix with characters other than letters"),
    (["{here}", "page", "-o", "region=x"], 1, "is only for a fleet's store"),
    (["http://b/p", "{here}/page"], 2, "http://b/p does not begin with one of s3://"),
    (["{here}/nothing", "{here}/page"], 2, "nothing: No such file or directory: give an archive"),
    (["{here}", "{here}/page"], 2, "it has no archived dumps"),
    (["file://{here}", "{here}/page"], 2, "it has no archived dumps"),
    (["file://{here}/nothing", "{here}/page"], 2, "nothing: No such file"),
    (["{here}/store", "s3://b/p"], 2, "give URL first, FILE second"),
    (["{here}", "{here}"], 2, "this is not a regular file"),
    (["{here}", "/dev/null"], 2, "this is not a regular file"),
    (["{here}", "{here}/nothing/page"], 2, "make that directory first"),
]


@pytest.mark.parametrize(("words", "status", "said"), WRONG, ids=[row[2][:40] for row in WRONG])
def test_what_cannot_be_meant_is_one_line_with_what_to_do(
    words: list[str], status: int, said: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "store/v1/index").mkdir(parents=True)
    given = [word.format(here=tmp_path) for word in words]
    assert main(["--report-html", *given]) == status
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err
    assert not (tmp_path / "page").exists()


def test_now_is_the_moment_at_which_the_page_is_made(archive: Path) -> None:
    picture = report_html.of_archive(
        str(archive), datetime(2026, 6, 9, tzinfo=timezone.utc), Bounds()
    )
    assert (picture.days[-1], picture.made) == ("2026-06-09", "2026-06-09T00:00:00Z")
