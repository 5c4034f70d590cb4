"""The alert rules and the board that are shipped, and promtool to judge them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
RULES = ROOT / "config" / "prometheus" / "carillon.rules.yaml"
TESTS = ROOT / "config" / "prometheus" / "carillon.tests.yaml"
BOARD = ROOT / "config" / "grafana" / "carillon.json"
RUNBOOKS = ROOT / "docs" / "runbooks"
HAS_PROMTOOL = shutil.which("promtool") is not None

METRIC = re.compile(r"\b(?:carillon|celery|flower|process)_[a-z_]+\b")
THEIR_OWN_SUFFIX = re.compile(r"celery_active_(consumer|process|worker)_count ")
"""Names of celery-exporter that promtool would rather have otherwise."""


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(BOARD.read_text())["panels"]
    return found


def used() -> dict[str, str]:
    """Map every metric that rules, rule tests and board name to where it was found."""
    board = json.loads(BOARD.read_text())
    texts = {f"alert {rule['alert']}": rule["expr"] for rule in rules()}
    texts |= {f"panel {one['title']}": " ".join(it["expr"] for it in one.get("targets", ())) for one in panels()}
    texts |= {f"variable {one['name']}": one.get("definition", "") for one in board["templating"]["list"]}
    texts |= {f"annotation {one['name']}": one["expr"] for one in board["annotations"]["list"]}
    texts["rule tests"] = " ".join(
        series["series"] for test in yaml.safe_load(TESTS.read_text())["tests"] for series in test["input_series"]
    )
    return {name: place for place, text in texts.items() for name in METRIC.findall(text)}


def exposed(text: str) -> set[str]:
    """Name every sample that there is or may be."""
    found = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE):
        found.add(name)
        if kind == "histogram":
            found |= {f"{name}_bucket", f"{name}_sum", f"{name}_count"}
    return found


def promtool(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["promtool", *arguments], cwd=RULES.parent, input=text, capture_output=True, text=True, timeout=60, check=False
    )


def complaints(text: str) -> list[str]:
    """Say what promtool has against an exposition, names that are not ours to choose aside."""
    lines = promtool("check", "metrics", text=text).stderr.splitlines()
    return [line for line in lines if not THEIR_OWN_SUFFIX.match(line)]
