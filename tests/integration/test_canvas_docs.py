"""The examples of two pages run as they stand, but for the address."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.support.valkey import ValkeyServer

ROOT = Path(__file__).parents[2]
LIMIT_S = 60.0


def run_example(page: str, folder: Path, port: int = 0) -> str:
    [example] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "shim" / page).read_text(), re.DOTALL)
    script = folder / "example.py"
    script.write_text(example.replace("localhost:6379", f"127.0.0.1:{port}"))
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_example_of_a_canvas_runs(tmp_path: Path, valkey: ValkeyServer) -> None:
    assert (
        run_example("canvas.md", tmp_path, valkey.port)
        == "Outcome.WRITTEN\n['app.add', 'app.add', 'app.total'] True\n{}\n"
    )
    assert valkey.client.llen("celery") == 2


def test_the_example_of_other_brokers_runs(tmp_path: Path) -> None:
    assert run_example("other-brokers.md", tmp_path) == "Outcome.WRITTEN\n{}\n4\n"
