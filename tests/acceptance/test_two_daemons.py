"""Several daemons run one site; there is no leader, and each occurrence is enqueued once."""

from __future__ import annotations

from pathlib import Path

from daemon.keys import occurrence_id
from tests.support.builders import site_text, write_site
from tests.support.process import DaemonProcess, occurrence_us
from tests.support.valkey import ValkeyServer
from tests.support.worker import Worker, wait_until_ran

ENTRIES = 20
STEP_US = 200_000
SCHEDULE = "".join(
    f"""
[schedule.entry-{number}]
task = "recording.tick"
every = "200ms"
catch_up = "all"
"""
    for number in range(ENTRIES)
)


def daemon_of(folder: Path, valkey: ValkeyServer) -> DaemonProcess:
    folder.mkdir()
    return DaemonProcess(
        write_site(folder, site_text(broker_url=valkey.url, schedule=SCHEDULE)), "--log-level", "debug"
    )


def wait_past(daemon: DaemonProcess, at_us: int) -> int:
    """Wait until a daemon has seen an occurrence after an instant; give it."""
    wanted = ("occurrence.enqueued", "occurrence.taken")
    record = daemon.wait_until(
        lambda line: line.get("action") in wanted and occurrence_us(line) > at_us, f"an occurrence after {at_us}"
    )
    return occurrence_us(record)


def test_three_daemons_and_one_killed_every_occurrence_runs_once(tmp_path: Path, valkey: ValkeyServer) -> None:
    with (
        daemon_of(tmp_path / "one", valkey) as one,
        daemon_of(tmp_path / "two", valkey) as two,
        daemon_of(tmp_path / "three", valkey) as three,
    ):
        for daemon in (one, two, three):
            daemon.ready()
        begun = wait_past(three, 0)
        killed = wait_past(two, begun + 10 * STEP_US)
        one.kill()
        wait_past(three, killed + 10 * STEP_US)
        assert two.terminate() == 0
        assert three.terminate() == 0
        shares = [
            sum(line.get("action") == "occurrence.enqueued" for line in daemon.records) for daemon in (one, two, three)
        ]
    horizons = {
        name.decode(): int(value.split(b":")[1])
        for name, value in valkey.client.hgetall("carillon:1:testsite:entries").items()
    }
    waiting = int(valkey.client.llen("celery"))  # before a worker takes any
    with Worker(valkey.url):
        ran = [one["id"] for one in wait_until_ran(valkey.client, waiting)]
    assert len(ran) == len(set(ran))
    for name, last in horizons.items():
        planned = [occurrence_id("testsite", name, at_us) for at_us in range(last - 300 * STEP_US, last + 1, STEP_US)]
        mine = [one for one in planned if one in set(ran)]
        assert mine == planned[-len(mine) :]
        assert len(mine) > 20
    assert sum(shares) <= len(ran)


def test_the_daemon_that_started_last_decides_the_timing_of_an_entry(tmp_path: Path, valkey: ValkeyServer) -> None:
    entry = '[schedule.bell]\ntask = "recording.tick"\nevery = "{every}"\n'
    sites = {}
    for name, every in (("old", "200ms"), ("new", "300ms")):
        (tmp_path / name).mkdir()
        text = site_text(broker_url=valkey.url, schedule=entry.format(every=every))
        sites[name] = write_site(tmp_path / name, text)
    with DaemonProcess(sites["old"], "--log-level", "debug") as old:
        old.ready().wait_for("occurrence.enqueued")
        with DaemonProcess(sites["new"], "--log-level", "debug") as new:
            new.ready().wait_for("occurrence.enqueued")
            old.wait_for("entry.superseded", entry="bell")
            before = sum(line.get("action") == "occurrence.enqueued" for line in old.records)
            last = occurrence_us(new.wait_for("occurrence.enqueued"))
            wait_past(new, last + 1_500_000)
            assert sum(line.get("action") == "occurrence.enqueued" for line in old.records) == before
            assert new.terminate() == 0
        assert old.terminate() == 0


def test_a_second_daemon_on_the_same_state_folder_is_refused_and_told_who_holds_it(
    tmp_path: Path, valkey: ValkeyServer
) -> None:
    site = write_site(tmp_path, site_text(broker_url=valkey.url, schedule='[schedule.a]\ntask="t"\nevery="1h"\n'))
    with DaemonProcess(site) as first:
        first.ready()
        assert first.process is not None
        with DaemonProcess(site) as second:
            assert second.process is not None
            assert second.process.wait(30) == 75
            error = second.wait_for("daemon.failed")["error"]
        assert f"is held by process {first.process.pid}" in error
        assert first.get("/healthz")[0] == 200
        assert first.terminate() == 0
