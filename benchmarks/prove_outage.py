"""The proof of a broker that is away for an hour: ``make prove-outage ARGS="--messages 20000"``.

An hour at fifty messages a second is 180,000. So many are sent while the broker is gone, as fast as they are acknowledged. None may be
refused or sent again; once the broker is back, all must come into the queue once, each sender's in order.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
import tempfile
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio

from tests.support.builders import ADT_FEED, adt, framed, site_text, write_site
from tests.support.process import DaemonProcess
from tests.support.valkey import ValkeyServer

SENDERS = 16
STILL_LIMIT_S = 60.0
TAKE = 500


def control_ids(tasks: list[bytes]) -> list[str]:
    """Read the control ids of queued tasks, in the order in which they would be taken."""
    found: list[str] = []
    for task in tasks:
        message = json.loads(task)
        body = message["body"]
        if message["properties"].get("body_encoding") == "base64":
            body = base64.b64decode(body)
        _, kwargs, _ = json.loads(body)
        found.append(kwargs["message"]["control_id"])
    return found


def take_all(client: Any, count: int) -> list[str]:
    """Take tasks from the queue until so many came and no more do, or none came for a while."""
    taken: list[str] = []
    moved_s = time.monotonic()
    while time.monotonic() < moved_s + (STILL_LIMIT_S if len(taken) < count else 1.0):
        tasks = client.rpop("celery", TAKE)
        if tasks:
            taken += control_ids(tasks)
            moved_s = time.monotonic()
        else:
            time.sleep(0.02)
    return taken


def control_id(sender: int, number: int) -> str:
    return f"S{sender:02d}-{number:06d}"


async def _send(port: int, sender: int, count: int, codes: Counter[str]) -> None:
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        for number in range(count):
            name = control_id(sender, number)
            await stream.send(framed(adt(name)))
            answer = b""
            while not answer.endswith(b"\x1c\r"):
                answer += await stream.receive()
            code, of = answer.split(b"\rMSA|", 1)[1].split(b"\r")[0].decode().split("|")[:2]
            codes[code if of == name else "another's"] += 1


async def _send_all(port: int, count: int, codes: Counter[str]) -> None:
    async with anyio.create_task_group() as tasks:
        for sender in range(SENDERS):
            tasks.start_soon(_send, port, sender, count, codes)


def prove(folder: Path, each: int) -> int:
    """Take so many messages of each sender while the broker is away; give how many things are wrong."""
    codes: Counter[str] = Counter()
    count = each * SENDERS
    with ValkeyServer() as server:
        site = write_site(folder, site_text(broker_url=server.url, feeds=ADT_FEED))
        with DaemonProcess(site) as daemon:
            port = daemon.ready().port()
            server.kill()
            daemon.wait_for("broker.lost")
            started_s = time.monotonic()
            anyio.run(_send_all, port, each, codes)
            stored_s = time.monotonic() - started_s
            server.start()
            started_s = time.monotonic()
            queued = take_all(server.client, count)
            drained_s = time.monotonic() - started_s
            daemon.wait_metric(0, "carillon_spool_messages", feed="adt")
            assert daemon.terminate() == 0
            repeated = sum('"message.repeated"' in line for line in daemon.lines)
    refused = count - codes["AA"]
    wanted = {control_id(sender, number) for sender in range(SENDERS) for number in range(each)}
    lost = len(wanted - set(queued))
    doubled = len(queued) - len(set(queued))
    by_sender = [[one for one in queued if one.startswith(f"S{sender:02d}")] for sender in range(SENDERS)]
    unordered = sum(later < earlier for its in by_sender for earlier, later in pairwise(its))
    print(
        f"broker away for {count:,} messages: acknowledged in {stored_s:.0f} s ({count / stored_s:,.0f}/s), handed on in {drained_s:.0f} s "
        f"({count / drained_s:,.0f}/s): {refused} refused, {lost} lost, {doubled} doubled, {unordered} out of order, {repeated} repeated",
        flush=True,
    )
    return refused + lost + doubled + unordered + repeated


def main() -> int:
    """Do it, and say whether all was as it has to be."""
    reader = argparse.ArgumentParser(prog="python -m benchmarks.prove_outage", description=__doc__)
    reader.add_argument("--messages", type=int, default=180_000)
    asked = reader.parse_args()
    with tempfile.TemporaryDirectory(prefix="carillon-outage-") as name:
        return int(prove(Path(name), max(asked.messages // SENDERS, 1)) > 0)


if __name__ == "__main__":
    sys.exit(main())
