"""``carillon hl7 probe``: how well a listener listens."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

import anyio
import click
import orjson

from daemon.cli.hl7_options import EXIT_INTERRUPTED, calling_options, dial, say, until_interrupted
from daemon.cli.output import print_table
from daemon.errors import DaemonError
from daemon.public import escaped
from daemon.sender.probing.bench import Bench
from daemon.sender.probing.suite import PROBES, Result, run
from daemon.sender.probing.verdict import Probe, Verdict, chosen

_COLOURS = {Verdict.PASS: "green", Verdict.DEVIATES: "yellow", Verdict.FAIL: "red", Verdict.SKIPPED: None}
_EXIT_NOT_ALL = 1
_KIND_PARTS = 2


@click.command(name="probe")
@click.argument("where", metavar="HOST:PORT", required=False)
@click.option(
    "--type", "kind", metavar="TYPE^EVENT", default="ADT^A01", show_default=True, help="Of the messages sent."
)
@click.option("--only", metavar="NAME", multiple=True, help="A group, a probe, or group/probe; may be given again.")
@click.option("--list", "lists", is_flag=True, help="Say what there is, and send nothing.")
@click.option(
    "--aggressive", is_flag=True, help="Also what can hurt a weak listener: 16 MB, an endless block, 60 connections."
)
@calling_options(timeout="5s")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def probe(
    *, where: str | None, kind: str, only: tuple[str, ...], lists: bool, aggressive: bool, as_json: bool, **calling: Any
) -> int:
    """Send a listener what senders send, right and wrong, and say how it does.

    All messages have processing id T, control ids that begin with CPROBE, and a patient who does not exist; a listener
    that accepts them will keep them. Of its answers only codes and facts about their form are shown. Exits with 0 if all
    is as it should be, 1 if not, 69 if nobody listens.
    """
    try:
        probes = chosen(PROBES, only)
    except KeyError as error:
        raise click.UsageError(f"--only: no probe and no group is called {error}; --list shows them") from None
    if lists:
        _list(probes, as_json=as_json)
        return 0
    if where is None:
        raise click.UsageError("HOST:PORT is needed, or --list")
    if len(kind.split("^")) != _KIND_PARTS or not all(part.isalnum() and part.isascii() for part in kind.split("^")):
        raise click.UsageError(f'--type "{kind}" is no type and event; write ADT^A01')
    bench = Bench(dial(where, "HOST:PORT", **calling), kind)
    return anyio.run(_probe, bench, where, probes, aggressive, as_json)


async def _probe(bench: Bench, where: str, probes: tuple[Probe[Bench], ...], aggressive: bool, as_json: bool) -> int:  # noqa: FBT001
    results: list[Result] = []
    width = max(len(one.name) for one in PROBES)

    def take(result: Result) -> None:
        results.append(result)
        if not as_json:
            _print(result, width)

    async def work() -> None:
        await run(bench, probes, is_aggressive=aggressive, on_result=take)

    if not as_json and not sys.stdout.isatty():
        click.echo("probe\tverdict\tobservation\tat stake")
    try:
        interrupted = await until_interrupted(work)
    except DaemonError as error:
        return say(error)
    counts = Counter(result.outcome.verdict for result in results)
    if as_json:
        click.echo(orjson.dumps(_document(where, results, counts), option=orjson.OPT_INDENT_2).decode())
    else:
        click.echo(", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict), err=True)
    if interrupted:
        return EXIT_INTERRUPTED
    return _EXIT_NOT_ALL if counts[Verdict.FAIL] or counts[Verdict.DEVIATES] else 0


def _print(result: Result, width: int) -> None:
    verdict, observation = result.outcome
    if not sys.stdout.isatty():
        cells = (result.probe.name, verdict.value, observation, result.probe.severity.value)
        click.echo("\t".join(escaped(cell) for cell in cells))
        return
    mark = click.style(f"{verdict.value:8}", fg=_COLOURS[verdict], bold=verdict is Verdict.FAIL)
    click.echo(f"{result.probe.name:{width}}  {mark}  {escaped(observation)}")
    if verdict in (Verdict.FAIL, Verdict.DEVIATES):
        click.echo(
            click.style(f"{'':{width}}  wanted: {result.probe.wanted} ({result.probe.severity.value})", dim=True)
        )


def _list(probes: tuple[Probe[Bench], ...], *, as_json: bool) -> None:
    if as_json:
        click.echo(orjson.dumps([_described(one) for one in probes], option=orjson.OPT_INDENT_2).decode())
        return
    rows = [(one.name, one.sent, one.wanted, "--aggressive" if one.is_aggressive else "") for one in probes]
    print_table(("probe", "sent", "wanted", "needs"), rows)


def _described(one: Probe[Bench]) -> dict[str, object]:
    return {
        "group": one.group,
        "name": one.name,
        "sent": one.sent,
        "wanted": one.wanted,
        "at_stake": one.severity.value,
        "aggressive": one.is_aggressive,
    }


def _document(where: str, results: list[Result], counts: Counter[Verdict]) -> dict[str, object]:
    return {
        "target": where,
        "probes": [
            {**_described(probe), "verdict": outcome.verdict.value, "observation": outcome.observation}
            for probe, outcome in results
        ],
        "summary": {verdict.value: counts[verdict] for verdict in Verdict},
    }
