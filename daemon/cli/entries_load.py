"""Adding many entries from a file of lines."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any, BinaryIO

import orjson

from daemon.errors import BrokerDown
from daemon.scheduler.errors import EntryRefused
from daemon.scheduler.layers.adding import added_from
from daemon.scheduler.layers.desk import ScheduleDesk
from daemon.scheduler.layers.ports import EDITS_LIMIT, Edit, Table

LINE_LIMIT_BYTES = 256 * 1024


async def load_lines(
    desk: ScheduleDesk, lines: BinaryIO, *, skip: int, author: str, reason: str, progress: Callable[[int], None]
) -> tuple[int, int]:
    """Add the entries of a file, some hundred in one step; give how many, and how many could never fire.

    Raises:
        EntryRefused: a line is no entry; the lines before it were added.
        BrokerDown: the broker does not answer; says from which line on nothing may be there.
    """
    for _ in islice(lines, skip):
        pass
    count = past = 0
    number = skip
    while batch := list(islice(lines, EDITS_LIMIT)):
        now_us = await desk.now_us()
        edits: dict[str, Edit] = {}
        wrong: EntryRefused | None = None
        begun = number
        for line in batch:
            number += 1
            if not line.strip():
                continue
            try:
                edit = _edit(desk, line, author=author, reason=reason, now_us=now_us)
            except EntryRefused as error:
                wrong = EntryRefused(f"line {number}: {error}", hint=error.hint)
                break
            if edit is None:
                past += 1
            else:
                edits[edit.id] = edit
        try:
            if edits:
                await desk.store.edit(Table.ADDED, list(edits.values()))
        except BrokerDown as error:
            message = f"the lines after {begun} may not be there: {error}"
            raise BrokerDown(message, hint=f"go on with --skip {begun}") from None
        count += len(edits)
        progress(count)
        if wrong is not None:
            raise wrong
    return count, past


def _edit(desk: ScheduleDesk, line: bytes, *, author: str, reason: str, now_us: int) -> Edit | None:
    if len(line) > LINE_LIMIT_BYTES:
        message = f"longer than {LINE_LIMIT_BYTES // 1024} KiB"
        raise EntryRefused(message)
    try:
        data: Any = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        message = f"not JSON ({error})"
        raise EntryRefused(message) from None
    if not isinstance(data, dict):
        message = "a JSON object is needed: name, and the keys of [schedule.NAME]"
        raise EntryRefused(message)
    one = added_from(data.pop("name", None), data, author=author, reason=reason, now_us=now_us)
    return desk.edit_if_due(one, now_us, replace=True)
