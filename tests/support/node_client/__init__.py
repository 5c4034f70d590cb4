"""node-hl7-client, in a process of its own; installed into a temporary folder, by its version and its hash."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

HERE = Path(__file__).parent
NAME = "node-hl7-client"
LIMIT_S = 60


class Told(NamedTuple):
    """What the client says of itself: the bytes it sent, and MSA-1 of what it understood as answers."""

    sent: list[bytes]
    codes: list[str]


def exchange_with_node(folder: Path, port: int, texts: Sequence[str]) -> Told:
    """Send messages in lockstep; skips the test where there is no Node.js, or no registry that has the client."""
    if not (folder / "node_modules").exists():
        _install(folder)
    (folder / "texts.json").write_text(json.dumps(list(texts)))
    command = ["node", "exchange.cjs", str(port), "texts.json", "told.json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads((folder / "told.json").read_text())
    assert told["errors"] == []
    assert told["total"] == len(texts)
    return Told([text.encode() for text in told["sent"]], told["codes"])


def _install(folder: Path) -> None:
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("no node and npm on the path")
    package = json.loads((HERE / "package.json").read_text())
    version = package["dependencies"][NAME]
    command = ["npm", "pack", f"{NAME}@{version}", "--ignore-scripts", "--silent", "--fetch-retries=0", "--cache=npm"]
    try:
        packed = subprocess.run(command, cwd=folder, capture_output=True, timeout=LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("no package registry answers npm")
    archive = folder / f"{NAME}-{version}.tgz"
    if packed.returncode or not archive.exists():
        pytest.skip("no package registry gives npm the client")
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    assert f"sha512-{digest}" == package["integrity"][NAME]
    with tarfile.open(archive) as content:
        content.extractall(folder, filter="data")
    (folder / "node_modules").mkdir()
    (folder / "package").rename(folder / "node_modules" / NAME)
    shutil.copy(HERE / "exchange.cjs", folder)
