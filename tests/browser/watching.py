"""A page that is watched: whatever it complains of fails the test, and accessibility is checked by axe-core."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, ViewportSize, sync_playwright

AXE = Path(str(files("axe_playwright_python") / "axe.min.js"))
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
DESKTOP: ViewportSize = {"width": 1360, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
LIMIT_MS = 60_000
LISTEN = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
"""


def chromium() -> str | None:
    """Find Debian's browser."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def browsing() -> Iterator[Browser]:
    """Start a browser; without one, skip and say so."""
    if chromium() is None:
        pytest.skip("no chromium on this machine: apt-get install chromium fonts-dejavu-core")
    with opened_browser() as browser:
        yield browser


@contextmanager
def opened_browser() -> Iterator[Browser]:
    """Start a browser that is there."""
    program = chromium()
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield browser
        finally:
            browser.close()


class Watched:
    """A tab, and what it complained of.

    Attributes:
        expected: parts of complaints that the test brings about itself.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        self.expected: list[str] = []
        page.set_default_timeout(LIMIT_MS)
        page.add_init_script(LISTEN)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))
        page.on("requestfailed", self._failed)

    def open(self, path: str = "/") -> Watched:
        """Go to a path, and wait until its heading is drawn."""
        self.page.goto(self.url + path)
        self.page.wait_for_selector("h1")
        return self

    def settled(self) -> Watched:
        """Wait until nothing is loading."""
        self.page.wait_for_selector(".skeleton", state="detached")
        self.page.wait_for_load_state("networkidle")
        return self

    def expect(self, *parts: str) -> None:
        """Name complaints that are no fault here."""
        self.expected += parts

    def quiet(self) -> None:
        """Fail if the page complained of anything the test did not bring about."""
        left = [one for one in self.complaints if not any(part in one for part in self.expected)]
        assert not left, "\n".join(left)

    def accessible(self) -> None:
        """Fail if axe-core finds anything."""
        self.page.evaluate(AXE.read_text())
        found = self.page.evaluate("rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']})", RULES)
        assert not found["violations"], "\n".join(_told(one) for one in found["violations"])

    def fits(self) -> None:
        """Fail if the page is wider than its window."""
        wide, window = self.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= window, f"{self.page.url}: {wide} px wide in a window of {window}; {self._widest(window)}"

    def _widest(self, window: int) -> Any:
        return self.page.evaluate(
            """window => {
              const isCut = one => one && (/auto|scroll|hidden/.test(getComputedStyle(one).overflowX) || isCut(one.parentElement));
              return [...document.querySelectorAll("body *")].filter(one => one.getBoundingClientRect().right > window + 1 && !isCut(one))
                .slice(0, 6).map(one => `${one.tagName}.${one.className}`);
            }""",
            window,
        )

    def text(self) -> str:
        """Give everything the page holds: its markup, with the values of its fields."""
        fields = self.page.evaluate("[...document.querySelectorAll('input, textarea')].map(one => one.value).join(' ')")
        return f"{self.page.content()} {fields} {self.page.url}"

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"console: {message.text} {message.location.get('url', '')}")

    def _failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # the page left, and took its question back
            self.complaints.append(f"failed: {request.method} {request.url} {request.failure}")


def _told(violation: Any) -> str:
    places = "; ".join(
        f"{node['target']} {node['html'][:160]} {node['failureSummary'][:300]}" for node in violation["nodes"][:4]
    )
    return f"{violation['id']} ({violation['impact']}): {violation['help']}: {places}"
