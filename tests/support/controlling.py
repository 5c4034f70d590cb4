"""Controls and nodes as tests use them."""

from __future__ import annotations

import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import anyio

from shim.broker_url import parse_broker_url
from shim.control import EVERYONE, Audience, Command, Control, Node, methods
from shim.control.answers import Answers
from shim.errors import ShimError
from tests.support.publishing import LIMIT_S
from tests.support.valkey import ValkeyServer

LONG_S = 600.0
"""A call's own time, far beyond the deadline of its test: what comes back did not come because it was over."""

CHANNEL = "/0.celery.pidbox"


def new_id() -> str:
    return str(uuid.uuid4())


@asynccontextmanager
async def controlling(url: str, **options: Any) -> AsyncIterator[Control]:
    with anyio.fail_after(LIMIT_S * 2):
        async with anyio.create_task_group() as tasks:
            control = Control(parse_broker_url(url), client_name="control", new_id=new_id, **options)
            tasks.start_soon(control.run)
            yield control
            tasks.cancel_scope.cancel()


@asynccontextmanager
async def answering(
    url: str, *names: str, is_alive: Callable[[], bool] = lambda: True, **options: Any
) -> AsyncIterator[list[Node]]:
    """Have nodes listen, each over connections of its own."""
    with anyio.fail_after(LIMIT_S * 2):
        async with anyio.create_task_group() as tasks:
            nodes = [
                Node(parse_broker_url(url), name=name, is_alive=is_alive, client_name="node", new_id=new_id, **options)
                for name in names
            ]
            for node in nodes:
                tasks.start_soon(node.run)
            for node in nodes:
                await node.wait_until_listening()
            yield nodes
            tasks.cancel_scope.cancel()


async def everyone(
    control: Control, count: int, command: Command | None = None, audience: Audience = EVERYONE
) -> Answers:
    """Ask until so many have answered, over a broker that comes and goes; the caller sets the deadline."""
    while True:
        with suppress(ShimError):
            answers = await control.call(command or methods.ping(), audience)
            if len(answers.nodes) >= count:
                return answers
        await anyio.sleep(0.01)


class Listener:
    """Some listener that is no node, and what it heard."""

    def __init__(self, server: ValkeyServer, *, channel: str | None = None, pattern: str | None = None) -> None:
        self._server = server
        self._redis = server.client  # kept: with it go its connections
        self._client = self._redis.pubsub()
        self.heard: list[tuple[str, bytes]] = []
        if channel is not None:
            self._client.subscribe(channel)
            self._client.get_message(timeout=LIMIT_S)  # the confirmation
        if pattern is not None:
            self._client.psubscribe(pattern)
            self._client.get_message(timeout=LIMIT_S)

    def take(self, count: int) -> list[tuple[str, bytes]]:
        """Wait for so many further messages."""
        found: list[tuple[str, bytes]] = []
        while len(found) < count:
            message = self._client.get_message(timeout=LIMIT_S)
            assert message is not None, f"{len(found)} of {count} messages came"
            if message["type"].endswith("message"):
                found.append((message["channel"].decode(), message["data"]))
        self.heard += found
        return found

    def drain(self, mark: str = "the end") -> list[tuple[str, bytes]]:
        """Take all that came before now: up to a message of this one's own, on a channel it listens to."""
        self._server.client.publish(mark, "")
        while (found := self.take(1)) != [(mark, b"")]:
            pass
        return [one for one in self.heard if one not in found]

    def close(self) -> None:
        self._client.close()
        self._redis.close()


@contextmanager
def listening(server: ValkeyServer, **options: Any) -> Iterator[Listener]:
    listener = Listener(server, **options)
    try:
        yield listener
    finally:
        listener.close()


class Gate:
    """A truth value that a test turns."""

    def __init__(self) -> None:
        self.is_open = True
        self.asked = threading.Event()

    def __call__(self) -> bool:
        self.asked.set()
        return self.is_open
