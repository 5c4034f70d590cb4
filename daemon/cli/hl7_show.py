"""``carillon hl7 show``: one stored message: what is known of it, and, on the record, what is in it."""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from typing import Any

import anyio
import click

from daemon.cli.celery_side import json_option, side_of
from daemon.cli.json_text import json_text
from daemon.cli.message_lines import ack_line, found_as_json, found_lines, segment_lines
from daemon.cli.message_selection import searching, whoever
from daemon.cli.options import load_or_exit, site_option
from daemon.cli.recording import keep
from daemon.cli.runtime_side import author_option, reason_option
from daemon.deeds import Deed, DeedKind
from daemon.dispatch import open_site_client, standings
from daemon.errors import DaemonError
from daemon.hl7listener.spool.query import Found, State, StoredMessage
from daemon.keys import message_id
from daemon.public import Public, escaped
from daemon.site import Site

TASK_TIMEOUT_S = 2.0


@click.command()
@site_option()
@click.argument("number", type=int)
@click.option("--reveal", is_flag=True, help="Show the message itself, a segment a line. Goes on the record.")
@click.option("--raw", is_flag=True, help="Write the exact bytes and nothing else. Goes on the record.")
@reason_option()
@author_option()
@json_option()
def show(
    *, site_file: Path, number: int, reveal: bool, raw: bool, reason: str, author: str | None, as_json: bool
) -> None:
    """Show message NUMBER: when it came, how it was answered, what became of it and of its task.

    Nothing of a patient is shown unless it is asked for with --reveal or --raw; who asked is written down first.
    """
    site = load_or_exit(site_file)
    if reveal or raw:
        deed = Deed(
            DeedKind.MESSAGE_REVEALED, whoever(author), Public(f"message {number}"), note=Public(escaped(reason))
        )
        keep(site, deed)
    with searching(site) as search:
        message = search.message(number)
        copies = search.members(number) if message is not None else []
    if message is None:
        click.echo(f"there is no message {number}; hl7 list shows which there are", err=True)
        raise click.exceptions.Exit(1)
    if raw:
        sys.stdout.buffer.write(message.data)
        sys.stdout.buffer.flush()
        return
    task = _task(site, message.found)
    if as_json:
        click.echo(json_text(_as_json(message, copies, task, reveal=reveal)))
        return
    for line in found_lines(message, copies, task):
        click.echo(line)
    if reveal:
        click.echo()
        for line in segment_lines(message.data):
            click.echo(line)


def _task(site: Site, found: Found) -> dict[str, Any]:
    """Say what is known of the task of a message; the broker may be away."""
    if found.state not in (State.WAITING, State.ENQUEUED):
        return {}
    task_id = message_id(site.settings.site.name, found.feed, found.epoch, found.seq)
    if found.state is State.WAITING:
        return {"task_id": task_id}
    try:
        state = anyio.run(_standing, site, task_id)
    except DaemonError:
        state = "the broker does not answer"
    return {"task_id": task_id, "task_state": state}


async def _standing(site: Site, task_id: str) -> str:
    async with open_site_client(side_of(site)) as client:
        [found], _ = await standings(client, [task_id], timeout_s=TASK_TIMEOUT_S)
        return found.state


def _as_json(message: StoredMessage, copies: list[int], task: dict[str, Any], *, reveal: bool) -> dict[str, Any]:
    values = {**found_as_json(message.found), "is_whole": message.found.is_whole, "copies": copies, **task}
    values["answer"] = ack_line(message.ack)
    if reveal:
        values["raw_b64"] = base64.b64encode(message.data).decode()
        values["answer_b64"] = base64.b64encode(message.ack).decode()
    return values
