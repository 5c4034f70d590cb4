"""How a task stands, told as it changes."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from typing import Any

import anyio

from daemon.api.http.answer import written
from daemon.api.http.asked import Asked
from daemon.api.http.caller import Role
from daemon.api.http.resource import Channel, Line, LineGone
from daemon.api.tasks import docwiz
from daemon.api.tasks.bodies import Compat
from daemon.api.tasks.looks import Looks, is_telling
from daemon.api.tasks.sight import Sight
from daemon.api.tasks.views import status_of
from daemon.desks.tasks import Outcome, Standing
from daemon.errors import DaemonError

HEAR_EVERY_S = 5.0
RESTARTS, TRY_LATER = 1012, 1013
"""Close codes: the service restarts; ask again later (RFC 6455 section 7.4, IANA)."""


def task_channels(looks: Looks) -> tuple[Channel, ...]:
    """List the WebSockets of tasks."""
    following = _Following(looks)
    return (
        Channel(
            "/api/ws/tasks/{id}",
            following.talk,
            "Tell how a task stands until it is over",
            "tasks",
            is_for_results=True,
            check=following.check,
            query=Compat,
        ),
    )


class _Following:
    def __init__(self, looks: Looks) -> None:
        self._looks = looks

    async def check(self, asked: Asked) -> Standing:
        """Look the task up; with ``compat`` one that nobody knows waits for ever, as there."""
        if not asked.asks(Compat).compat:
            return await self._looks.standing(asked)
        standing = await self._looks.anything(asked)
        is_hidden = not asked.caller.may(Role.VIEWER) and not self._looks.owns(asked, standing)
        return Standing(standing.task_id) if is_hidden else standing

    async def talk(self, asked: Asked, line: Line, found: Standing) -> None:
        """Send a frame for each change, then the last, and close."""
        gone = False
        over: list[Standing] = []
        async with anyio.create_task_group() as tasks:

            async def listen() -> None:
                while await line.receive() is not None:
                    pass  # nothing is to be said here; reading is what notices that the reader went
                tasks.cancel_scope.cancel()

            async def hear() -> None:
                over.append(await self._heard(found))
                tasks.cancel_scope.cancel()

            tasks.start_soon(listen)
            if not asked.asks(Compat).compat:
                tasks.start_soon(hear)
            try:
                await self._told(asked, line, found)
            except LineGone:
                gone = True
            except DaemonError as error:  # the back-end does not answer, or a look could not be kept
                await line.close(TRY_LATER, error.code)
            tasks.cancel_scope.cancel()
        if gone:
            raise LineGone
        if over:
            await line.send(_frame(b"complete", await self._body(asked, over[0])))

    async def _heard(self, found: Standing) -> Standing:
        """Wait for the end of a task whose result nobody keeps."""
        while True:
            await anyio.sleep(HEAR_EVERY_S)
            seen = self._looks.desk.heard(found.task_id)
            if seen is not None and seen.is_finished:
                await anyio.sleep(HEAR_EVERY_S)  # the result, if there is one, has had its time
                return replace(found, outcome=None, seen=seen)

    async def _told(self, asked: Asked, line: Line, standing: Standing) -> None:
        body = await self._body(asked, standing)
        await line.send(_frame(b"status", body))
        outcome = standing.outcome
        if not self._looks.desk.keeps_results:
            await anyio.sleep_forever()  # until it is heard that the task is over
        if outcome is None or not outcome.is_over:
            async with aclosing(self._looks.desk.updates(standing.task_id)) as updates:
                async for outcome in updates:
                    standing = replace(standing, outcome=outcome)
                    latest = await self._body(asked, standing)
                    if latest != body:
                        body = latest
                        await line.send(_frame(b"status", body))
        if _is_over(outcome):
            await line.send(_frame(b"complete", body))
        else:
            await line.close(RESTARTS, "the daemon ends")

    async def _body(self, asked: Asked, standing: Standing) -> bytes:
        sight = self._looks.sees(asked, standing)
        if sight is Sight.RECORDED and is_telling(standing.outcome):
            await self._looks.note(asked, standing.task_id, standing.state, "websocket")
        if asked.asks(Compat).compat:
            return docwiz.written(docwiz.status(standing.task_id, standing.outcome, shows=sight.shows))
        found: Any = status_of(standing, shows=sight.shows, remembered_s=self._looks.desk.remembered_s)
        return written(found).rstrip(b"\n")


def _is_over(outcome: Outcome | None) -> bool:
    return outcome is not None and outcome.is_over


def _frame(kind: bytes, body: bytes) -> bytes:
    return b'{"type":"%b","data":%b}' % (kind, body)
