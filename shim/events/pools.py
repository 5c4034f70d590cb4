"""Tasks sorted into pools by one of their traits."""

from __future__ import annotations

from collections.abc import Mapping

from shim.events.record import TaskRecord

Pool = dict[str, TaskRecord]
"""Records by task id, in no order that means anything."""
KEPT_EMPTY = 100
"""With no more pools than that an empty one is kept: most are filled again at once."""
_EMPTY: Pool = {}


class Pools:
    """One pool for each value of a trait; a record without it is in none."""

    def __init__(self) -> None:
        """Begin without pools."""
        self._pools: dict[str, Pool] = {}

    def move(self, record: TaskRecord, before: str, after: str) -> None:
        """Put a record into pool ``after``, taking it from ``before``; empty stands for none, and they must differ."""
        pools = self._pools
        if before:
            pool = pools[before]
            del pool[record.task_id]
            if not pool and len(pools) > KEPT_EMPTY:
                del pools[before]
        if after:
            into = pools.get(after)
            if into is None:
                into = pools[after] = {}
            into[record.task_id] = record

    def get(self, value: str) -> Pool:
        """Give the pool of ``value``, which may be empty; for reading only."""
        return self._pools.get(value, _EMPTY)

    def ids(self) -> list[str]:
        """Give the ids of all records that have the trait."""
        return [task_id for pool in self._pools.values() for task_id in pool]

    def counts(self) -> Mapping[str, int]:
        """Count the records by value."""
        return {value: len(pool) for value, pool in self._pools.items() if pool}
