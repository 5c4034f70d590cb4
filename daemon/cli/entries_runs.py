"""``carillon entries trigger``, ``backfill``, ``add``, ``remove``, ``load``: runs asked for by hand, and whole entries."""

from __future__ import annotations

import secrets
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
import orjson

from daemon.cli.entries_load import load_lines
from daemon.cli.json_text import json_text
from daemon.cli.options import instant_us, site_option
from daemon.cli.recording import deed
from daemon.cli.runtime_side import EXIT_NO, at_desk, author_option, author_or_user, reason_option, say_heard
from daemon.deeds import DeedKind
from daemon.dispatch import RedisRuntimeStore
from daemon.keys import asked_prefix
from daemon.plural import counted
from daemon.scheduler.desk.asking import BACKFILL_LIMIT, occurrences, run_now, run_past
from daemon.scheduler.errors import EntryRefused
from daemon.scheduler.layers.adding import added_from
from daemon.scheduler.layers.desk import Removed, ScheduleDesk
from daemon.scheduler.layers.ports import Edited, Table
from daemon.scheduler.model import OverlapPolicy
from daemon.site import Site

F = TypeVar("F", bound=Callable[..., Any])
_POLICIES = [policy.value for policy in OverlapPolicy]


def overlap_option() -> Callable[[F], F]:
    """Add ``--overlap``."""
    return click.option(
        "--overlap", type=click.Choice(_POLICIES), default="allow", show_default=True, help="If another one runs."
    )


@click.command()
@site_option()
@click.argument("name")
@overlap_option()
@reason_option()
@author_option()
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def trigger(*, site_file: Path, name: str, overlap: str, reason: str, author: str | None, as_json: bool) -> None:
    """Run the task of an entry now and print the id of the task. Its schedule goes on as if nothing had been."""
    request = secrets.token_hex(6)

    async def work(desk: ScheduleDesk, _: RedisRuntimeStore, site: Site) -> tuple[str, Edited]:
        [known] = await desk.find_all([name])
        now_us, who = await desk.now_us(), author_or_user(author)
        one = run_now(known, site.settings.site.name, now_us, request, author=who, reason=reason, overlap=overlap)
        return one.task_id or "", await desk.add([one])

    told = deed(DeedKind.ENTRY_RUN, name, author_or_user(author), reason)
    task_id, edited = at_desk(site_file, work, deed=told)
    click.echo(json_text({"task_id": task_id, "daemons": edited.heard}) if as_json else task_id)
    say_heard(edited)


@click.command()
@site_option()
@click.argument("name")
@click.option("--from", "start", metavar="INSTANT", required=True, help="The first instant (ISO 8601 with offset).")
@click.option("--to", "end", metavar="INSTANT", required=True, help="The instant before which it ends.")
@click.option(
    "--limit",
    type=click.IntRange(1, BACKFILL_LIMIT),
    default=BACKFILL_LIMIT,
    show_default=True,
    help="No more than so many.",
)
@overlap_option()
@reason_option()
@author_option()
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def backfill(
    *,
    site_file: Path,
    name: str,
    start: str,
    end: str,
    limit: int,
    overlap: str,
    reason: str,
    author: str | None,
    as_json: bool,
) -> None:
    """Run the occurrences of an entry in a window of the past, oldest first, and print how many there are.

    Each is given its own instant, as if it had run then. With --overlap queue-all each waits for the one before.
    """
    from_us, to_us = instant_us(start, "--from"), instant_us(end, "--to")
    if from_us >= to_us:
        raise click.UsageError("--from is not before --to")
    request = secrets.token_hex(6)

    async def work(desk: ScheduleDesk, store: RedisRuntimeStore, _: Site) -> tuple[int, str, Edited | None]:
        [known] = await desk.find_all([name])
        now_us = await desk.now_us()
        horizon = (await store.horizons([known.id])).get(known.id)
        instants = occurrences(known, horizon, from_us, min(to_us, now_us), limit)
        if not instants:
            return 0, asked_prefix(known.id, "backfill") + request, None
        who = author_or_user(author)
        one = run_past(known, instants, now_us, request, author=who, reason=reason, overlap=overlap)
        return len(instants), one.id, await desk.add([one])

    told = deed(DeedKind.ENTRY_RUN, name, author_or_user(author), reason, after=f"backfill {start} to {end}")
    count, entry_id, edited = at_desk(site_file, work, deed=told)
    if as_json:
        click.echo(json_text({"count": count, "entry": entry_id if count else None}))
    else:
        click.echo(f"{counted(count, 'occurrence')}" + (f" as {entry_id}" if count else ""))
    if edited is None:
        raise click.exceptions.Exit(EXIT_NO)
    say_heard(edited)


@click.command()
@site_option()
@click.argument("name")
@click.option(
    "--file",
    "source",
    type=click.Path(path_type=Path, allow_dash=True),
    required=True,
    help="TOML or JSON: the keys of [schedule.NAME]; - is JSON from the input.",
)
@click.option("--replace", is_flag=True, help="Also if there is one of this name.")
@reason_option()
@author_option()
def add(*, site_file: Path, name: str, source: Path, replace: bool, reason: str, author: str | None) -> None:
    """Add an entry while the daemons run. One with a single instant (at) goes when it has fired."""
    data = _read(source)

    async def work(desk: ScheduleDesk, _: RedisRuntimeStore, __: Site) -> Edited:
        one = added_from(name, data, author=author_or_user(author), reason=reason, now_us=await desk.now_us())
        return await desk.add([one], replace=replace)

    say_heard(at_desk(site_file, work, deed=deed(DeedKind.ENTRY_ADDED, name, author_or_user(author), reason)))


@click.command()
@site_option()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
def remove(*, site_file: Path, names: Sequence[str]) -> None:
    """Remove entries that were added. Exits with 1 if there are none of these names."""

    async def work(desk: ScheduleDesk, _: RedisRuntimeStore, __: Site) -> Removed:
        there = await desk.store.read(Table.ADDED, names)
        for one in names:
            if one in desk.definitions and one not in there:
                message = f'"{one}" was not added: it is an entry of the {desk.definitions[one].source}'
                raise EntryRefused(message, hint=f"carillon entries set {one} enabled=false --reason …")
        return await desk.remove(names)

    removed = at_desk(site_file, work, deed=deed(DeedKind.ENTRY_REMOVED, ", ".join(names), author_or_user(None)))
    click.echo(f"{counted(len(removed.ids), 'entry', 'entries')} removed", err=True)
    if not removed.ids:
        raise click.exceptions.Exit(EXIT_NO)
    say_heard(removed.edited)


@click.command()
@site_option()
@click.argument("source", metavar="FILE.jsonl", type=click.File("rb"))
@click.option("--skip", type=click.IntRange(0), default=0, help="Lines at the beginning that are there already.")
@reason_option()
@author_option()
def load(*, site_file: Path, source: Any, skip: int, reason: str, author: str | None) -> None:
    """Add many entries, one JSON object a line: name, and the keys of [schedule.NAME].

    An entry that is there is replaced, so that the same file can be loaded again. What is wrong stops it, named by its line;
    the lines before are kept.
    """
    who, shows = author_or_user(author), sys.stderr.isatty()

    def progress(count: int) -> None:
        if shows:
            click.echo(f"\r{count:,} entries", err=True, nl=False)

    async def work(desk: ScheduleDesk, _: RedisRuntimeStore, __: Site) -> tuple[int, int]:
        return await load_lines(desk, source, skip=skip, author=who, reason=reason, progress=progress)

    count, past = at_desk(site_file, work, deed=deed(DeedKind.ENTRY_ADDED, "entries of a file", who, reason))
    click.echo("\r" * shows + f"{counted(count, 'entry', 'entries')} added", err=True)
    if past:
        click.echo(f"{counted(past, 'line')} of the past left out: nothing of them would ever fire", err=True)


def _read(source: Path) -> Mapping[str, Any]:
    try:
        text = sys.stdin.buffer.read() if str(source) == "-" else source.read_bytes()
        data = tomllib.loads(text.decode()) if source.suffix == ".toml" else orjson.loads(text)
    except OSError as error:
        raise click.UsageError(f"{source}: {error.strerror}") from None
    except ValueError as error:
        raise click.UsageError(f"{source}: not {'TOML' if source.suffix == '.toml' else 'JSON'} ({error})") from None
    if not isinstance(data, dict):
        raise click.UsageError(f"{source}: a JSON object is needed: the keys of [schedule.NAME]")
    return data
