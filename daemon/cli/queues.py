"""``carillon queues``: what waits, for whom, since when; and setting it aside or moving it."""

from __future__ import annotations

import secrets
from pathlib import Path

import click

from daemon.cli.celery_side import INCOMPLETE, ask, confirm, json_option, timeout_option, yes_option
from daemon.cli.json_text import json_text
from daemon.cli.options import duration_s, site_option
from daemon.cli.output import ago, print_table
from daemon.cli.recording import deed
from daemon.cli.runtime_side import author_or_user
from daemon.clock import SystemClock, instant
from daemon.deeds import DeedKind
from daemon.dispatch import Client, QueuedMessage, QueueRow, TaskUncertain, list_queues, site_queues
from daemon.errors import BrokerDown
from daemon.health import sent_items
from daemon.plural import counted
from daemon.public import escaped
from daemon.site import Site

EXIT_NO = 1
NAMED_LIMIT = 10
"""Queues without a consumer that are named one by one; the table has them all."""

_COLUMNS = ("NAME", "STATE", "WAITING", "OLDEST", "UNACKED", "CONSUMERS")
_PEEKED = ("TASK", "ID", "PRIORITY", "SENT", "ETA", "EXPIRES", "SIZE")


@click.group()
def queues() -> None:
    """What waits in the queues of a site. RabbitMQ sets nothing aside and moves nothing."""


@queues.command("list")
@site_option()
@timeout_option()
@json_option()
def list_command(*, site_file: Path, timeout: str, as_json: bool) -> None:
    """List the queues the site sends to and its workers take from.

    WAITING counts the messages of all priorities; UNACKED those that workers hold. OLDEST is known of what this program sent.
    Exits with 1 if a queue has no consumer or cannot be used.
    """
    timeout_s = duration_s(timeout, "--timeout")

    async def work(client: Client, site: Site) -> tuple[list[QueueRow], bool]:
        now = instant(SystemClock().now_us())
        return await list_queues(client, site_queues(client, sent_items(site)), now=now, timeout_s=timeout_s)

    rows, is_complete = ask(site_file, work)
    if as_json:
        click.echo(json_text({"complete": is_complete, "queues": rows}))
    else:
        print_table(_COLUMNS, [_cells(row) for row in rows])
    if not is_complete:
        click.echo(INCOMPLETE, err=True)
    unserved = [row.name for row in rows if row.is_unserved]
    for name in unserved[:NAMED_LIMIT]:
        who = "nobody takes" if is_complete else "nobody who answers takes"
        click.echo(f"{who} from {escaped(name)}; start a worker: celery -A APP worker -Q {escaped(name)}", err=True)
    if len(unserved) > NAMED_LIMIT:
        click.echo(f"and {counted(len(unserved) - NAMED_LIMIT, 'more queue')} that nobody takes from", err=True)
    if any(not row.is_ok for row in rows):
        raise click.exceptions.Exit(EXIT_NO)


@queues.command()
@site_option()
@click.argument("name")
@click.option("-n", "--count", default=20, show_default=True, help="How many, those next in line first.")
@json_option()
def peek(*, site_file: Path, name: str, count: int, as_json: bool) -> None:
    """Show the next messages of a queue without taking them. Arguments are not shown."""

    async def work(client: Client, _: Site) -> list[QueuedMessage]:
        return await client.queues.peek(name, count)

    found = ask(site_file, work)
    if as_json:
        click.echo(json_text([_peeked(one) for one in found]))
    else:
        print_table(_PEEKED, [["-" if cell is None else str(cell) for cell in _peeked(one).values()] for one in found])


@queues.command()
@site_option()
@click.argument("name")
@click.option("--destroy", is_flag=True, help="Keep nothing; otherwise the messages can be restored for 24 hours.")
@click.option("--confirm", "typed", metavar="NAME", help="The queue's name once more, with --destroy.")
@yes_option("Do it")
@json_option()
def purge(*, site_file: Path, name: str, destroy: bool, typed: str | None, yes: bool, as_json: bool) -> None:
    """Take all waiting messages out of a queue and set them aside.

    What workers hold stays with them. The token that is printed brings the messages back: carillon queues restore NAME TOKEN.
    """
    if destroy and typed != name:
        message = f"--destroy cannot be undone: type --confirm {name} too"
        raise click.UsageError(message)
    if not destroy:
        confirm(f"Take everything out of {name}?", yes=yes)
    token = None if destroy else secrets.token_hex(6)

    async def work(client: Client, _: Site) -> tuple[int, str]:
        try:
            purged = await client.queues.purge(name, token=token)
        except TaskUncertain as error:
            message = f"it is not known whether the messages were taken out: {error}"
            # Without the token nobody would find them again.
            hint = (
                "" if token is None else f"what was taken out comes back with: carillon queues restore {name} {token}"
            )
            raise BrokerDown(message, hint=hint) from None
        return purged.count, purged.token

    told = deed(
        DeedKind.QUEUE_PURGED, name, author_or_user(None), after="destroyed" if destroy else f"set aside as {token}"
    )
    count, kept = ask(site_file, work, deed=told)
    click.echo(f"{counted(count, 'message')} taken out of {name}", err=True)
    if as_json:
        click.echo(json_text({"count": count, "token": kept or None}))
    elif kept:
        click.echo(kept)


@queues.command()
@site_option()
@click.argument("name")
@click.argument("token")
@json_option()
def restore(*, site_file: Path, name: str, token: str, as_json: bool) -> None:
    """Put the messages of a purge back, in front of what came since. Exits with 1 if there are none."""

    async def work(client: Client, _: Site) -> int:
        return await client.queues.restore(name, token)

    count = ask(site_file, work, deed=deed(DeedKind.QUEUE_RESTORED, name, author_or_user(None), after=token))
    click.echo(f"{counted(count, 'message')} put back into {name}", err=True)
    if as_json:
        click.echo(json_text({"count": count}))
    if not count:
        raise click.exceptions.Exit(EXIT_NO)


@queues.command()
@site_option()
@click.argument("name")
@click.argument("to")
@click.option("-n", "--count", type=click.IntRange(1), help="So many, those next in line first. [all]")
@yes_option("Do it")
@json_option()
def move(*, site_file: Path, name: str, to: str, count: int | None, yes: bool, as_json: bool) -> None:
    """Move messages to the end of another queue; their priorities stay."""
    confirm(f"Move {'everything' if count is None else count} from {name} to {to}?", yes=yes)

    async def work(client: Client, _: Site) -> tuple[int, int]:
        moved = await client.queues.move(name, to, count=count)
        return moved.count, moved.left

    told = deed(DeedKind.QUEUE_MOVED, name, author_or_user(None), after=f"moved to {to}")
    done, left = ask(site_file, work, deed=told)
    click.echo(f"{counted(done, 'message')} moved from {name} to {to}", err=True)
    if as_json:
        click.echo(json_text({"count": done, "left": left}))
    if left:
        click.echo(f"{counted(left, 'message')} cannot be read and {'stays' if left == 1 else 'stay'}", err=True)
        raise click.exceptions.Exit(EXIT_NO)


def _peeked(one: QueuedMessage) -> dict[str, str | int | None]:
    """Give what is shown of a message, in the order of the columns."""
    cells = (
        one.task,
        one.task_id or None,
        one.priority,
        None if one.sent_at is None else one.sent_at.isoformat(timespec="seconds"),
        one.eta_at,
        one.expires_at,
        one.size_bytes,
    )
    return dict(zip(map(str.lower, _PEEKED), cells, strict=True))


def _cells(row: QueueRow) -> tuple[str, ...]:
    return (
        row.name,
        row.state,
        str(row.waiting),
        "-" if row.oldest_age_s is None else ago(row.oldest_age_s),
        "-" if row.unacked is None else str(row.unacked),
        ",".join(row.consumers) or "-",
    )
