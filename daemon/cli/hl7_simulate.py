"""``carillon hl7 simulate``: an endless hospital, to a listener or into a file."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import anyio
import click

from daemon.cli.hl7_options import calling_options, dial
from daemon.cli.hl7_printing import ReplyPrinter
from daemon.cli.hl7_send import send_all
from daemon.cli.options import instant_us
from daemon.clock import SECOND_US, SystemClock, instant
from daemon.sender.hospital.chance import seeded
from daemon.sender.hospital.shape import KINDS, Shape, ShapeInvalid, charsets_of, kinds_of, versions_of, wards_for
from daemon.sender.outgoing import Outgoing, outgoing
from daemon.sender.sending import Manner
from daemon.sender.simulate import Hospital
from daemon.sender.straying import ODDITIES, strayed

_STDOUT = "-"
_KIND_FIELD = 8


@click.command(name="simulate")
@click.option("--to", metavar="HOST:PORT", help="Send to a listener.")
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(dir_okay=False, writable=True, allow_dash=True),
    help="Write; - is standard output.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(("plain", "mllp")),
    default="plain",
    help="Of --out: lines, or blocks. [plain]",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=1, show_default=True, help="The same seed gives the same days."
)
@click.option(
    "--size", metavar="SIZE", default="small", show_default=True, help="small, medium, large, or a number of beds."
)
@click.option("--beds", metavar="N", help="The same as --size N.")
@click.option("--kinds", metavar="TYPES", help='What happens, as "ADT,ORU" or "ADT^A01,SIU^S12". [all]')
@click.option(
    "--versions", metavar="LIST", default="2.5.1", show_default=True, help="Of HL7, one by chance for each message."
)
@click.option("--charsets", metavar="LIST", default="none", show_default=True, help='As "utf-8,8859/1", likewise.')
@click.option(
    "--deviations", metavar="LIST", default="", help=f"Odd ways of sending: all, or some of {', '.join(ODDITIES)}."
)
@click.option(
    "--rate",
    metavar="N",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Messages a second.",
)
@click.option("--flat-out", is_flag=True, help="As fast as answers come; --rate is of the simulated time.")
@click.option("--count", metavar="N", type=click.IntRange(min=1), help="So many messages. [until Ctrl-C]")
@click.option("--start", metavar="INSTANT", help="When the simulated time begins (ISO 8601 with offset). [now]")
@click.option(
    "--speed",
    metavar="X",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Simulated seconds a second.",
)
@calling_options(timeout="30s")
@click.option("--pipeline", metavar="N", type=click.IntRange(1, 10_000), default=1, help="Ahead of the answers. [1]")
@click.option(
    "--retries", metavar="N", type=click.IntRange(0, 1000), default=3, help="Without a reply, send again. [3]"
)
@click.option("--keep-going", is_flag=True, help="Count messages without a reply, and go on.")
@click.option("--quiet", is_flag=True, help="Only the summary.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def simulate(*, to: str | None, out: str | None, as_json: bool, quiet: bool, **options: Any) -> int:
    """Let a hospital that does not exist admit, treat and discharge people who do not exist.

    Persons, beds, orders, results and appointments fit together; every message has processing id T. The same --seed and
    --start give the same bytes. Ends on Ctrl-C, or after --count messages.
    """
    if (to is None) == (out is None):
        raise click.UsageError("either --to HOST:PORT or --out FILE is needed")
    oddities = _oddities(options["deviations"])
    count: int | None = options["count"]
    try:
        shape = Shape(
            wards_for(options["beds"] or options["size"]),
            kinds_of(options["kinds"]) if options["kinds"] else KINDS,
            versions_of(options["versions"]),
            charsets_of(options["charsets"]),
        )
    except ShapeInvalid as error:
        raise click.UsageError(str(error)) from None
    clock = _instants(options["start"], timedelta(seconds=options["speed"] / options["rate"]))
    messages = itertools.islice(Hospital(options["seed"], shape).messages(clock), count)
    source = strayed(_named(messages), oddities, seeded(options["seed"] + 1), count)
    if out is not None:
        return _write(source, out, is_framed=options["form"] == "mllp" or bool(oddities))
    assert to is not None
    calling = {name: options[name] for name in ("timeout", "tls", "ca", "cert", "key", "insecure", "server_name")}
    manner = Manner(
        # A block without CR is only known to be complete when the next one begins.
        pipeline=max(options["pipeline"], 2 if "no-cr" in oddities else 1),
        rate_per_s=0.0 if options["flat_out"] else options["rate"],
        retries=options["retries"],
        goes_on=options["keep_going"],
    )
    return anyio.run(
        send_all, dial(to, "--to", **calling), source, manner, ReplyPrinter(as_json=as_json, is_quiet=quiet)
    )


def _oddities(text: str) -> frozenset[str]:
    if not text:
        return frozenset()
    found = frozenset(ODDITIES) if text == "all" else frozenset(word.strip() for word in text.split(","))
    if not found <= ODDITIES.keys():
        wrong = min(found - ODDITIES.keys())
        raise click.UsageError(f'--deviations: "{wrong}" is none; there are {", ".join(ODDITIES)}')
    return found


def _instants(start: str | None, step: timedelta) -> Iterator[datetime]:
    begin_us = instant_us(start, "--start") if start else SystemClock().now_us() // SECOND_US * SECOND_US
    begin = instant(begin_us)
    return (begin + place * step for place in itertools.count())


def _named(messages: Iterator[bytes]) -> Iterator[Outgoing]:
    for number, data in enumerate(messages, 1):
        kind = data.split(b"|", _KIND_FIELD + 1)[_KIND_FIELD].decode("ascii")
        yield outgoing("^".join(kind.split("^")[:2]), number, data)


def _write(source: Iterator[Outgoing], out: str, *, is_framed: bool) -> int:
    with ExitStack() as stack:
        target: BinaryIO = sys.stdout.buffer if out == _STDOUT else stack.enter_context(Path(out).open("wb"))
        for one in source:
            if is_framed:
                target.writelines(one.pieces)
            else:
                target.write(one.data.replace(b"\r", b"\n") + b"\n")
        target.flush()
    return 0
