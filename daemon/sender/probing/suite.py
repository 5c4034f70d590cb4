"""The whole suite, and running it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from daemon.sender.line import NoReply
from daemon.sender.probing import acknowledgement, charset, content, framing, limits, robustness
from daemon.sender.probing.bench import Bench
from daemon.sender.probing.verdict import Outcome, Probe, Verdict, failed, skipped

PROBES: tuple[Probe[Bench], ...] = (
    *framing.PROBES,
    *robustness.PROBES,
    *acknowledgement.PROBES,
    *charset.PROBES,
    *content.PROBES,
    *limits.PROBES,
)


class Result(NamedTuple):
    """A probe and what came of it."""

    probe: Probe[Bench]
    outcome: Outcome


async def run(
    bench: Bench, probes: tuple[Probe[Bench], ...], *, is_aggressive: bool, on_result: Callable[[Result], None]
) -> list[Result]:
    """Run probes one after the other.

    A plain message comes first, whether it was asked for or not: what it gets is what others are held against. Without
    an answer to it nothing else is tried.

    Raises:
        NoReply: nobody listens there.
    """
    results: list[Result] = []

    def add(probe: Probe[Bench], outcome: Outcome) -> None:
        result = Result(probe, outcome)
        results.append(result)
        on_result(result)

    first = await framing.plain(bench)
    if first.verdict is Verdict.PASS:
        bench.usual = first.observation.rpartition(" ")[2]
    if framing.PLAIN in probes or first.verdict is not Verdict.PASS:
        add(framing.PLAIN, first)
    for probe in probes:
        if probe is framing.PLAIN:
            continue
        if first.verdict is not Verdict.PASS:
            add(probe, skipped("a plain message is not answered"))
        elif probe.is_aggressive and not is_aggressive:
            add(probe, skipped("only with --aggressive"))
        else:
            add(probe, await _tried(bench, probe))
    return results


async def _tried(bench: Bench, probe: Probe[Bench]) -> Outcome:
    try:
        return await probe.run(bench)
    except NoReply:
        return failed("no new connection is taken: the listener is gone, or refuses")
