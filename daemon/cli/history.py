"""``carillon entries history`` and ``why``: what became of occurrences, from this daemon's copy of the history."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from daemon.cli.json_text import json_text
from daemon.cli.options import instant_us, load_or_exit, site_option
from daemon.cli.output import ago, print_table
from daemon.clock import SECOND_US, SystemClock, instant
from daemon.public import Public
from daemon.scheduler.history import HistoryReader, explain
from daemon.scheduler.history.why import Explanation, skip_text
from daemon.scheduler.model import Entry
from daemon.scheduler.run import Run, RunState
from daemon.scheduler.triggers import last_at_or_before
from daemon.site import Site

COUNT_LIMIT = 100_000
LOOK_BACK_US = 400 * 86_400 * SECOND_US
_COLUMNS = ("OCCURRENCE", "STATE", "LATE", "RAN", "WORKER", "HOW", "REASON", "TASK ID")


@click.command()
@site_option()
@click.argument("name")
@click.option("-n", "--count", type=click.IntRange(1, COUNT_LIMIT), default=20, show_default=True)
@click.option(
    "--state", "states", multiple=True, type=click.Choice([state.value for state in RunState]), help="Only these."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def history(*, site_file: Path, name: str, count: int, states: tuple[str, ...], as_json: bool) -> None:
    """Show what became of an entry's occurrences, the latest first. Exits with 1 if nothing is recorded."""
    site = load_or_exit(site_file)
    with HistoryReader(site.settings.site.state_dir) as reader:
        runs = reader.runs(_identity(site, name), count=count, states=[RunState(state) for state in states])
    if as_json:
        click.echo(json_text({"entry": name, "runs": [_as_json(run) for run in runs]}))
    elif runs:
        print_table(_COLUMNS, [_row(run) for run in runs])
    if not runs:
        click.echo(f'nothing is recorded of "{name}"', err=True)
        raise click.exceptions.Exit(1)


@click.command()
@site_option()
@click.argument("name")
@click.option(
    "--at", "at", metavar="INSTANT", help="Ask about this instant (ISO 8601 with offset). [the last it was due]"
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def why(*, site_file: Path, name: str, at: str | None, as_json: bool) -> None:
    """Say why an occurrence ran or did not, by the timing of the site file and what is recorded."""
    site = load_or_exit(site_file)
    now_us = SystemClock().now_us()
    entry = _entry(site, name)
    with HistoryReader(site.settings.site.state_dir) as reader:
        identity = _identity(site, name)
        at_us = _last_us(reader, identity, entry, now_us) if at is None else instant_us(at, "--at")
        known = reader.knowledge(identity, at_us)
    found = explain(entry.trigger if entry is not None else None, at_us, known, now_us)
    if as_json:
        click.echo(json_text({"entry": name, "at": _utc(at_us), **_told(found)}))
    else:
        click.echo(f"{name} at {_utc(at_us)}: {found.text}")


def _last_us(reader: HistoryReader, identity: str, entry: Entry | None, now_us: int) -> int:
    if entry is not None:
        due_us = last_at_or_before(entry.trigger, now_us, after_us=now_us - LOOK_BACK_US)
        if due_us is None:
            raise click.UsageError(f'"{entry.name}" was not due in the last 400 days; ask about an instant with --at')
        return due_us
    last = reader.last([identity]).get(identity)
    if last is None:
        raise click.UsageError(f'"{identity}" is not in the site file, and nothing is recorded of it')
    return last.occurrence_us


def _entry(site: Site, name: str) -> Entry | None:
    return next((one for one in site.entries if name in (one.name, one.id)), None)


def _identity(site: Site, name: str) -> Public:
    entry = _entry(site, name)
    return Public(name) if entry is None else entry.id


def _told(found: Explanation) -> dict[str, Any]:
    return {
        "finding": found.finding.value,
        "text": found.text,
        "run": None if found.run is None else _as_json(found.run),
        "before": None if found.before_us is None else _utc(found.before_us),
        "after": None if found.after_us is None else _utc(found.after_us),
    }


def _row(run: Run) -> tuple[str, ...]:
    is_skip = run.state is RunState.SKIPPED
    reason = skip_text(run.reason) if is_skip else run.reason
    if run.times > 1:
        reason += f", {run.times} times until {_utc(run.last_us)}"
    late = "" if is_skip else ago(run.lateness_us / SECOND_US)
    return (_utc(run.occurrence_us), run.state.value, late, _ran(run), run.worker, run.how.value, reason, run.task_id)


def _ran(run: Run) -> str:
    if run.started_us is None or run.finished_us is None:
        return ""
    return f"{max(run.finished_us - run.started_us, 0) / SECOND_US:.3g} s"


def _as_json(run: Run) -> dict[str, Any]:
    """Write a run for programs; instants as text, absent ones as null."""
    found = run._asdict()
    for name in [name for name in found if name.endswith("_us")]:
        at_us = found.pop(name)
        found[name.removesuffix("_us")] = _utc(at_us) if at_us else None
    return {**found, "state": run.state.value, "how": run.how.value}


def _utc(at_us: int) -> str:
    return instant(at_us).isoformat().replace("+00:00", "Z")
