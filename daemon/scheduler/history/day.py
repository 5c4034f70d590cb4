"""What became of the occurrences of a day, in figures."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from daemon.clock import SECOND_US
from daemon.scheduler.history.schema import FILE, connect_reader
from daemon.scheduler.watch.missed import DELIBERATE

LATE_US = 60 * SECOND_US
_BAD = ("failed", "revoked", "lost")


class DayCounts(NamedTuple):
    """Occurrences that were handed on, late ones among them; missed; and of the first those that failed."""

    done: int
    late: int
    missed: int
    failed: int


def day_counts(folder: Path, since_us: int) -> DayCounts | None:
    """Count what was settled since an instant; ``None`` if no history can be read. It reads a file: not for the event loop."""
    if not (folder / FILE).is_file():
        return None
    try:
        with closing(connect_reader(folder / FILE)) as db:
            rows = db.execute(
                "SELECT state, reason, how = 'clock' AND settled_us - occurrence_us > ?, sum(times) FROM run"
                " WHERE settled_us >= ? GROUP BY 1, 2, 3 LIMIT 10000",
                (LATE_US, since_us),
            ).fetchall()
    except sqlite3.Error:
        return None
    ran = [(state, is_late, count) for state, _, is_late, count in rows if state != "skipped"]
    return DayCounts(
        done=sum(count for _, _, count in ran),
        late=sum(count for _, is_late, count in ran if is_late),
        missed=sum(count for state, why, _, count in rows if state == "skipped" and why not in DELIBERATE),
        failed=sum(count for state, _, count in ran if state in _BAD),
    )
