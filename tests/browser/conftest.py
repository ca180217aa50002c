"""A real Chromium with software rendering, and a result to read in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from oblique_head import Head, head, result

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SOFTWARE = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
NO_WEBGL = ("--disable-3d-apis", "--disable-gpu")


@pytest.fixture(scope="session")
def oblique() -> Head:
    return head()


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return result(tmp_path_factory.mktemp("reading") / "result")


@pytest.fixture(scope="module")
def launched() -> Iterator[Callable]:
    """Browsers by their flags, started once; left open, they go on drawing while other tests run."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if BROWSER is None:
        pytest.skip("there is no Chromium on this machine")
    browsers: dict[tuple[str, ...], object] = {}
    with ExitStack() as stack:
        driver = stack.enter_context(playwright.sync_playwright())

        def launch(flags: tuple[str, ...] = SOFTWARE):
            if flags not in browsers:
                # Chromium refuses its sandbox to root, which containers run as.
                sandbox = ("--no-sandbox",) if os.name == "posix" and os.geteuid() == 0 else ()
                browsers[flags] = driver.chromium.launch(executable_path=BROWSER, args=[*flags, *sandbox])
                stack.callback(browsers[flags].close)
            return browsers[flags]

        yield launch


@pytest.fixture
def opened(launched: Callable, finished: Path) -> Iterator[Callable]:
    """Open the page; afterwards no error may have been logged and no request but that of the file made."""
    contexts, told, asked, pages = [], [], [], set()

    def open_page(webgl: bool = True, folder: Path = finished):
        context = launched(SOFTWARE if webgl else NO_WEBGL).new_context(
            viewport={"width": 960, "height": 520}, accept_downloads=True
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda message: message.type == "error" and told.append(message.text))
        page.on("pageerror", lambda error: told.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        pages.add((folder / "review.html").as_uri())
        page.goto((folder / "review.html").as_uri())
        page.wait_for_selector("body[data-images]")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert told == []
    assert {url for url in asked if not url.startswith(("blob:", "data:"))} == pages
