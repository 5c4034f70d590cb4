"""Events: the shim's receiver and state, and Celery's own ``Receiver`` and ``State``, on one Valkey, one publisher beside them."""

from __future__ import annotations

import multiprocessing
import socket
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import anyio
from celery import Celery
from celery.events.state import State

from benchmarks.measure import Comparison, in_turn, wait_until
from shim.broker_url import parse_broker_url
from shim.connector import Connector
from shim.events import EventReceiver, EventState
from tests.support.event_stream import fields, payload, received
from tests.support.valkey import ValkeyServer

ROUNDS, OURS, THEIRS, BATCH = 5, 6_000, 600, 24
"""Rounds, messages in each, events in each message: as many as a worker puts into one."""
BOUND_PER_S = 100_000
LIMIT_S = 120.0
CHANNEL = b"/0.celeryev/task.multi"


def run() -> list[Comparison]:
    # What is measured is the reader, so the server may keep for it what it has not read yet.
    with ValkeyServer("--client-output-buffer-limit", "pubsub 0 0 0", append_only=False) as server:
        app = Celery("bench", broker=server.url, set_as_current=False)
        mine, others = in_turn(ROUNDS, lambda: _ours(server), lambda: _theirs(server, app))
        app.close()
    bound = [float(BOUND_PER_S)] * ROUNDS
    return [
        Comparison("events: shim, receive and apply / celery Receiver and State", "ev/s", mine, others, 4),
        Comparison("events: shim, receive and apply / wanted in one process", "ev/s", mine, bound, 1),
    ]


def _ours(server: ValkeyServer) -> float:
    return anyio.run(_follow, server, backend_options={"use_uvloop": True})


async def _follow(server: ValkeyServer) -> float:
    state = EventState()
    connector = Connector(parse_broker_url(server.url), client_name="bench")
    receiver = EventReceiver(connector, state, now=lambda: datetime.now(UTC))
    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(receiver.run)
            while state.listening_since_at is None:
                await receiver.changed(state.cursor)
            publisher = _publisher(server.port, OURS)
            await receiver.changed(state.cursor)
            begun, already = time.perf_counter(), state.events_count
            while state.events_count < OURS * BATCH:
                await receiver.changed(state.cursor)
                await anyio.sleep(0.01)  # a follower that is not woken by each message
            took = time.perf_counter() - begun
            tasks.cancel_scope.cancel()
    publisher.join()
    assert not state.faults
    assert state.gaps_count == 1  # its own end
    return (OURS * BATCH - already) / took


def _theirs(server: ValkeyServer, app: Any) -> float:
    state, begun, done = State(), 0.0, threading.Event()

    def take(event: dict[str, Any]) -> None:
        nonlocal begun
        begun = begun or time.perf_counter()
        state.event(event)
        if state.event_count >= THEIRS * BATCH:
            done.set()

    with app.connection_for_read() as connection:
        receiver = app.events.Receiver(connection, handlers={"*": take}, app=app)
        thread = threading.Thread(target=receiver.capture, kwargs={"wakeup": False})
        thread.start()
        wait_until(lambda: server.client.pubsub_numpat() > 0, "listener")
        publisher = _publisher(server.port, THEIRS)
        assert done.wait(LIMIT_S), "Celery's receiver did not come to the end"
        took = time.perf_counter() - begun
        receiver.should_stop = True
        thread.join()
    publisher.join()
    return THEIRS * BATCH / took


def _publisher(port: int, count: int) -> Any:
    """Publish from a process of its own, on a plain socket, as fast as the server takes it."""
    publisher = multiprocessing.get_context("spawn").Process(target=_publish, args=(port, count), daemon=True)
    publisher.start()
    return publisher


def _publish(port: int, count: int) -> None:
    commands = [_command(payload(events)) for events in _messages(count)]
    with socket.create_connection(("127.0.0.1", port)) as link:
        replies = threading.Thread(target=_discard, args=(link,))
        replies.start()
        for first in range(0, count, 10):
            link.sendall(b"".join(commands[first : first + 10]))
        link.shutdown(socket.SHUT_WR)
        replies.join()


def _discard(link: socket.socket) -> None:
    while link.recv(65_536):
        pass


def _command(message: bytes) -> bytes:
    head = b"*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%s\r\n$%d\r\n" % (len(CHANNEL), CHANNEL, len(message))
    return head + message + b"\r\n"


def _messages(count: int) -> Iterator[Sequence[dict[str, Any]]]:
    """Give the events of tasks that are received, started and succeed; no task twice."""
    for number in range(count):
        events = []
        for place in range(BATCH // 3):
            task_id, at_s, clock = str(uuid.uuid4()), time.time() + place / 100, number * BATCH + place * 3
            events += [
                received(task_id, at_s=at_s, clock=clock),
                fields("task-started", task_id, at_s=at_s + 0.001, clock=clock + 1),
                fields("task-succeeded", task_id, at_s=at_s + 0.01, clock=clock + 2, result="5", runtime=0.008),
            ]
        yield events
