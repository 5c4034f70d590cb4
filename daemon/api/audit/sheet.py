"""Records of the audit trail as a sheet (RFC 4180)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import fields

from daemon.desks.audit import DeedRow

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def sheet(rows: Iterable[DeedRow]) -> bytes:
    """Write records as comma-separated lines with a header; what a spreadsheet would reckon with is kept from it."""
    names = [one.name for one in fields(DeedRow)]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(names)
    for row in rows:
        writer.writerow([_cell(getattr(row, name)) for name in names])
    return text.getvalue().encode("utf-8", "replace")


def _cell(value: object) -> str:
    if hasattr(value, "isoformat"):
        return str(value.isoformat()).replace("+00:00", "Z")
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
