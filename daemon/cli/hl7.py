"""``carillon hl7``: the HL7 side by hand."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import anyio
import click
import orjson
from pydantic_core import PydanticCustomError

from daemon.cli.options import duration_s, usage_error
from daemon.errors import DaemonError
from daemon.sender.acknowledgement import Acknowledgement, read_acknowledgement
from daemon.sender.client import MllpClient
from daemon.sender.files import UnfinishedBlock, messages_in
from daemon.settings.values import Address, parse_address

_EXIT_REFUSED, _EXIT_DATA = 1, 65


@click.group()
def hl7() -> None:
    """Send HL7 messages."""


@dataclass(frozen=True, slots=True)
class _Outgoing:
    file: Path
    number: int
    data: bytes


@hl7.command(name="send")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--to", "to", metavar="HOST:PORT", required=True, help="Where a listener is.")
@click.option("--timeout", metavar="S", default="30s", show_default=True, help="How long each reply may take.")
@click.option("--raw", is_flag=True, help="Send the bytes as they are, line ends included.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def send_files(*, files: tuple[Path, ...], to: str, timeout: str, raw: bool, as_json: bool) -> int:
    """Send every message of FILES over one connection, one after the other, and print each reply.

    A file holds one message or many, bare or in MLLP blocks. Exits with 0 if all were accepted (AA or CA), 1 if one was
    not, 65 if a file holds no message, 69 if there was no reply.
    """
    try:
        address = parse_address(to)
    except PydanticCustomError as error:
        raise usage_error("--to", error) from None
    timeout_s = duration_s(timeout, "--timeout")
    outgoing: list[_Outgoing] = []
    for file in files:
        try:
            found = messages_in(file.read_bytes(), as_it_is=raw)
        except UnfinishedBlock:
            click.echo(f"carillon: {file} ends within an MLLP block (no FS CR); nothing was sent", err=True)
            return _EXIT_DATA
        if not found:
            click.echo(f"carillon: {file} holds no HL7 message (no line begins with MSH)", err=True)
            return _EXIT_DATA
        outgoing += (_Outgoing(file, number, data) for number, data in enumerate(found, 1))
    return anyio.run(_send_all, outgoing, address, timeout_s, as_json)


async def _send_all(outgoing: list[_Outgoing], address: Address, timeout_s: float, as_json: bool) -> int:  # noqa: FBT001
    refused = 0
    try:
        async with MllpClient(address, timeout_s=timeout_s) as client:
            for one in outgoing:
                begun_s = time.monotonic()
                reply = read_acknowledgement(await client.send(one.data))
                refused += not reply.is_positive
                _print(one, reply, time.monotonic() - begun_s, as_json=as_json)
    except DaemonError as error:
        click.echo(f"carillon: {error}" + (f"; {error.hint}" if error.hint else ""), err=True)
        return error.exit_code
    if not as_json and len(outgoing) > 1:
        click.echo(f"{len(outgoing)} sent, {len(outgoing) - refused} accepted, {refused} refused", err=True)
    return _EXIT_REFUSED if refused else 0


def _print(one: _Outgoing, reply: Acknowledgement, took_s: float, *, as_json: bool) -> None:
    if as_json:
        record = {
            "file": str(one.file),
            "number": one.number,
            "code": reply.code,
            "control_id": reply.control_id,
            "text": reply.text,
            "took_ms": round(took_s * 1000, 3),
        }
        click.echo(orjson.dumps(record).decode())
        return
    word = reply.code or "??"
    mark = click.style(word, fg="green" if reply.is_positive else "red", bold=True)
    text = f"  {reply.text}" if reply.text else ""
    control_id = reply.control_id or "-"
    click.echo(f"{mark}  {control_id:20}  {took_s * 1000:7.1f} ms  {one.file}:{one.number}{text}")
