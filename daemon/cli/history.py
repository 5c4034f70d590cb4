"""``carillon entries history``: what became of an entry's occurrences, from this daemon's copy of the history."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from daemon.cli.json_text import json_text
from daemon.cli.options import load_or_exit, site_option
from daemon.cli.output import ago, print_table
from daemon.clock import SECOND_US, instant
from daemon.scheduler.history import HistoryReader
from daemon.scheduler.history.why import skip_text
from daemon.scheduler.run import Run, RunState
from daemon.site import Site

COUNT_LIMIT = 100_000
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
        wanted = [RunState(state) for state in states]
        identity = identity_of(site, name)
        identity = identity if reader.knows(identity) else reader.named(name) or identity
        runs = reader.runs(identity, count=count, states=wanted, with_asked=True)
    if as_json:
        click.echo(json_text({"entry": name, "runs": [run_as_json(run) for run in runs]}))
    elif runs:
        print_table(_COLUMNS, [_row(run) for run in runs])
    if not runs:
        click.echo(f'nothing is recorded of "{name}"', err=True)
        raise click.exceptions.Exit(1)


def _row(run: Run) -> tuple[str, ...]:
    is_skip = run.state is RunState.SKIPPED
    reason = skip_text(run.reason) if is_skip else run.reason
    if run.times > 1:
        reason += f", {run.times} times until {utc_text(run.last_us)}"
    late = "" if is_skip else ago(run.lateness_us / SECOND_US)
    return (
        utc_text(run.occurrence_us),
        run.state.value,
        late,
        _ran(run),
        run.worker,
        run.how.value,
        reason,
        run.task_id,
    )


def _ran(run: Run) -> str:
    if run.started_us is None or run.finished_us is None:
        return ""
    return f"{max(run.finished_us - run.started_us, 0) / SECOND_US:.3g} s"


def identity_of(site: Site, name: str) -> str:
    """Give what an entry of the site is known by; what is none of it goes by its own name."""
    return next((one.id for one in site.definitions if name in (str(one.name), one.id)), name)


def run_as_json(run: Run) -> dict[str, Any]:
    """Write a run for programs; instants as text, absent ones as null."""
    found = run._asdict()
    for name in [name for name in found if name.endswith("_us")]:
        at_us = found.pop(name)
        found[name.removesuffix("_us")] = utc_text(at_us) if at_us else None
    return {**found, "state": run.state.value, "how": run.how.value}


def utc_text(at_us: int) -> str:
    """Write an instant."""
    return instant(at_us).isoformat().replace("+00:00", "Z")
