"""Alerts on their way out: real web and mail servers, what they get, and what becomes of it when they fail."""

from __future__ import annotations

import base64
import email
import email.policy
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
from aiohttp import web

from daemon.alerts.channels import Channel, Channels, Mailbox, Webhook, read_channels
from daemon.alerts.courier import QUEUE_LIMIT, Courier
from daemon.alerts.letter import sentence
from daemon.alerts.post import PING_TRIES, SECRET_HEADER, TRIES, HttpPost
from daemon.public import Public
from daemon.scheduler.watch import Alert
from daemon.settings.values import Address
from daemon.settings.watch_section import WatchSection
from daemon.watch_events import AlertFailed, AlertSent
from tests.support.clock import START_US
from tests.support.smtp import MailServer

LIMIT_S = 30.0
"""A deadline against hanging; nothing is judged by it."""
MISSED = Alert(
    Public("ward-7"), Public("d0"), Public("nightly"), None, Public("failed"), START_US, START_US + 5, is_over=False
)
SECRET_PATH = "/hook/0c7e-secret"


@dataclass
class Web:
    """A web server that keeps what it is asked, and answers as told."""

    answers: list[int] = field(default_factory=list)
    asked: list[tuple[str, str, bytes, dict[str, str]]] = field(default_factory=list)
    stalls: bool = False
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{SECRET_PATH}"

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append((request.method, request.path_qs, await request.read(), dict(request.headers)))
        if self.stalls:
            await anyio.sleep_forever()
        status = self.answers.pop(0) if self.answers else 200
        headers = {"Location": "http://elsewhere.invalid/"} if status == 302 else {}
        return web.Response(status=status, headers=headers)


@asynccontextmanager
async def web_server(*answers: int, stalls: bool = False) -> AsyncIterator[Web]:
    made = Web(list(answers), stalls=stalls)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.port = runner.addresses[0][1]
    try:
        yield made
    finally:
        await runner.cleanup()


@asynccontextmanager
async def carrying(channels: Channels, said: list[Any], **more: Any) -> AsyncIterator[Courier]:
    courier = Courier(channels, said.append, http=HttpPost(timeout_s=0.2, pause_s=0.01), pause_s=0.01, **more)
    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(courier.serve)
            yield courier
            await courier.drain()


async def until(condition: Callable[[], Any]) -> None:
    while not condition():  # noqa: ASYNC110 - servers set no events of ours
        await anyio.sleep(0.005)


def run(story: Callable[[], Any]) -> None:
    anyio.run(story)


def test_a_webhook_gets_names_and_instants_and_its_secret() -> None:
    said: list[Any] = []

    async def story() -> None:
        async with web_server() as server:
            async with carrying(Channels(Webhook(server.url, "s3cret")), said) as courier:
                courier.tell(MISSED)
                await until(lambda: said)
            [(method, path, body, headers)] = server.asked
            assert (method, path, headers[SECRET_HEADER]) == ("POST", SECRET_PATH, "s3cret")
            assert json.loads(body) == {
                "site": "ward-7",
                "entry": "nightly",
                "daemon": None,
                "what": "failed",
                "state": "missed",
                "occurrence": "2026-09-21T14:13:20+00:00",
                "seen": None,
                "since": "2026-09-21T14:13:20.000005+00:00",
                "told_by": "d0",
                "text": "ward-7: nightly: the run of 2026-09-21T14:13:20+00:00 failed",
            }

    run(story)
    assert said == [AlertSent(Channel.WEBHOOK)]


@pytest.mark.parametrize(
    ("answers", "times", "outcome"),
    [
        ([500, 503, 200], 3, None),
        ([500] * 9, TRIES, "answered 500"),
        ([429, 200], 2, None),
        ([404], 1, "answered 404"),
        ([302], 1, "answered 302"),
    ],
)
def test_what_may_pass_is_tried_again_and_what_will_not_is_reported(
    answers: list[int], times: int, outcome: str | None
) -> None:
    said: list[Any] = []

    async def story() -> None:
        async with web_server(*answers) as server, carrying(Channels(Webhook(server.url)), said) as courier:
            courier.tell(MISSED)
            await until(lambda: said)
            assert len(server.asked) == times

    run(story)
    if outcome is None:
        assert said == [AlertSent(Channel.WEBHOOK)]
    else:
        assert said == [AlertFailed(Channel.WEBHOOK, Public("127.0.0.1"), Public(outcome))]
    assert "secret" not in repr(said)


def test_a_server_that_does_not_answer_delays_no_other_channel_and_nobody_who_tells() -> None:
    said: list[Any] = []

    async def story() -> None:
        async with web_server(stalls=True) as stalled:
            with MailServer() as post:
                box = Mailbox(Address("127.0.0.1", post.port), Public("c@lab"), (Public("o@lab"),), starttls=False)
                async with carrying(Channels(Webhook(stalled.url), box), said) as courier:
                    courier.tell(MISSED)
                    await until(lambda: post.letters)
                    await until(lambda: len(said) == 2)

    run(story)
    assert said == [AlertSent(Channel.EMAIL), AlertFailed(Channel.WEBHOOK, Public("127.0.0.1"), Public("TimeoutError"))]


def test_what_waits_is_bounded_and_what_finds_no_room_is_reported() -> None:
    said: list[Any] = []
    courier = Courier(Channels(Webhook("http://127.0.0.1:1/x")), said.append)
    for _ in range(QUEUE_LIMIT + 2):
        courier.tell(MISSED)
    assert len(said) == 2
    assert isinstance(said[0], AlertFailed)


@pytest.mark.parametrize(
    ("is_over", "expected"),
    [
        (False, "ward-7: feed adt: its certificate expires within 7 days"),
        (True, "ward-7: feed adt: is over: its certificate expires within 7 days"),
    ],
)
def test_what_is_wrong_with_a_feed_is_said_in_a_line(expected: str, *, is_over: bool) -> None:
    what = Public("certificate-ends-in-7-days")
    alert = Alert(Public("ward-7"), Public("d0"), None, None, what, START_US, START_US, is_over, Public("adt"))
    assert sentence(alert) == expected
    assert alert.as_data()["feed"] == "adt"
    assert "feed" not in MISSED.as_data()


def test_a_letter_says_the_same() -> None:
    said: list[Any] = []
    gone = Alert(Public("ward-7"), Public("d0"), None, Public("d1"), Public("daemon-gone"), START_US, START_US, False)  # noqa: FBT003 - a field

    async def story() -> None:
        with MailServer(["451 later"]) as post:
            box = Mailbox(
                Address("127.0.0.1", post.port),
                Public("c@lab"),
                (Public("a@lab"), Public("b@lab")),
                starttls=False,
                user="u",
                password="p",
            )
            async with carrying(Channels(mailbox=box), said) as courier:
                courier.tell(gone)
                await until(lambda: said)
            letter = email.message_from_string(post.letters[0], policy=email.policy.default)
            assert letter["Subject"] == "ward-7: daemon d1 gives no sign of life"
            assert (letter["From"], letter["To"]) == ("c@lab", "a@lab, b@lab")
            assert "seen: 2026-09-21T14:13:20+00:00" in letter.get_content()
            assert base64.b64decode(post.users[0]) == b"\0u\0p"

    run(story)
    assert said == [AlertSent(Channel.EMAIL)]


@pytest.mark.parametrize("answer", ["550 no", None])
def test_a_letter_that_is_not_taken_is_reported(answer: str | None) -> None:
    said: list[Any] = []

    async def story() -> None:
        with MailServer([answer] if answer else []) as post:
            port = post.port if answer else 1
            box = Mailbox(Address("127.0.0.1", port), Public("c@lab"), (Public("o@lab"),), starttls=False)
            async with carrying(Channels(mailbox=box), said) as courier:
                courier.tell(MISSED)
                await until(lambda: said)

    run(story)
    [failed] = said
    assert isinstance(failed, AlertFailed)
    assert failed.reason == ("answered 550" if answer else "ConnectionRefusedError")


def test_a_server_without_tls_is_not_trusted_with_a_password() -> None:
    said: list[Any] = []

    async def story() -> None:
        with MailServer() as post:
            box = Mailbox(Address("127.0.0.1", post.port), Public("c@lab"), (Public("o@lab"),), user="u", password="p")
            async with carrying(Channels(mailbox=box), said) as courier:
                courier.tell(MISSED)
                await until(lambda: said)
            assert (post.letters, post.users) == ([], [])

    run(story)
    assert isinstance(said[0], AlertFailed)


def test_pings_go_out_with_one_more_try() -> None:
    said: list[Any] = []

    async def story() -> None:
        async with web_server(500, 200, 500, 500) as server, carrying(Channels(), said) as courier:
            courier.ping(f"{server.url}/start?rid=id-1")
            await until(lambda: len(said) == 1)
            courier.ping(server.url)
            await until(lambda: len(said) == 2)
            assert [(method, path) for method, path, _, _ in server.asked] == [
                *[("GET", f"{SECRET_PATH}/start?rid=id-1")] * 2,
                *[("GET", SECRET_PATH)] * PING_TRIES,
            ]

    run(story)
    assert said == [AlertSent(Channel.PING), AlertFailed(Channel.PING, Public("127.0.0.1"), Public("answered 500"))]


def test_the_sites_own_ping_stops_when_the_schedule_does() -> None:
    said: list[Any] = []
    moving = [True]

    async def story() -> None:
        async with web_server() as server:
            channels = Channels(ping=server.url, ping_every_s=0.01)
            async with carrying(channels, said, may_ping=lambda: moving[0]) as courier:
                await until(lambda: len(server.asked) >= 3)
                moving[0] = False
                await until(lambda: courier.is_idle)
                stood = len(server.asked)
                await anyio.sleep(0.1)  # ten pings' time; one more could only be a fault
                assert len(server.asked) == stood

    run(story)


def test_what_was_entered_before_a_stop_is_still_sent() -> None:
    said: list[Any] = []

    async def story() -> None:
        async with web_server() as server:
            async with carrying(Channels(Webhook(server.url)), said) as courier:
                for _ in range(20):
                    courier.tell(MISSED)
            assert len(server.asked) == 20

    run(story)


def test_channels_are_read_from_the_site_file_and_show_no_secrets() -> None:
    section = WatchSection.model_validate(
        {
            "webhook": "https://chat.example.org/hook/0c7e-secret",
            "webhook_secret": "s3cret",
            "email": {"to": "o@lab", "from": "c@lab", "server": "mail", "user": "u", "password": "s3cret"},
            "ping": "https://hc-ping.com/0c7e-secret",
        }
    )
    channels = read_channels(section)
    assert channels.mailbox is not None
    assert str(channels.mailbox.server) == "mail:25"
    assert (channels.webhook, channels.ping_every_s) == (
        Webhook("https://chat.example.org/hook/0c7e-secret", "s3cret"),
        60.0,
    )
    assert "s" + "3cret" not in repr(channels) + repr(section)
    assert "0c7e" not in repr(channels) + repr(section)


def test_the_end_of_a_miss_is_said_too() -> None:
    assert sentence(MISSED._replace(is_over=True)) == (
        "ward-7: nightly is well again (the run of 2026-09-21T14:13:20+00:00 failed)"
    )
