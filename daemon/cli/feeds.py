"""``carillon feeds``: the feeds as they run, and steering them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from daemon.cli.celery_side import json_option
from daemon.cli.daemon_side import ask_daemon
from daemon.cli.feed_lines import COLUMNS, at_us, detail_lines, feed_line, remarks
from daemon.cli.json_text import json_text
from daemon.cli.options import duration_s, instant_us, load_or_exit, site_option
from daemon.cli.output import ago, print_table
from daemon.clock import SECOND_US, SystemClock, instant
from daemon.desks import PausePolicy
from daemon.site import Site

PAGE_ROWS = 200


@click.group()
def feeds() -> None:
    """The feeds as they run, and steering them."""


@feeds.command(name="list")
@site_option()
@json_option()
def list_feeds(*, site_file: Path, as_json: bool) -> None:
    """List the feeds of the running daemon: who is connected, what came, how it was answered, what waits."""
    site = load_or_exit(site_file)
    found = _all(site)
    if as_json:
        click.echo(json_text(found))
        return
    if not found:
        click.echo("no feeds; docs/feeds.md shows how to add one", err=True)
        return
    now_us = SystemClock().now_us()
    print_table(COLUMNS, [feed_line(row, now_us) for row in found])
    for remark in remarks(found, now_us):
        click.echo(remark, err=True)


@feeds.command()
@site_option()
@click.argument("name")
@json_option()
def show(*, site_file: Path, name: str, as_json: bool) -> None:
    """Show one feed: connections, deviations and what to tell the sender, refusals, the last hour."""
    found = ask_daemon(load_or_exit(site_file), "GET", f"/api/feeds/{_part(name)}")
    if as_json:
        click.echo(json_text(found))
        return
    for line in detail_lines(found, SystemClock().now_us()):
        click.echo(line)


@feeds.command()
@site_option()
@click.argument("name")
@click.option(
    "--policy",
    type=click.Choice([policy.value for policy in PausePolicy]),
    default="withhold",
    show_default=True,
    help="withhold: senders stay connected and wait; close: nothing listens, a balancer moves on; reject: AR to all.",
)
@click.option("--for", "span", metavar="SPAN", help="Then it resumes by itself (30m, 2h).")
@click.option("--until", metavar="INSTANT", help="Then it resumes by itself (2026-11-22T06:00:00Z).")
@click.option("--note", metavar="TEXT", default="", help="Why; shown wherever the feed is.")
def pause(*, site_file: Path, name: str, policy: str, span: str | None, until: str | None, note: str) -> None:
    """Take nothing more of a feed's senders. It stays so over restarts, until it is resumed or the time is over."""
    if span is not None and until is not None:
        message = "--for and --until say the same thing; give one of them"
        raise click.UsageError(message)
    until_us = None
    if span is not None:
        until_us = SystemClock().now_us() + round(duration_s(span, "--for") * SECOND_US)
    elif until is not None:
        until_us = instant_us(until, "--until")
        if until_us <= SystemClock().now_us():
            message = f"--until {until} is over"
            raise click.UsageError(message)
    until_at = None if until_us is None else instant(until_us).isoformat()
    fields = {"policy": policy, "until_at": until_at, "note": note}
    _changed(ask_daemon(load_or_exit(site_file), "POST", f"/api/feeds/{_part(name)}/pause", fields))


@feeds.command()
@site_option()
@click.argument("name")
def resume(*, site_file: Path, name: str) -> None:
    """Take messages again."""
    _changed(ask_daemon(load_or_exit(site_file), "POST", f"/api/feeds/{_part(name)}/resume", {}))


@feeds.command()
@site_option()
@click.argument("name")
def drain(*, site_file: Path, name: str) -> None:
    """Answer what has arrived, close all connections and listen no more: a pause with ``close``, without an end.

    A daemon behind a balancer is taken out like this before its machine goes down; ``resume`` brings it back.
    """
    _changed(ask_daemon(load_or_exit(site_file), "POST", f"/api/feeds/{_part(name)}/drain", {}))


@feeds.command()
@site_option()
@click.argument("name")
@click.argument("number", type=int)
def disconnect(*, site_file: Path, name: str, number: int) -> None:
    """Close connection NUMBER of a feed, as `show` numbers them. What has arrived is still answered."""
    ask_daemon(load_or_exit(site_file), "POST", f"/api/feeds/{_part(name)}/disconnect", {"number": number})
    click.echo(f"{name}: connection {number} is closed", err=True)


def _all(site: Site) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after: str | None = ""
    while after is not None:
        page = ask_daemon(site, "GET", f"/api/feeds?limit={PAGE_ROWS}&after={after}")
        found += page["items"]
        after = page["next"]
    return found


def _part(name: str) -> str:
    """Check the name of a feed before it becomes part of a path."""
    if not name or not all(mark.isascii() and (mark.isalnum() or mark in "._-") for mark in name):
        message = f'"{name[:64]}" is no name of a feed'
        raise click.UsageError(message)
    return name


def _changed(row: dict[str, Any]) -> None:
    pause = row.get("pause")
    if pause is None:
        click.echo(f"{row['name']}: {row['state']}", err=True)
        return
    text = f"{row['name']}: paused ({pause['policy']})"
    until_us = at_us(pause["until_at"])
    if until_us is not None:
        text += f", resumes in {ago((until_us - SystemClock().now_us()) / SECOND_US)}"
    click.echo(text, err=True)
