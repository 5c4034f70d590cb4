"""``carillon queues``: what waits, for whom, since when; and setting it aside or moving it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import click
import orjson

from daemon.cli.celery_side import ask, confirm, json_option, timeout_option, yes_option
from daemon.cli.options import duration_s, site_option
from daemon.cli.output import ago, print_table
from daemon.clock import SystemClock, instant
from daemon.dispatch import Client, QueueRow, list_queues, site_queues
from daemon.plural import counted
from daemon.site import Site

EXIT_NO = 1
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

    async def work(client: Client, site: Site) -> list[QueueRow]:
        now = instant(SystemClock().now_us())
        return await list_queues(client, site_queues(client, _items(site)), now=now, timeout_s=timeout_s)

    rows = ask(site_file, work)
    if as_json:
        click.echo(orjson.dumps({"queues": rows}))
    else:
        print_table(_COLUMNS, [_cells(row) for row in rows])
    for row in rows:
        if row.is_unserved:
            click.echo(f"nobody takes from {row.name}; start a worker: celery -A APP worker -Q {row.name}", err=True)
    if any(not row.is_ok for row in rows):
        raise click.exceptions.Exit(EXIT_NO)


@queues.command()
@site_option()
@click.argument("name")
@click.option("-n", "--count", default=20, show_default=True, help="How many, those next in line first.")
@json_option()
def peek(*, site_file: Path, name: str, count: int, as_json: bool) -> None:
    """Show the next messages of a queue without taking them. Arguments are not shown."""

    async def work(client: Client, _: Site) -> list[tuple[str, ...]]:
        return [
            (
                one.task,
                one.task_id or "-",
                "-" if one.priority is None else str(one.priority),
                "-" if one.sent_at is None else one.sent_at.isoformat(timespec="seconds"),
                one.eta_at or "-",
                one.expires_at or "-",
                str(one.size_bytes),
            )
            for one in await client.queues.peek(name, count)
        ]

    rows = ask(site_file, work)
    if as_json:
        keys = [column.lower() for column in _PEEKED]
        click.echo(
            orjson.dumps(
                [{key: None if cell == "-" else cell for key, cell in zip(keys, row, strict=True)} for row in rows]
            )
        )
    else:
        print_table(_PEEKED, rows)


@queues.command()
@site_option()
@click.argument("name")
@click.option("--destroy", is_flag=True, help="Keep nothing; otherwise the messages can be restored for 24 hours.")
@click.option("--confirm", "typed", metavar="NAME", help="The queue's name once more, with --destroy.")
@yes_option("Do it")
def purge(*, site_file: Path, name: str, destroy: bool, typed: str | None, yes: bool) -> None:
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
        purged = await client.queues.purge(name, token=token)
        return purged.count, purged.token

    count, kept = ask(site_file, work)
    click.echo(f"{counted(count, 'message')} taken out of {name}", err=True)
    if kept:
        click.echo(kept)


@queues.command()
@site_option()
@click.argument("name")
@click.argument("token")
def restore(*, site_file: Path, name: str, token: str) -> None:
    """Put the messages of a purge back, in front of what came since. Exits with 1 if there are none."""

    async def work(client: Client, _: Site) -> int:
        return await client.queues.restore(name, token)

    count = ask(site_file, work)
    click.echo(f"{counted(count, 'message')} put back into {name}", err=True)
    if not count:
        raise click.exceptions.Exit(EXIT_NO)


@queues.command()
@site_option()
@click.argument("name")
@click.argument("to")
@click.option("-n", "--count", type=click.IntRange(1), help="So many, those next in line first. [all]")
@yes_option("Do it")
def move(*, site_file: Path, name: str, to: str, count: int | None, yes: bool) -> None:
    """Move messages to the end of another queue; their priorities stay."""
    confirm(f"Move {'everything' if count is None else count} from {name} to {to}?", yes=yes)

    async def work(client: Client, _: Site) -> tuple[int, int]:
        moved = await client.queues.move(name, to, count=count)
        return moved.count, moved.left

    done, left = ask(site_file, work)
    click.echo(f"{counted(done, 'message')} moved from {name} to {to}", err=True)
    if left:
        click.echo(f"{counted(left, 'message')} cannot be read and {'stays' if left == 1 else 'stay'}", err=True)
        raise click.exceptions.Exit(EXIT_NO)


def _items(site: Site) -> Iterator[tuple[str, str | None]]:
    for entry in site.entries:
        yield entry.task, entry.queue
    for feed in site.feeds:
        for route in feed.routes:
            yield route.task, route.queue


def _cells(row: QueueRow) -> tuple[str, ...]:
    return (
        row.name,
        row.state,
        str(row.waiting),
        "-" if row.oldest_age_s is None else ago(row.oldest_age_s),
        "-" if row.unacked is None else str(row.unacked),
        ",".join(row.consumers) or "-",
    )
