"""The example of docs/shim/results.md does what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.support.result_waiting import store_silently
from tests.support.valkey import ValkeyServer

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "shim" / "results.md"


def test_the_example_runs(valkey: ValkeyServer) -> None:
    [example] = [
        block for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if "anyio.run" in block
    ]
    store_silently(valkey, "id-1", "SUCCESS", {"__type__": "decimal", "__value__": "1.10"})
    store_silently(valkey, "id-2", "FAILURE", {"exc_type": "E", "exc_message": []})
    script = example.replace("redis://localhost:6379/1", valkey.url)
    told = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert told.stderr == ""
    assert told.stdout.splitlines() == ["{'id-1': 'SUCCESS', 'id-2': 'FAILURE'}", "1.10", "FAILURE None"]
