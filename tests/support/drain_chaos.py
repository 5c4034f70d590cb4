"""A feed's drain that is killed, cut off and lied to, on virtual time; and what must have come of it all the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import anyio
from anyio.abc import TaskGroup

from daemon.hl7listener.lanes.drain import Drain
from tests.support.builders import adt
from tests.support.clock import run_virtual
from tests.support.lane_model import World

Action: TypeAlias = tuple[str, float]

CHOICES: dict[str, Sequence[float]] = {
    "store": (1, 2, 7, 120),
    "commit seems to fail": (1, 2, 3),
    "wait": (0, 0.05, 1, 20),
    "broker down": (0,),
    "broker up": (0,),
    "lose replies": (1, 2, 3),
    "hold a push": (1, 2),
    "late pushes arrive": (0,),
    "broker writes its log": (0,),
    "broker loses its tail": (0,),
    "rings get no answer": (1, 2),
    "disk fails": (1, 2, 3, 4),
    "spool fails and opens again": (0,),
    "kill at step": range(1, 41),
    "kill": (0,),
    "notes are lost from now": (0,),
    "stop in good order": (0,),
}
"""What may be done, and by which number."""


class Chaos:
    """Runs one drain after the other and does to each of them what it is told."""

    def __init__(self, tasks: TaskGroup, world: World) -> None:
        self.world = world
        self.stored = 0
        self._tasks = tasks
        self._log = self.world.broker.state()
        self._life: anyio.CancelScope | None = None
        self._ended = anyio.Event()
        self._drain: Drain | None = None

    async def start(self) -> None:
        world = self.world
        world.spool.step = world.broker.step = world.bell.step = lambda: None
        world.spool.keeps_notes = True
        world.spool.forget_takers()
        world.spool.open_again()
        self._drain = drain = world.make_drain()
        self._life, self._ended = anyio.CancelScope(), anyio.Event()
        await drain.open()
        self._tasks.start_soon(self._live, drain, self._life, self._ended)

    async def _live(self, drain: Drain, life: anyio.CancelScope, ended: anyio.Event) -> None:
        with life:
            await drain.serve()
        ended.set()

    async def kill(self) -> None:
        assert self._life is not None
        self._life.cancel()
        await self._ended.wait()
        await self.start()

    async def restart_if_dead(self) -> None:
        if self._ended.is_set():
            await self.start()

    async def stop(self) -> None:
        assert self._drain is not None
        await self._drain.drain()
        await self._ended.wait()

    def kill_at(self, step: int) -> None:
        life, left = self._life, step

        def count_down() -> None:
            nonlocal left
            left -= 1
            if left == 0 and life is not None:
                life.cancel()

        self.world.spool.step = self.world.broker.step = self.world.bell.step = count_down

    def store(self, count: int, *, told: bool = True) -> None:
        first, self.stored = self.stored + 1, self.stored + count
        self.world.spool.store(*(adt(f"M{number}") for number in range(first, self.stored + 1)), told=told)

    async def do(self, action: str, number: float) -> None:
        world, broker, count = self.world, self.world.broker, int(number)
        simple: dict[str, Callable[[], Any]] = {
            "store": lambda: self.store(count),
            "broker down": lambda: setattr(broker, "is_down", True),
            "broker up": lambda: setattr(broker, "is_down", False),
            "lose replies": lambda: setattr(broker, "lose_replies", count),
            "hold a push": lambda: setattr(broker, "hold", count),
            "late pushes arrive": broker.let_late_ones_through,
            "broker loses its tail": lambda: broker.go_back_to(self._log),
            "rings get no answer": lambda: setattr(world.bell, "failing", count),
            "disk fails": lambda: setattr(world.spool, "failing", count),
            "notes are lost from now": lambda: setattr(world.spool, "keeps_notes", False),
            "kill at step": lambda: self.kill_at(count),
        }
        if action in simple:
            simple[action]()
        elif action == "broker writes its log":
            self._log = broker.state()
        elif action == "commit seems to fail":
            self.store(count, told=False)
            world.spool.close()
            world.spool.open_again()
        elif action == "spool fails and opens again":
            world.spool.close()
            await anyio.sleep(1)
            world.spool.open_again()
        elif action == "wait":
            await anyio.sleep(number)
            await self.restart_if_dead()
        elif action == "kill":
            await self.kill()
        elif action == "stop in good order":
            await self.stop()
            await self.start()
        else:
            raise AssertionError(action)

    async def calm_down(self, tasks: int = 1) -> None:
        """End all faults; what must happen now is that everything arrives, so many tasks of each message."""
        world, broker = self.world, self.world.broker
        broker.is_down, broker.lose_replies, broker.hold, world.spool.failing, world.bell.failing = False, 0, 0, 0, 0
        await self.kill()
        self.store(1)
        await world.until(lambda: len(broker.queue) >= self.stored * tasks)
        broker.let_late_ones_through()
        await anyio.sleep(30)
        await self.stop()


def play(actions: Sequence[Action], world: World | None = None, *, tasks_each: int = 1) -> Chaos:
    """Do one thing after the other to a drain, then let it finish."""

    async def main() -> Chaos:
        async with anyio.create_task_group() as tasks:
            chaos = Chaos(tasks, world or World())
            await chaos.start()
            for action, number in actions:
                await chaos.do(action, number)
                await anyio.sleep(0.01)
            await chaos.calm_down(tasks=tasks_each)
        return chaos

    return run_virtual(main)


def check_each_once_in_order(chaos: Chaos) -> None:
    """Each message is in its queue once, in order, under its one id."""
    world = chaos.world
    assert world.broker.control_ids == [f"M{number}" for number in range(1, chaos.stored + 1)]
    ids = {row.seq: world.task_id(row.seq, row.epoch) for row in world.spool.rows}
    assert world.broker.task_ids == [ids[seq] for seq in sorted(ids)]
