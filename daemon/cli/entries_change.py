"""``carillon entries set``, ``revert``, ``pause``, ``resume``, ``hold``, ``release``: changing what is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click

from daemon.cli.options import duration_s, site_option
from daemon.cli.recording import deed
from daemon.cli.runtime_side import (
    at_desk,
    author_option,
    author_or_user,
    end_us,
    field_and_value,
    for_option,
    reason_option,
    say_heard,
)
from daemon.clock import SECOND_US
from daemon.deeds import Deed, DeedKind
from daemon.dispatch import RedisRuntimeStore
from daemon.plural import counted
from daemon.scheduler.layers import Setting
from daemon.scheduler.layers.desk import ScheduleDesk
from daemon.scheduler.layers.hold_note import HoldNote, read_hold, write_hold
from daemon.scheduler.layers.override import PAUSE
from daemon.scheduler.layers.ports import Edited
from daemon.site import Site


@click.command("set")
@site_option()
@click.argument("name")
@click.argument("fields", metavar="FIELD=VALUE...", nargs=-1, required=True)
@reason_option(needed=True)
@for_option()
@author_option()
def set_command(
    *, site_file: Path, name: str, fields: Sequence[str], reason: str, span: str | None, author: str | None
) -> None:
    """Change fields of an entry: keys of the site file, options as options.queue.

    The value is JSON or else text: every=15m, cron="0 3 * * *", 'kwargs={"ward": 3}'. It outlasts restarts and deployments,
    until it is reverted or its time is over.
    """
    given = dict(field_and_value(field) for field in fields)

    async def work(desk: ScheduleDesk, _: RedisRuntimeStore, __: Site) -> Edited:
        found = await desk.find_all([name])
        now_us = await desk.now_us()
        who, ends_us = author_or_user(author), end_us(span, now_us)
        return await desk.change(
            found, {key: Setting(value, who, now_us, reason, ends_us) for key, value in given.items()}
        )

    changed = deed(DeedKind.ENTRY_CHANGED, name, author_or_user(author), reason, after=f"set {', '.join(given)}")
    say_heard(at_desk(site_file, work, deed=changed))


@click.command()
@site_option()
@click.argument("name")
@click.argument("fields", metavar="[FIELD...]", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All fields, also of an entry that is no more.")
def revert(*, site_file: Path, name: str, fields: Sequence[str], everything: bool) -> None:
    """Let fields of an entry fall back to what the site says."""
    if bool(fields) == everything:
        raise click.UsageError("name the fields, or say --all")

    async def work(desk: ScheduleDesk, _: RedisRuntimeStore, __: Site) -> Edited:
        if everything:
            found = await desk.find([name])
            return await desk.forget([found[name].id if name in found else name])
        return await desk.change(await desk.find_all([name]), dict.fromkeys(fields))

    after = f"reverted {', '.join(fields) or 'all'}"
    say_heard(at_desk(site_file, work, deed=deed(DeedKind.ENTRY_CHANGED, name, author_or_user(None), after=after)))


@click.command()
@site_option()
@click.argument("names", metavar="NAME...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All entries of the site.")
@click.option("--note", "--reason", "reason", metavar="TEXT", required=True, help="Why.")
@for_option()
@author_option()
def pause(
    *, site_file: Path, names: Sequence[str], everything: bool, reason: str, span: str | None, author: str | None
) -> None:
    """Pass over the occurrences of entries until they are resumed."""
    who = author_or_user(author)

    def setting(now_us: int) -> Setting:
        return Setting(value=True, author=who, at_us=now_us, reason=reason, expires_us=end_us(span, now_us))

    told = deed(DeedKind.ENTRY_PAUSED, "all entries" if everything else ", ".join(names), who, reason, after="paused")
    _pause_or_resume(site_file, names, setting, everything=everything, told=told)


@click.command()
@site_option()
@click.argument("names", metavar="NAME...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All entries of the site.")
def resume(*, site_file: Path, names: Sequence[str], everything: bool) -> None:
    """Go on with entries that were paused; what was passed over stays so."""
    about = "all entries" if everything else ", ".join(names)
    told = deed(DeedKind.ENTRY_RESUMED, about, author_or_user(None), after="resumed")
    _pause_or_resume(site_file, names, lambda _: None, everything=everything, told=told)


def _pause_or_resume(
    site_file: Path, names: Sequence[str], setting: Callable[[int], Setting | None], *, everything: bool, told: Deed
) -> None:
    if bool(names) == everything:
        raise click.UsageError("name entries, or say --all")

    async def work(desk: ScheduleDesk, _: RedisRuntimeStore, __: Site) -> tuple[int, Edited]:
        found = await desk.find_all(list(desk.definitions) if everything else names)
        new: Mapping[str, Setting | None] = {PAUSE: setting(await desk.now_us())}
        return len(found), await desk.change(found, new)

    count, edited = at_desk(site_file, work, deed=told)
    click.echo(f"{counted(count, 'entry', 'entries')} {told.after}", err=True)
    say_heard(edited)


@click.command()
@site_option()
@reason_option(needed=True)
@for_option()
@author_option()
def hold(*, site_file: Path, reason: str, span: str | None, author: str | None) -> None:
    """Hold all schedules of the site, as for maintenance: nothing is enqueued, and nothing is passed over.

    What became due meanwhile is treated as after downtime when they are released. What is asked for by hand runs.
    """
    for_us = None if span is None else round(duration_s(span, "--for") * SECOND_US)

    async def work(desk: ScheduleDesk, store: RedisRuntimeStore, _: Site) -> None:
        now_us = await desk.now_us()
        note = HoldNote(reason, author_or_user(author), now_us, None if for_us is None else now_us + for_us)
        await store.gates.hold(write_hold(note), for_us=for_us)

    at_desk(site_file, work, deed=deed(DeedKind.SCHEDULE_HELD, "all entries", author_or_user(author), reason))
    click.echo("all schedules are held", err=True)


@click.command()
@site_option()
def release(*, site_file: Path) -> None:
    """Let the schedules of the site go on."""

    async def work(_: ScheduleDesk, store: RedisRuntimeStore, __: Site) -> str | None:
        was = await store.gates.held()
        await store.gates.hold(None)
        return was

    was = at_desk(site_file, work, deed=deed(DeedKind.SCHEDULE_RELEASED, "all entries", author_or_user(None)))
    click.echo("they were not held" if was is None else f"released; they were held {read_hold(was)}", err=True)
