"""Truth in ACK: real senders, a real daemon, real workers. The answer says what became of the message."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from daemon.hl7listener.wire.framer import frame
from tests.support.acks import Ack, read_ack
from tests.support.answering import SECRET, wait_for_list
from tests.support.builders import MARKER, adt, framed, site_text, write_site
from tests.support.peer import Peer
from tests.support.process import DaemonProcess
from tests.support.valkey import ValkeyServer
from tests.support.worker import Worker

ROUTE = """
[[feed.{name}.route]]
type = "ADT"
task = "answers.act"
kwargs = {{ event = "MSH-9.2", control_id = "MSH-10" }}
{more}
"""


def feed(name: str, *keys: str, route: str = "", when: str = "succeeded") -> str:
    head = f'[feed.{name}]\nlisten = "127.0.0.1:0"\nack_when = "{when}"\n' + "".join(f"{key}\n" for key in keys)
    return head + ROUTE.format(name=name, more=route)


NOBODY = 'queue = "nobody"'
FEEDS = (
    feed("sure", 'ack_deadline = "60s"', 'ack_fallback = "error"')
    + feed("one-by-one", 'ack_deadline = "60s"', "ack_pending = 1")
    + feed("late-accept", 'ack_deadline = "300ms"', 'ack_fallback = "accept"', route=NOBODY)
    + feed("late-error", 'ack_deadline = "300ms"', 'ack_fallback = "error"', route=NOBODY)
    + feed("late-close", 'ack_deadline = "300ms"', 'ack_fallback = "close"')
    + feed("enqueued", when="enqueued")
    + feed("both", 'ack_deadline = "60s"', 'match = "all"')
    + ROUTE.format(name="both", more='event = "A02"')
)


class Rig:
    """A site with a worker."""

    def __init__(self, daemon: DaemonProcess, client: Any) -> None:
        self.daemon = daemon
        self.client = client

    def open_gate(self, *control_ids: str) -> None:
        """Have tasks that wait go on."""
        for control_id in control_ids:
            self.client.rpush(f"gate:{control_id}", "go")

    def acted(self, control_id: str) -> list[str]:
        """Say how often, and in which attempts, a message's task ran."""
        found = [one.decode() for one in self.client.lrange("acted", 0, -1)]
        return [one for one in found if one.partition(":")[0] == control_id]

    def wait_until_acted(self, control_id: str) -> None:
        """Wait until a message's task has begun."""
        wait_for_list(lambda: self.acted(control_id))


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("late")
    with DaemonProcess(write_site(folder, site_text(feeds=FEEDS))) as daemon:
        daemon.ready()
        url = (folder / "state" / "broker-url").read_text().strip()
        with Worker(url, app="answer_tasks", concurrency=4):
            yield Rig(daemon, redis.Redis.from_url(url))


def enhanced(control_id: str, event: str, application: str = "AL") -> bytes:
    return adt(control_id, event=event, accept="AL", application=application)


def told(peer: Peer, count: int = 1) -> list[tuple[bytes, bytes]]:
    return [(ack.msa[1], ack.msa[2]) for ack in acks(peer, count)]


def acks(peer: Peer, count: int = 1) -> list[Ack]:
    return [read_ack(reply) for reply in peer.replies(count)]


# -- what became of it ---------------------------------------------------------------------------------------------------


def test_a_task_that_succeeds_is_answered_with_aa(rig: Rig) -> None:
    with Peer(rig.daemon.port("sure")) as peer:
        peer.send(framed(adt("GOOD")))
        assert told(peer) == [(b"AA", b"GOOD")]
        assert rig.acted("GOOD") == ["GOOD:0"]


def test_a_task_that_fails_is_answered_with_ae_and_not_a_word_of_it(rig: Rig) -> None:
    with Peer(rig.daemon.port("sure")) as peer:
        peer.send(framed(adt("BAD", event="A02")))
        [ack] = acks(peer)
        assert (ack.msa[1], ack.msa[2], ack.msa[3]) == (b"AE", b"BAD", b"stored, but processing failed")
        assert [err[3] for err in ack.errs] == [b"207^Application internal error^HL70357"]
        for word in (SECRET, MARKER):
            assert word.encode() not in peer.received
            assert not any(word in line for line in rig.daemon.lines)


def test_a_task_that_is_tried_again_is_answered_once_it_has_succeeded(rig: Rig) -> None:
    with Peer(rig.daemon.port("sure")) as peer:
        peer.send(framed(adt("AGAIN", event="A03")))
        assert told(peer) == [(b"AA", b"AGAIN")]
        assert rig.acted("AGAIN") == ["AGAIN:0", "AGAIN:1"]


def test_all_tasks_of_a_message_must_succeed(rig: Rig) -> None:
    with Peer(rig.daemon.port("both")) as peer:
        peer.send(framed(adt("TWO", event="A01"), adt("TWO-BAD", event="A02")))
        assert told(peer, 2) == [(b"AA", b"TWO"), (b"AE", b"TWO-BAD")]


def test_what_is_refused_is_answered_at_once_and_in_its_place(rig: Rig) -> None:
    with Peer(rig.daemon.port("sure")) as peer:
        peer.send(framed(adt("WAITS-1", event="A04"), adt("").replace(b"||ADT", b"||ORU"), adt("QUICK")))
        rig.wait_until_acted("QUICK")
        rig.open_gate("WAITS-1")
        assert told(peer, 3) == [(b"AA", b"WAITS-1"), (b"AE", b""), (b"AA", b"QUICK")]


def test_a_message_that_is_enqueued_is_answered_whatever_its_task_does(rig: Rig) -> None:
    with Peer(rig.daemon.port("enqueued")) as peer:
        peer.send(framed(adt("ENQUEUED", event="A02"), adt("ENQUEUED-2")))
        assert told(peer, 2) == [(b"AA", b"ENQUEUED"), (b"AA", b"ENQUEUED-2")]


# -- enhanced mode -------------------------------------------------------------------------------------------------------


def test_accept_comes_when_it_is_stored_and_application_when_it_is_done(rig: Rig) -> None:
    with Peer(rig.daemon.port("sure")) as peer:
        peer.send(framed(enhanced("E1", "A04"), enhanced("E2", "A01"), enhanced("E3", "A02", "ER")))
        assert told(peer, 3) == [(b"CA", b"E1"), (b"CA", b"E2"), (b"CA", b"E3")]
        rig.wait_until_acted("E3")
        rig.open_gate("E1")
        found = acks(peer, 3)
        assert [(ack.msa[1], ack.msa[2]) for ack in found] == [(b"AA", b"E1"), (b"AA", b"E2"), (b"AE", b"E3")]
        assert {(ack.msh[15], ack.msh[16]) for ack in found} == {(b"NE", b"NE")}


def test_a_sender_that_wants_only_errors_hears_nothing_of_success(rig: Rig) -> None:
    with Peer(rig.daemon.port("sure")) as peer:
        peer.send(framed(enhanced("S1", "A01", "ER"), enhanced("S2", "A01")))
        assert told(peer, 3) == [(b"CA", b"S1"), (b"CA", b"S2"), (b"AA", b"S2")]


def test_no_more_is_read_while_too_many_answers_wait(rig: Rig) -> None:
    with Peer(rig.daemon.port("one-by-one")) as peer:
        peer.send(framed(enhanced("P1", "A04")))
        assert told(peer) == [(b"CA", b"P1")]
        peer.send(framed(enhanced("P2", "A01")))
        rig.wait_until_acted("P1")
        rig.open_gate("P1")
        assert told(peer, 3) == [(b"AA", b"P1"), (b"CA", b"P2"), (b"AA", b"P2")]


# -- resends -------------------------------------------------------------------------------------------------------------


def test_a_resend_while_it_is_not_known_waits_with_the_first_and_makes_no_second_task(rig: Rig) -> None:
    message = framed(adt("TWICE", event="A04"))
    with Peer(rig.daemon.port("sure")) as first, Peer(rig.daemon.port("sure")) as second:
        first.send(message)
        rig.wait_until_acted("TWICE")
        second.send(message + framed(adt("BEHIND")))
        rig.wait_until_acted("BEHIND")
        rig.open_gate("TWICE")
        [one], [other] = first.replies(1), second.replies(1)
        assert one == other
        assert told(second) == [(b"AA", b"BEHIND")]
        second.send(message)
        assert second.replies(1) == [one]
        assert rig.acted("TWICE") == ["TWICE:0"]


def test_a_sender_that_left_gets_the_answer_when_it_comes_back(rig: Rig) -> None:
    message = framed(enhanced("GONE", "A04"))
    with Peer(rig.daemon.port("sure")) as peer:
        peer.send(message)
        [accept] = peer.replies(1)
    rig.wait_until_acted("GONE")
    rig.open_gate("GONE")
    with Peer(rig.daemon.port("sure")) as peer:
        peer.send(message)
        again, final = peer.replies(2)
        assert again == accept
        assert read_ack(final).msa[1] == b"AA"
        peer.send(message)
        assert peer.replies(2) == [accept, final]
    assert rig.acted("GONE") == ["GONE:0"]


# -- what is not known in time -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "code"), [("late-accept", b"AA"), ("late-error", b"AE")])
def test_what_takes_too_long_is_answered_as_the_fallback_says(rig: Rig, name: str, code: bytes) -> None:
    with Peer(rig.daemon.port(name)) as peer:
        peer.send(framed(adt("NEVER")))
        [first] = peer.replies(1)
        assert read_ack(first).msa[1] == code
        peer.send(framed(adt("NEVER")))
        assert peer.replies(1) == [first]
    rig.daemon.wait_metric(1, "carillon_feed_late_answers_total", feed=name, ending=name)


def test_a_connection_whose_answer_is_not_known_is_closed_and_the_next_gets_the_truth(rig: Rig) -> None:
    with Peer(rig.daemon.port("late-close")) as peer:
        peer.send(framed(adt("CLOSED", event="A04")))
        assert peer.rest() == b""
    rig.daemon.wait_for("message.unanswered", feed="late-close")
    rig.open_gate("CLOSED")
    wait_for_list(lambda: rig.client.keys("celery-task-meta-*") and not rig.client.exists("gate:CLOSED"))
    for _ in range(100):  # its result may be stored a moment later
        with Peer(rig.daemon.port("late-close")) as peer:
            peer.send(framed(adt("CLOSED", event="A04")))
            answer = peer.rest_or_reply()
            if answer:
                assert read_ack(answer).msa[1] == b"AA"
                break
    else:
        pytest.fail("never answered")
    assert rig.acted("CLOSED") == ["CLOSED:0"]


# -- faults --------------------------------------------------------------------------------------------------------------


def test_a_daemon_killed_before_the_task_ended_answers_after_its_start(tmp_path: Path) -> None:
    message = framed(enhanced("KILLED", "A04"))
    with ValkeyServer() as valkey:
        celery = f'result_backend = "{valkey.url}"'
        text = site_text(broker_url=valkey.url, celery=celery, feeds=feed("sure", 'ack_deadline = "60s"'))
        site = write_site(tmp_path, text)
        with Worker(valkey.url, app="answer_tasks"):
            with DaemonProcess(site) as daemon:
                daemon.ready()
                with Peer(daemon.port("sure")) as peer:
                    peer.send(message)
                    [accept] = peer.replies(1)
                    client = valkey.client
                    wait_for_list(lambda: client.lrange("acted", 0, -1))
                    daemon.kill()
            with DaemonProcess(site) as daemon:
                daemon.ready()
                with Peer(daemon.port("sure")) as peer:
                    peer.send(message)
                    assert peer.replies(1) == [accept]
                    client.rpush("gate:KILLED", "go")
                    [final] = peer.replies(1)
                    assert read_ack(final).msa[1] == b"AA"
                    peer.send(message)
                    assert peer.replies(2) == [accept, final]
                assert client.lrange("acted", 0, -1) == [b"KILLED:0"]


@pytest.mark.parametrize("end", [Worker.kill, Worker.pause])
def test_a_worker_that_is_killed_or_hangs_leaves_its_messages_to_the_fallback_and_says_so(
    tmp_path: Path, end: Callable[[Worker], None]
) -> None:
    with ValkeyServer() as valkey:
        celery = f'result_backend = "{valkey.url}"'
        feeds = feed("sure", 'ack_deadline = "1s"', 'ack_fallback = "error"')
        site = write_site(tmp_path, site_text(broker_url=valkey.url, celery=celery, feeds=feeds))
        with DaemonProcess(site) as daemon, Worker(valkey.url, app="answer_tasks") as worker:
            daemon.ready()
            with Peer(daemon.port("sure")) as peer:
                peer.send(framed(adt("DIES", event="A04")))
                client = valkey.client
                wait_for_list(lambda: client.lrange("acted", 0, -1))
                end(worker)
                [ack] = acks(peer)
                assert (ack.msa[1], ack.msa[3]) == (b"AE", b"stored, but not processed in time")
                peer.send(framed(adt("DIES", event="A04")))
                assert acks(peer) == [ack]
                assert client.lrange("acted", 0, -1) == [b"DIES:0"]


def test_a_result_back_end_that_comes_back_in_time_changes_nothing(tmp_path: Path) -> None:
    with ValkeyServer() as valkey, ValkeyServer() as results:
        celery = f'result_backend = "{results.url}"'
        feeds = feed("sure", 'ack_deadline = "60s"', 'ack_fallback = "error"')
        site = write_site(tmp_path, site_text(broker_url=valkey.url, celery=celery, feeds=feeds))
        with DaemonProcess(site) as daemon:
            daemon.ready()
            environment = {"RESULT_URL": results.url}
            with Worker(valkey.url, app="answer_tasks", environment=environment), Peer(daemon.port("sure")) as peer:
                peer.send(framed(adt("BEFORE")))
                assert told(peer) == [(b"AA", b"BEFORE")]
                peer.send(framed(adt("DURING", event="A04")))
                client = valkey.client
                wait_for_list(lambda: len(client.lrange("acted", 0, -1)) == 2)
                results.kill()
                results.restart()
                client.rpush("gate:DURING", "go")
                assert told(peer) == [(b"AA", b"DURING")]


def test_what_waited_is_answered_once_a_feed_no_longer_waits(tmp_path: Path) -> None:
    late = site_text(feeds=feed("sure", 'ack_deadline = "60s"', route=NOBODY))
    site = write_site(tmp_path, late)
    message = frame(adt("CHANGED"))
    with DaemonProcess(site) as daemon:
        daemon.ready()
        with Peer(daemon.port("sure")) as peer:
            peer.send(message)
            daemon.wait_metric(1, "carillon_feed_enqueued_total", feed="sure")
            daemon.kill()
    write_site(tmp_path, late.replace('"succeeded"', '"stored"'))
    with DaemonProcess(site) as daemon:
        daemon.ready()
        with Peer(daemon.port("sure")) as peer:
            peer.send(message)
            assert told(peer) == [(b"AA", b"CHANGED")]
