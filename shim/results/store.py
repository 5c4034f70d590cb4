"""Results in a Redis database: read and removed by task id or group id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from shim.link import Link
from shim.results.chord import ChordState, parse_chord
from shim.results.group import GroupMeta, parse_group
from shim.results.keys import CHORD_ADDED, CHORD_CALLBACK, CHORD_RETURNED, CHORD_SIZE, ResultKeys
from shim.results.meta import TaskMeta, parse_meta
from shim.results.payload import JSON_RESULTS, ResultFormat

KEYS_PER_COMMAND = 200
"""Results read or removed by one command: as large as they may be, they are one reply."""

CHORD_PARTS_SHOWN = 100


class Results:
    """Reads and removes results. Every method may raise ``ShimError`` as ``Link.call``, and ``RequestInvalid`` for an empty id."""

    def __init__(self, link: Link, *, key_prefix: str = "", form: ResultFormat = JSON_RESULTS) -> None:
        """Keep the link to the result database, the prefix as Celery joins it, and how results are written."""
        self.link = link
        self.keys = ResultKeys(key_prefix)
        self.form = form

    async def fetch(self, task_ids: Sequence[str]) -> dict[str, TaskMeta]:
        """Read what is stored for ``task_ids``; an id without a stored result is absent from the answer.

        Raises:
            ShimError: as ``Link.call``.
        """
        found = {}
        for some in _pieces(task_ids):
            stored = await self.link.call("MGET", *map(self.keys.task, some))
            for task_id, value in zip(some, stored, strict=True):
                if value is not None:
                    found[task_id] = parse_meta(task_id, value, self.form)
        return found

    async def fetch_group(self, group_id: str) -> GroupMeta | None:
        """Read a saved group; ``None`` if none is stored.

        Celery saves a group when told to (``GroupResult.save``), and a chord's header if it holds groups.
        """
        stored = await self.link.call("GET", self.keys.group(group_id))
        return None if stored is None else parse_group(group_id, stored, self.form)

    async def fetch_chord(self, group_id: str, *, parts: int = CHORD_PARTS_SHOWN) -> ChordState | None:
        """Read how far a chord is, with the first ``parts`` that came back; ``None`` if nothing is known of it.

        Several commands, one after the other: for display, not for decisions.
        """
        names = (CHORD_SIZE, CHORD_ADDED, CHORD_CALLBACK)
        size, added, callback = await self.link.call("MGET", *(self.keys.group(group_id, name) for name in names))
        key = self.keys.group(group_id, CHORD_RETURNED)
        returned = 0
        shown: list[bytes] = []
        kind = await self.link.call("TYPE", key)
        if kind in (b"zset", b"list"):  # a list with the option result_chord_ordered=False
            count, span = ("ZCARD", "ZRANGE") if kind == b"zset" else ("LLEN", "LRANGE")
            returned = await self.link.call(count, key)
            shown = await self.link.call(span, key, 0, parts - 1) if parts > 0 else []
        return parse_chord(
            group_id, size=size, added=added, callback=callback, returned=returned, parts=shown, form=self.form
        )

    async def forget(self, task_ids: Sequence[str]) -> int:
        """Remove the results of ``task_ids``; say how many were stored. A task that still runs stores its result anew."""
        return await self._remove([self.keys.task(task_id) for task_id in task_ids])

    async def delete_group(self, group_id: str) -> bool:
        """Remove a saved group, and not the results of its tasks; say whether it was stored."""
        return await self._remove([self.keys.group(group_id)]) > 0

    async def forget_group(self, group_id: str) -> int:
        """Remove the results of a saved group's tasks, then the group; say how many keys were stored.

        What a chord counts by stays: without it, its body would never be sent.
        """
        group = await self.fetch_group(group_id)
        if group is None:
            return 0
        # The group last: if the link breaks before, the call can be repeated.
        return await self.forget(group.task_ids) + await self.delete_group(group_id)

    async def _remove(self, names: Sequence[str]) -> int:
        removed = 0
        for some in _pieces(names):
            removed += await self.link.call("DEL", *some)
        return removed


def _pieces(names: Iterable[str]) -> Iterator[list[str]]:
    unique = list(dict.fromkeys(names))
    for first in range(0, len(unique), KEYS_PER_COMMAND):
        yield unique[first : first + KEYS_PER_COMMAND]
