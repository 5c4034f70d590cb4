"""A feed under any sequence of faults: in the end each message is in its queue once, in order, under its one id."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
from anyio.abc import TaskGroup
from hypothesis import example, given
from hypothesis import strategies as st

from daemon.hl7listener.drain import Drain
from tests.support.builders import adt
from tests.support.clock import run_virtual
from tests.support.lane_model import World

ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("store"), st.sampled_from([1, 2, 7, 120])),
        st.tuples(st.just("commit seems to fail"), st.integers(1, 3)),
        st.tuples(st.just("wait"), st.sampled_from([0, 0.05, 1, 20])),
        st.tuples(st.just("broker down"), st.just(0)),
        st.tuples(st.just("broker up"), st.just(0)),
        st.tuples(st.just("lose replies"), st.integers(1, 3)),
        st.tuples(st.just("hold a push"), st.integers(1, 2)),
        st.tuples(st.just("late pushes arrive"), st.just(0)),
        st.tuples(st.just("broker writes its log"), st.just(0)),
        st.tuples(st.just("broker loses its tail"), st.just(0)),
        st.tuples(st.just("disk fails"), st.integers(1, 4)),
        st.tuples(st.just("spool fails and opens again"), st.just(0)),
        st.tuples(st.just("kill at step"), st.integers(1, 40)),
        st.tuples(st.just("kill"), st.just(0)),
        st.tuples(st.just("notes are lost from now"), st.just(0)),
        st.tuples(st.just("stop in good order"), st.just(0)),
    ),
    max_size=25,
)


class Chaos:
    """Runs one drain after the other and does to each of them what it is told."""

    def __init__(self, tasks: TaskGroup) -> None:
        self.world = World()
        self.stored = 0
        self._tasks = tasks
        self._log = self.world.broker.state()
        self._life: anyio.CancelScope | None = None
        self._ended = anyio.Event()
        self._drain: Drain | None = None

    async def start(self) -> None:
        world = self.world
        world.spool.step = world.broker.step = lambda: None
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

        self.world.spool.step = self.world.broker.step = count_down

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

    async def calm_down(self) -> None:
        """End all faults; what must happen now is that everything arrives."""
        world, broker = self.world, self.world.broker
        broker.is_down, broker.lose_replies, broker.hold, world.spool.failing = False, 0, 0, 0
        await self.kill()
        self.store(1)
        await world.until(lambda: len(broker.queue) >= self.stored)
        broker.let_late_ones_through()
        await anyio.sleep(30)
        await self.stop()


@given(ACTIONS)
@example(
    [
        ("store", 1),
        ("lose replies", 1),
        ("spool fails and opens again", 0),
        ("store", 1),
        ("broker loses its tail", 0),
        ("spool fails and opens again", 0),
    ]
)
def test_each_message_ends_in_its_queue_once_and_in_order(actions: list[tuple[str, float]]) -> None:
    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            chaos = Chaos(tasks)
            await chaos.start()
            for action, number in actions:
                await chaos.do(action, number)
                await anyio.sleep(0.01)
            await chaos.calm_down()
        world = chaos.world
        assert world.broker.control_ids == [f"M{number}" for number in range(1, chaos.stored + 1)]
        ids = {row.seq: world.task_id(row.seq, row.epoch) for row in world.spool.rows}
        assert world.broker.task_ids == [ids[seq] for seq in sorted(ids)]

    run_virtual(main)
