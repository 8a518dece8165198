"""The report in a real browser: quiet, reachable by keyboard, readable in both colours, on paper and on a phone."""

from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from report import Contents
from tests.browser.conftest import Open
from tests.unit.report.meshes import faulty, healthy, hostile, twelve

CONTRAST = Path(__file__).with_name("contrast.js").read_text().split("\n", 1)[1]
MESHES = {"healthy": healthy, "faulty": faulty, "twelve": twelve, "hostile": hostile}
every_mesh = pytest.mark.parametrize("contents", MESHES.values(), ids=MESHES.keys())
both_colours = pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
Made = Callable[[], Contents]


@every_mesh
def test_it_opens_without_a_word_in_the_console_and_without_any_request(opened: Open, contents: Made) -> None:
    there = opened(contents())
    there.page.wait_for_load_state("networkidle")
    assert there.said == []
    assert [url for url in there.requested if not url.startswith("data:")] == []


def test_what_clusters_say_runs_nothing(opened: Open) -> None:
    there = opened(hostile())
    there.page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")
    assert there.page.evaluate("typeof window.stolen") == "undefined"
    assert there.page.locator("img").count() == 0


@both_colours
def test_every_text_stands_out_from_what_is_behind_it(opened: Open, dark: bool) -> None:
    found = opened(faulty(), dark=dark).page.evaluate(CONTRAST)
    assert found["bad"] == []
    assert found["seen"] > 150


@pytest.mark.parametrize(("contents", "dark"), [(faulty, False), (faulty, True)])
def test_the_audit_of_axe_finds_nothing(opened: Open, contents: Made, dark: bool) -> None:
    page = opened(contents(), dark=dark).page
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")
    found = Axe().run(page).response
    broken = [f"{rule['id']}: {node['html'][:120]}" for rule in found["violations"] for node in rule["nodes"]]
    assert broken == []
    assert len(found["passes"]) > 20


def reached(page: Page) -> list[str]:
    """What Tab reaches, in order, until it leaves the page."""
    words = "(a => a === document.body ? '' : a.id || a.textContent.trim())(document.activeElement)"
    found = []
    for _ in range(400):
        page.keyboard.press("Tab")
        now = page.evaluate(words)
        if not now:
            break
        found.append(now)
    return found


def test_tab_reaches_all_that_can_be_used_in_the_order_of_the_page(opened: Open) -> None:
    page = opened(faulty()).page
    order = reached(page)
    assert order[:3] == ["Skip to the findings", "theme", "Findings"]
    usable = page.evaluate(
        """() => [...document.querySelectorAll('a[href], button, summary, [tabindex="0"]')]
        .filter((each) => each.checkVisibility() && !each.closest('details:not([open]) > :not(summary)')).length"""
    )
    assert len(order) == usable


def test_what_has_the_focus_is_seen_to_have_it(opened: Open) -> None:
    page = opened(faulty()).page
    for _ in range(6):
        page.keyboard.press("Tab")
        outline = "(s => s.outlineStyle + s.outlineWidth)(getComputedStyle(document.activeElement))"
        assert page.evaluate(outline) == "solid2px"


def test_a_summary_opens_by_the_keyboard(opened: Open) -> None:
    page = opened(faulty()).page
    page.locator("#sm641-more summary").focus()
    page.keyboard.press("Enter")
    assert page.locator("#sm641-more dl").is_visible()


def test_a_link_to_a_folded_part_unfolds_it(opened: Open) -> None:
    page = opened(faulty()).page
    assert not page.locator("#checks-table table").is_visible()
    page.evaluate("location.hash = 'checks-table'")
    expect(page.locator("#checks-table table")).to_be_visible()


@both_colours
def test_the_button_changes_the_colours_and_is_remembered(opened: Open, dark: bool) -> None:
    page = opened(faulty(), dark=dark).page
    button = page.locator("#theme")
    background = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(background)
    assert button.get_attribute("aria-pressed") == str(dark).lower()
    button.click()
    assert button.get_attribute("aria-pressed") == str(not dark).lower()
    assert page.evaluate(background) != before
    page.reload()
    assert button.get_attribute("aria-pressed") == str(not dark).lower()


@every_mesh
@pytest.mark.parametrize("width", [390, 768])
def test_on_a_small_screen_nothing_is_wider_than_the_screen(opened: Open, contents: Made, width: int) -> None:
    page = opened(contents(), width=width).page
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("contents", [faulty, twelve])
def test_on_paper_everything_is_unfolded_light_and_within_the_sheet(opened: Open, contents: Made) -> None:
    a4 = 794 - 2 * 45  # pixels between the margins
    page = opened(contents(), width=a4, dark=True).page
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("nav").is_hidden()
    assert page.locator("#sm691-more dl, #sm611-more dl").first.is_visible()
    assert page.evaluate("matchMedia('print').matches && document.documentElement.scrollWidth") <= a4
    ink = page.evaluate("getComputedStyle(document.body).color")
    assert sum(int(part) for part in ink.strip("rgb()").split(",")) < 150


def test_it_can_be_read_without_its_script(opened: Open) -> None:
    page = opened(faulty()).page
    html = page.content()
    assert page.locator("h1").inner_text() == "Mesh mesh1"
    assert html.count('<button type="button" id="theme"') == 1
