"""What commands change past the daemon stands in the audit trail: who, what, why; before it is done, or not done at all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.builders import MARKER, site_text, write_site
from tests.support.command import carillon as run
from tests.support.valkey import ValkeyServer

SCHEDULE = '[schedule.nightly]\ntask = "app.report"\ncron = "0 2 * * *"\n'


@pytest.fixture
def site(tmp_path: Path, valkey: ValkeyServer) -> Path:
    (tmp_path / "state").mkdir()
    return write_site(tmp_path, site_text(broker_url=valkey.url, schedule=SCHEDULE))


def records(site: Path) -> list[dict[str, str]]:
    lines = (site.parent / "state" / "audit.log").read_text().splitlines()
    return [json.loads(line) for line in lines]


COMMANDS: tuple[tuple[Sequence[str], str, str, str], ...] = (
    (("entries", "pause", "nightly", "--note", "LIS upgrade"), "entry-paused", "nightly", "LIS upgrade"),
    (("entries", "resume", "nightly"), "entry-resumed", "nightly", ""),
    (("entries", "set", "nightly", "cron=0 3 * * *", "--reason", "later"), "entry-changed", "nightly", "later"),
    (("entries", "revert", "nightly", "--all"), "entry-changed", "nightly", ""),
    (("entries", "trigger", "nightly", "--reason", "now"), "entry-run", "nightly", "now"),
    (("entries", "hold", "--reason", "night"), "schedule-held", "all entries", "night"),
    (("entries", "release"), "schedule-released", "all entries", ""),
    (("queues", "purge", "celery", "--yes"), "queue-purged", "celery", ""),
    (("send", "app.report", "--kwargs", json.dumps({"who": MARKER})), "task-sent", "app.report", ""),
)


@pytest.mark.parametrize(("command", "kind", "about", "note"), COMMANDS)
def test_a_command_that_changes_something_is_on_record(
    site: Path, command: Sequence[str], kind: str, about: str, note: str
) -> None:
    done = run(*command, "-c", str(site))
    assert done.returncode == 0, done.stderr
    [record] = records(site)
    assert (record["kind"], record["about"], record["note"], record["role"]) == (kind, about, note, "command")
    assert record["who"]
    assert MARKER not in json.dumps(record)


def test_what_cannot_be_put_on_record_is_not_done(site: Path, valkey: ValkeyServer) -> None:
    (site.parent / "state" / "audit.log").mkdir()
    valkey.client.lpush("celery", "{}")
    done = run("queues", "purge", "celery", "--yes", "-c", str(site))
    assert done.returncode == 74, done.stderr
    assert valkey.client.llen("celery") == 1


def test_where_no_daemon_ever_ran_a_command_does_its_work_without_a_trail(site: Path) -> None:
    (site.parent / "state").rmdir()
    done = run("entries", "pause", "nightly", "--note", "x", "-c", str(site))
    assert done.returncode == 0, done.stderr
    assert not (site.parent / "state").exists()
