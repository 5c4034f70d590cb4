"""Everything a daemon answers, asked by everybody: each role gets what it may and nothing more. Walked over the real table."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from daemon.api.http.caller import Role
from daemon.api.http.resource import Channel, Resource
from daemon.api.http.serving import Serving
from daemon.composition import Daemon, Surroundings
from daemon.notify import Notifier
from daemon.site import check_site
from tests.support.builders import ADT_FEED, site_text, write_site
from tests.support.tokens import add_token

pytestmark = pytest.mark.anyio
OPEN = re.compile(r"/(healthz|readyz|metrics|api/openapi\.json|api/session(/confirm)?)")
PAGE = re.compile(r"/(web/.*|[a-z]*(/.*)?|favicon\.ico)")
"""What the dashboard is made of; never below ``/api/``."""

SCHEDULE = '[schedule.a]\ntask = "t"\nevery = "1h"\n'


class Walk:
    """A daemon's table, served over HTTP with handlers that do nothing."""

    def __init__(self, daemon: Daemon, http: aiohttp.ClientSession) -> None:
        self.api = daemon._reception.api
        self.http = http

    @property
    def resources(self) -> tuple[Resource, ...]:
        return self.api._resources

    @property
    def channels(self) -> tuple[Channel, ...]:
        return self.api._channels

    async def ask(self, method: str, path: str, token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self.http.request(method, f"http://{self.api.addresses[0]}{filled(path)}", headers=headers) as found:
            return found.status


def filled(path: str) -> str:
    return re.sub(r"\{[^{}]*(\{[^{}]*\}[^{}]*)*\}", "x", path)


@asynccontextmanager
async def walking(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Walk]:
    """Open the front of a daemon alone: whatever is let in must not reach what is not open."""

    async def nothing(self: Serving, *rest: object) -> object:
        del self, rest
        return {}

    monkeypatch.setattr(Serving, "_handled", nothing)
    monkeypatch.setattr("daemon.api.http.serving.response", lambda *_: aiohttp.web.Response(status=299))
    site = check_site(
        write_site(folder, site_text(broker_url="redis://127.0.0.1:1/0", feeds=ADT_FEED, schedule=SCHEDULE)), {}
    )
    assert site.site is not None, site.problems
    daemon = Daemon(site.site, Surroundings(log=lambda _: None, notifier=Notifier(None, None)))
    front = daemon._reception.front
    for one in front:
        await one.open()
    try:
        async with aiohttp.ClientSession() as http:
            yield Walk(daemon, http)
    finally:
        for one in reversed(front):
            await one.drain()


async def test_everybody_gets_what_their_role_permits_and_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = {role: add_token(tmp_path / "state", role.name.lower(), role.name) for role in list(Role)[1:]}
    texts[Role.NOBODY] = ""
    let_in, refused, wrong = 0, 0, []
    async with walking(tmp_path, monkeypatch) as walk:
        for one in walk.resources:
            for role, text in texts.items():
                status = await walk.ask(one.method, one.path, text)
                may = role >= one.role and not one.needs
                expected = (401,) if not text and one.role > role else (403,)
                if may:
                    let_in += 1
                    # what is let in is then read, and may be refused for what it lacks
                    wrong += [(one.method, one.path, role, status)] * (status in (401, 403))
                else:
                    refused += 1
                    wrong += [(one.method, one.path, role, status)] * (status not in expected)
    assert wrong == []
    assert let_in > 60
    assert refused > 60


async def test_nothing_is_open_to_nobody_but_probes_sign_in_and_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with walking(tmp_path, monkeypatch) as walk:
        opened = {
            (one.method, one.path) for one in walk.resources if one.role is Role.NOBODY and not one.is_for_results
        }
        assert {path for _, path in opened} >= {"/healthz", "/readyz", "/metrics", "/api/session"}
        for method, path in opened:
            is_page = method == "GET" and PAGE.fullmatch(path) and not path.startswith("/api")
            assert OPEN.fullmatch(path) or is_page, (method, path)
        assert [one.path for one in walk.channels if one.role is Role.NOBODY and not one.is_for_results] == []


async def test_whatever_changes_something_takes_an_operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with walking(tmp_path, monkeypatch) as walk:
        weak = {
            f"{one.method} {one.path}"
            for one in walk.resources
            if not one.is_safe and not one.is_reading and one.role < Role.OPERATOR
        }
        assert weak == set()


async def test_sockets_are_refused_to_nobody_before_they_are_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with walking(tmp_path, monkeypatch) as walk:
        for one in walk.channels:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await walk.http.ws_connect(f"http://{walk.api.addresses[0]}{filled(one.path)}")
            assert refused.value.status == 401, one.path


async def test_a_session_changes_nothing_without_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Item 44, for everything there is: a cookie alone, as another page would have it sent."""
    text = add_token(tmp_path / "state", "anna", "admin", phi=True, results=True)
    async with walking(tmp_path, monkeypatch) as walk:
        access = walk.api._serving._access
        await access._store.reload()  # type: ignore[attr-defined]
        [token_id] = access._store.tokens  # type: ignore[attr-defined]
        access._sessions.open("secret", "key", token_id, 0.0)  # type: ignore[attr-defined]
        access._sessions._idle_s = access._sessions._limit_s = 1e12  # type: ignore[attr-defined]
        asked = 0
        for one in walk.resources:
            if one.is_safe or (one.method, one.path) == ("POST", "/api/session"):
                continue
            for headers in ({}, {"X-Carillon-Key": "key"}, {"Origin": f"http://{walk.api.addresses[0]}"}):
                url = f"http://{walk.api.addresses[0]}{filled(one.path)}"
                sent = {"Cookie": "carillon_session=secret", **headers}
                async with walk.http.request(one.method, url, headers=sent) as found:
                    assert found.status == 403, (one.method, one.path, headers)
                    asked += 1
        assert asked > 20
    assert text
