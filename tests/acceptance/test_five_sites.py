"""The sites that are shipped for five applications: valid, complete, and firing when celery beat would."""

from __future__ import annotations

import heapq
import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from daemon.clock import SECOND_US, instant, microseconds
from daemon.scheduler.evaluate import Past, evaluate
from daemon.scheduler.model import Entry
from daemon.site import Site, check_site
from tests.support.builders import adt, framed
from tests.support.celery_oracle import make_app, sent
from tests.support.command import carillon
from tests.support.peer import Peer
from tests.support.process import ROOT, DaemonProcess
from tests.support.seed_schedules import AEGIS, AEGIS_ZONE, RESIDENCY, BeatSchedule
from tests.support.valkey import ValkeyServer
from tests.support.virtual_beat import Sent, run_beat

SITES = ROOT / "config" / "sites"
NAMES = ("aegis", "docwiz", "memoryguard", "residency", "vantage")


def site_of(name: str, **environment: str) -> Site:
    checked = check_site(SITES / f"{name}.toml", environment)
    assert checked.site is not None, [str(problem) for problem in checked.problems]
    return checked.site


# -- the files ---------------------------------------------------------------------------------------------------------


def test_there_is_a_site_for_each_application() -> None:
    assert sorted(path.stem for path in SITES.iterdir()) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_each_site_passes_the_check_without_a_warning(name: str, tmp_path: Path) -> None:
    done = carillon(
        "check", "-c", SITES / f"{name}.toml", "--json", environment={"CARILLON_SITE__STATE_DIR": str(tmp_path)}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout) == {"ok": True, "problems": []}


@pytest.mark.parametrize("name", NAMES)
def test_each_site_heeds_the_variables_of_its_application(name: str) -> None:
    broker, results = "redis://broker.example:6380/7", "redis://results.example:6381/8"
    conf = site_of(name, CELERY_BROKER_URL=broker, CELERY_RESULT_BACKEND=results).celery.conf
    assert (conf["broker_url"], conf["result_backend"]) == (broker, results)


def test_the_residency_scheduler_is_found_by_its_one_variable() -> None:
    conf = site_of("residency", REDIS_URL="redis://:pw@redis:6379/0").celery.conf
    assert conf["broker_url"] == conf["result_backend"] == "redis://:pw@redis:6379/0"


@pytest.mark.parametrize(("given", "required"), [({}, True), ({"REQUIRE_CELERY": "false"}, False)])
def test_vantage_requires_celery_unless_its_variable_says_otherwise(given: dict[str, str], *, required: bool) -> None:
    assert site_of("vantage", **given).settings.site.require_celery is required


@pytest.mark.parametrize(
    ("name", "task", "queue"),
    [
        ("aegis", "apps.mdro.tasks.monitor_mdro", "default"),
        ("aegis", "apps.hai_detection.tasks.classify_hai_candidates", "llm"),
        ("aegis", "apps.nhsn_reporting.tasks.nhsn_create_events", "batch"),
        ("residency", "app.notifications.tasks.send_email", "notifications"),
        ("residency", "app.tasks.rag_tasks.periodic_refresh", "celery"),
        ("memoryguard", "ml.process_prediction", "celery"),
        ("docwiz", "app.tasks.visualization_tasks.generate_comparison", "visualizations"),
        ("docwiz", "app.tasks.export_tasks.generate_cost_infographic", "exports"),
        ("vantage", "notifications.send_rework_notification", "notifications"),
        ("vantage", "intelligence.generate_insights_task", "classification"),
    ],
)
def test_tasks_go_to_the_queues_that_workers_take(name: str, task: str, queue: str) -> None:
    assert site_of(name).celery.router().resolve(task).queue == queue


def test_the_feed_of_aegis_takes_the_events_its_listener_acted_on_and_keeps_the_rest() -> None:
    [feed] = site_of("aegis").settings.feed.values()
    [route] = feed.route
    assert isinstance(feed.listen, tuple)
    assert ([address.port for address in feed.listen], feed.ack, feed.unrouted) == ([2575], "original", "park")
    assert (route.type, route.event) == (("ADT",), ("A01", "A02", "A03", "A08"))


def test_aegis_runs_and_hands_its_workers_what_moves_a_patient(tmp_path: Path, valkey: ValkeyServer) -> None:
    environment = {
        "CARILLON_SITE__STATE_DIR": str(tmp_path),
        "CARILLON_API__LISTEN": "127.0.0.1:0",
        "CARILLON_FEED__ADT__LISTEN": "127.0.0.1:0",
        "CELERY_BROKER_URL": valkey.url,
        "CELERY_RESULT_BACKEND": valkey.url,
    }
    with DaemonProcess(SITES / "aegis.toml", environment=environment) as daemon:
        daemon.ready()
        with Peer(daemon.port()) as sender:
            sender.send(framed(adt("M1", event="A02"), adt("M2", event="A04"), adt("M3", event="A08")))
            assert [ack.code for ack in sender.acks(3)] == ["AA", "AA", "AA"]
        assert daemon.terminate() == 0
    messages = [json.loads(one) for one in reversed(valkey.client.lrange("default", 0, -1))]
    assert {one["headers"]["task"] for one in messages} == {"apps.surgical_prophylaxis.tasks.handle_adt"}
    bodies = [json.loads(one["body"]) for one in messages]
    assert [kwargs["message"]["event"] for _, kwargs, _ in bodies] == ["A02", "A08"]


# -- the entries -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "schedule"), [("aegis", AEGIS), ("residency", RESIDENCY)])
def test_every_entry_asks_for_what_beat_would_send(name: str, schedule: BeatSchedule) -> None:
    """Task, arguments, queue and expiry; the queue as the application's own routes have it where an entry names none."""
    site = site_of(name)
    router = site.celery.router()
    ours: dict[str, Any] = {}
    theirs: dict[str, Any] = {}
    for entry in site.entries:
        queue = router.resolve(entry.task, queue=entry.queue).queue
        ours[str(entry.name)] = (entry.task, list(entry.args), dict(entry.kwargs), queue, entry.expires_us)
    routes = {str(pattern): route.queue for pattern, route in site.settings.celery.task_routes.items()}
    app = make_app(task_routes=routes)
    for entry_name, one in schedule.items():
        options = dict(one.get("options", {}))
        queue = sent(app, one["task"], **options)["routing_key"]
        expires = options.get("expires")
        theirs[entry_name] = (
            one["task"], [], one.get("kwargs", {}), queue, None if expires is None else expires * SECOND_US,
        )  # fmt: skip
    assert ours == theirs


# -- a month with a change of the clocks -------------------------------------------------------------------------------


class Span(NamedTuple):
    """A span of time, begun at no round instant: beat counts intervals from when it is started."""

    start_us: int
    end_us: int


def _us(text: str) -> int:
    return microseconds(datetime.fromisoformat(text))


MARCH = Span(_us("2026-03-01T05:03:07+00:00"), _us("2026-04-01T04:00:00+00:00"))
NOVEMBER = Span(_us("2026-10-31T04:03:07+00:00"), _us("2026-12-01T05:00:00+00:00"))
MONTHS = pytest.mark.parametrize("month", [MARCH, NOVEMBER], ids=["march", "november"])


def run_entries(entries: Sequence[Entry], month: Span) -> list[Sent]:
    """Evaluate entries that are new at the start of the month, at each instant they ask for, and give what is due."""
    horizons = [month.start_us] * len(entries)
    agenda = [(month.start_us, place) for place in range(len(entries))]
    fired = []
    while agenda:
        now_us, place = heapq.heappop(agenda)
        verdict = evaluate(entries[place], horizons[place], now_us, Past(since_us=month.start_us))
        assert verdict.skipped is None
        fired += [Sent(str(entries[place].name), at_us) for at_us in verdict.due]
        horizons[place] = verdict.settled_us or horizons[place]
        if verdict.wake_us is not None and verdict.wake_us <= month.end_us:
            heapq.heappush(agenda, (verdict.wake_us, place))
    return fired


def by_entry(fired: Sequence[Sent]) -> dict[str, list[str]]:
    """Give the instants of each entry, readable when they differ."""
    found = defaultdict(list)
    for entry, at_us in fired:
        found[entry].append(instant(at_us).isoformat())
    return dict(found)


@MONTHS
def test_aegis_fires_when_beat_would(month: Span) -> None:
    """Beat's lateness is left out: its clock stands still while it works. What is left of it is the schedule itself."""
    theirs = run_beat(AEGIS, AEGIS_ZONE, *month)
    ours = run_entries(site_of("aegis").entries, month)
    assert by_entry(ours) == by_entry(theirs)
    assert len(theirs) > 80_000


@MONTHS
def test_the_residency_scheduler_fires_when_beat_would(month: Span) -> None:
    theirs = run_beat(RESIDENCY, "UTC", *month)
    ours = run_entries(site_of("residency").entries, month)
    assert by_entry(ours) == by_entry(theirs)
    assert len(by_entry(theirs)) == 21


@pytest.mark.parametrize(
    ("zone", "days"),
    [
        ("America/New_York", Span(_us("2026-03-04T05:03:07+00:00"), _us("2026-03-13T04:00:00+00:00"))),
        ("America/New_York", Span(_us("2026-10-27T04:03:07+00:00"), _us("2026-11-05T05:00:00+00:00"))),
        ("Australia/Lord_Howe", Span(_us("2026-03-30T05:03:07+00:00"), _us("2026-04-08T05:00:00+00:00"))),
        ("Australia/Lord_Howe", Span(_us("2026-09-29T05:03:07+00:00"), _us("2026-10-08T05:00:00+00:00"))),
    ],
    ids=["an hour on", "an hour back", "half an hour back", "half an hour on"],
)
def test_the_residency_scheduler_would_fire_as_beat_does_in_a_zone_whose_clocks_change(zone: str, days: Span) -> None:
    """Its steps and ranges on a clock that jumps: what beat skips or moves is skipped and moved here."""
    theirs = run_beat(RESIDENCY, zone, *days)
    ours = run_entries(site_of("residency", CARILLON_SITE__TIMEZONE=zone).entries, days)
    assert by_entry(ours) == by_entry(theirs)


def test_where_beat_comes_later_with_each_run_an_interval_stays_where_it_was() -> None:
    """Beat counts from its last run: with 2 ms to send a task, every five minutes is seconds off after three days."""
    cost_s, month = 0.002, Span(MARCH.start_us, MARCH.start_us + 3 * 86_400 * SECOND_US)
    theirs = defaultdict(list)
    for entry, at_us in run_beat(AEGIS, AEGIS_ZONE, *month, cost_s=cost_s):
        theirs[entry].append(at_us)
    ours = defaultdict(list)
    for entry, at_us in run_entries(site_of("aegis").entries, month):
        ours[entry].append(at_us)
    together_us = round(len(AEGIS) * cost_s * SECOND_US)  # before the last of those that are due at once
    for entry, instants in ours.items():
        late_us = [at_us - ideal_us for ideal_us, at_us in zip(instants, theirs[entry], strict=False)]
        assert len(instants) - len(theirs[entry]) in (0, 1)
        assert [late for number, late in enumerate(late_us, 1) if not 0 <= late <= number * together_us] == []
        if entry.endswith("-5m"):
            assert late_us[-1] > SECOND_US
            assert late_us == sorted(late_us)
