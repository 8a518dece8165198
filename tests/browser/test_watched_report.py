"""A served report in a real browser: it renews itself, and who reads it is not disturbed."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from cli.report_server import ReportServer
from report import Contents, render
from tests.browser.conftest import Open, Opened
from tests.unit.report.meshes import faulty, healthy

POLL = 0.2


def renewed(page: Page) -> None:
    """Wait until the page says that it is renewed. Its policy admits no predicate that would be polled in it."""
    expect(page.locator("#live")).to_contain_text("Updated", timeout=20_000)


def later(contents: Contents) -> Contents:
    """The same, seen a minute later."""
    return replace(contents, observed=replace(contents.observed, at=contents.observed.at + timedelta(minutes=1)))


@pytest.fixture
def server() -> Iterator[ReportServer]:
    made = ReportServer(0, render(faulty(), POLL))
    with made.serving():
        yield made


@pytest.fixture
def watched(server: ReportServer, opened: Open) -> Opened:
    return opened(url=server.url)


def test_it_shows_what_is_new_and_says_so(server: ReportServer, watched: Opened) -> None:
    server.show(render(later(healthy()), POLL))
    renewed(watched.page)
    assert "every check is ok" in watched.page.locator("#findings").inner_text()
    assert watched.page.title().startswith("ok:")
    assert watched.page.locator("time").inner_text().startswith("2026-11-23 03:21")
    assert watched.said == []


def test_scroll_position_focus_and_what_was_unfolded_stay(server: ReportServer, watched: Opened) -> None:
    page = watched.page
    page.locator("#traffic-cells summary").click()
    page.locator("#traffic-cells summary").scroll_into_view_if_needed()
    place = "document.querySelector('#traffic-cells summary').getBoundingClientRect().top"
    before = page.evaluate(place)
    changed = faulty()
    # The findings above become fewer, the traffic itself is another one.
    fewer = replace(later(changed), results=changed.results[:-2])
    rows = healthy().observed.matrix
    server.show(render(replace(fewer, observed=replace(fewer.observed, matrix=rows)), POLL))
    renewed(page)
    assert page.locator("#traffic-cells").get_attribute("open") is not None
    assert page.evaluate("document.activeElement.closest('details').id") == "traffic-cells"
    assert abs(page.evaluate(place) - before) < 60


def test_a_page_that_is_the_same_is_left_alone(server: ReportServer, watched: Opened) -> None:
    page = watched.page
    page.evaluate("document.querySelector('#mesh figure').dataset.mine = 'yes'")
    server.show(render(replace(later(faulty()), drift=None), POLL))
    renewed(page)
    assert page.locator("#mesh figure").get_attribute("data-mine") == "yes"
    assert "in step" not in page.locator("#policy").inner_text()


def test_the_colours_that_were_chosen_stay(server: ReportServer, watched: Opened) -> None:
    page = watched.page
    page.locator("#theme").click()
    server.show(render(later(healthy()), POLL))
    renewed(page)
    assert page.locator("#theme").get_attribute("aria-pressed") == "true"
    assert page.evaluate("document.activeElement.id") == "theme"
    page.locator("#theme").click()
    assert page.locator("#theme").get_attribute("aria-pressed") == "false"


def test_when_its_server_is_gone_it_says_so_and_keeps_what_it_has(opened: Open) -> None:
    server = ReportServer(0, render(faulty(), POLL))
    with server.serving():
        page = opened(url=server.url).page
    expect(page.locator("#live")).to_contain_text("does not answer any more", timeout=20_000)
    assert page.locator("h1").inner_text() == "Mesh mesh1"


def test_it_asks_nobody_but_its_own_server(server: ReportServer, watched: Opened) -> None:
    server.show(render(later(healthy()), POLL))
    renewed(watched.page)
    assert [url for url in watched.requested if not url.startswith((server.url, "data:"))] == []
