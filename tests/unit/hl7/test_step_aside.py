"""The event loop gives the interpreter up while the spool's thread wants it, and not for longer."""

from __future__ import annotations

from types import SimpleNamespace

import anyio.lowlevel
import pytest

from daemon.hl7listener.spool import aside
from daemon.hl7listener.spool.aside import StepAside

pytestmark = pytest.mark.anyio


class Naps:
    """Counts how often the interpreter was given up; a clock that stands unless the test moves it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.now_s = 1000.0
        self.each_turn_s = 1.0
        own = SimpleNamespace(sleep=self.sleep, perf_counter=self.perf_counter)
        monkeypatch.setattr("daemon.hl7listener.spool.aside.time", own)

    def sleep(self, seconds: float) -> None:
        assert seconds <= aside.MOMENT_S
        self.count += 1

    def perf_counter(self) -> float:
        self.now_s += self.each_turn_s
        return self.now_s


async def turns(count: int) -> None:
    for _ in range(count):
        await anyio.lowlevel.checkpoint()


async def test_a_busy_loop_steps_aside_once_in_each_turn_until_nothing_is_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    naps, wanted = Naps(monkeypatch), [True]
    step = StepAside(lambda: wanted[0])
    step.begin()
    step.begin()
    await turns(10)
    assert 8 <= naps.count <= 11
    wanted[0] = False
    await turns(2)
    before = naps.count
    await turns(10)
    assert naps.count == before
    wanted[0] = True
    step.begin()
    await turns(3)
    assert naps.count > before


async def test_a_loop_in_which_nothing_else_happens_is_left_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    naps = Naps(monkeypatch)
    naps.each_turn_s = aside.IDLE_S / 10
    naps.now_s = 1000.0
    step = StepAside(lambda: True)
    step.begin()
    await turns(50)
    assert naps.count == 1
