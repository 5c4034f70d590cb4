"""``carillon hl7 replay`` and ``release``: stored messages, handed on once more by the running daemon."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from daemon.cli.celery_side import confirm, json_option, yes_option
from daemon.cli.daemon_side import ask_daemon
from daemon.cli.json_text import json_text
from daemon.cli.message_lines import COLUMNS, found_line
from daemon.cli.message_selection import Filters, chosen, searching, selection_options
from daemon.cli.options import load_or_exit, site_option
from daemon.cli.output import print_table
from daemon.cli.runtime_side import reason_option
from daemon.hl7listener.spool.query import Found, State
from daemon.plural import counted
from daemon.site import Site

MOST = 1_000_000
REPLAY = "/api/messages/replay"
PART = 200
PART_BYTES = 4 * 1024 * 1024
ANSWER_LIMIT_S = 600.0
"""One message of 32 MiB takes a minute to be de-identified on a slow machine."""
ASK_FROM = 1000


@click.command()
@site_option()
@click.argument("sequences", metavar="[NUMBER...]", nargs=-1, type=int)
@selection_options
@click.option("--to-feed", metavar="NAME", help="Whose routes take them; else that of the feed each came in by.")
@click.option("--deidentify", is_flag=True, help="Replace what could name a patient first; needs --to-feed.")
@click.option("--dry-run", is_flag=True, help="Only list what would be replayed.")
@click.option("--rate", type=click.FloatRange(min=0.1), metavar="N", help="At most so many a second.")
@reason_option()
@yes_option("Replay")
@json_option()
def replay(
    *,
    site_file: Path,
    filters: Filters,
    to_feed: str | None,
    deidentify: bool,
    dry_run: bool,
    rate: float | None,
    reason: str,
    yes: bool,
    as_json: bool,
) -> None:
    """Hand stored messages on once more, the oldest first: given by number, or by the same options as `hl7 list`.

    Each is judged anew and stored as a new message with a task id of its own, behind what waits. One whose task succeeded runs
    a second time. It goes on the record.
    """
    if filters.is_open:
        message = "which messages? give their numbers, or options as for hl7 list (--feed NAME --since 2h)"
        raise click.UsageError(message)
    if deidentify and to_feed is None:
        message = "--deidentify needs --to-feed: de-identified messages do not belong among the real ones"
        raise click.UsageError(message)
    site = load_or_exit(site_file)
    found = _chosen(site, filters)
    if dry_run:
        print_table(COLUMNS, [found_line(one) for one in found])
        click.echo(f"{counted(len(found), 'message')} would be replayed", err=True)
        return
    if len(found) > ASK_FROM or any(one.state is State.ENQUEUED for one in found):
        enqueued = sum(one.state is State.ENQUEUED for one in found)
        already = f"; {enqueued} of them became tasks before" if enqueued else ""
        confirm(f"Replay {counted(len(found), 'message')}{already}?", yes=yes)
    fields = {"to_feed": to_feed, "deidentify": deidentify, "reason": reason}
    _again(site, REPLAY, found, fields, rate, as_json=as_json)


@click.command()
@site_option()
@click.argument("sequences", metavar="[NUMBER...]", nargs=-1, type=int)
@selection_options
@click.option("--rate", type=click.FloatRange(min=0.1), metavar="N", help="At most so many a second.")
@json_option()
def release(*, site_file: Path, filters: Filters, rate: float | None, as_json: bool) -> None:
    """Hand parked messages on once more: those that no worker could take, and what waits behind them in its lane."""
    site = load_or_exit(site_file)
    if not filters.sequences:
        filters = Filters((), replace(filters.query, state=State.PARKED))
    found = _chosen(site, filters)
    _again(site, "/api/messages/release", found, {}, rate, as_json=as_json)


def _chosen(site: Site, filters: Filters) -> list[Found]:
    with searching(site) as search:
        found = chosen(search, filters, most=MOST)
    if not found:
        click.echo("no message is like that", err=True)
        raise click.exceptions.Exit(1)
    return found


def parts_of(found: Sequence[Found], most: int) -> Iterator[list[int]]:
    """Cut messages into parts that are asked for at once: at most ``most``, and not more than 4 MiB unless it is one."""
    part: list[int] = []
    size_bytes = 0
    for one in found:
        if part and (len(part) >= most or size_bytes + one.size_bytes > PART_BYTES):
            yield part
            part, size_bytes = [], 0
        part.append(one.seq)
        size_bytes += one.size_bytes
    if part:
        yield part


def _again(
    site: Site, path: str, found: Sequence[Found], fields: dict[str, Any], rate: float | None, *, as_json: bool
) -> None:
    stored: dict[str, int] = {}
    left_out: dict[str, str] = {}
    size = PART if rate is None else max(1, min(PART, int(rate)))
    left = len(found)
    for part in parts_of(found, size):
        left -= len(part)
        begun_s = time.monotonic()
        meant = {**fields, "sequences": part}
        if path == REPLAY:
            meant["confirm"] = len(part)
        answer = ask_daemon(site, "POST", path, meant, limit_s=ANSWER_LIMIT_S)
        stored.update(answer["stored"])
        left_out.update(answer["left_out"])
        if rate is not None and left:
            time.sleep(max(len(part) / rate - (time.monotonic() - begun_s), 0))
    if as_json:
        click.echo(json_text({"stored": stored, "left_out": left_out}))
    else:
        click.echo(f"{counted(len(stored), 'message')} handed on once more, {len(left_out)} left out", err=True)
        for why, count in Counter(left_out.values()).most_common():
            click.echo(f"  {count}: {why}", err=True)
    if left_out:
        raise click.exceptions.Exit(1)
