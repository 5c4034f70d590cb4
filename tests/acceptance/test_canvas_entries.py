"""Entries that run a chain or a chord, from the site file to stock workers: each occurrence once, under the ids it was said to have."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from daemon.keys import occurrence_id, part_id
from tests.support.builders import site_text, write_site
from tests.support.process import DaemonProcess, occurrence_us
from tests.support.valkey import ValkeyServer
from tests.support.worker import Worker, ran, wait_until_ran

SCHEDULE = """
[schedule.steps]
every = "1s"
chain = [
  { task = "recording.tick", args = ["{{ occurrence_unix }}"] },
  { task = "recording.tick", args = ["last"], kwargs = { before = "{{ previous }}" }, immutable = true },
]

[schedule.sums]
every = "1s"
chord.header = [{ task = "recording.tick", args = [1] }, { task = "recording.tick", args = [2] }]
chord.body = { task = "recording.tick", args = ["{{ entry }} of {{ site }}"] }
"""


def test_chains_and_chords_run_once_with_their_templates_filled_in(tmp_path: Path, valkey: ValkeyServer) -> None:
    text = site_text(broker_url=valkey.url, celery=f'result_backend = "{valkey.url}"', schedule=SCHEDULE)
    with Worker(valkey.url), DaemonProcess(write_site(tmp_path, text), "--log-level", "debug") as daemon:
        daemon.ready()
        wait_until_ran(valkey.client, 15)
        assert daemon.terminate() == 0
        instants = {
            (one["entry"], occurrence_us(one)) for one in daemon.records if one.get("action") == "occurrence.enqueued"
        }
        expected = {
            task_id
            for entry, at_us in instants
            for task_id in _ids(str(entry), occurrence_id("testsite", str(entry), at_us))
        }
        runs = [one["id"] for one in wait_until_ran(valkey.client, len(expected))]
        assert sorted(runs) == sorted(expected)
    by_id = {one["id"]: one for one in ran(valkey.client)}
    for entry, at_us in instants:
        last = by_id[occurrence_id("testsite", str(entry), at_us)]
        first, *_ = _ids(str(entry), last["id"])
        if entry == "steps":
            assert (last["args"], by_id[first]["args"]) == (["last"], [at_us // 1_000_000])
            assert last["kwargs"] == {"before": _iso(at_us - 1_000_000)}
        else:
            assert last["args"][1] == "sums of testsite"
            assert [one["args"] for one in last["args"][0]] == [[1], [2]]


def _ids(entry: str, task_id: str) -> list[str]:
    if entry == "steps":
        return [part_id(task_id, "0"), task_id]
    return [part_id(task_id, "header 0"), part_id(task_id, "header 1"), task_id]


def _iso(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1_000_000, UTC).isoformat()
