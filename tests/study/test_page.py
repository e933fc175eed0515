"""The page in a real browser: wide and narrow, light and dark, sorted, filtered and unfolded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shardopt.study.report.build import build_page
from study.chromium import Page, find_chromium

CHROMIUM = find_chromium()
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium"),
]
ROWS = "[...document.querySelectorAll('#cold-start-table tbody tr')]"
COLUMN = f"{ROWS}.map(row => row.cells[%d].textContent)"
WIDE, NARROW = 1400, 390


@pytest.fixture(scope="module")
def file(small_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pages") / "report.html"
    path.write_text(build_page(small_study), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    with Page(str(CHROMIUM)) as page:
        yield page


def opened(browser: Page, file: Path, width: int = WIDE, dark: bool = False) -> Page:
    browser.open(file, width, dark)
    return browser


def percents(texts: list[str]) -> list[float]:
    return [float(text.removesuffix(" %")) for text in texts]


def column(browser: Page, heading: str) -> list[str]:
    """Return what stands below a heading of the table of instances."""
    headings = "[...document.querySelectorAll('#cold-start-table thead th')]"
    n = browser.run(f"{headings}.findIndex(h => h.textContent === '{heading}')")
    texts: list[str] = browser.run(COLUMN % n)
    return texts


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("dark", [False, True])
def test_that_it_opens_without_an_error_a_request_or_a_sideways_scroll(
    browser: Page, file: Path, width: int, dark: bool
) -> None:
    opened(browser, file, width, dark)
    wrong = ("Runtime.exceptionThrown", "Log.entryAdded")
    assert [event for event in browser.events if event.get("method") in wrong] == []
    urls = [
        event["params"]["request"]["url"]
        for event in browser.events
        if event.get("method") == "Network.requestWillBeSent"
    ]
    assert [url for url in urls if not url.startswith(("data:", file.as_uri()))] == []
    assert browser.run("document.documentElement.scrollWidth") <= width


def test_that_the_colours_follow_the_system_until_the_button_is_pressed(
    browser: Page, file: Path
) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    line = "getComputedStyle(document.querySelector('.series path[style*=\"stroke: var\"]')).stroke"
    light = opened(browser, file).run(f"[{paper}, {line}]")
    dark = opened(browser, file, dark=True).run(f"[{paper}, {line}]")
    assert light[0] == "rgb(255, 255, 255)"
    assert light[0] != dark[0]
    assert light[1] != dark[1]
    browser.click("#theme")
    assert browser.run(f"[{paper}, {line}]") == light
    browser.click("#theme")
    assert browser.run(f"[{paper}, {line}]") == dark
    browser.run("localStorage.clear()")


def test_that_a_click_on_a_heading_sorts_and_another_one_sorts_back(
    browser: Page, file: Path
) -> None:
    opened(browser, file)
    heading = "#cold-start-table thead th:nth-child(4)"
    assert browser.run(f"document.querySelector('{heading}').textContent") == "gap to bound"
    browser.click(f"{heading} button")
    up = percents(column(browser, "gap to bound"))
    assert up == sorted(up)
    assert browser.run(f"document.querySelector('{heading}').ariaSort") == "ascending"
    browser.click(f"{heading} button")
    assert percents(column(browser, "gap to bound")) == up[::-1]
    assert up[0] < up[-1]


def test_that_a_table_that_is_written_out_is_sorted_too(browser: Page, file: Path) -> None:
    opened(browser, file)
    names = "[...document.querySelectorAll('.summary tbody th')].map(c => c.firstChild.data.trim())"
    before = browser.run(names)
    browser.click(".summary thead th:first-child button")
    assert browser.run(names) == sorted(before, key=str.lower)


def test_that_the_filters_leave_what_was_asked_for(browser: Page, file: Path) -> None:
    opened(browser, file)
    browser.type("input[name=text]", "THR even")
    assert column(browser, "instance") == ["three"]
    assert column(browser, "solver") == ["even"]
    status = browser.run("document.querySelector('.filters output').textContent")
    assert status == "1 of 24 rows"
    browser.click("button[type=reset]")
    browser.run("new Promise(done => setTimeout(done, 50))")
    assert len(column(browser, "solver")) == 24
    browser.type("input[name=gap]", "1")
    gaps = percents(column(browser, "gap to bound"))
    assert 0 < len(gaps) < 24
    assert min(gaps) >= 1
    choice: Any = "document.querySelector('select[name=solver]')"
    browser.run(
        f"{choice}.value = 'even'; {choice}.dispatchEvent(new Event('input', {{bubbles: true}}))"
    )
    assert set(column(browser, "solver")) == {"even"}


def test_that_an_unfolded_heuristic_shows_its_plan_and_the_optimum(
    browser: Page, file: Path
) -> None:
    opened(browser, file, NARROW)
    browser.click("details.worst summary")
    browser.run("new Promise(done => setTimeout(done, 100))")
    widths = browser.run(
        "Promise.all([...document.querySelectorAll('details[open] img')]"
        ".map(i => i.decode().then(() => i.naturalWidth)))"
    )
    assert len(widths) == 2
    assert min(widths) > 300


def test_that_the_legend_brings_a_solver_forward(browser: Page, file: Path) -> None:
    opened(browser, file)
    browser.click(".legend button")
    opacities = browser.run(
        "[...document.querySelectorAll('.series')].map(s => getComputedStyle(s).opacity)"
    )
    assert set(opacities) == {"1", "0.07"}
