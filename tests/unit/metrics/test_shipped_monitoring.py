"""The alert rules and the board that are shipped: sound in themselves, and about metrics that exist."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from daemon.metrics import Metrics, Switches
from tests.support.monitoring import (
    BOARD,
    HAS_PROMTOOL,
    RULES,
    RUNBOOKS,
    TESTS,
    complaints,
    exposed,
    panels,
    promtool,
    rules,
    used,
)

ROWS = ["Health", "Schedules", "Feeds", "Spool", "Queues and workers", "Broker", "Daemon"]
needs_promtool = pytest.mark.skipif(not HAS_PROMTOOL, reason="promtool is not installed")


def test_every_metric_of_rules_and_board_exists() -> None:
    there = exposed(Metrics("test", entries=1, feeds=1).exposition().decode())
    assert {name: place for name, place in used().items() if name not in there} == {}
    assert len(used()) > 50


def test_every_alert_has_a_page_and_the_pages_are_listed() -> None:
    alerts = {rule["alert"] for rule in rules()}
    assert {path.stem for path in RUNBOOKS.glob("*.md")} - {"README"} == alerts
    assert all(rule["annotations"]["runbook"] == f"docs/runbooks/{rule['alert']}.md" for rule in rules())
    listed = set(re.findall(r"\[(\w+)\]\(\w+\.md\)", (RUNBOOKS / "README.md").read_text()))
    assert listed == alerts


def test_every_page_shows_the_condition_as_it_is() -> None:
    for rule in rules():
        assert f"`{rule['expr']}`" in (RUNBOOKS / f"{rule['alert']}.md").read_text()


def test_every_alert_has_a_case_that_fires_and_one_that_is_quiet() -> None:
    names = {test["name"] for test in yaml.safe_load(TESTS.read_text())["tests"]}
    assert names == {f"{rule['alert']} {how}" for rule in rules() for how in ("fires", "is quiet")}


def test_the_board_can_be_imported_anywhere() -> None:
    board = json.loads(BOARD.read_text())
    assert board["schemaVersion"] == 39
    assert board["uid"] is None
    assert board["id"] is None
    assert [one["title"] for one in panels() if one["type"] == "row"] == ROWS
    sources = [one["datasource"]["uid"] for one in panels() if "datasource" in one]
    assert set(sources) == {"${datasource}"}
    assert len({one["id"] for one in panels()}) == len(panels())


def test_no_panel_lies_over_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {(place["x"] + across, place["y"] + down) for across in range(place["w"]) for down in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


# -- judged by Prometheus itself ---------------------------------------------------------------------------------------


@needs_promtool
def test_prometheus_takes_the_rules() -> None:
    found = promtool("check", "rules", RULES.name)
    assert found.returncode == 0, found.stderr


@needs_promtool
def test_the_rules_fire_when_they_should_and_only_then() -> None:
    found = promtool("test", "rules", TESTS.name)
    assert found.returncode == 0, found.stdout + found.stderr


@needs_promtool
def test_prometheus_takes_every_metric() -> None:
    metrics = Metrics("test", entries=1, feeds=1, switches=Switches(flower=True, residency=True, worker_labels=True))
    assert complaints(metrics.exposition().decode()) == []


@needs_promtool
def test_prometheus_takes_every_query_of_the_board(tmp_path: Path) -> None:
    queries = [it["expr"] for one in panels() for it in one.get("targets", ())]
    recorded = [
        {"record": f"board:{number}", "expr": query.replace("$__rate_interval", "5m")}
        for number, query in enumerate(queries)
    ]
    path = tmp_path / "board.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "board", "rules": recorded}]}))
    found = promtool("check", "rules", "--lint=none", str(path))
    assert found.returncode == 0, found.stdout + found.stderr
