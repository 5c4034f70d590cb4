"""A private server run without its daemon, what it said, and what is left of it on the machine."""

from __future__ import annotations

import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import redis

from daemon.clock import SystemClock
from daemon.embedded_broker import EmbeddedBroker, Place
from daemon.events import EmbeddedBrokerStarted
from daemon.settings.sections import EmbeddedBrokerSection

LIMIT_S = 30.0


@dataclass(slots=True)
class Kept:
    """A private server and what it said."""

    state_dir: Path
    settings: EmbeddedBrokerSection = field(default_factory=EmbeddedBrokerSection)
    said: list[object] = field(default_factory=list)
    broker: EmbeddedBroker = field(init=False)

    def __post_init__(self) -> None:
        self.broker = EmbeddedBroker(self.state_dir, self.settings, SystemClock(), self.said.append)

    @property
    def place(self) -> Place:
        return self.broker.place

    @property
    def pids(self) -> list[int]:
        return [event.pid for event in self.said if isinstance(event, EmbeddedBrokerStarted)]

    @property
    def client(self) -> Any:
        """A blocking client as a worker has one, by the address in ``broker-url``."""
        url = (self.state_dir / "broker-url").read_text().strip()
        return redis.Redis.from_url(url, decode_responses=True, socket_timeout=LIMIT_S)


@asynccontextmanager
async def running(state_dir: Path, **settings: Any) -> AsyncIterator[Kept]:
    kept = Kept(state_dir, EmbeddedBrokerSection(**settings))
    await kept.broker.open()
    try:
        yield kept
    finally:
        await kept.broker.drain()


def is_running(pid: int) -> bool:
    """Say whether a process is there and no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


async def until(holds: Callable[[], bool]) -> None:
    with anyio.fail_after(LIMIT_S):
        while not holds():  # noqa: ASYNC110 - other processes do not notify us
            await anyio.sleep(0.01)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
