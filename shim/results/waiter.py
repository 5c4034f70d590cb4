"""Waits for results: thousands of ids on one pub/sub connection, and one link to look up what was stored before and meanwhile.

A worker publishes each result whole, so nothing is asked for twice. An id is subscribed first and looked up then; after a loss of the
connection all are. In between, no result can be stored that is neither seen nor looked up.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, field
from itertools import islice

import anyio

from shim.connector import Connector
from shim.errors import BrokerUnavailable, ShimError
from shim.results.deadlines import Deadlines
from shim.results.group import GroupOutcome
from shim.results.meta import TaskMeta, parse_meta
from shim.results.order import supersedes
from shim.results.seat import Seat
from shim.results.store import KEYS_PER_COMMAND, Results
from shim.subscription import BACKOFF_FIRST_S, BACKOFF_LAST_S, PING_EVERY_S, Subscription

IDS_LIMIT = 100_000


class WaiterFull(ShimError):
    """More results are awaited at once than allowed; nothing was begun."""

    code = "waiter-full"
    retryable = True


@dataclass(slots=True)
class _Watch:
    """A result somebody waits for.

    Attributes:
        mark: of the payload last taken, to know it again.
        is_heard: whether it was published since the look-up under way was sent, whose answer may be older then.
    """

    task_id: str
    seats: list[Seat] = field(default_factory=list)
    meta: TaskMeta | None = None
    mark: int | None = None
    is_heard: bool = False


class ResultWaiter:
    """Tells callers of results as they come. ``run`` must be running in a task group.

    A wait ends with the first final state that is seen. It ends with an unreadable result too, since nothing better would come.
    """

    def __init__(
        self, results: Results, connector: Connector, *, ids_limit: int = IDS_LIMIT, ping_every_s: float = PING_EVERY_S
    ) -> None:
        """Keep the collaborators; no I/O happens here.

        Args:
            results: the database that is looked up; its link may be shared.
            connector: opens the connection that listens, to the same server.
            ids_limit: how many different ids may be awaited at once.
            ping_every_s: silence after which the server is asked whether it is there.
        """
        self._results = results
        self._ids_limit = ids_limit
        self._subscription = Subscription(
            connector, self._published, opened=self._missed, closed=self._lost, ping_every_s=ping_every_s
        )
        self._deadlines = Deadlines()
        self._watches: dict[str, _Watch] = {}
        self._to_join: dict[str, None] = {}
        self._to_look_up: dict[str, None] = {}
        self._came, self._sought = anyio.Event(), anyio.Event()
        self._is_over = False
        self._deaf: ShimError | None = None
        self._blind: ShimError | None = None

    @property
    def trouble(self) -> ShimError | None:
        """Say why results may be late at the moment: no connection, or a command that is refused. ``None`` if all is well."""
        return self._deaf or self._blind

    @property
    def awaited(self) -> int:
        """Say how many different ids are waited for."""
        return len(self._watches)

    async def ready(self, task_id: str, timeout_s: float | None = None) -> TaskMeta | None:
        """Wait for the final result of a task; ``None`` if it did not come in time, or ``run`` has ended.

        Raises:
            WaiterFull: too many ids are awaited.
            RequestInvalid: an empty id.
        """
        seat = self._sit((task_id,), timeout_s, only_last=True)
        try:
            await seat.arrival()
            arrived = seat.fetch()
        finally:
            self._leave(seat)
        return arrived[0] if arrived else None

    async def as_ready(self, task_ids: Iterable[str], timeout_s: float | None = None) -> AsyncGenerator[TaskMeta, None]:
        """Give final results in the order in which they come; the rest stays away when time is up.

        Leave the loop early only under ``contextlib.aclosing``, or the subscriptions stay until the iterator is collected.

        Raises:
            WaiterFull, RequestInvalid: as ``ready``.
        """
        seat = self._sit(task_ids, timeout_s, only_last=True)
        try:
            await seat.arrival()
            while arrived := seat.fetch():
                for meta in arrived:
                    yield meta
                await seat.arrival()
        finally:
            self._leave(seat)

    async def ready_all(self, task_ids: Iterable[str], timeout_s: float | None = None) -> dict[str, TaskMeta]:
        """Wait for the final results of all tasks; those that did not come in time are absent from the answer.

        Raises:
            WaiterFull, RequestInvalid: as ``ready``.
        """
        return {meta.task_id: meta async for meta in self.as_ready(task_ids, timeout_s)}

    async def updates(self, task_id: str, timeout_s: float | None = None) -> AsyncGenerator[TaskMeta, None]:
        """Give each change of a task's state or progress, the final one last.

        Whoever is slow gets the latest and misses what lay between. Leave early as ``as_ready``.

        Raises:
            WaiterFull, RequestInvalid: as ``ready``.
        """
        seat = self._sit((task_id,), timeout_s, only_last=False)
        try:
            await seat.arrival()
            while arrived := seat.fetch():
                yield arrived[-1]
                await seat.arrival()
        finally:
            self._leave(seat)

    async def group_ready(self, group_id: str, timeout_s: float | None = None) -> GroupOutcome | None:
        """Wait for all tasks of a saved group; ``None`` at once if no such group is stored.

        Raises:
            ShimError: the group could not be looked up, or as ``ready``.
        """
        group = await self._results.fetch_group(group_id)
        if group is None:
            return None
        return GroupOutcome(group, await self.ready_all(group.task_ids, timeout_s))

    async def run(self) -> None:
        """Listen and look up until cancelled; then everybody who waits, or comes later, gets nothing."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._subscription.run)
                tasks.start_soon(self._join)
                tasks.start_soon(self._look_up)
        finally:
            self._is_over = True
            self._deadlines.clear()
            watches, self._watches = self._watches, {}
            for watch in watches.values():
                for seat in watch.seats:
                    seat.end()

    def _sit(self, task_ids: Iterable[str], timeout_s: float | None, *, only_last: bool) -> Seat:
        channels = {self._results.keys.task(task_id): task_id for task_id in task_ids}
        fresh = [channel for channel in channels if channel not in self._watches]
        if len(self._watches) + len(fresh) > self._ids_limit:
            message = (
                f"{len(self._watches)} results are awaited, and {len(fresh)} more would be beyond {self._ids_limit}"
            )
            raise WaiterFull(message, hint="wait for fewer at once, or raise ids_limit")
        has_limit = timeout_s is not None and not self._is_over
        seat = Seat(tuple(channels), only_last=only_last, has_limit=has_limit)
        if self._is_over:
            seat.end()
            return seat
        if timeout_s is not None:
            self._deadlines.add(seat, timeout_s)
        for channel, task_id in channels.items():
            watch = self._watches.get(channel)
            if watch is None:
                watch = self._watches[channel] = _Watch(task_id)
                self._to_join[channel] = None
            watch.seats.append(seat)
            if watch.meta is not None:
                seat.take(watch.meta, is_last=False)
        self._came.set()
        return seat

    def _leave(self, seat: Seat) -> None:
        seat.has_left = True
        if seat.has_limit:
            self._deadlines.leave()
        dropped = []
        for channel in seat.channels:
            watch = self._watches.get(channel)
            if watch is not None and seat in watch.seats:
                watch.seats.remove(seat)
                if not watch.seats:
                    dropped.append(channel)
        self._drop(dropped)

    def _drop(self, channels: Iterable[str]) -> None:
        for channel in channels:
            del self._watches[channel]
            self._to_look_up.pop(channel, None)
            if channel in self._to_join:
                del self._to_join[channel]  # the server was never asked
            else:
                self._subscription.unsubscribe((channel,))

    async def _join(self) -> None:
        pause_s = BACKOFF_FIRST_S
        while True:
            await self._came.wait()
            self._came = anyio.Event()
            joining, self._to_join = self._to_join, {}
            try:
                await self._subscription.subscribe(joining)
            except ShimError as error:
                # The user may not listen. Results are looked up each time it is tried again.
                self._subscription.unsubscribe(joining)
                self._to_join.update(dict.fromkeys(self._awaited_of(joining)))
                self._came.set()
                self._seek(joining)
                self._deaf = error
                await anyio.sleep(pause_s)
                pause_s = min(pause_s * 2, BACKOFF_LAST_S)
            else:
                pause_s = BACKOFF_FIRST_S
                self._deaf = None
                self._seek(joining)

    def _awaited_of(self, channels: Iterable[str]) -> list[str]:
        return [channel for channel in channels if channel in self._watches]

    def _seek(self, channels: Iterable[str]) -> None:
        self._to_look_up.update(dict.fromkeys(self._awaited_of(channels)))
        self._sought.set()

    async def _look_up(self) -> None:
        pause_s = BACKOFF_FIRST_S
        while True:
            await self._sought.wait()
            self._sought = anyio.Event()
            while self._to_look_up:
                channels = list(islice(self._to_look_up, KEYS_PER_COMMAND))
                try:
                    await self._read(channels)
                except ShimError as error:
                    self._blind = error
                    self._seek(channels)
                    await anyio.sleep(pause_s)
                    pause_s = min(pause_s * 2, BACKOFF_LAST_S)
                else:
                    self._blind = None
                    pause_s = BACKOFF_FIRST_S

    async def _read(self, channels: list[str]) -> None:
        for channel in channels:
            self._watches[channel].is_heard = False
            del self._to_look_up[channel]  # before the command goes: whatever is asked for meanwhile is asked for anew
        stored = await self._results.link.call("MGET", *channels)
        for channel, payload in zip(channels, stored, strict=True):
            if payload is not None:
                self._take(channel, payload, is_looked_up=True)

    async def _missed(self) -> None:
        self._deaf = None
        self._seek(self._watches)

    def _lost(self, failure: BrokerUnavailable | None) -> None:
        if failure is not None:
            self._deaf = failure

    def _published(self, channel: str, payload: bytes) -> None:
        self._take(channel, payload, is_looked_up=False)

    def _take(self, channel: str, payload: bytes, *, is_looked_up: bool) -> None:
        watch = self._watches.get(channel)
        if watch is None:
            return
        is_stale = is_looked_up and watch.is_heard
        watch.is_heard = watch.is_heard or not is_looked_up
        mark = hash(payload)
        if mark == watch.mark:
            return
        meta = parse_meta(watch.task_id, payload, self._results.form)
        if not supersedes(watch.meta, meta, is_stale=is_stale):
            return
        watch.meta, watch.mark = meta, mark
        is_last = meta.is_ready or meta.is_unreadable
        for seat in watch.seats:
            seat.take(meta, is_last=is_last)
        if is_last:
            self._drop((channel,))
