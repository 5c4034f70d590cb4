"""The preload library: compiled once, steered through a page of shared memory."""

from __future__ import annotations

import mmap
import os
import shutil
import struct
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp

import pytest

_SOURCE = Path(__file__).with_name("fault_library.c")
_NUMBERS = struct.Struct("<6q")


@lru_cache(maxsize=1)
def fault_library() -> Path:
    """Compile the library; skip the test where there is no compiler."""
    if sys.platform != "linux" or shutil.which("gcc") is None:
        pytest.skip("needs Linux and gcc: the faults come from a preloaded library")
    library = Path(mkdtemp(prefix="carillon-faults-")) / "faults.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library, _SOURCE, "-ldl", "-lpthread"], check=True)
    return library


def faulty_environment(control: Path | None = None, trace: Path | None = None) -> dict[str, str]:
    """Give the environment of a process whose writes are recorded or fail."""
    around = {**os.environ, "LD_PRELOAD": str(fault_library())}
    if control is not None:
        control.write_bytes(bytes(_NUMBERS.size))
        around["FAULT_CONTROL"] = str(control)
    if trace is not None:
        around["FAULT_TRACE"] = str(trace)
    return around


def amount(name: str, default: int) -> int:
    """Say how much to try: what ``make prove-spool`` asks for, or a little."""
    return int(os.environ.get(name, default))


class FaultSwitch:
    """Steers the faults, from any process that sees the page."""

    def __init__(self, control: Path) -> None:
        """Map the page."""
        with control.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), _NUMBERS.size)

    def arm(self, nth: int, error: int, *, forever: bool) -> None:
        """Have the n-th write or sync from now on fail, and all that follow it if ``forever``."""
        self._page[:] = _NUMBERS.pack(0, nth, error, forever, 0, 0)
        self._page[:8] = struct.pack("<q", 1)

    def disarm(self) -> tuple[int, int]:
        """Let all work again; give how many calls there were and how many failed."""
        self._page[:8] = bytes(8)
        _, _, _, _, count, tripped = _NUMBERS.unpack(self._page[:])
        return count, tripped
