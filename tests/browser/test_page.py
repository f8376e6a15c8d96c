"""The page as a browser shows it: at any width, light and dark, by keyboard, without its script."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pstorefs.report.picture import style
from pstorefs.report.picture.crashes import Bounds, Crash, Facts
from pstorefs.report.picture.gather import gather
from pstorefs.report.picture.page import render
from tests.fleet import nights
from tests.unit.test_picture import HOSTILE, Told, of_spool

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

WIDTHS = (1280, 400)
# Where screenshots are kept for people, if they want them.
_KEPT = os.environ.get("SCREENSHOTS")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        # Its sandbox does not run as root; the pages are our own.
        found = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("page")
    data, _ = of_spool(nights.night(place / "spool", 400))
    (place / "page.html").write_bytes(data)
    return place / "page.html"


class Opened:
    """A page, what the browser complained of, and what it asked for."""

    def __init__(self, browser: Browser, file: Path, **options: Any) -> None:  # noqa: ANN401
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.failures: list[tuple[str, str | None]] = []
        self.page: Page = browser.new_page(**options)
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("requestfailed", lambda r: self.failures.append((r.url, r.failure)))
        self.page.goto(file.as_uri())

    def evaluate(self, script: str) -> Any:  # noqa: ANN401 (JSON)
        return self.page.evaluate(script)


@pytest.fixture
def opened(browser: Browser, file: Path) -> Iterator[Any]:
    """A function that opens the page."""
    there: list[Opened] = []

    def open_page(path: Path = file, **options: Any) -> Opened:  # noqa: ANN401
        there.append(Opened(browser, path, **options))
        return there[-1]

    yield open_page
    for each in there:
        each.page.close()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_has_the_colours_of_the_readers_scheme(
    opened: Any, width: int, scheme: str  # noqa: ANN401
) -> None:  # fmt: skip
    one = opened(viewport={"width": width, "height": 900}, color_scheme=scheme)
    one.page.locator("#s0").evaluate("inside => inside.closest('details').open = true")
    if _KEPT:
        one.page.screenshot(path=f"{_KEPT}/{width}-{scheme}.png", full_page=True)
    assert one.evaluate("document.documentElement.scrollWidth") == width
    colours = style.LIGHT if scheme == "light" else style.DARK
    red, green, blue = (int(colours["paper"][n : n + 2], 16) for n in (1, 3, 5))
    ground = one.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert ground == f"rgb({red}, {green}, {blue})"
    # No label of the chart covers another one, or leaves the page.
    boxes = one.evaluate(
        "[...document.querySelectorAll('svg text')].map(t => t.getBoundingClientRect())"
        ".map(b => [b.left, b.top, b.right, b.bottom])"
    )
    assert all(left >= 0 and right <= width for left, _, right, _ in boxes)
    for number, (left, top, right, bottom) in enumerate(boxes):
        for a, b, c, d in boxes[number + 1 :]:
            assert c <= left or right <= a or d <= top or bottom <= b
    assert (one.complaints, one.requests) == ([], [one.page.url.partition("#")[0]])


@pytest.mark.parametrize("width", WIDTHS)
def test_its_tables_are_tables_to_who_cannot_see_them(opened: Any, width: int) -> None:  # noqa: ANN401
    one = opened(viewport={"width": width, "height": 900})
    tree = one.page.locator("main").aria_snapshot()
    assert 'img "Crashes per day by signature"' in tree
    assert 'table "Signatures"' in tree
    for name in ("Signature", "Crashes", "Machines", "Kernels", "First seen", "Last seen"):
        assert f'columnheader "{name}"' in tree
    assert tree.count("rowheader") == 12


def test_all_of_it_is_reached_by_keyboard(opened: Any) -> None:  # noqa: ANN401
    one = opened(viewport={"width": 1280, "height": 900})
    seen = []
    for _ in range(60):
        one.page.keyboard.press("Tab")
        seen.append(
            one.evaluate(
                "(e => [e.tagName, e.textContent.slice(0, 30),"
                " getComputedStyle(e).outlineStyle, e.getBoundingClientRect().left >= 0])"
                "(document.activeElement)"
            )
        )
        if seen[-1][0] == "BODY":
            break
    tags = [tag for tag, *_ in seen]
    assert seen[0][:2] == ["A", "To the signatures"]
    assert (tags.count("BUTTON"), tags.count("A"), tags.count("SUMMARY")) == (6, 1 + 12, 1 + 12)
    # Whoever is there sees where, and nothing that has the focus is out of sight.
    assert all(outline != "none" and visible for tag, _, outline, visible in seen if tag != "BODY")


def test_enter_on_a_signature_leads_to_its_open_report(opened: Any) -> None:  # noqa: ANN401
    one = opened(viewport={"width": 1280, "height": 900})
    one.page.locator("a[href='#s3']").focus()
    one.page.keyboard.press("Enter")
    report = one.page.locator("#s3 pre")
    report.wait_for(state="visible")
    assert "The kernel's own report:" in report.text_content()
    assert one.page.locator("#s3").evaluate("e => e.getBoundingClientRect().top < innerHeight")


def test_enter_on_a_heading_sorts_by_it(opened: Any) -> None:  # noqa: ANN401
    one = opened(viewport={"width": 1280, "height": 900})
    column = "[...document.querySelectorAll('#signatures tbody td.num:nth-child(2)')]"
    numbers = f"{column}.map(cell => Number(cell.textContent.replaceAll(',', '')))"
    first = one.evaluate(numbers)
    one.page.locator("#signatures th button", has_text="Crashes").focus()
    one.page.keyboard.press("Enter")
    assert one.evaluate(numbers) == sorted(first, reverse=True) != first
    heading = one.page.locator("#signatures th[aria-sort]")
    assert heading.get_attribute("aria-sort") == "descending"
    one.page.keyboard.press("Enter")
    assert one.evaluate(numbers) == sorted(first)
    assert heading.get_attribute("aria-sort") == "ascending"


def test_without_its_script_a_link_opens_the_report_all_the_same(opened: Any) -> None:  # noqa: ANN401
    one = opened(java_script_enabled=False)
    assert one.page.locator("#signatures th button").count() == 0
    one.page.locator("a[href='#s2']").click()
    one.page.locator("#s2 pre").wait_for(state="visible")
    assert one.complaints == []


def test_the_browser_enforces_the_policy(opened: Any) -> None:  # noqa: ANN401
    one = opened(viewport={"width": 1280, "height": 900})
    one.evaluate(
        """async () => {
            window.ran = 0;
            document.body.insertAdjacentHTML("beforeend",
                "<img src='https://example.invalid/x' onerror='ran = 1'>"
                + "<a id=bad onclick='ran = 2'>x</a>");
            document.getElementById("bad").click();
            const script = document.createElement("script");
            script.textContent = "ran = 3";
            document.body.append(script);
            await fetch("https://example.invalid/y").catch(() => 0);
            await new Promise((done) => setTimeout(done, 200));
        }"""
    )
    assert one.evaluate("window.ran") == 0
    assert len([words for words in one.complaints if "Content Security Policy" in words]) >= 4
    assert {why for url, why in one.failures if "example.invalid" in url} == {"csp"}


def test_hostile_texts_are_texts(opened: Any, tmp_path: Path) -> None:  # noqa: ANN401
    found, facts = [], {}
    for number, text in enumerate(HOSTILE):
        found.append(
            Crash("2026-11-28", "2026-11-28T01:00:00Z", text, *[text] * 4, f"{number}", text)
        )
        facts[f"{number}"] = Facts(text, text)
    origin = Told(found, facts, "\n".join(HOSTILE).encode(errors="replace"))
    (tmp_path / "page.html").write_bytes(render(gather(origin, nights.TODAY), Bounds()))
    one = opened(tmp_path / "page.html", viewport={"width": 400, "height": 900})
    assert (
        one.evaluate("document.querySelectorAll('img, pre script, [onload], [onerror]').length")
        == 0
    )
    assert one.evaluate("document.querySelectorAll('script').length") == 1
    assert one.evaluate("document.documentElement.scrollWidth") == 400
    assert one.page.locator("#signatures tbody tr").count() == len(HOSTILE)
    assert one.complaints == []
