"""The proof of ``kill -9`` at length: ``make prove-kills ARGS="--kills 100"``.

A daemon under the load of several senders is killed again and again: at named points of its work, while it starts or stops, and at any
moment. The senders never give up. What was acknowledged must have run once in stock workers, one for each lane, and each patient's
messages in the order in which they were sent. The seed decides what is done, not what comes of it.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, overload

from tests.support.builders import adt, framed, site_text, write_site
from tests.support.lockstep import LockstepSender
from tests.support.peer import Peer
from tests.support.process import UNDER_LOAD, DaemonProcess, FaultyDaemon
from tests.support.valkey import ValkeyServer, free_port
from tests.support.worker import Worker, ran

AT_THE_END = ("stop.drain", "checkpoint.before")
ANY_MOMENT = "any moment"
DRAWN = (*UNDER_LOAD, *AT_THE_END, "start.bound", *[ANY_MOMENT] * 9)
ALIVE_S = 0.3
MOST_PASSES = 150

PATIENTS = tuple(f"P{number}" for number in range(6))
LANES = 3
LAST = "LAST"
FEED = f"""
[feed.adt]
listen = "127.0.0.1:%d"
[[feed.adt.route]]
type = "ADT"
task = "lanes.step"
kwargs = {{ patient = "PID-3.1", number = "MSH-10" }}
lane_by = "PID-3.1"
lanes = {LANES}
"""

KILL_LIMIT_S, STILL_LIMIT_S = 120.0, 60.0


class Endless(Sequence[bytes]):
    """The messages of one patient, as many as anybody asks for."""

    def __init__(self, patient: str) -> None:
        self._patient = patient

    def __len__(self) -> int:
        return sys.maxsize

    @overload
    def __getitem__(self, number: int) -> bytes: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[bytes]: ...
    def __getitem__(self, number: int | slice) -> bytes | Sequence[bytes]:
        return adt(f"{self._patient}-{number:08d}", patient=self._patient)


class Wrong(NamedTuple):
    """What must be nought, each."""

    lost: int = 0
    doubled: int = 0
    unordered: int = 0
    refused: int = 0


@contextmanager
def workers(url: str) -> Iterator[None]:
    """Run a stock worker for each lane."""
    with ExitStack() as stack:
        for lane in range(LANES):
            stack.enter_context(Worker(url, queues=f"adt.lane-{lane}", app="lanes_app"))
        yield


def strike(site: Path, point: str, chance: random.Random) -> None:
    """Start a daemon and kill it once: when it passes a point, or at some moment."""
    passes = chance.randint(1, MOST_PASSES) if point in UNDER_LOAD else 1
    alive_s = chance.uniform(0, ALIVE_S)
    with DaemonProcess(site) if point == ANY_MOMENT else FaultyDaemon(site, point, passes) as daemon:
        assert daemon.process is not None
        if point == ANY_MOMENT or point in AT_THE_END:
            daemon.ready()
            time.sleep(alive_s)
        if point == ANY_MOMENT:
            daemon.kill()
        elif point in AT_THE_END:
            daemon.process.send_signal(signal.SIGTERM)
        code = daemon.process.wait(KILL_LIMIT_S)
        if code != -signal.SIGKILL:
            message = f"the daemon ended with {code} and was not killed at {point}:\n" + "\n".join(daemon.lines[-20:])
            raise AssertionError(message)


def finish(site: Path, port: int, client: Any) -> list[dict[str, Any]]:
    """Let everything be handed on and run; what runs before the last message of its lane has run by then."""
    with DaemonProcess(site) as daemon:
        daemon.ready()
        with Peer(port) as peer:
            peer.send(framed(*(adt(f"{patient}-{LAST}", patient=patient) for patient in PATIENTS)))
            assert {ack.code for ack in peer.acks(len(PATIENTS))} == {"AA"}
        seen, moved_s = -1, time.monotonic()
        while True:
            count = client.llen("ran")
            if count != seen:
                seen, moved_s = count, time.monotonic()
            tail = [json.loads(one)["number"] for one in client.lrange("ran", -2000, -1)]
            if all(f"{patient}-{LAST}" in tail for patient in PATIENTS) or time.monotonic() > moved_s + STILL_LIMIT_S:
                break
            time.sleep(0.2)
        assert daemon.terminate() == 0
    return ran(client)


def judge(done: list[dict[str, Any]], senders: dict[str, LockstepSender]) -> Wrong:
    """Compare what ran with what was acknowledged. A message that was stored when nobody could say so any more may run as well."""
    lost = doubled = unordered = refused = 0
    for patient, sender in senders.items():
        numbers = [one["number"] for one in done if one["patient"] == patient]
        acknowledged = {f"{patient}-{number:08d}" for number in range(len(sender.codes))} | {f"{patient}-{LAST}"}
        lost += len(acknowledged - set(numbers))
        doubled += len(numbers) - len(set(numbers))
        unordered += sum(later < earlier for earlier, later in pairwise(numbers))
        refused += sum(code != "AA" for code in sender.codes)
    return Wrong(lost, doubled, unordered, refused)


def prove(folder: Path, kills: int, minutes: float, chance: random.Random) -> Wrong:
    """Kill a daemon under load, so many times or for so long."""
    port = free_port()
    struck: Counter[str] = Counter()
    started_s = time.monotonic()
    with ValkeyServer() as server, workers(server.url), ExitStack() as stack:
        site = write_site(folder, site_text(broker_url=server.url, feeds=FEED % port))
        senders = {patient: LockstepSender(lambda: port, Endless(patient)) for patient in PATIENTS}
        sending = stack.enter_context(ExitStack())
        for sender in senders.values():
            sending.enter_context(sender)
        for number in range(1, kills + 1):
            point = chance.choice(DRAWN)
            strike(site, point, chance)
            struck[point] += 1
            if time.monotonic() > started_s + minutes * 60:
                break
            if number % 50 == 0:
                count = sum(len(sender.codes) for sender in senders.values())
                print(f"  {number} kills, {count:,} acknowledged", flush=True)
        sending.close()
        done = finish(site, port, server.client)
    wrong = judge(done, senders)
    acknowledged = sum(len(sender.codes) for sender in senders.values())
    again = sum(sender.attempts - len(sender.codes) for sender in senders.values())
    for point, count in sorted(struck.items()):
        print(f"  {count:5} at {point}")
    print(
        f"{struck.total():,} kills in {time.monotonic() - started_s:.0f} s, {len(PATIENTS)} senders, {LANES} lanes: {acknowledged:,} acknowledged, "
        f"{again:,} attempts cut off, {len(done):,} run: {wrong.lost} lost, {wrong.doubled} doubled, {wrong.unordered} out of order, "
        f"{wrong.refused} refused",
        flush=True,
    )
    return wrong


def main() -> int:
    """Do it, and say whether all was as it has to be; the state folder stays where it was not."""
    reader = argparse.ArgumentParser(prog="python -m benchmarks.prove_kills", description=__doc__)
    reader.add_argument("--kills", type=int, default=1000)
    reader.add_argument("--minutes", type=float, default=60.0, help="end after so long, however many it were")
    reader.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    asked = reader.parse_args()
    print(f"seed={asked.seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="carillon-kills-"))
    if any(prove(folder, asked.kills, asked.minutes, random.Random(asked.seed))):
        print(f"what is left of it: {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
