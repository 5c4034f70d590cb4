"""A browser for all tests of the page, and a tab for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.fake_api import FakeApi, faking
from tests.browser.samples import ordinary
from tests.browser.watching import DESKTOP, PHONE, Watched, browsing

expect.set_options(timeout=60_000)  # machines are slow: nothing is judged by how long it took


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="package")  # no longer: while it is open its event loop runs, and no other can in this process
def browser() -> Iterator[Browser]:
    with browsing() as found:
        yield found


@pytest.fixture(scope="package")
def shared_fake() -> Iterator[FakeApi]:
    with faking() as fake:
        yield fake


@pytest.fixture
def fake(shared_fake: FakeApi) -> FakeApi:
    """An API of an ordinary site; tests say otherwise where they mean it."""
    shared_fake.replies.clear()
    shared_fake.asked.clear()
    shared_fake.is_away, shared_fake.has_socket, shared_fake.version = False, True, "1.0.0"
    ordinary(shared_fake)
    return shared_fake


@pytest.fixture
def tab(browser: Browser) -> Iterator[Callable[..., Watched]]:
    """Open tabs: ``tab(url, is_dark=…, is_phone=…)``. At the end none may have complained."""
    opened: list[Watched] = []
    contexts: list[Any] = []

    def make(url: str, *, is_dark: bool = False, is_phone: bool = False, **options: Any) -> Watched:
        context = browser.new_context(
            viewport=PHONE if is_phone else DESKTOP,
            color_scheme="dark" if is_dark else "light",
            has_touch=is_phone,
            reduced_motion="reduce",
            locale="en-US",
            **{"timezone_id": "Europe/Vienna", **options},
        )
        contexts.append(context)
        opened.append(Watched(context.new_page(), url))
        return opened[-1]

    yield make
    for context in contexts:
        context.close()
    for one in opened:
        one.quiet()


@pytest.fixture
def page(fake: FakeApi, tab: Callable[..., Watched]) -> Watched:
    return tab(fake.url)
