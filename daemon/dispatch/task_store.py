"""Results and what is kept of tasks that were sent, looked up for many callers at once: one command for all who ask meanwhile."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import anyio
import anyio.lowlevel
from anyio import to_thread

from daemon.desks import Unavailable
from daemon.desks.tasks import Outcome, SentRecord
from daemon.dispatch.client import as_daemon_error
from daemon.dispatch.task_values import outcome_of, read_record, written_record
from daemon.errors import BrokerDown
from daemon.keys import sent_key
from shim.client.conf import BrokerKind, broker_address, broker_kind, redis_broker, redis_results
from shim.client.opening import random_id
from shim.errors import BrokerRefused, ShimError
from shim.link import Link
from shim.results import ResultFormat, ResultKeys, TaskMeta, parse_meta

IDS_PER_COMMAND = 200
BREATHER = 2
"""Callers answered until whatever else waits for the event loop gets its turn."""

CONNECT_LIMIT_S, REPLY_LIMIT_S = 1.5, 2.5
ASK_LIMIT_S = 4.5
"""How long a caller waits for the server at most."""

LARGE_BYTES = 128 * 1024
"""Results from here on are read in a thread."""

RECORDS_LIMIT = 10_000
"""Kept in memory where no Redis keeps them."""

RESULT_EXPIRES_S, EXPIRES_MOST_S = 86_400, 30 * 86_400


class Found(NamedTuple):
    """What lies there of a task."""

    outcome: Outcome | None
    sent: SentRecord | None


class TaskStore:
    """Looks up and keeps. ``run`` must be running in a task group.

    Attributes:
        remembered_s: how long results are kept, and what is kept here with them.
        reads_results: whether results lie in Redis, where this looks.
    """

    def __init__(self, conf: Mapping[str, Any], site: str) -> None:
        """Keep addresses; nothing is opened."""
        self.remembered_s = _expires_s(conf.get("result_expires"))
        self._site = site
        place = redis_results(conf)
        self.reads_results = place is not None
        self._keys = ResultKeys(place[1].key_prefix if place is not None else "")
        self._form = ResultFormat(place[1].serializer) if place is not None else ResultFormat()
        url = place[0] if place is not None else None
        if url is None and broker_kind(broker_address(conf)) is BrokerKind.REDIS:
            url = redis_broker(conf)
        self._link = (
            None
            if url is None
            else Link(
                url, client_name="carillon-tasks", connect_timeout_s=CONNECT_LIMIT_S, reply_timeout_s=REPLY_LIMIT_S
            )
        )
        self._is_permitted = True
        self._records: OrderedDict[str, SentRecord] = OrderedDict()
        self._asked: dict[str, list[asyncio.Future[Found]]] = {}
        self._came = asyncio.Event()
        self._is_running = False

    async def run(self) -> None:
        """Look up until cancelled."""
        self._is_running = True
        try:
            while True:
                await self._came.wait()
                self._came.clear()
                while self._asked:
                    await self._look_up()
        finally:
            self._is_running = False
            self._fail(list(self._asked), Unavailable("the daemon ends"))
            if self._link is not None:
                with anyio.CancelScope(shield=True):
                    await self._link.close()

    async def find(self, task_id: str) -> Found:
        """Look up one task.

        Raises:
            Unavailable: the server does not answer.
        """
        if self._link is None:
            return Found(None, self._records.get(task_id))
        if not self._is_running:
            message = "the way to the results is not open yet"
            raise Unavailable(message)
        future: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
        self._asked.setdefault(task_id, []).append(future)
        self._came.set()
        try:
            async with asyncio.timeout(ASK_LIMIT_S):
                return await future
        except TimeoutError:
            message = f"the results at {self._link.url} do not answer"
            raise Unavailable(
                message, hint="see whether the server is up; it is asked again with each request"
            ) from None

    async def keep(self, task_id: str, record: SentRecord) -> None:
        """Keep that a task was sent, as long as its result is.

        Raises:
            BrokerDown: it could not be kept.
        """
        if self._link is not None and self._is_permitted:
            key = self._sent_key(task_id)
            await self._call("SET", key, written_record(record), "EX", str(round(self.remembered_s) + 3600))
        if self._link is None or not self._is_permitted:
            self._records[task_id] = record
            while len(self._records) > RECORDS_LIMIT:
                self._records.popitem(last=False)

    async def drop(self, task_id: str) -> None:
        """Forget it: nothing was sent.

        Raises:
            BrokerDown: it could not be forgotten.
        """
        self._records.pop(task_id, None)
        if self._link is not None and self._is_permitted:
            await self._call("DEL", self._sent_key(task_id))

    async def _call(self, *command: str | bytes) -> Any:
        assert self._link is not None
        try:
            with anyio.fail_after(ASK_LIMIT_S):
                return await self._link.call(*command)
        except BrokerRefused as error:
            if not self._forbidden(error):
                raise as_daemon_error(error) from None
        except ShimError as error:
            raise as_daemon_error(error) from None
        except TimeoutError:
            message = f"{self._link.url} does not answer"
            raise BrokerDown(message) from None

    def _sent_key(self, task_id: str) -> str:
        return self._keys.prefix + sent_key(self._site, task_id)

    async def _look_up(self) -> None:
        ids = list(self._asked)[:IDS_PER_COMMAND]
        waiting = {task_id: self._asked.pop(task_id) for task_id in ids}
        assert self._link is not None
        try:
            records, metas = await self._read(ids)
        except ShimError as error:
            refused = Unavailable(str(error), hint=error.hint)
            _settle_all(waiting, refused)
            return
        except BaseException:
            _settle_all(waiting, Unavailable("the daemon ends"))
            raise
        try:
            for number, (task_id, record, payload) in enumerate(zip(ids, records, metas, strict=True), 1):
                meta = None if payload is None else await self._parsed(task_id, payload)
                outcome = None if meta is None else outcome_of(meta)
                found = Found(outcome, read_record(record) or self._records.get(task_id))
                for future in waiting[task_id]:
                    if not future.done():
                        future.set_result(found)
                if number % BREATHER == 0:
                    await anyio.lowlevel.checkpoint()
        except BaseException:
            _settle_all(waiting, Unavailable("the daemon ends"))
            raise

    async def _read(self, ids: Sequence[str]) -> tuple[Sequence[bytes | None], Sequence[bytes | None]]:
        """Read what is kept of tasks and their results, in one command where the user may read both."""
        nothing = [None] * len(ids)
        link = self._link
        assert link is not None  # whoever asks has one
        metas = [self._keys.task(task_id) for task_id in ids] if self.reads_results else []
        if self._is_permitted:
            try:
                stored = await link.call("MGET", *(self._sent_key(task_id) for task_id in ids), *metas)
            except BrokerRefused as error:
                if not self._forbidden(error):
                    raise
            else:
                return stored[: len(ids)], stored[len(ids) :] or nothing
        return nothing, (await link.call("MGET", *metas)) if metas else nothing

    def _forbidden(self, error: BrokerRefused) -> bool:
        """Take note if the user of the results may not touch our own keys: then memory keeps what was sent."""
        if error.server_code != "NOPERM":
            return False
        self._is_permitted = False
        return True

    async def _parsed(self, task_id: str, payload: bytes) -> TaskMeta:
        if len(payload) < LARGE_BYTES:
            return parse_meta(task_id, payload, self._form)
        return await to_thread.run_sync(parse_meta, task_id, payload, self._form)

    def _fail(self, ids: Sequence[str], error: Unavailable) -> None:
        _settle_all({task_id: self._asked.pop(task_id) for task_id in ids}, error)


def _settle_all(waiting: Mapping[str, Sequence[asyncio.Future[Found]]], error: Unavailable) -> None:
    for futures in waiting.values():
        for future in futures:
            if not future.done():
                future.set_exception(error)


def new_task_id() -> str:
    """Draw a random id."""
    return random_id()


def _expires_s(value: Any) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(min(value, EXPIRES_MOST_S)) if value > 0 else float(EXPIRES_MOST_S)
    return float(RESULT_EXPIRES_S)
