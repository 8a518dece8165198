"""A headless Chromium of the distribution, a new one for each module, that asks nobody for anything."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from report import Contents, render

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--no-sandbox",  # as root there is no other way
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--no-first-run",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The browser; tests are skipped where there is none."""
    program = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(PROGRAMS)} is there; `spanmesh tools install chromium` has it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        yield browser
        browser.close()


@dataclass
class Opened:
    """A page in the browser.

    Attributes:
        page: the page.
        said: what its console said, and errors of its script.
        requested: addresses that it asked for, but for its own.
    """

    page: Page
    said: list[str] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)


Open = Callable[..., Opened]


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Opens a report: of contents, or at an address."""
    pages: list[Opened] = []

    def open_(contents: Contents | None = None, *, url: str = "", width: int = 1280, dark: bool = False) -> Opened:
        if contents is not None:
            file = tmp_path / f"{len(pages)}.html"
            file.write_text(render(contents), encoding="utf-8")
            url = file.as_uri()
        page = browser.new_page(viewport={"width": width, "height": 844}, color_scheme="dark" if dark else "light")
        there = Opened(page)
        page.on("console", lambda message: there.said.append(message.text))
        page.on("pageerror", lambda error: there.said.append(str(error)))
        page.on("request", lambda asked: there.requested.append(asked.url) if asked.url != url else None)
        pages.append(there)
        page.goto(url)
        return there

    yield open_
    for each in pages:
        each.page.close()
