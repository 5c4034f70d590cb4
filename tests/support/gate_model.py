"""Places, rates, the hold and the history in a few dictionaries, written from what ``daemon/ports.py`` promises of gates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from daemon.ports import Gate, RunningTask, Settled, Settlement

TOLD = 100

Undo = Callable[[], None]


@dataclass(slots=True)
class GateModel:
    """What a broker keeps of gates.

    Attributes:
        slots: for each scope who has a place, and when it is let go by itself.
        running: for each task the scopes of its places, as they were taken.
        rates: up to when each rate is used up.
        held: why all schedules are held.
        history: what was recorded, and when.
    """

    slots: dict[str, dict[str, int]] = field(default_factory=dict)
    running: dict[str, list[str]] = field(default_factory=dict)
    rates: dict[str, int] = field(default_factory=dict)
    held: str | None = None
    history: list[tuple[str, int]] = field(default_factory=list)

    def look(self, gates: Iterable[Gate | None], now_us: int) -> None:
        """Drop what has gone stale of all places that are asked for."""
        for gate in gates:
            for slot in gate.slots if gate is not None else ():
                for task_id, stale_at_us in list(self.slots.get(slot.scope, {}).items()):
                    if stale_at_us <= now_us:
                        self._leave(slot.scope, task_id)

    def refusal(self, gate: Gate | None, now_us: int) -> Settlement | None:
        """Say why an order may not be carried out."""
        if gate is None:
            return None
        if gate.heeds_hold and self.held is not None:
            return Settlement(Settled.HELD, self.held, now_us)
        for rate in gate.rates:
            each_us = -(-rate.per_us // rate.most)
            ahead_us = each_us * (rate.most - 1)
            used_us = self.rates[rate.scope] = min(self.rates.get(rate.scope, 0), now_us + ahead_us + each_us)
            if used_us > now_us + ahead_us:
                return Settlement(Settled.THROTTLED, str(used_us - ahead_us), now_us)
        for slot in gate.slots:
            there = self.slots.get(slot.scope, {})
            if gate.holder not in there and len(there.keys() - set(slot.evict)) >= slot.limit:
                first = sorted(there, key=lambda one: (there[one], one.encode()))[:TOLD]
                return Settlement(Settled.FULL, "\n".join([slot.scope, *first]), now_us)
        return None

    def take(self, gate: Gate | None, record: str | None, now_us: int) -> Undo:
        """Take what an order takes, and say how it is forgotten again."""
        before = (
            {slot.scope: dict(self.slots.get(slot.scope, {})) for slot in gate.slots} if gate else {},
            {one: list(self.running.get(one, ())) for one in _tasks(gate)},
            {rate.scope: self.rates.get(rate.scope, 0) for rate in gate.rates} if gate else {},
            len(self.history),
        )
        for rate in gate.rates if gate is not None else ():
            self.rates[rate.scope] = max(self.rates.get(rate.scope, 0), now_us) + -(-rate.per_us // rate.most)
        for slot in gate.slots if gate is not None else ():
            assert gate is not None
            for task_id in slot.evict:
                if task_id != gate.holder and task_id in self.slots.get(slot.scope, {}):
                    self._leave(slot.scope, task_id)
            self.slots.setdefault(slot.scope, {})[gate.holder] = now_us + slot.stale_us
            if slot.scope not in self.running.setdefault(gate.holder, []):
                self.running[gate.holder].append(slot.scope)
        self.history += [(line, now_us) for line in (record or "").split("\n") if line]
        return lambda: self._restore(*before)

    def release(self, task_ids: Sequence[str]) -> frozenset[str]:
        """Let go whatever the tasks hold."""
        freed = set()
        for task_id in task_ids:
            for scope in self.running.pop(task_id, []):
                if self.slots.get(scope, {}).pop(task_id, None) is not None:
                    freed.add(scope)
        return frozenset(freed)

    def tasks(self, now_us: int) -> list[RunningTask]:
        """List the tasks that hold places."""
        found = []
        for task_id, scopes in self.running.items():
            last_us = max(self.slots.get(scope, {}).get(task_id, 0) for scope in scopes)
            found.append(RunningTask(task_id, tuple(scopes), last_us if last_us > now_us else 0))
        return found

    def pass_time(self, by_us: int) -> None:
        """Move everything that lies in time into the past, as if ``by_us`` had passed."""
        for places in self.slots.values():
            for task_id in places:
                places[task_id] -= by_us
        for scope in self.rates:
            self.rates[scope] -= by_us

    def _leave(self, scope: str, task_id: str) -> None:
        del self.slots[scope][task_id]
        scopes = [one for one in self.running.get(task_id, ()) if one != scope]
        _set(self.running, task_id, scopes)

    def _restore(
        self, slots: dict[str, dict[str, int]], running: dict[str, list[str]], rates: dict[str, int], recorded: int
    ) -> None:
        self.slots.update(slots)
        self.rates.update(rates)
        for task_id, scopes in running.items():
            _set(self.running, task_id, scopes)
        del self.history[recorded:]


def _tasks(gate: Gate | None) -> list[str]:
    if gate is None or not gate.slots:
        return []
    return [gate.holder, *(one for slot in gate.slots for one in slot.evict)]


def _set(mapping: dict[str, list[Any]], name: str, values: list[Any]) -> None:
    if values:
        mapping[name] = values
    else:
        mapping.pop(name, None)
