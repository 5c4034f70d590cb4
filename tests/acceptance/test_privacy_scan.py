"""No value of a patient is anywhere but in the spool and in the task: a whole day of trouble, and everything it wrote, searched.

Real messages, where there are any, and generated ones meet every fate: taken, refused for each reason, parked, broken off, met by
a kill, run by a stock worker whose tasks fail. Every value of the patient segments of all of them is then looked for.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.builders import adt, framed, site_text, write_site
from tests.support.command import carillon
from tests.support.corpus import FOLDER
from tests.support.interop import generated
from tests.support.peer import Peer
from tests.support.phi import Scan, patient_values
from tests.support.process import ROOT, DaemonProcess
from tests.support.valkey import ValkeyServer
from tests.support.worker import Worker

LIMIT_S = 60.0
REAL = 120
FEEDS = """
[feed.adt]
listen = "127.0.0.1:0"
frame_limit = "64KiB"
frame_timeout = "1s"

[[feed.adt.route]]
type = "ADT"
task = "private.works"
kwargs = { name = "PID-5", nothing = "ZZZ[9]-99[9].9.9", second = "PID-3[2].1", street = "PID-11.1" }

[[feed.adt.route]]
type = ["ORU", "MDM", "VXU"]
task = "private.fails"

[[feed.adt.route]]
type = ["SIU", "ORM", "OML", "RDE", "DFT"]
task = "private.works"
"""
PARKING = FEEDS.replace('type = "ADT"', 'type = "A??"').replace('["SIU", "ORM", "OML", "RDE", "DFT"]', '"ZZZ"')


TOLD = (
    ("check",),
    ("queues", "list"),
    ("entries", "list"),
    ("feeds", "list"),
    ("feeds", "show", "adt"),
    ("audit", "list"),
    ("hl7", "list", "--limit", "500"),
    ("hl7", "list", "--state", "parked"),
    ("hl7", "quarantine"),
    ("hl7", "show", "7"),
)
"""Commands that say a lot, and nothing of a patient."""


def traffic() -> list[bytes]:
    """Write messages of every fate."""
    files = sorted((FOLDER / "messages").glob("*.hl7")) if FOLDER.is_dir() else []
    step = max(len(files) // REAL, 1)
    good = [file.read_bytes() for file in files[::step]] + [generated(number) for number in range(40)]
    good += [results(number) for number in range(40)]
    some = good[::10]
    return [
        *good,
        *good[:20],  # sent again
        *(message.replace(b"\rPID|", b"\rPID\xff\xfe|", 1) for message in some),  # another kind of segment
        *(_in_charset(message, b"UNICODE UTF-8") + b"NTE|1||\xff\xfe\r" for message in some),
        *(_in_charset(message, b"UNICODE UTF-16") for message in some),
        *(message.replace(b"MSH|^~\\&|", b"MSH|^^\\&|", 1) for message in some),
        *(message.replace(b"MSH|", b"msh|", 1) for message in some),
        *(message[message.find(b"PID") :] for message in some),
        *(message + b"OBX|1|ED|||" + message * 60 for message in some[:5]),  # over the limit
        *(message.replace(b"|2.", b"|9.", 1) for message in some),
        *(message.replace(b"|ADT^", b"|QQQ^", 1) for message in some),
    ]


def results(number: int) -> bytes:
    """Write a result with everything that must not be told."""
    return (
        f"MSH|^~\\&|LAB|L|C|D|20261122||ORU^R01^ORU_R01|R{number}|P|2.5.1\r"
        f"PID|1||MRN-{number:05d}-QX^^^HOSPITALQX^MR||Querxmann{number}^Ottokarla||19611{number:03d}|F|||Wendelgasse {number}^^Quxstadt\r"
        f"NK1|1|Querxmann^Balduina{number}|SPO|Nebenweg {number}q\rGT1|1||Querxgarant{number}\rIN1|1|PlanQX{number}|Krankenkasse Qux {number}\r"
        f"OBX|1|TX|1^Befund||Verdacht auf Querxitis Grad {number}||||||F\r"
    ).encode()


def _in_charset(message: bytes, name: bytes) -> bytes:
    first, end, rest = message.partition(b"\r")
    fields = (first.split(b"|") + [b""] * 20)[:20]
    fields[17] = name
    return b"|".join(fields) + end + rest


@contextmanager
def overhearing(valkey: ValkeyServer) -> Iterator[list[str]]:
    """Keep whatever is published in the broker, workers' events above all."""
    heard: list[str] = []
    ear = valkey.client.pubsub()
    ear.psubscribe("*")
    stop = threading.Event()

    def listen() -> None:
        while not stop.is_set():
            message = ear.get_message(ignore_subscribe_messages=True, timeout=0.2)
            if message is not None:
                heard.append(message["channel"].decode() + " " + _opened(message["data"].decode("utf-8", "replace")))

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield heard
    finally:
        stop.set()
        thread.join(LIMIT_S)
        ear.close()


def _opened(text: str) -> str:
    """Put the body of an event into plain text."""
    try:
        envelope = json.loads(text)
        return json.dumps(envelope) + base64.b64decode(envelope["body"]).decode()
    except (ValueError, TypeError, KeyError):
        return text


def everything_kept(valkey: ValkeyServer) -> Iterator[tuple[str, str]]:
    """Give what the broker keeps, keys and values, without the bodies of messages in queues."""
    client = valkey.client
    for key in client.scan_iter():
        name, kind = key.decode(), client.type(key).decode()
        if kind == "string":
            yield name, f"{name} {client.get(key).decode('utf-8', 'replace')}"
        elif kind == "hash":
            yield name, f"{name} {client.hgetall(key)!r}"
        elif kind == "stream":
            yield name, f"{name} {client.xrange(key)!r}"
        elif kind == "set":
            yield name, f"{name} {client.smembers(key)!r}"
        elif kind == "zset":
            yield name, f"{name} {client.zrange(key, 0, -1)!r}"
        else:
            yield name, name


def headers_of(valkey: ValkeyServer) -> str:
    """Give all of the messages in the queue but their bodies."""
    envelopes = [json.loads(one) for one in valkey.client.lrange("celery", 0, -1)]
    assert envelopes
    assert all(envelope.pop("body") for envelope in envelopes)
    return json.dumps(envelopes, ensure_ascii=False)


def other_files(folder: Path) -> Iterator[tuple[str, str]]:
    """Give what lies in the state folder beside the spool."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith("spool"):
            yield path.name, path.read_bytes().decode("utf-8", "replace")


def send(port: int, messages: list[bytes]) -> None:
    """Send messages with a few breaks and a few that never end."""
    for start in range(0, len(messages), 250):
        share = messages[start : start + 250]
        with Peer(port) as peer:
            for message in share:
                peer.send(framed(message))
            peer.socket.shutdown(1)
            peer.rest()
        with Peer(port) as peer:
            peer.send(b"\x0b" + share[0])
            peer.reset()
        with Peer(port) as peer:
            peer.send(share[-1])  # noise: no block at all
            peer.reset()


def wait_until(is_true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not is_true():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@pytest.fixture(scope="module")
def ordinary() -> str:
    """Give words that say nothing of anybody: those of the code, and of a worker that has nothing to do."""
    sources = [path.read_text() for package in ("daemon", "shim") for path in (ROOT / package).rglob("*.py")]
    sources.append((ROOT / "tests" / "support" / "private_tasks.py").read_text())
    with ValkeyServer() as valkey, Worker(valkey.url, app="private_tasks", arguments=("-E",)) as worker:
        lines = "\n".join(worker.lines)
    return "\n".join(sources) + lines + FEEDS + PARKING


def test_no_value_of_a_patient_is_told_whatever_becomes_of_the_messages(
    tmp_path: Path, valkey: ValkeyServer, ordinary: str, capfd: pytest.CaptureFixture[str]
) -> None:
    messages = traffic()
    scan = Scan(patient_values(messages), ordinary)
    assert {"Querxmann7", "Verdacht auf Querxitis Grad 7", "Ottokarla", "MRN-00007-QX"} <= scan.values
    site = write_site(tmp_path, site_text(broker_url=valkey.url, feeds=FEEDS))
    texts: dict[str, str] = {}

    # A day: everything comes, the daemon is killed with the broker away, and goes on with fewer routes and a worker.
    with overhearing(valkey) as heard, DaemonProcess(site, "--log-level", "debug") as daemon:
        send(daemon.ready().port(), messages)
        wait_until(
            lambda: valkey.client.llen("celery") > 0, "some of it in the queue"
        )  # a gauge of 0 may be an early one
        wait_until(lambda: daemon.metric("carillon_spool_messages", feed="adt") == 0, "all of it in the queue")
        texts["headers of messages"] = headers_of(valkey)
        texts["metrics"] = daemon.get("/metrics")[1] + daemon.get("/readyz")[1] + daemon.get("/healthz")[1]
        refused = [line for line in texts["metrics"].splitlines() if line.startswith("carillon_feed_quarantined_total")]
        assert len(refused) >= 5
        valkey.pause()
        try:
            send(daemon.port(), [adt(f"LATE{number}", patient=f"Querx{number:05d}") for number in range(20)])
            send(
                daemon.port(),
                [message.replace(b"|R", b"|LATE", 1) for message in messages if message.startswith(b"MSH|^~\\&|LAB")],
            )
            daemon.kill()
        finally:
            valkey.resume()
        write_site(tmp_path, site_text(broker_url=valkey.url, feeds=PARKING))
        daemon.start()
        wait_until(lambda: daemon.metric("carillon_spool_messages", feed="adt") == 0, "what was left in the queue")
        texts["second metrics"] = daemon.get("/metrics")[1]
        peeked = carillon("queues", "peek", "celery", "-n", "50", "-c", site)
        assert peeked.stdout.count("private.") == 50
        texts["carillon queues peek"] = peeked.stdout
        with Worker(valkey.url, app="private_tasks", arguments=("-E",)) as worker:
            wait_until(lambda: valkey.client.llen("celery") == 0, "the queue to be empty")
            wait_until(lambda: sum("no such ward" in line for line in worker.lines) > 3, "tasks that failed")
        for command in TOLD:
            done = carillon(*command, "-c", site)
            assert done.returncode in (0, 1), (command, done.stderr)
            assert "Traceback" not in done.stderr, (command, done.stderr)
            texts[f"carillon {' '.join(command)}"] = done.stdout + done.stderr
        assert daemon.terminate() == 0
    assert texts["carillon hl7 list --limit 500"].count("ADT") > 50
    assert "handed on" in texts["carillon feeds show adt"]

    texts |= {"log": "\n".join(daemon.lines), "worker": "\n".join(worker.lines), "events": "\n".join(heard)}
    texts["standard output"] = "".join(capfd.readouterr())
    texts |= {f"broker: {name}": text for name, text in everything_kept(valkey)}
    texts |= {f"file {name}": text for name, text in other_files(tmp_path / "state")}
    assert "task-failed" in texts["events"]
    assert [leak for place, text in texts.items() for leak in scan.leaks(place, text)] == []


def test_a_task_that_tells_what_it_got_is_found_out(tmp_path: Path, valkey: ValkeyServer, ordinary: str) -> None:
    """The search above would find a leak: the control."""
    messages = [results(number) for number in range(10)]
    scan = Scan(patient_values(messages), ordinary)
    feeds = FEEDS.replace("private.fails", "private.tells")
    site = write_site(tmp_path, site_text(broker_url=valkey.url, feeds=feeds))
    with DaemonProcess(site) as daemon, Worker(valkey.url, app="private_tasks") as worker:
        send(daemon.ready().port(), messages)
        wait_until(lambda: sum("Querxmann9" in line for line in worker.lines) > 0, "the last to be told")
        assert daemon.terminate() == 0
    found = {leak.value for leak in scan.leaks("worker", "\n".join(worker.lines))}
    assert {f"Querxmann{number}" for number in range(10)} <= found
    assert {f"Verdacht auf Querxitis Grad {number}" for number in range(10)} <= found
    assert scan.leaks("log", "\n".join(daemon.lines)) == []


def test_a_worker_that_describes_the_arguments_of_a_retry_anew_is_found_out(
    tmp_path: Path, valkey: ValkeyServer, ordinary: str
) -> None:
    """Celery does so unless it is told otherwise (docs/feeds.md); the daemon has no part in it."""
    messages = [results(number) for number in range(40)]
    scan = Scan(patient_values(messages), ordinary)
    site = write_site(tmp_path, site_text(broker_url=valkey.url, feeds=FEEDS))
    as_it_comes = {"PRIVATE_AS_IT_COMES": "1"}
    with DaemonProcess(site) as daemon, overhearing(valkey) as heard:
        send(daemon.ready().port(), messages)
        wait_until(lambda: valkey.client.llen("celery") == len(messages), "all of it in the queue")
        assert scan.leaks("headers", headers_of(valkey)) == []
        with Worker(valkey.url, app="private_tasks", arguments=("-E",), environment=as_it_comes):
            wait_until(lambda: any(scan.leaks("events", text) for text in list(heard)), "an event that tells")
        assert daemon.terminate() == 0


@pytest.mark.parametrize(
    "write", [str, repr, json.dumps, lambda value: repr(value.encode()), lambda value: f"[{value}]"]
)
def test_a_value_is_found_however_it_is_written(write: Callable[[Any], str], ordinary: str) -> None:
    values = ["Größe-Łódź", 'O\'Querx "Q"', "Querx\\T\\Q", "8005551234"]
    scan = Scan(values, ordinary)
    assert scan.values == frozenset(values)
    for value in values:
        assert [leak.value for leak in scan.leaks("text", f"at 7: {write(value)}, over")] == [value]
        assert scan.leaks("text", f"at 7: x{value}x 2026-11-22T08:00:55.512341+00:00") == []
