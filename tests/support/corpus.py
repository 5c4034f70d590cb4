"""Real sample messages of other projects, read from where they are; they are no part of this one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("CARILLON_HL7_CORPUS") or Path(__file__).parents[3] / "shared" / "corpus")


def corpus() -> dict[str, bytes]:
    """Give every message by its file name; skips the test where there are none."""
    files = sorted((FOLDER / "messages").glob("*.hl7")) if FOLDER.is_dir() else []
    if not files:
        pytest.skip(f"no sample messages in {FOLDER}; CARILLON_HL7_CORPUS says where they are")
    return {file.name: file.read_bytes() for file in files}
