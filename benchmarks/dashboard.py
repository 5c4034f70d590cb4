"""The dashboard in a real browser: how long until something is painted, with 10,000 entries behind it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measure import Bound
from benchmarks.timing import say
from tests.browser.watching import DESKTOP, Watched, chromium, opened_browser
from tests.support.builders import site_text, write_site
from tests.support.process import DaemonProcess
from tests.support.tokens import add_token
from tests.support.valkey import ValkeyServer

ENTRIES, ROUNDS = 10_000, 7
PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
SCREENS = {"/": ".card", "/schedules": "tbody.row"}


def run() -> list[Bound]:
    """Measure first paint, and the first row of a list, each in a window that knows nothing yet."""
    if chromium() is None:
        print("dashboard: no chromium on this machine")
        return []
    entries = "\n".join(
        f'[schedule.entry-{number}]\ntask = "a.b"\ncron = "{number % 60} {number % 24} * * *"\n'
        for number in range(ENTRIES)
    )
    with tempfile.TemporaryDirectory() as folder, ValkeyServer() as valkey, opened_browser() as browser:
        site = write_site(Path(folder), site_text(broker_url=valkey.url, schedule=entries))
        with DaemonProcess(site) as daemon:
            daemon.ready()
            token = add_token(Path(folder) / "state", "bench", "viewer")
            url = f"http://{daemon.wait_for('api.listening')['address']}"
            found = {
                path: [_opened(browser, url, token, path, row) for _ in range(ROUNDS)] for path, row in SCREENS.items()
            }
    bounds = []
    for path, times in found.items():
        paints, rows = zip(*times, strict=True)
        bounds.append(Bound(f"dashboard {path}, {ENTRIES} entries: first paint", "ms", paints, 1000, is_most=True))
        say(f"dashboard {path}: first row after", f"{median(rows):,.0f} ms [{min(rows):,.0f}-{max(rows):,.0f}]")
    return bounds


def _opened(browser: Any, url: str, token: str, path: str, row: str) -> tuple[float, float]:
    """Open a screen signed in, in a window without any cache; give the milliseconds to first paint and first row."""
    context = browser.new_context(viewport=DESKTOP)
    page = Watched(context.new_page(), url).page
    page.goto(f"{url}{path}#token={token}")
    page.wait_for_selector(row)
    drawn = float(page.evaluate("performance.now()"))
    painted = float(page.evaluate(PAINT))
    context.close()
    return painted, drawn
