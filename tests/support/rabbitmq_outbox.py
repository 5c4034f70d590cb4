"""A process with an outbox, told by its arguments where to end: URL, file, queue, first key, count, point, passes.

It writes a line for each key that was accepted, and ``empty`` when nothing waits any more.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import anyio

from shim.amqp.outbox import Outbox
from shim.amqp.outbox_store import Entered, OutboxEntry
from tests.support.rabbitmq_publishing import amqp_message, make_publisher, now


class Fault:
    """Ends the process when it passes a point for the n-th time, or makes it wait there for a line (``point:wait``)."""

    def __init__(self, point: str, passes: int) -> None:
        self._point, _, self._action = point.partition(":")
        self._left = passes

    def __call__(self, point: str) -> None:
        if point != self._point:
            return
        self._left -= 1
        if self._left:
            return
        if self._action == "wait":
            say("reached")
            os.read(0, 1)
        else:
            os.kill(os.getpid(), signal.SIGKILL)


def say(word: str) -> None:
    os.write(1, f"{word}\n".encode())


async def work(url: str, path: Path, queue: str, first: int, count: int, at: Fault) -> None:
    async with (
        make_publisher(url) as publisher,
        Outbox.open(path, publisher, now=now, at=at) as outbox,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(outbox.run)
        for number in range(first, first + count, 5):
            entries = [
                OutboxEntry(f"key-{one}", amqp_message(f"id-{one}", queue=queue, args=[one]))
                for one in range(number, number + 5)
            ]
            answers = await outbox.enter(entries)
            for entry, answer in zip(entries, answers, strict=True):
                say(f"{answer.value} {entry.key}")
                assert answer is not Entered.FULL
        while (await outbox.counts()).waiting:  # noqa: ASYNC110 - what is waited for is in the file
            await anyio.sleep(0.01)
        say("empty")
        tasks.cancel_scope.cancel()


if __name__ == "__main__":
    url, path, queue, first, count, point, passes = sys.argv[1:]
    anyio.run(work, url, Path(path), queue, int(first), int(count), Fault(point, int(passes)))
