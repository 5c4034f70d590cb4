"""``[spool]``: where acknowledged messages live, how long, and how much room they may take."""

from __future__ import annotations

from typing import Any

from pydantic import field_validator

from daemon.settings.section import Section
from daemon.settings.values import Duration, Size, wrong

SMALLEST_FLOOR_BYTES = 32 * 1024**2
"""Twice what the write-ahead log may hold: with less, not even that could be worked off when the disk is full."""


class SpoolSection(Section):
    """``[spool]``: where acknowledged messages live."""

    retention: Duration = 7 * 86_400.0
    quarantine_retention: Duration = 30 * 86_400.0
    size_limit: Size = 20 * 1024**3
    free_floor: Size = 256 * 1024**2
    free_warn: Size = 2 * 1024**3
    suspect_window: Duration = 3_600.0
    patient_search: bool = True
    any_filesystem: bool = False

    @field_validator("free_floor")
    @classmethod
    def _holds_the_log(cls, value: Any) -> Any:
        if value < SMALLEST_FLOOR_BYTES:
            raise wrong("the spool's own log would not fit", 'write at least "32MiB"; the default is "256MiB"')
        return value
