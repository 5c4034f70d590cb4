"""Router functions, asked in the app's own interpreter: a process that lives as long as it is needed."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio

from shim.app.address import AppAddress
from shim.app.conversation import Conversation, converse
from shim.app.errors import AppEnded, AppError, AppNotAnswered, RouteUndecided
from shim.errors import RequestInvalid
from shim.request import Json
from shim.routing.route import parse_route
from shim.routing.router import Answer, Routed, Router
from shim.value import LongText

QUESTIONS_LIMIT = 1000
"""Questions that may wait; further callers wait for room."""

LINE_LIMIT_BYTES = 8 * 1024 * 1024
ATTEMPTS = 2
"""A question whose process died is asked once more, of a new one; asking changes nothing."""

_NOTHING: Mapping[str, Json] = {}


@dataclass(slots=True)
class _Question:
    line: bytes = field(repr=False)
    done: asyncio.Future[Any] = field(repr=False)
    attempts: int = 0


class AppRouter:
    """Asks the app where a task goes. ``run`` must be running for ``ask`` to come back.

    The process is started with the first question and again after it died. Answers are not kept: a function may look at the
    arguments.
    """

    def __init__(self, address: AppAddress, *, answer_within_s: float = 2.0, start_within_s: float = 60.0) -> None:
        """Keep the address and how long the app may take; no I/O happens here."""
        self._address = address
        self._answer_within_s = answer_within_s
        self._start_within_s = start_within_s
        self._waiting: deque[_Question] = deque()
        self._has_told = False
        self._arrived = anyio.Event()
        self._room = anyio.Semaphore(QUESTIONS_LIMIT)

    async def route(
        self,
        router: Router,
        task: str,
        options: Mapping[str, Json] = _NOTHING,
        *,
        args: Sequence[Json] = (),
        kwargs: Mapping[str, Json] = _NOTHING,
    ) -> Routed:
        """Route a task with ``router``; the app is asked only if one of its functions has a say.

        Raises:
            AppError, RequestInvalid: as ``ask`` and ``Router.route``.
        """
        if not router.asks_app(task):
            return router.route(task, options)
        return router.route(task, options, answer=await self.ask(task, options, args=args, kwargs=kwargs))

    async def ask(
        self,
        task: str,
        options: Mapping[str, Json] = _NOTHING,
        *,
        args: Sequence[Json] = (),
        kwargs: Mapping[str, Json] = _NOTHING,
    ) -> Answer:
        """Ask all routers of the app, maps and functions, in their order.

        Raises:
            RouteUndecided: a function raised, or gave what is no route.
            AppNotAnswered: no answer in time; the process is ended and the next question starts another.
            AppBroken: the app raised while it was loaded.
            RequestInvalid: arguments that are not JSON.
        """
        try:
            asked = {"task": task, "args": args, "kwargs": kwargs, "options": options}
            line = json.dumps(asked, default=_in_full).encode("ascii")
        except (TypeError, ValueError, RecursionError):
            message = f"task {task!r}: arguments for a router function must be JSON"
            raise RequestInvalid(message) from None
        async with self._room:
            question = _Question(line, asyncio.get_running_loop().create_future())
            self._waiting.append(question)
            self._arrived.set()
            reply = await question.done
        return _answer(task, reply)

    async def run(self) -> None:
        """Answer what is asked, until cancelled; whoever waits then is told so."""
        try:
            while True:
                await self._asked()
                try:
                    await converse(self._address, "serve", self._serve, line_limit_bytes=LINE_LIMIT_BYTES)
                except AppError as error:
                    self._give_up(error.discreet() if self._has_told else error)
        finally:
            message = f"app {self._address.app!r}: no longer asked"
            while self._waiting:
                _settle(self._waiting.popleft(), AppNotAnswered(message))

    async def _serve(self, conversation: Conversation) -> None:
        self._waiting[0].attempts += 1
        self._has_told = False
        await conversation.hear(self._start_within_s)
        first = True
        while True:
            await self._asked()
            question = self._waiting[0]
            if not question.done.done():  # its caller may have given up
                question.attempts += 0 if first else 1
                self._has_told = True
                await conversation.say(question.line)
                reply = await conversation.hear(self._answer_within_s)
                _settle(question, reply)
            first = False
            self._waiting.popleft()

    async def _asked(self) -> None:
        while not self._waiting:
            self._arrived = anyio.Event()
            await self._arrived.wait()

    def _give_up(self, error: AppError) -> None:
        """Answer the question under way with the error, unless its process died and it may be asked again."""
        if not self._waiting:
            return
        question = self._waiting[0]
        if not isinstance(error, AppEnded) or question.attempts >= ATTEMPTS:
            _settle(self._waiting.popleft(), error)


def _in_full(value: object) -> str:
    if isinstance(value, LongText):
        return "".join(value.pieces())
    raise TypeError


def _settle(question: _Question, reply: Any) -> None:
    if question.done.done():
        return
    if isinstance(reply, AppError):
        question.done.set_exception(reply)
    else:
        question.done.set_result(reply)


def _answer(task: str, reply: Any) -> Answer:
    if not isinstance(reply, dict) or "route" not in reply:
        raised = reply.get("failed", "?") if isinstance(reply, dict) else "?"
        message = f"task {task!r}: a router function of the app raised {raised}"
        raise RouteUndecided(message, hint="its message is not shown, it may hold arguments")
    route = reply["route"]
    try:
        return Answer(None if route is None else parse_route(route, f"route of {task!r}"))
    except RequestInvalid as error:
        raise RouteUndecided(str(error), hint=error.hint) from None
