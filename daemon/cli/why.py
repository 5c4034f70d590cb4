"""``carillon entries why``: why an occurrence ran or did not, from this daemon's copy of the history and the broker."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import anyio
import click

from daemon.cli.history import identity_of, run_as_json, utc_text
from daemon.cli.json_text import json_text
from daemon.cli.options import instant_us, load_or_exit, site_option
from daemon.cli.runtime_side import desk_of
from daemon.clock import SECOND_US, SystemClock
from daemon.dispatch import RedisRuntimeStore
from daemon.errors import DaemonError
from daemon.scheduler.history import HistoryReader, explain
from daemon.scheduler.history.present import standing
from daemon.scheduler.history.why import Explanation
from daemon.scheduler.layers.desk import Known, ScheduleDesk
from daemon.scheduler.layers.hold_note import HoldNote, read_hold
from daemon.scheduler.model import Horizon, parse_horizon
from daemon.scheduler.triggers import Trigger, last_at_or_before
from daemon.site import Site

LOOK_BACK_US = 400 * 86_400 * SECOND_US


class _Asked(NamedTuple):
    """What the broker keeps of an entry; without an answer, what the site says."""

    trigger: Trigger | None
    known: Known | None = None
    horizon: Horizon | None = None
    held: HoldNote | None = None

    @property
    def is_there(self) -> bool:
        """Say whether the schedule has it."""
        return self.trigger is not None or (self.known is not None and self.known.definition is not None)


@click.command()
@site_option()
@click.argument("name")
@click.option(
    "--at", "at", metavar="INSTANT", help="Ask about this instant (ISO 8601 with offset). [the last it was due]"
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def why(*, site_file: Path, name: str, at: str | None, as_json: bool) -> None:
    """Say why an occurrence ran or did not, by what is recorded and how the entry stands now."""
    site = load_or_exit(site_file)
    asked = _ask(site, name)
    now_us = SystemClock().now_us()
    identity = identity_of(site, name) if asked.known is None else asked.known.id
    with HistoryReader(site.settings.site.state_dir) as reader:
        at_us = _last_us(reader, identity, asked, now_us) if at is None else instant_us(at, "--at")
        recorded = reader.knowledge(identity, at_us)
    if not asked.is_there and recorded.entry_us is None:
        message = f'"{name}" is not in the schedule, and nothing is recorded of it'
        raise click.UsageError(message)
    stands = None if asked.known is None else standing(asked.known.composed, asked.horizon, asked.held, at_us, now_us)
    found = explain(asked.trigger, at_us, recorded, now_us, stands)
    if as_json:
        click.echo(json_text({"entry": name, "at": utc_text(at_us), **_told(found)}))
    else:
        click.echo(f"{name} at {utc_text(at_us)}: {found.text}")
    if not asked.is_there:
        click.echo("no entry of this name is in the schedule now", err=True)


def _ask(site: Site, name: str) -> _Asked:
    async def work(desk: ScheduleDesk, store: RedisRuntimeStore, _: Site) -> _Asked:
        known = (await desk.find([name])).get(name) or Known(name, None, None, None, None)
        horizon = parse_horizon((await store.horizons([known.id])).get(known.id) or "")
        held = await store.gates.held()
        entry = known.composed.entry if known.composed is not None else None
        trigger = None
        if entry is not None:
            begins_us = horizon.since_us if horizon is not None else entry.begins_us
            trigger = entry.trigger if begins_us is None else entry.trigger.begun(begins_us)
        return _Asked(trigger, known, horizon, None if held is None else read_hold(held))

    try:
        return anyio.run(desk_of, site, work)
    except DaemonError as error:
        click.echo(f"how the entry stands now is not known: {error}", err=True)
        return _Asked(next((one.trigger for one in site.entries if name in (one.name, one.id)), None))


def _last_us(reader: HistoryReader, identity: str, asked: _Asked, now_us: int) -> int:
    """Give the last instant an entry was due at; of one that is not in the schedule, the last that is recorded; or else now."""
    if asked.trigger is not None:
        due_us = last_at_or_before(asked.trigger, now_us, after_us=now_us - LOOK_BACK_US)
        if due_us is not None:
            return due_us
    elif not asked.is_there and (last := reader.last([identity]).get(identity)) is not None:
        return last.occurrence_us
    return now_us - now_us % SECOND_US


def _told(found: Explanation) -> dict[str, Any]:
    return {
        "finding": found.finding.value,
        "text": found.text,
        "run": None if found.run is None else run_as_json(found.run),
        "before": None if found.before_us is None else utc_text(found.before_us),
        "after": None if found.after_us is None else utc_text(found.after_us),
    }
