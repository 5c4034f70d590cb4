"""``carillon hl7 listen``: somebody to send to, for those who test a sender."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import anyio
import click

from daemon.cli.hl7_options import EXIT_INTERRUPTED, address, until_interrupted
from daemon.cli.json_text import json_text
from daemon.cli.options import duration_s
from daemon.clock import SystemClock
from daemon.hl7listener.text.header import Header
from daemon.public import escaped
from daemon.sender.answers import WORDS, Answer, AnswerInvalid, parse_answer
from daemon.sender.sink import Received, Sink
from daemon.sender.tls import server_context

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_COLUMNS = ("number", "from", "type", "control id", "version", "charset", "bytes", "answer", "deviations")
_WIDTHS = (6, 21, 10, 20, 7, 13, 8, 6, 0)
_LOOPBACK = "127.0.0.1"


@click.command(name="listen")
@click.argument("where", metavar="[HOST:]PORT")
@click.option("--ack", "acks", multiple=True, metavar="HOW", help=f"{WORDS}; 10:AE for each tenth message. [AA]")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Write each message to a file in this folder."
)
@click.option("--show", is_flag=True, help="Print the messages, too: patient data appears on the terminal.")
@click.option("--count", metavar="N", type=click.IntRange(min=1), help="End after so many messages. [on Ctrl-C]")
@click.option("--cert", type=_FILE, help="Speak TLS, with this certificate.")
@click.option("--key", type=_FILE, help="Its key, if it is not in the same file.")
@click.option("--ca", type=_FILE, help="Callers must show a certificate signed by these.")
@click.option("--release", type=click.Choice(("1", "2")), default="1", help="Of MLLP; 2 sends commit blocks. [1]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def listen(*, where: str, acks: tuple[str, ...], count: int | None, as_json: bool, show: bool, **options: Any) -> int:
    """Listen for MLLP senders, answer each message, and say how they stray from the standard.

    Without a host it listens on this machine alone. Prints the header of each message and nothing of its content. Nothing is
    kept unless --out says where.
    """
    if options["cert"] is None and (options["key"] or options["ca"]):
        raise click.UsageError("--key and --ca need --cert")
    folder: Path | None = options["out"]
    if folder is not None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    desk = _Desk(folder, shows=show, as_json=as_json)
    sink = Sink(
        address(where if ":" in where else f"{_LOOPBACK}:{where}", "[HOST:]PORT"),
        [_answer(text) for text in acks],
        SystemClock(),
        desk.take,
        desk.note,
        tls=None if options["cert"] is None else server_context(options["cert"], options["key"], options["ca"]),
        release=int(options["release"]),
    )
    interrupted = anyio.run(_serve, sink, count)
    desk.sum_up()
    return EXIT_INTERRUPTED if interrupted else 0


async def _serve(sink: Sink, count: int | None) -> bool:
    async def work() -> None:
        await sink.open()
        click.echo(f"listening on {', '.join(map(str, sink.addresses))}", err=True)
        await sink.wait(count)

    try:
        return await until_interrupted(work)
    finally:
        sink.close()


def _answer(text: str) -> Answer:
    try:
        return parse_answer(text, lambda span: duration_s(span, "--ack"))
    except AnswerInvalid:
        raise click.UsageError(f'--ack: "{text}" is no answer; there are {WORDS}') from None


class _Desk:
    """Prints, writes and counts what comes."""

    def __init__(self, folder: Path | None, *, shows: bool, as_json: bool) -> None:
        self._folder = folder
        self._shows = shows
        self._as_json = as_json
        self._is_terminal = sys.stdout.isatty()
        self._codes: Counter[str] = Counter()
        self._deviations: Counter[str] = Counter()
        self._count = 0
        if not as_json:
            self._row(_COLUMNS)

    def take(self, received: Received) -> None:
        self._count += 1
        self._codes.update(received.codes)
        self._deviations.update(received.deviations)
        if self._folder is not None:
            self._write(self._folder, received)
        header = received.header
        kind = version = charset = control_id = ""
        if isinstance(header, Header):
            kind = f"{header.message_type}^{header.trigger_event}".rstrip("^")
            version, charset, control_id = (header.raw(number).decode("latin-1") for number in (12, 18, 10))
        answer = "+".join(received.codes)
        if self._as_json:
            record: dict[str, object] = {
                "number": received.number,
                "from": received.peer,
                "type": kind,
                "control_id": control_id,
                "version": version,
                "charset": charset,
                "bytes": len(received.data),
                "answer": answer,
                "deviations": received.deviations,
            }
            if self._shows:
                record["text"] = received.data.decode("utf-8", "backslashreplace")
            click.echo(json_text(record))
            return
        deviations = " ".join(received.deviations)
        number, size = str(received.number), str(len(received.data))
        self._row((number, received.peer, kind, control_id, version, charset, size, answer, deviations))
        if self._shows:
            for line in received.data.decode("utf-8", "backslashreplace").replace("\n", "\r").split("\r"):
                click.echo(f"  {escaped(line)}")

    def note(self, peer: str, sentence: str) -> None:
        if self._as_json:
            click.echo(json_text({"from": peer, "note": sentence}))
        else:
            click.echo(f"{peer} {sentence}", err=True)

    def sum_up(self) -> None:
        codes = " ".join(f"{code} {count}" for code, count in sorted(self._codes.items()))
        deviations = " ".join(f"{name} {count}" for name, count in sorted(self._deviations.items()))
        if self._as_json:
            summary = {"received": self._count, "answers": dict(self._codes), "deviations": dict(self._deviations)}
            click.echo(json_text({"summary": summary}))
        else:
            parts = [f"{self._count} received", codes, f"deviations: {deviations or 'none'}"]
            click.echo(", ".join(part for part in parts if part), err=True)

    def _row(self, cells: tuple[str, ...]) -> None:
        cells = tuple(escaped(cell) for cell in cells)
        if self._is_terminal:
            padded = (cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=True))
            click.echo("  ".join(padded).rstrip())
        else:
            click.echo("\t".join(cells))

    def _write(self, folder: Path, received: Received) -> None:
        path = folder / f"{received.number:08d}.hl7"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(received.data)
