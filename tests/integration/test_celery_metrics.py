"""Numbers of tasks, workers and queues under other programs' names, from a real daemon beside a stock worker."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from tests.support.builders import ADT_FEED, site_text, write_site
from tests.support.monitoring import HAS_PROMTOOL, complaints, exposed, used
from tests.support.process import LIMIT_S, DaemonProcess
from tests.support.valkey import ValkeyServer
from tests.support.worker import Worker

EVERYTHING = "[metrics]\nflower = true\nresidency = true\nworker_labels = true\n"
SCHEDULE = """
[schedule.tick]
task = "recording.tick"
every = "1s"
[schedule.fail]
task = "recording.fail"
every = "1s"
"""

EXPORTER = {
    "celery_task_sent_total",
    "celery_task_received_total",
    "celery_task_started_total",
    "celery_task_succeeded_total",
    "celery_task_failed_total",
    "celery_task_rejected_total",
    "celery_task_revoked_total",
    "celery_task_retried_total",
    "celery_worker_up",
    "celery_worker_tasks_active",
    "celery_task_runtime_bucket",
    "celery_task_runtime_count",
    "celery_task_queue_wait_time_bucket",
    "celery_queue_length",
    "celery_active_consumer_count",
    "celery_active_worker_count",
    "celery_active_process_count",
}
FLOWER = {
    "flower_events_total",
    "flower_task_runtime_seconds_bucket",
    "flower_task_prefetch_time_seconds",
    "flower_worker_prefetched_tasks",
    "flower_worker_online",
    "flower_worker_number_of_currently_executing_tasks",
}
RESIDENCY = {
    "celery_workers",
    "celery_workers_active",
    "celery_tasks_active",
    "celery_task_success_total",
    "celery_task_failure_total",
    "celery_task_runtime_seconds_bucket",
    "celery_task_runtime_seconds_sum",
    "celery_task_runtime_seconds_count",
    "celery_task_duration_seconds_bucket",
    "background_tasks_total",
    "background_task_duration_seconds_bucket",
    "background_tasks_in_progress",
    "background_task_queue_depth",
}


def names(text: str) -> set[str]:
    """Name the samples of an exposition."""
    return set(re.findall(r"^([a-z_]+)(?:\{[^\n]*)? ", text, re.MULTILINE))


def wait_for(daemon: DaemonProcess, pattern: str) -> str:
    """Wait until a line of the exposition matches, and give all of it."""
    deadline, text = time.monotonic() + LIMIT_S, ""
    while time.monotonic() < deadline:
        text = daemon.get("/metrics")[1]
        if re.search(pattern, text, re.MULTILINE):
            return text
        time.sleep(0.1)
    message = f"no {pattern} in:\n" + "\n".join(line for line in text.splitlines() if "celery" in line)
    raise AssertionError(message)


@pytest.mark.parametrize("is_all", [True, False], ids=["all names", "by default"])
def test_the_names_of_other_programs_are_there(valkey: ValkeyServer, tmp_path: Path, is_all: bool) -> None:  # noqa: FBT001 - a column
    text = site_text(
        broker_url=valkey.url,
        schedule=SCHEDULE,
        celery="task_send_sent_event = true",
        more=EVERYTHING if is_all else "",
    )
    worker = Worker(valkey.url, arguments=("-E", "--heartbeat-interval", "1"), concurrency=2)
    with worker, DaemonProcess(write_site(tmp_path, text)) as daemon:
        host = "test" if is_all else "generic"
        task = rf'hostname="{host}",name="recording\.tick",queue_name="celery"'
        wait_for(daemon, rf"^celery_task_succeeded_total\{{{task}\}} [1-9]")
        found = wait_for(
            daemon, r'^celery_task_failed_total\{exception="ValueError",.*name="recording\.fail".*\} [1-9]'
        )
        assert names(found) >= EXPORTER
        assert re.search(r"^celery_task_sent_total\{.*name=\"recording\.tick\".*\} [1-9]", found, re.MULTILINE)
        assert re.search(rf"^celery_task_queue_wait_time_count\{{{task}\}} [1-9]", found, re.MULTILINE)
        assert re.search(rf"^celery_task_revoked_total\{{{task}\}} 0", found, re.MULTILINE)  # a rate begins with zero
        labels = 'queue="celery",queue_name="celery"' if is_all else 'queue_name="celery"'
        assert re.search(rf"^celery_queue_length\{{{labels}\}} ", found, re.MULTILINE)
        assert 'celery_worker_up{hostname="test"} 1' in found
        assert 'celery_active_process_count{queue_name="celery"} 2' in found
        assert (names(found) >= FLOWER | RESIDENCY) is is_all
        assert not (names(found) & FLOWER) or is_all
        assert "as asked" not in found  # the text of the exception
        assert not HAS_PROMTOOL or complaints(found) == []
        if is_all:
            assert re.search(
                rf'^flower_events_total\{{task="recording\.tick",type="task-started",worker="{worker.name}"\}}',
                found,
                re.MULTILINE,
            )
            assert "celery_workers 1" in found


def test_everything_exposed_can_be_switched_off(valkey: ValkeyServer, tmp_path: Path) -> None:
    text = site_text(broker_url=valkey.url, schedule=SCHEDULE, more="[metrics]\ncelery_exporter = false\n")
    with Worker(valkey.url, arguments=("-E",)), DaemonProcess(write_site(tmp_path, text)) as daemon:
        found = wait_for(daemon, r'^carillon_queue_consumers\{queue="celery"\} 1')
        assert not re.search(r"^(celery|flower|background)_", found, re.MULTILINE)


def test_every_metric_of_the_shipped_rules_and_board_is_in_a_running_daemon(
    valkey: ValkeyServer, tmp_path: Path
) -> None:
    text = site_text(broker_url=valkey.url, schedule=SCHEDULE, feeds=ADT_FEED)
    with DaemonProcess(write_site(tmp_path, text)) as daemon:
        daemon.ready()
        there = exposed(daemon.get("/metrics")[1])
        assert {name: place for name, place in used().items() if name not in there} == {}
