"""Asks workers what they do, every few seconds at most and only while somebody wants to know, however many look."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

import anyio

from daemon.clock import Clock
from daemon.dispatch.broker_words import asking_broker, needs_control
from daemon.dispatch.celery_line import CeleryLine
from daemon.dispatch.telling import ask_together
from daemon.errors import BrokerDown
from shim.control import EVERYONE, Answers, Audience, Command, methods, only

FRESH_S = 3.0
"""How long an answer stands for the present."""

SLOW_S = 60.0
"""The same of what hardly ever changes: settings, versions."""

PATIENCE_S = 1.0
REST_S = 1.0
"""How long a broker is left alone that did not answer."""

LOOKS_LIMIT = 100
"""Workers whose own answers are remembered."""

_LIST: Mapping[str, Command] = {
    "stats": methods.stats(),
    "active_queues": methods.active_queues(),
    "registered": methods.registered(),
    "active": methods.active(safe=True),
    "reserved": methods.reserved(),
}
_ONE: Mapping[str, Command] = {
    **_LIST,
    "scheduled": methods.scheduled(),
    "revoked": methods.revoked(),
    "conf": methods.conf(),
}
_SLOW: Mapping[str, Command] = {"conf": methods.conf(), "report": methods.report()}
"""Large lists of tasks are asked of one worker alone, when somebody looks at it."""


@dataclass(frozen=True, slots=True)
class Look:
    """What workers answered, by method, and when they were asked; not part of the representation."""

    at_us: int
    at_s: float
    answers: Mapping[str, Answers] = field(repr=False)

    @property
    def is_complete(self) -> bool:
        """Say whether everyone who would answer has."""
        return all(one.is_complete for one in self.answers.values())

    @property
    def names(self) -> tuple[str, ...]:
        """Name who answered anything."""
        return tuple(sorted({node for one in self.answers.values() for node in one.nodes}))


class WorkerLooks:
    """What workers said last. Those that ask at the same time share one question."""

    def __init__(self, line: CeleryLine, clock: Clock) -> None:
        """Ask nothing yet."""
        self._line = line
        self._clock = clock
        self._kept: OrderedDict[tuple[str, str], Look] = OrderedDict()
        self._asking: dict[tuple[str, str], anyio.Lock] = {}
        self._failed: OrderedDict[tuple[str, str], tuple[float, BrokerDown]] = OrderedDict()

    async def everyone(self) -> Look:
        """Give what a list of workers shows.

        Raises:
            BrokerDown: the broker does not answer.
            NotHere: its workers cannot be asked.
        """
        return await self._fresh(("list", ""), _LIST, EVERYONE, FRESH_S)

    async def slow(self) -> Look:
        """Give what hardly ever changes: settings and reports; see ``everyone``."""
        return await self._fresh(("slow", ""), _SLOW, EVERYONE, SLOW_S)

    async def one(self, name: str) -> Look:
        """Give what one worker tells, its tasks included; see ``everyone``."""
        return await self._fresh(("one", name), _ONE, only(name), FRESH_S)

    def forget(self) -> None:
        """Ask anew next time: something was changed."""
        self._kept.clear()
        self._failed.clear()

    async def _fresh(
        self, key: tuple[str, str], commands: Mapping[str, Command], whom: Audience, fresh_s: float
    ) -> Look:
        needs_control(self._line.client)
        lock, asked_s = self._asking.setdefault(key, anyio.Lock()), self._clock.monotonic_s()
        try:
            async with lock:
                self._fail_with_others(key, asked_s)
                kept = self._kept.get(key)
                if kept is not None and self._clock.monotonic_s() - kept.at_s < fresh_s:
                    return kept
                at_us, at_s = self._clock.now_us(), self._clock.monotonic_s()
                try:
                    async with asking_broker():
                        answers = await ask_together(self._line.client, commands, whom, timeout_s=PATIENCE_S)
                except BrokerDown as error:
                    self._failed[key] = self._clock.monotonic_s(), error
                    while len(self._failed) > LOOKS_LIMIT:
                        self._failed.popitem(last=False)
                    raise
                self._kept[key] = look = Look(at_us, at_s, answers)
                self._kept.move_to_end(key)
                while len(self._kept) > LOOKS_LIMIT:
                    self._kept.popitem(last=False)
                return look
        finally:
            if not lock.statistics().tasks_waiting:
                self._asking.pop(key, None)

    def _fail_with_others(self, key: tuple[str, str], asked_s: float) -> None:
        """Give those who waited for a question its failure, and who come right after it: in a row they would wait ever longer."""
        failed_s, error = self._failed.get(key, (float("-inf"), None))
        if error is not None and asked_s - failed_s < REST_S:
            raise BrokerDown(str(error), hint=error.hint)
