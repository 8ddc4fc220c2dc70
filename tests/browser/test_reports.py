"""Reports as a reader has them: in a browser, by keyboard, on a phone, in the dark.

Layouts are compared with what must hold of any, not with pictures of before; the pictures are
kept for people to look at.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

pytestmark = [pytest.mark.faults, pytest.mark.browser]

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.parent.name for path in ROOT.glob("examples/*/README.md"))
HARD = ["wild", "nothing", "failed"]
SIZES = {"phone": (360, 740), "tablet": (820, 1180), "desk": (1440, 900)}
SCHEMES = ("light", "dark")
MOST = 60
"""How many controls are gone through by keyboard, of pages that have more."""
MOST_TABLES = 3
"""How many tables are sorted and searched; the script is the same for all."""
SECTIONS = ["asked", "ran", "failed", "results", "sure", "again"]
FOCUSABLE = "a[href], button, input, select, summary, [tabindex='0']"
NUMBER = re.compile(r"[-+]?[\d,]*\.?\d+(?:e[-+]?\d+)?")

BOXES = """selector => [...document.querySelectorAll(selector)]
  .filter(one => one.checkVisibility())
  .map(one => { const box = one.getBoundingClientRect();
    return [one.tagName, one.textContent.slice(0, 40),
      box.left, box.top, box.right, box.bottom]; })"""
STICKING_OUT = """() => [...document.querySelectorAll("body *")]
  .filter(one => one.checkVisibility() && one.getBoundingClientRect().right > innerWidth + 1)
  .filter(one => { for (let up = one.parentElement; up; up = up.parentElement)
    if (getComputedStyle(up).overflowX !== "visible") return false; return true; })
  .map(one => one.outerHTML.slice(0, 200))"""
FOCUSED = """() => { const one = document.activeElement, style = getComputedStyle(one);
  const seen = style.outlineStyle !== "none" && style.outlineWidth !== "0px";
  return [one.outerHTML.slice(0, 80), seen]; }"""
CONTROLS = f"""() => [...document.querySelectorAll(`{FOCUSABLE}`)]
  .filter(one => one.checkVisibility()).map(one => one.outerHTML.slice(0, 80))"""
FOUND = """place => { const figure = document.querySelectorAll("figure.table")[place];
  const rows = [...figure.querySelectorAll("tbody tr")].filter(row => !row.hidden);
  const seen = rows.length && !rows.every(row => row.checkVisibility()) ? ["hidden"] : [];
  return [rows.length, figure.querySelector("[role=status]").textContent, seen]; }"""
COLUMN = """([figure, place]) => [...document.querySelectorAll("figure.table")[figure]
  .querySelectorAll("tbody tr")].map(row => row.cells[place].textContent)"""


@pytest.fixture(scope="module", params=[*EXAMPLES, *HARD])
def report(request, site, hard_cases, visit):
    name = request.param
    inside = hard_cases / f"{name}.html", site / "examples" / name / "report.html"
    # What tests leave behind is seen by the next ones: their order here is that in a browser.
    opened = visit(inside[name in EXAMPLES].as_uri(), name)
    yield opened
    opened.page.close()


def violations(report, **options):
    """What is serious, and the first places where it is; the rest of axe's findings is taste."""
    from axe_playwright_python.sync_playwright import Axe  # Which only these tests need.

    options["resultTypes"] = ["violations"]
    found = Axe().run(report.page, options=options).response["violations"]
    return {
        one["id"]: [node["html"][:200] for node in one["nodes"]][:3]
        for one in found
        if one["impact"] in ("serious", "critical")
    }


def tables(report):
    """Each table that has something to sort: its place, and which of its columns are numbers."""
    return report.see(
        """() => [...document.querySelectorAll("figure.table")].map((figure, place) =>
          [place, figure.querySelectorAll("tbody tr").length,
           [...figure.querySelectorAll("thead th")].map(th => !th.classList.contains("t"))])
          .filter(([place, rows]) => rows > 1)"""
    )[:MOST_TABLES]


def numbers(texts):
    found = [NUMBER.match(text) for text in texts]
    return [float(match[0].replace(",", "")) for match in found if match]


def test_it_has_its_sections_in_order_and_a_heading_for_each(report):
    headings = report.see(BOXES, "h1, h2, h3, h4")
    levels = [int(tag[1]) for tag, *_ in headings]
    assert levels.count(1) == 1 and levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    ids = report.see("() => [...document.querySelectorAll('h2')].map(one => one.id)")
    assert [one for one in ids if one in SECTIONS] == SECTIONS


def test_every_control_is_reached_by_tab_in_order_and_seen(report):
    expected = report.see(CONTROLS)[:MOST]
    reached = []
    for _ in expected:
        report.page.keyboard.press("Tab")
        reached.append(report.see(FOCUSED))
    assert [html for html, _ in reached] == expected
    assert [html for html, is_seen in reached if not is_seen] == []
    # The first one leads past the others.
    report.page.locator(f":nth-match({FOCUSABLE}, 1)").press("Enter")
    assert report.see("() => document.activeElement.id") == "main"


def test_tables_are_sorted_by_keyboard_and_back(report):
    for place, _, are_numbers in tables(report):
        column = are_numbers.index(True) if True in are_numbers else 0
        before = report.see(COLUMN, [place, column])
        head = report.page.locator("figure.table").nth(place).locator("thead th").nth(column)
        head.locator("button").focus()
        for key, order in (("Enter", "ascending"), ("Space", "descending")):
            report.page.keyboard.press(key)
            assert head.get_attribute("aria-sort") == order
            after = report.see(COLUMN, [place, column])
            if any(are_numbers):
                found = numbers(after)
                assert found == sorted(found, reverse=order == "descending")
            assert sorted(after) == sorted(before)
        report.page.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") is None
        assert report.see(COLUMN, [place, column]) == before
        assert report.see("() => document.activeElement.tagName") == "BUTTON"


def test_rows_are_found_by_what_they_say_and_by_factors(report):
    for place, rows, _ in tables(report):
        figure = report.page.locator("figure.table").nth(place)
        search = figure.get_by_role("searchbox")
        if not search.count():
            assert rows < 4
            continue
        assert report.see(FOUND, place) == [rows, f"{rows} rows", []]
        search.fill("no such text")
        assert report.see(FOUND, place) == [0, f"0 of {rows} rows", []]
        search.fill("")
        for select in figure.get_by_role("combobox").all()[:MOST_TABLES]:
            select.select_option(index=1)
            found, says, _ = report.see(FOUND, place)
            assert 0 < found <= rows
            assert says.startswith(f"{found} ")
            select.select_option(index=0)
        assert report.see(FOUND, place) == [rows, f"{rows} rows", []]


@pytest.mark.parametrize("size", SIZES)
def test_nothing_overlaps_or_sticks_out_at_any_size(report, screenshots, size):
    width, height = SIZES[size]
    report.page.set_viewport_size({"width": width, "height": height})
    for scheme in SCHEMES:
        report.page.emulate_media(color_scheme=scheme)
        picture = screenshots / f"{report.name}-{size}-{scheme}.png"
        report.page.screenshot(path=picture, full_page=report.name != "wild")
    assert report.see("() => document.documentElement.scrollWidth") <= width
    assert report.see(STICKING_OUT) == []
    headings = report.see(BOXES, "h1, h2, h3, h4")
    for (*_, before), (_, title, left, top, right, bottom) in pairwise(headings):
        assert 0 <= left < right <= width and top < bottom, title
        assert top >= before, title
    sections = report.see(BOXES, "section")
    for (*_, before), (_, title, _, top, _, _) in pairwise(sections):
        assert top >= before, title


def test_on_paper_nothing_is_cut_off(report):
    report.page.emulate_media(media="print")
    report.page.set_viewport_size({"width": 700, "height": 1000})
    cut = """() => [...document.querySelectorAll(".scroll, pre")]
      .filter(one => one.checkVisibility())
      .filter(one => ["auto", "scroll", "hidden"].includes(getComputedStyle(one).overflowX)
        && one.scrollWidth > one.clientWidth + 1).map(one => one.outerHTML.slice(0, 120))"""
    assert report.see(cut) == []
    report.page.emulate_media(media="screen")


def test_an_accessibility_checker_finds_nothing_serious(report):
    # The checker compares everything with everything; rows are made alike.
    report.see("""() => { for (const row of document.querySelectorAll("tbody tr:nth-child(n + 4)"))
      row.remove(); }""")
    report.page.emulate_media(color_scheme="light")
    assert violations(report) == {}
    if report.name in ("survival", "wild"):  # which have of everything; the colours are the same
        report.page.emulate_media(color_scheme="dark")
        assert violations(report, runOnly=["color-contrast"]) == {}


def test_the_reader_can_turn_the_lights_off_and_on(report):
    report.page.emulate_media(color_scheme="light")
    ground = "() => getComputedStyle(document.body).backgroundColor"
    before = report.see(ground)
    button = report.page.locator("#theme")
    button.press("Enter")
    assert report.see(ground) != before
    button.press("Space")
    assert report.see(ground) == before


def test_it_asks_nobody_for_anything_and_complains_of_nothing(report):
    # The last: it was opened, sorted, filtered, printed and looked at in every size by now.
    assert set(report.requests) == {report.address}
    assert report.complaints == []
