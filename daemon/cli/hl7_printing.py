"""What ``carillon hl7 send`` and ``simulate`` print of each reply, and at the end."""

from __future__ import annotations

import click

from daemon.cli.json_text import json_text
from daemon.public import escaped
from daemon.sender.acknowledgement import Acknowledgement
from daemon.sender.outgoing import Outgoing
from daemon.sender.tally import Tally


class ReplyPrinter:
    """Prints replies as they come."""

    def __init__(self, *, as_json: bool, is_quiet: bool) -> None:
        """Choose the form; quiet prints no single reply."""
        self._as_json = as_json
        self._is_quiet = is_quiet

    def print(self, one: Outgoing, replies: tuple[Acknowledgement, ...], took_s: float, is_good: bool) -> None:  # noqa: FBT001
        """Print the replies to a message."""
        if self._is_quiet:
            return
        for reply in replies:
            if self._as_json:
                self._print_json(one, reply, took_s)
                continue
            mark = click.style(escaped(reply.code) or "??", fg="green" if is_good else "red", bold=True)
            text = f"  {escaped(reply.text)}" if reply.text else ""
            control_id = escaped(reply.control_id) or "-"
            click.echo(f"{mark}  {control_id:20}  {took_s * 1000:7.1f} ms  {escaped(one.source)}:{one.number}{text}")

    def sum_up(self, tally: Tally, lasted_s: float, *, always: bool) -> None:
        """Print the numbers, if there is more than one message or ``always``."""
        if not (always or self._is_quiet or tally.sent > 1):
            return
        if self._as_json:
            click.echo(json_text({"summary": tally.record(lasted_s)}))
        else:
            click.echo(tally.line(lasted_s), err=True)

    def _print_json(self, one: Outgoing, reply: Acknowledgement, took_s: float) -> None:
        record = {
            "file": one.source,
            "number": one.number,
            "code": reply.code,
            "control_id": reply.control_id,
            "text": reply.text,
            "took_ms": round(took_s * 1000, 3),
        }
        click.echo(json_text(record))
