"""One thread for libraries that block, and the way into it from the event loop.

A thread of its own and not a pool: celery keeps connections and its reply queue by thread, kombu's are not to be shared,
and one that hangs must not take the loop's default executor with it.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import anyio

from shim.errors import ShimError
from shim.foreign.errors import ForeignBusy, ForeignClosed, ForeignUncertain, foreign_error

State = TypeVar("State")
Answer = TypeVar("Answer")

QUEUE_LIMIT = 100
"""Calls that may wait in the queue or run; further callers wait for room."""

DEADLINE_S = 30.0
"""Seconds from the call to its answer: waiting for room, waiting for its turn and running together."""

CLOSE_S = 5.0
"""Seconds that closing waits for a call that is running."""


class _Call:
    """A call on its way. Which of waiting, running and over it is, the thread's queue tells; the rest is its loop's."""

    __slots__ = ("answer", "done", "failure", "function", "loop", "name")

    def __init__(self, name: str, function: Callable[[Any], Any]) -> None:
        self.name = name
        self.function = function
        self.loop = asyncio.get_running_loop()
        self.done = asyncio.Event()
        self.answer: Any = None
        self.failure: ShimError | None = None

    def settle(self, answer: Any, failure: ShimError | None) -> None:
        """Keep the first outcome; a call that was given up at closing may still end."""
        if not self.done.is_set():
            self.answer, self.failure = answer, failure
            self.done.set()

    def outcome(self) -> Any:
        """Give the answer or raise the failure."""
        if self.failure is not None:
            raise self.failure
        return self.answer


class ForeignThread(Generic[State]):
    """Runs functions one after the other in a daemon thread, with the state that was opened there.

    Used from one event loop. The thread starts with the first call. A function that does not return holds up the calls
    after it, which fail with ``ForeignBusy`` at their deadlines, and nothing else; ``stuck`` names it.
    """

    def __init__(
        self,
        open_state: Callable[[], State],
        close_state: Callable[[State], object],
        *,
        name: str = "shim-foreign",
        queue_limit: int = QUEUE_LIMIT,
    ) -> None:
        """Keep how to open and close the state; both run in the thread. Nothing starts here.

        Args:
            open_state: called before the first function, and again before the next if it raised.
            close_state: called when the thread ends, if there is a state.
            name: of the thread.
            queue_limit: calls that may wait or run at a time.
        """
        self._open_state = open_state
        self._close_state = close_state
        self._name = name
        self._room = asyncio.Semaphore(queue_limit)
        self._changed = threading.Condition()  # guards the three below
        self._waiting: deque[_Call] = deque()
        self._running: _Call | None = None
        self._closed = False
        self._overdue: _Call | None = None
        self._thread: threading.Thread | None = None
        self._ended = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Give the thread itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        await self.close()

    @property
    def waiting(self) -> int:
        """Count the calls in the queue, without the one that is running."""
        return len(self._waiting)

    @property
    def stuck(self) -> str | None:
        """Name the call that is running beyond its deadline, if one is."""
        running = self._running
        return running.name if running is not None and running is self._overdue else None

    async def call(self, name: str, function: Callable[[State], Answer], *, deadline_s: float = DEADLINE_S) -> Answer:
        """Run ``function(state)`` in the thread and give what it returns.

        A caller that is cancelled, or whose deadline passes, takes its call out of the queue. One that is running goes on
        to its end, unheard.

        Args:
            name: what error messages call it; it holds no arguments of tasks.
            function: what to run; it must not touch the event loop.
            deadline_s: seconds from now until an answer.

        Raises:
            ForeignBusy: the call did not get its turn in time; it never ran and never will.
            ForeignUncertain: it began and did not end in time.
            ForeignClosed: the thread was closed; the call never ran.
            ShimError: what ``function`` raised; ``ForeignFailed`` or ``ForeignMissing`` for what is none of the shim's.
        """
        call: _Call | None = None
        unrun = True
        with anyio.move_on_after(deadline_s):
            await self._room.acquire()
            call = self._queue(name, function)
            try:
                await call.done.wait()
            finally:
                unrun = self._withdraw(call)
        if call is not None and call.done.is_set():
            answer: Answer = call.outcome()
            return answer
        if call is not None and not unrun:
            self._overdue = call
            message = f"{name}: still running after {deadline_s} s"
            raise ForeignUncertain(message, hint="it may be done, or be done later; do what is safe to do twice")
        culprit = self.stuck
        reason = f"{culprit} hangs" if culprit else "others were before it"
        message = f"{name}: no turn within {deadline_s} s, {reason}; it never ran"
        raise ForeignBusy(message, hint="fewer calls at a time, or a longer deadline")

    async def close(self, *, within_s: float = CLOSE_S) -> str | None:
        """Refuse what waits, let what runs end, and end the thread; give the name of a call that would not end.

        Such a call goes on in its daemon thread, which ends with the call or with the process. Whoever waits for it is told
        ``ForeignUncertain`` now. Closing again does no harm.
        """
        with self._changed:
            self._closed = True
            left = list(self._waiting)
            self._waiting.clear()
            self._changed.notify()
        for call in left:
            self._over(call, None, _closed(call.name))
        # Whoever waits for room wakes up in turn, finds the thread closed and makes room for the next.
        self._room.release()
        if self._thread is None:
            return None
        with anyio.move_on_after(within_s, shield=True):
            await self._ended.wait()
            return None
        running = self._running
        if running is None:
            return f"{self._name}: closing"
        message = f"{running.name}: still running when the thread was closed"
        running.settle(None, ForeignUncertain(message, hint="it may be done, or be done later"))
        return running.name

    def _queue(self, name: str, function: Callable[[State], Any]) -> _Call:
        call = _Call(name, function)
        with self._changed:
            closed = self._closed
            if not closed:
                self._waiting.append(call)
                self._changed.notify()
        if closed:
            self._room.release()
            raise _closed(name)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, args=(call.loop,), name=self._name, daemon=True)
            self._thread.start()
        return call

    def _withdraw(self, call: _Call) -> bool:
        """Take a call out of the queue; say whether it was there."""
        with self._changed:
            if call not in self._waiting:
                return False
            self._waiting.remove(call)
        self._room.release()
        return True

    def _over(self, call: _Call, answer: Any, failure: ShimError | None) -> None:
        """Tell the caller, in its loop, and make room."""
        call.settle(answer, failure)
        self._room.release()

    # -- in the thread ---------------------------------------------------------------------------------------------------

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        states: list[State] = []
        while (call := self._next()) is not None:
            answer, failure = None, None
            try:
                if not states:
                    states.append(self._open_state())
                answer = call.function(states[0])
            except BaseException as error:  # noqa: BLE001 - the thread outlives whatever a library raises, SystemExit too
                failure = foreign_error(call.name, error)
            _tell(call.loop, self._over, call, answer, failure)
            del call, answer, failure  # arguments and results do not outlive the call while the thread waits
        for state in states:
            with suppress(Exception):  # nobody is left to tell
                self._close_state(state)
        _tell(loop, self._ended.set)

    def _next(self) -> _Call | None:
        with self._changed:
            self._running = None
            while not self._waiting and not self._closed:
                self._changed.wait()
            if self._closed:
                return None
            self._running = self._waiting.popleft()
            return self._running


def _closed(name: str) -> ForeignClosed:
    message = f"{name}: the thread is closed; it never ran"
    return ForeignClosed(message)


def _tell(loop: asyncio.AbstractEventLoop, function: Callable[..., object], *arguments: Any) -> None:
    with suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(function, *arguments)
