"""``[history]``: what is kept of past runs, and how long silence is borne."""

from __future__ import annotations

from pydantic import Field

from daemon.settings.section import Section
from daemon.settings.values import Duration

MOST_ROWS = 100_000_000


class HistorySection(Section):
    """``[history]``: what became of occurrences."""

    keep_per_entry: int = Field(default=1000, ge=1, le=MOST_ROWS)
    keep: Duration = 30 * 86_400.0
    rows: int = Field(default=1_000_000, ge=1, le=MOST_ROWS)
    lost_after: Duration = 60.0
    lost_after_goodbye: Duration = 1800.0
