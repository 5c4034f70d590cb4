"""Looking at what is stored while the spool runs: every row, again and again, slowly."""

from __future__ import annotations

from collections.abc import Callable

import anyio

from daemon.errors import SpoolFailed
from daemon.events import SpoolDamaged, Warned
from daemon.hl7listener.spool.check import INDEX, Damage
from daemon.hl7listener.spool.reader import Reader
from daemon.ports import Emit
from daemon.public import Public, reason

ROWS = 200
PAUSE_S = 0.1
EVERY_S = 6 * 3600.0
REMEMBERED = 1000


async def inspect_always(reader_now: Callable[[], Reader | None], emit: Emit, distrust: Callable[[], None]) -> None:
    """Report damage once, for as long as it is remembered, and call ``distrust`` if an index is wrong; ends with its task."""
    seen: dict[Damage, None] = {}
    while True:
        await _inspect_all(reader_now, emit, distrust, seen)
        await anyio.sleep(EVERY_S)


async def _inspect_all(
    reader_now: Callable[[], Reader | None], emit: Emit, distrust: Callable[[], None], seen: dict[Damage, None]
) -> None:
    after_seq: int | None = 0
    while after_seq is not None:
        reader = reader_now()
        if reader is None:
            return
        try:
            damages, after_seq = await reader.inspect(after_seq, ROWS)
        except SpoolFailed as error:
            emit(Warned(Public("spool-not-readable"), Public("spool"), reason(error)))
            return
        for damage in damages:
            if damage in seen:
                continue
            seen[damage] = None
            if len(seen) > REMEMBERED:
                del seen[next(iter(seen))]
            emit(SpoolDamaged(Public(damage.what), damage.first, damage.last))
            if damage.what == INDEX:
                distrust()
        await anyio.sleep(PAUSE_S)
