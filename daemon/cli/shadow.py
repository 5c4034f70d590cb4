"""``carillon shadow``: runs beside another beat, sends nothing, and says where the two differ."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import anyio
import click

from daemon.cli.celery_side import side_of
from daemon.cli.json_text import json_text
from daemon.cli.options import duration_s, load_or_exit, site_option
from daemon.cli.output import print_table
from daemon.clock import SECOND_US, SystemClock, instant
from daemon.dispatch import SentTask, SentTasks, open_site_client
from daemon.errors import BrokerDown
from daemon.plural import counted
from daemon.public import Public, escaped
from daemon.scheduler.model import Entry
from daemon.scheduler.shadow import Difference, Finding, Shadow, Tally
from daemon.site import Site

EXIT_DIFFERS = 1
EXIT_UNHEARD = BrokerDown.exit_code
EXIT_INTERRUPTED = 130
LAG_US = SECOND_US
"""How long an event may be on its way."""
SKEW_LIMIT_US = 60 * SECOND_US
"""A sender whose clock differs by more is not believed: its tasks count as sent when they are heard of."""
_LOOK_EVERY_S = 1.0
_COLUMNS = ("ENTRY", "DUE", "MATCHED", "LATE", "MISSING", "UNHEARD", "FURTHEST OFF")
_UNHEARD = (
    "no task was heard of, and some were due: the sender must have task_send_sent_event on "
    "(CELERY_TASK_SEND_SENT_EVENT = True in Django), and use this broker"
)


@click.command()
@site_option()
@click.option("--for", "span", metavar="TIME", default="24h", show_default=True, help="How long to watch.")
@click.option(
    "--tolerance", metavar="TIME", default="2s", show_default=True, help="How far from its instant is still on time."
)
@click.option("--sender", metavar="GLOB", default="*", help="Heed only what these nodes send, such as gen*@beat-1.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: each difference, then a summary.")
def shadow(*, site_file: Path, span: str, tolerance: str, sender: str, as_json: bool) -> None:
    """Watch what another beat sends, and say where this site would differ. Nothing is sent.

    The other side needs task_send_sent_event. Exits with 0 if everything that was due was sent in time and nothing else was,
    with 1 if not, and with 69 if not one task was heard of although some were due.
    """
    span_us = round(duration_s(span, "--for") * SECOND_US)
    tolerance_us = round(duration_s(tolerance, "--tolerance") * SECOND_US)
    site = load_or_exit(site_file)
    entries = [one for one in site.entries if one.canvas is None]
    if not entries:
        message = f"{site_file} has no entries that are enabled and send a single task"
        raise click.UsageError(message)
    watch = _Watch(site, entries, tolerance_us, sender, as_json=as_json)
    anyio.run(watch.run, span_us)
    if watch.is_interrupted:
        raise click.exceptions.Exit(EXIT_INTERRUPTED)
    if not watch.shadow.heard and watch.shadow.due:
        click.echo(_UNHEARD, err=True)
        raise click.exceptions.Exit(EXIT_UNHEARD)
    if not watch.shadow.is_matched:
        raise click.exceptions.Exit(EXIT_DIFFERS)


class _Watch:
    """One watch: what is heard goes into the shadow, what it finds goes to the terminal."""

    def __init__(self, site: Site, entries: Sequence[Entry], tolerance_us: int, sender: str, *, as_json: bool) -> None:
        self._site, self._entries, self._tolerance_us = site, entries, tolerance_us
        self._sender, self._as_json = sender, as_json
        self._clock, self._is_skew_told = SystemClock(), False
        self.is_interrupted = False
        self._begin(self._clock.now_us())

    def _begin(self, from_us: int) -> None:
        self._from_us = from_us
        self.shadow = Shadow(self._entries, from_us, self._tolerance_us)

    async def run(self, span_us: int) -> None:
        """Listen for so long, and then report."""
        margin_us, end_us = self._tolerance_us + LAG_US, self._from_us + span_us
        async with open_site_client(side_of(self._site)) as client, anyio.create_task_group() as tasks:
            sent = SentTasks(client, self._clock, heard=self._heard, missed=self._missed)
            tasks.start_soon(sent.run)
            tasks.start_soon(self._heed_signals, tasks.cancel_scope)
            await sent.opened()
            self._begin(self._clock.now_us())
            end_us = self._from_us + span_us
            self._begun(end_us)
            while (now_us := self._clock.now_us()) < end_us + margin_us:
                if sent.deaf_since_us is None:
                    self._report(self.shadow.settle(min(now_us - margin_us, end_us)))
                await anyio.sleep(min(_LOOK_EVERY_S, (end_us + margin_us - now_us) / SECOND_US))
            if sent.deaf_since_us is not None:
                self._missed(sent.deaf_since_us, end_us)
            tasks.cancel_scope.cancel()
        self.end(self._clock.now_us() - margin_us if self.is_interrupted else end_us)

    async def _heed_signals(self, scope: anyio.CancelScope) -> None:
        """End the watch early when asked to, also where a shell has its background jobs ignore Ctrl-C."""
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for _ in signals:
                self.is_interrupted = True
                scope.cancel()

    def _begun(self, end_us: int) -> None:
        left_out = len(self._site.entries) - len(self._entries)
        also = f"; {counted(left_out, 'entry', 'entries')} left out: beat has no chains, groups and chords"
        until = f"watching {counted(len(self._entries), 'entry', 'entries')} until {_utc(end_us)}"
        self._say(until + also if left_out else until)

    def end(self, until_us: int) -> None:
        """Report what was due by then, and all in all."""
        self._report(self.shadow.close(until_us))
        if self._as_json:
            click.echo(json_text(_summary(self.shadow, self._from_us, until_us)))
        else:
            _print_summary(self.shadow)

    def _heard(self, one: SentTask) -> None:
        if not one.is_first or not fnmatchcase(one.sender, self._sender):
            return
        now_us = self._clock.now_us()
        ahead_us = one.at_us - now_us
        is_odd = abs(ahead_us) > SKEW_LIMIT_US
        if is_odd and not self._is_skew_told:
            self._is_skew_told = True
            self._say(f"the clock of {escaped(one.sender)} differs from ours by {ahead_us / SECOND_US:+.0f} s")
        self._report(self.shadow.take(one.task, now_us if is_odd else one.at_us, one.sender))

    def _missed(self, from_us: int, until_us: int) -> None:
        self.shadow.skip(from_us, until_us)
        self._say(f"nobody listened from {_utc(from_us)} to {_utc(until_us)}: the broker was away")

    def _report(self, found: Iterable[Finding]) -> None:
        for one in found:
            click.echo(json_text(_as_json(one)) if self._as_json else _sentence(one))

    def _say(self, text: str) -> None:
        click.echo(text, err=True)


def _sentence(one: Finding) -> str:
    if one.kind is Difference.MISSING:
        return f"missing     {_utc(one.due_us)}  {one.entry}  {escaped(one.task)}"
    if one.kind is Difference.LATE:
        return f"late        {_utc(one.due_us)}  {one.entry}  {escaped(one.task)}  by {_late_s(one):.3f} s"
    times = f"  {one.count} times" if one.count > 1 else ""
    return f"unexpected  {_utc(one.sent_us)}  {escaped(one.task)}{times}"


def _late_s(one: Finding) -> float:
    return ((one.sent_us or 0) - (one.due_us or 0)) / SECOND_US


def _as_json(one: Finding) -> Mapping[str, Any]:
    found: dict[str, Any] = {"kind": one.kind.value, "entry": one.entry, "task": one.task}
    if one.due_us is not None:
        found["due_at"] = _utc(one.due_us)
    if one.sent_us is not None:
        found["sent_at"] = _utc(one.sent_us)
    if one.kind is Difference.LATE:
        found["late_s"] = _late_s(one)
    if one.kind is Difference.UNEXPECTED:
        found["count"] = one.count
    return found


def _summary(found: Shadow, from_us: int, until_us: int) -> Mapping[str, Any]:
    return {
        "kind": "summary",
        "from": _utc(from_us),
        "until": _utc(until_us),
        "matched": found.is_matched,
        "due": found.due,
        "heard": found.heard,
        "unexpected": found.unexpected,
        "others": found.others,
        "entries": {str(name): _counts(tally) for name, tally in found.tallies.items()},
    }


def _counts(tally: Tally) -> Mapping[str, int | float]:
    return {
        "due": tally.due,
        "matched": tally.matched,
        "late": tally.late,
        "missing": tally.missing,
        "unheard": tally.unheard,
        "furthest_s": tally.furthest_us / SECOND_US,
    }


def _print_summary(found: Shadow) -> None:
    rows = [_row(name, tally) for name, tally in found.tallies.items()]
    print_table(_COLUMNS, rows)
    also = f"; {counted(found.others, 'task')} of others" if found.others else ""
    click.echo(
        f"{found.due} due, {'all matched' if found.is_matched else 'not all matched'}, {found.unexpected} unexpected{also}",
        err=True,
    )


def _row(name: Public, tally: Tally) -> tuple[str, ...]:
    counts = (tally.due, tally.matched, tally.late, tally.missing, tally.unheard)
    return (str(name), *map(str, counts), f"{tally.furthest_us / SECOND_US:+.3f} s" if tally.due else "-")


def _utc(at_us: int | None) -> str:
    return instant(at_us or 0).isoformat(timespec="milliseconds").replace("+00:00", "Z")
