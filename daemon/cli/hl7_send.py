"""``carillon hl7 send``: messages out of files, and what became of each."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import click

from daemon.cli.hl7_options import (
    EXIT_DATA,
    EXIT_INTERRUPTED,
    EXIT_REFUSED,
    calling_options,
    dial,
    say,
    until_interrupted,
)
from daemon.cli.hl7_printing import ReplyPrinter
from daemon.clock import SystemClock, instant
from daemon.errors import DaemonError
from daemon.sender.expecting import Expectation, ExpectationInvalid, parse_expectation
from daemon.sender.files import UnfinishedBlock, blocks_in
from daemon.sender.line import Dial
from daemon.sender.outgoing import Outgoing, outgoing, repeated
from daemon.sender.sending import Manner, Sending

_STDIN = "-"
_SKIPPED = "."
"""Names that begin so are passed over in folders."""


class _DataWrong(DaemonError):
    """A file that is no HL7."""

    code = "no-hl7"
    exit_code = EXIT_DATA


@click.command(name="send")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, allow_dash=True, path_type=Path))
@click.option("--to", "to", metavar="HOST:PORT", required=True, help="Where a listener is.")
@calling_options(timeout="30s")
@click.option("--raw", is_flag=True, help="Send the bytes as they are, line ends included.")
@click.option("--batch", is_flag=True, help="Send a file with FHS or BHS as one block.")
@click.option("--recursive", is_flag=True, help="Take the folders of folders, too.")
@click.option("--rate", metavar="N", type=click.FloatRange(min=0, min_open=True), help="Messages a second, in all.")
@click.option("--connections", metavar="N", type=click.IntRange(1, 1000), default=1, help="Side by side. [1]")
@click.option("--pipeline", metavar="N", type=click.IntRange(1, 10_000), default=1, help="Ahead of the answers. [1]")
@click.option("--count", metavar="N", type=click.IntRange(min=1), help="Send so many in all; again from the first.")
@click.option("--loop", is_flag=True, help="Begin again with the first, until Ctrl-C.")
@click.option("--new-ids", is_flag=True, help="Each gets an MSH-10 of its own, and MSH-7 is now.")
@click.option("--expect", metavar="CODES", help='What is good: "AA", "AA|CA"; "CA,AA" waits for two. [AA|CA]')
@click.option(
    "--retries", metavar="N", type=click.IntRange(0, 1000), default=0, help="Without a reply, send again. [0]"
)
@click.option("--keep-going", is_flag=True, help="Count messages without a reply, and go on.")
@click.option("--release", type=click.Choice(("1", "2")), default="1", help="Of MLLP; 2 has commit blocks. [1]")
@click.option("--quiet", is_flag=True, help="Only the summary.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def send(*, files: tuple[Path, ...], to: str, as_json: bool, quiet: bool, **options: Any) -> int:
    """Send every message of FILES, one after the other, and print each reply.

    A file holds one message or many, bare or in MLLP blocks; - is standard input, a folder stands for its files. Exits with 0
    if all were accepted, 1 if one was not, 65 if a file holds no message, 69 if there was no reply.
    """
    calling = {name: options[name] for name in ("timeout", "tls", "ca", "cert", "key", "insecure", "server_name")}
    target = dial(to, "--to", **calling, release=options["release"])
    manner = Manner(
        connections=options["connections"],
        pipeline=1 if options["release"] == "2" else options["pipeline"],
        rate_per_s=options["rate"] or 0.0,
        retries=options["retries"],
        goes_on=options["keep_going"],
        expectation=_expectation(options["expect"]),
    )
    try:
        messages = _read_all(files, raw=options["raw"], batch=options["batch"], recursive=options["recursive"])
    except _DataWrong as error:
        return say(error)
    times = None if options["loop"] and not options["count"] else options["count"] or len(messages)
    source = repeated(messages, times, _Fresh() if options["new_ids"] else None)
    return anyio.run(send_all, target, source, manner, ReplyPrinter(as_json=as_json, is_quiet=quiet))


async def send_all(target: Dial, source: Iterator[Outgoing], manner: Manner, printer: ReplyPrinter) -> int:
    """Send until the source is empty or a signal comes; give the exit code."""
    sending = Sending(target, source, manner, printer.print)
    begun_s = time.monotonic()
    code, interrupted = 0, False
    try:
        interrupted = await until_interrupted(sending.run)
    except DaemonError as error:
        code = say(error)
    printer.sum_up(sending.tally, time.monotonic() - begun_s, always=interrupted)
    if interrupted:
        return EXIT_INTERRUPTED
    return code or (EXIT_REFUSED if sending.tally.bad or sending.tally.unanswered else 0)


def _expectation(text: str | None) -> Expectation:
    if text is None:
        return Expectation()
    try:
        return parse_expectation(text)
    except ExpectationInvalid as error:
        raise click.UsageError(f'--expect: "{error}" is no code; write AA, "AA|CA" or CA,AA') from None


def _read_all(files: tuple[Path, ...], *, raw: bool, batch: bool, recursive: bool) -> list[Outgoing]:
    found: list[Outgoing] = []
    for file in files:
        for path in _files_of(file, recursive=recursive):
            name = "standard input" if str(path) == _STDIN else str(path)
            content = sys.stdin.buffer.read() if str(path) == _STDIN else path.read_bytes()
            try:
                blocks = blocks_in(content, as_it_is=raw, keeps_batches=batch)
            except UnfinishedBlock:
                message = f"{name} ends within an MLLP block (no FS CR); nothing was sent"
                raise _DataWrong(message) from None
            if not blocks:
                message = f"{name} holds no HL7 message (no line begins with MSH)"
                raise _DataWrong(message)
            found += (outgoing(name, number, data) for number, data in enumerate(blocks, 1))
    if not found:
        raise _DataWrong("there is no file in the folder", hint="--recursive also takes the folders in it")
    return found


def _files_of(path: Path, *, recursive: bool) -> list[Path]:
    if str(path) == _STDIN or not path.is_dir():
        return [path]
    inside = path.rglob("*") if recursive else path.glob("*")
    return sorted(one for one in inside if one.is_file() and not one.name.startswith(_SKIPPED))


class _Fresh:
    """Gives control ids that no earlier run has given, and the time."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self._prefix = f"{self._clock.now_us() // 1000 % 36**8:X}"
        self._numbers = itertools.count(1)

    def __call__(self, place: int) -> tuple[str, datetime]:
        del place
        return f"{self._prefix}N{next(self._numbers):X}", instant(self._clock.now_us()).astimezone(UTC)
