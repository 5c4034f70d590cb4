"""The command line inside the test's own process: many commands in the time one process takes to start."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from daemon.cli.main import main


@dataclass(frozen=True, slots=True)
class Done:
    """What a command wrote, and its exit code."""

    code: int
    stdout: str
    stderr: str


def carillon_here(*arguments: str | Path, given: str = "") -> Done:
    """Run a command as its process would."""
    out, err = io.StringIO(), io.StringIO()
    taken = io.TextIOWrapper(io.BytesIO(given.encode()))
    code = 0
    with (
        patch.object(sys, "argv", ["carillon", *map(str, arguments)]),
        patch.object(sys, "stdin", taken),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 0
    return Done(code, out.getvalue(), err.getvalue())
