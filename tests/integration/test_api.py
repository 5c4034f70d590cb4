"""Health and metrics over real HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import pytest

from daemon import events
from daemon.api import Api
from daemon.api.health import Check, health_resources
from daemon.api.server import CLOSE_LIMIT_S, HEADER_LIMIT_BYTES
from daemon.clock import SystemClock
from daemon.composition import Daemon, Surroundings
from daemon.errors import ListenFailed
from daemon.metrics import CONTENT_TYPE, Metrics
from daemon.notify import Notifier
from daemon.public import Public
from daemon.settings.values import Address
from daemon.site import check_site
from tests.support.api_serving import SaidAccess
from tests.support.builders import ADT_FEED, MARKER, site_text, write_site
from tests.support.systemd import bound

pytestmark = pytest.mark.anyio
ANYWHERE = Address("127.0.0.1", 0)
UP = Check(Public("broker"), ok=True, detail=Public("127.0.0.1:6379"))
FULL = Check(Public("spool"), ok=False, detail=Public("not accepting, waiting 16 s"))
LIMIT_S = 30.0


@dataclass(slots=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)


@dataclass(slots=True)
class Served:
    """An API and what stands behind it."""

    checks: Sequence[Check] = (UP,)
    metrics: Metrics = field(default_factory=lambda: Metrics("1.2.3", entries=1, feeds=1))
    said: list[object] = field(default_factory=list)
    api: Api = field(init=False)

    def __post_init__(self) -> None:
        resources = health_resources(lambda: self.checks, self.metrics.exposition)
        self.api = Api(ANYWHERE, resources, (), SaidAccess(), SystemClock(), self.said.append)

    async def ask(self, path: str, method: str = "GET", **options: Any) -> Answer:
        async with (
            aiohttp.ClientSession() as http,
            http.request(method, f"http://{self.api.addresses[0]}{path}", **options) as response,
        ):
            return Answer(response.status, dict(response.headers), await response.text())

    async def raw(self, request: bytes) -> bytes:
        """Write bytes and read until the API closes."""
        address = self.api.addresses[0]
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(request)
        with anyio.fail_after(LIMIT_S):
            answer = await reader.read(-1)
        writer.close()
        return answer


@asynccontextmanager
async def opened(served: Served) -> AsyncIterator[Served]:
    await served.api.open()
    try:
        yield served
    finally:
        await served.api.drain()


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with opened(Served()) as one:
        yield one


# -- what is answered --------------------------------------------------------------------------------------------------


async def test_healthz_says_that_the_process_lives_whatever_else_is_wrong(served: Served) -> None:
    served.checks = [FULL]
    answer = await served.ask("/healthz")
    assert (answer.status, answer.text) == (200, "alive\n")


async def test_readyz_is_200_and_lists_the_checks_when_all_hold(served: Served) -> None:
    answer = await served.ask("/readyz")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.text.endswith("}\n")
    assert answer.body == {"status": "ready", "checks": {"broker": {"ok": True, "detail": "127.0.0.1:6379"}}}


async def test_readyz_is_503_with_the_reason_when_one_check_does_not_hold(served: Served) -> None:
    served.checks = [UP, FULL]
    answer = await served.ask("/readyz")
    assert answer.status == 503
    assert answer.body["status"] == "not-ready"
    assert answer.body["checks"]["spool"] == {"ok": False, "detail": "not accepting, waiting 16 s"}
    assert answer.body["checks"]["broker"]["ok"] is True


async def test_readyz_follows_the_checks(served: Served) -> None:
    statuses = []
    for checks in ([UP], [FULL], [UP]):
        served.checks = checks
        statuses.append((await served.ask("/readyz")).status)
    assert statuses == [200, 503, 200]


async def test_metrics_are_given_in_the_format_prometheus_reads(served: Served) -> None:
    served.metrics(events.MessagesEnqueued(Public("adt"), 7, 0, 0.1))
    answer = await served.ask("/metrics")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == CONTENT_TYPE
    assert 'carillon_feed_enqueued_total{feed="adt"} 7.0\n' in answer.text
    assert 'carillon_build_info{version="1.2.3"} 1.0\n' in answer.text


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/nowhere"])
async def test_no_answer_is_kept_by_a_cache_guessed_at_or_names_its_server_software(served: Served, path: str) -> None:
    headers = (await served.ask(path)).headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Server"] == "carillon"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_head_is_answered_like_get_without_the_body(served: Served, path: str) -> None:
    answer = await served.ask(path, "HEAD")
    assert (answer.status, answer.text) == (200, "")


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/healthz/", "/metrics/x", "/api/v1/schedules", f"/{MARKER}"])
async def test_an_unknown_path_is_a_problem_document_that_says_what_there_is(served: Served, path: str) -> None:
    answer = await served.ask(path)
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.body == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "code": "not-found",
        "detail": "nothing of the kind can be asked here",
        "hint": "GET /api/openapi.json lists what can be",
    }


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_methods_are_a_problem_document_that_says_which_are_allowed(served: Served, method: str) -> None:
    answer = await served.ask("/metrics", method, data=b"x")
    assert answer.status == 405
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Allow"] == "GET,HEAD"
    assert answer.body["title"] == "Method Not Allowed"


@pytest.mark.parametrize(
    "request_text",
    [
        b"nonsense\r\n\r\n",
        b"GET /healthz HTTP/9.9\r\n\r\n",
        b"\x0bMSH|^~\\&|A\r\x1c\r\r\n\r\n",
        b"GET /" + b"x" * (HEADER_LIMIT_BYTES + 1) + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * (HEADER_LIMIT_BYTES + 1) + b"\r\n\r\n",
    ],
    ids=["no HTTP", "another version", "HL7", "a long path", "a long header"],
)
async def test_what_is_no_proper_request_is_refused_and_the_next_one_answered(
    served: Served, request_text: bytes
) -> None:
    assert b" 400 Bad Request" in (await served.raw(request_text)).split(b"\r\n", 1)[0]
    assert (await served.ask("/healthz")).status == 200


async def test_a_bug_in_a_check_is_an_answer_without_a_word_of_it(served: Served) -> None:
    class Broken(list[Check]):
        def __iter__(self) -> Iterator[Check]:
            raise ValueError(MARKER)

    served.checks = Broken()
    answer = await served.ask("/readyz")
    assert answer.status == 500
    assert MARKER not in answer.text
    assert (await served.ask("/healthz")).status == 200


# -- its life ----------------------------------------------------------------------------------------------------------


async def test_where_it_listens_is_told(served: Served) -> None:
    [address] = served.api.addresses
    assert served.said == [events.ApiListening(Public(address))]
    assert address.port > 0


async def test_a_taken_port_is_refused_with_a_sentence() -> None:
    with bound() as taken:
        address = Address("127.0.0.1", taken.getsockname()[1])
        api = Api(address, (), (), SaidAccess(), SystemClock(), lambda _: None)
        with pytest.raises(ListenFailed, match=f"api: cannot listen on {address}"):
            await api.open()
        await api.drain()


async def test_after_the_drain_nobody_is_served_and_it_can_be_opened_again(served: Served) -> None:
    [address] = served.api.addresses
    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(served.api.serve)
            await served.api.drain()
    with pytest.raises(OSError, match="refused"):
        await asyncio.open_connection(address.host, address.port)
    await served.api.drain()
    await served.api.open()
    assert (await served.ask("/healthz")).status == 200


async def test_a_client_that_keeps_its_connection_open_does_not_hold_up_the_drain(served: Served) -> None:
    [address] = served.api.addresses
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    with anyio.fail_after(CLOSE_LIMIT_S + LIMIT_S):
        await served.api.drain()
        assert (await reader.read(-1)).endswith(b"alive\n")
    writer.close()


async def test_inherited_sockets_are_served_and_left_listening_for_the_next_process() -> None:
    with bound() as one, bound() as other:
        resources = health_resources(lambda: [UP], lambda: b"")
        api = Api(ANYWHERE, resources, (), SaidAccess(), SystemClock(), lambda _: None, inherited=[one, other])
        for _ in range(2):
            await api.open()
            assert [address.port for address in api.addresses] == [one.getsockname()[1], other.getsockname()[1]]
            async with aiohttp.ClientSession() as http:
                for address in api.addresses:
                    async with http.get(f"http://{address}/healthz") as response:
                        assert response.status == 200
            await api.drain()
        _, writer = await asyncio.open_connection(*one.getsockname())
        writer.close()


# -- the checks of a daemon --------------------------------------------------------------------------------------------


async def test_a_daemon_that_has_not_opened_says_of_each_part_why_it_is_not_ready(tmp_path: Path) -> None:
    schedule = '[schedule.a]\ntask = "t"\nevery = "1h"\n'
    text = site_text(broker_url="redis://:secret@127.0.0.1:1/0", feeds=ADT_FEED, schedule=schedule)
    site = check_site(write_site(tmp_path, text), {}).site
    assert site is not None
    daemon = Daemon(site, Surroundings(log=lambda _: None, notifier=Notifier(None, None)))
    found = {str(check.name): (check.ok, str(check.detail)) for check in daemon.checks()}
    assert found["broker"][0] is False
    assert "127.0.0.1:1" in found["broker"][1]
    assert "secret" not in found["broker"][1]
    assert found["spool"] == (False, "not accepting, waiting 0 s")
    assert found["schedule"][1] == "1 entry, 0.0 s behind"
