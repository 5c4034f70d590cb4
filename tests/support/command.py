"""The command line as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.process import ROOT


def carillon(
    *arguments: str | Path, environment: dict[str, str] | None = None, folder: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CARILLON_", "CELERY_"))}
    return subprocess.run(
        [sys.executable, "-m", "daemon", *map(str, arguments)],
        cwd=folder,
        env={**kept, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
