"""Finding messages in a spool: by each filter, against looking at all of them; with the index, without it, and behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import anyio
import pytest

from daemon.errors import SpoolFailed
from daemon.events import Warned
from daemon.hl7listener.spool import Arrival, indexing, search
from daemon.hl7listener.spool.index import INDEX_FILE, SearchIndex
from daemon.hl7listener.spool.opening import FILE
from daemon.hl7listener.spool.query import Query, State
from daemon.hl7listener.spool.search import Search, open_search
from daemon.public import Public
from tests.support.clock import START_US
from tests.support.feeds import ADT, arrival, feed, route
from tests.support.old_spool import write_old_spool
from tests.support.spooling import arrivals, change, filled, spooling, until

pytestmark = pytest.mark.anyio

LAB = feed(route(["ORU", "ADT"]), name=Public("lab"))


def message(number: int) -> Arrival:
    """Make one of a mixed traffic: two feeds, three types, two senders, every patient ten times, some refused."""
    kind = ("ADT^A01", "ADT^A08", "ORU^R01")[number % 3]
    data = (
        f"MSH|^~\\&|APP{number % 2}|FAC|||2026||{kind}|C{number // 2}|P|2.5\r"
        f"PID|1||P{number % 20}^^^H~X{number % 7}^^^X\rPV1|1|{number}\r"
    ).encode()
    one = arrival(data, LAB if number % 5 == 0 else feed(), received_us=START_US + number * 1000)
    return one._replace(peer=f"10.0.0.{number % 4}")


SENT = [message(number) for number in range(1, 241)]


def index_of(folder: Path, *, has_patients: bool = True, steps: int = 100) -> None:
    """Bring the index up to date, or as far as so many steps take it."""
    with closing(SearchIndex(folder, FILE, has_patients=has_patients)) as index:
        for _ in range(steps):
            if not index.advance(50):
                break


def test_a_step_of_the_index_ends_after_so_many_bytes_and_the_next_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    anyio.run(filled, tmp_path, 9)
    one = len(arrivals(1)[0].data)
    monkeypatch.setattr("daemon.hl7listener.spool.index.STEP_BYTES", 3 * one)
    with closing(SearchIndex(tmp_path, FILE, has_patients=True)) as index:
        assert [index.advance(100) for _ in range(4)] == [3, 3, 3, 0]
    with searching(tmp_path) as found:
        assert len(seqs(found, Query())) == 9


@contextmanager
def searching(folder: Path) -> Iterator[Search]:
    with open_search(folder) as found:
        yield found


def seqs(found: Search, query: Query, limit: int = 1000) -> list[int]:
    return [one.seq for one in found.find(query, limit=limit).found]


def expected(query: Query) -> list[int]:
    """Look at every message, with other means."""
    fitting = []
    for seq, one in enumerate(SENT, 1):
        header = one.finding.header
        assert header is not None
        is_refused = one.feed == ADT and seq % 3 == 2
        state = State.QUARANTINED if is_refused else State.ENQUEUED if one.feed == ADT and seq <= 100 else State.WAITING
        patients = {part.split("^")[0] for part in one.data.decode().split("\r")[1].split("|")[3].split("~")}
        facts = {
            "feed": one.feed,
            "type": header.message_type,
            "event": header.trigger_event,
            "control_id": header.control_id.decode(),
            "application": header.raw(3).decode(),
            "facility": header.raw(4).decode(),
            "code": "AR" if is_refused else "AA",
            "peer": one.peer,
        }
        if (
            all(getattr(query, name) in ("", value) for name, value in facts.items())
            and query.patient in ("", *patients)
            and query.state in (None, state)
            and (query.since_us is None or one.received_us >= query.since_us)
            and (query.until_us is None or one.received_us < query.until_us)
        ):
            fitting.append(seq)
    return fitting[::-1]


QUERIES = [
    Query(),
    Query(feed="lab"),
    Query(type="ORU"),
    Query(type="ADT", event="A08"),
    Query(control_id="C17"),
    Query(control_id="C17", feed="adt"),
    Query(control_id="nowhere"),
    Query(application="APP1", facility="FAC"),
    Query(application="APP7"),
    Query(code="AR"),
    Query(peer="10.0.0.3", type="ADT"),
    Query(patient="P3"),
    Query(patient="X3", type="ORU"),
    Query(patient="P"),
    Query(state=State.QUARANTINED),
    Query(state=State.WAITING),
    Query(state=State.ENQUEUED, application="APP0"),
    Query(since_us=START_US + 100_000, until_us=START_US + 120_000),
    Query(since_us=START_US + 200_000, type="ORU"),
    Query(until_us=START_US),
    Query(since_us=START_US + 10_000_000),
]


@pytest.mark.parametrize("kept", ["with the index", "without it", "behind it", "without patients"])
async def test_each_filter_finds_what_looking_at_all_messages_finds(tmp_path: Path, kept: str) -> None:
    async with spooling(tmp_path) as running:
        await running.stored(*SENT)
        running.spool.settle(ADT, 100)
    if kept != "without it":
        index_of(tmp_path, has_patients=kept != "without patients", steps=2 if kept == "behind it" else 100)
    with searching(tmp_path) as found:
        for query in QUERIES:
            assert seqs(found, query) == expected(query), query


async def test_pages_go_on_where_the_last_one_ended(tmp_path: Path) -> None:
    async with spooling(tmp_path) as running:
        await running.stored(*SENT)
    index_of(tmp_path)
    for query in (Query(), Query(type="ORU"), Query(patient="P3")):
        pages: list[int] = []
        before: int | None = None
        with searching(tmp_path) as found:
            while True:
                page = found.find(query, before_seq=before, limit=7)
                pages += [one.seq for one in page.found]
                before = page.next_before
                if before is None:
                    break
            assert pages == seqs(found, query)


async def test_a_page_ends_after_so_many_candidates_and_says_where_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MOST_LOOKED_AT", 50)
    async with spooling(tmp_path) as running:
        await running.stored(*SENT)
    with searching(tmp_path) as found:
        page = found.find(Query(patient="P1"), limit=1000)
        assert page.next_before == 240 - 50 + 1
        assert [one.seq for one in page.found] == [221, 201]


async def test_a_message_is_shown_with_where_it_stands_and_nothing_of_it_in_its_representation(tmp_path: Path) -> None:
    async with spooling(tmp_path) as running:
        await running.stored(*SENT[:4])
        running.spool.settle(ADT, 4)
        running.spool.park(3, Public("no worker could take it"))
        running.spool.answered(1, b"\x0bMSH|^~\\&|\rMSA|AE|C0\r\x1c\r", lambda _: None)
    with searching(tmp_path) as found:
        assert [(one.seq, one.state, one.reason) for one in found.find(Query(state=State.PARKED)).found] == [
            (3, State.PARKED, "no worker could take it")
        ]
        one = found.message(1)
        assert one is not None
        assert (one.data, one.found.code, one.found.version, one.found.is_whole) == (SENT[0].data, "AE", "2.5", True)
        assert found.show(99) is None
        assert found.members(1) == []
        assert "P1" not in repr(one) + repr(one.found) + repr(Query(patient="P1", control_id="C1"))
        assert "C0" not in repr(one) + repr(one.found)


async def test_the_index_forgets_messages_with_the_spool_and_holds_no_number_of_a_patient(tmp_path: Path) -> None:
    async with spooling(tmp_path) as running:
        await running.stored(*SENT)
    index_of(tmp_path)
    assert b"P19" not in content_of(tmp_path / INDEX_FILE)
    change(tmp_path, "DELETE FROM message WHERE seq < 200 AND disposition <> 3")
    with closing(SearchIndex(tmp_path, FILE, has_patients=True)) as index:
        index.trim()
        kept = {seq for (seq,) in index._db.execute("SELECT seq FROM entry")}
        assert kept == {seq for (seq,) in index._db.execute("SELECT seq FROM term")}
        assert kept == {seq for (seq,) in index._db.execute("SELECT seq FROM spool.message")}


def forget_spool(folder: Path) -> None:
    for part in (*folder.glob(f"{FILE}*"), folder / "spool.mark"):
        part.unlink()


def content_of(path: Path) -> bytes:
    return path.read_bytes()


def spoil(path: Path, how: str) -> None:
    path.write_bytes(b"no database at all\n" * 500 if how == "garbage" else path.read_bytes()[:5000])


@pytest.mark.parametrize("spoilt", ["garbage", "cut", "of another spool"])
async def test_an_index_that_cannot_be_used_is_made_anew(tmp_path: Path, spoilt: str) -> None:
    await filled(tmp_path, 30)
    index_of(tmp_path)
    if spoilt != "of another spool":
        spoil(tmp_path / INDEX_FILE, spoilt)
    else:
        forget_spool(tmp_path)
        await filled(tmp_path, 10)
    index_of(tmp_path)
    with searching(tmp_path) as found:
        assert seqs(found, Query(control_id="M7")) == [7]
        assert seqs(found, Query(type="ADT"))[-1] == 1


async def test_an_index_that_was_deleted_under_a_running_daemon_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "AGAIN_S", 0.01)

    def is_indexed_to(seq: int) -> bool:
        with searching(tmp_path) as found:
            return found._indexed_seq == seq

    async with spooling(tmp_path) as running, anyio.create_task_group() as tasks:
        tasks.start_soon(running.spool.serve)
        await running.stored(*SENT[:2])
        await until(lambda: is_indexed_to(2))
        delete_index(tmp_path)
        await until(lambda: is_indexed_to(2))
        await running.stored(*SENT[2:3])
        await until(lambda: is_indexed_to(3))
        assert not running.told(Warned)
        tasks.cancel_scope.cancel()


def delete_index(folder: Path) -> None:
    for path in folder.glob(f"{INDEX_FILE}*"):
        path.unlink()


def blocked_index(folder: Path) -> Path:
    """Make a folder in which the index cannot be."""
    (folder / "blocked" / INDEX_FILE).mkdir(parents=True)
    return folder / "blocked"


async def test_a_running_spool_keeps_its_index_and_does_without_if_it_cannot(tmp_path: Path) -> None:
    blocked = blocked_index(tmp_path)

    def is_indexed() -> bool:
        with searching(tmp_path) as found:
            return found._indexed_seq == 3

    async with spooling(tmp_path) as running, spooling(blocked) as without, anyio.create_task_group() as tasks:
        tasks.start_soon(running.spool.serve)
        tasks.start_soon(without.spool.serve)
        for one in (running, without):
            await one.stored(*SENT[:3])
        await until(is_indexed)
        await until(lambda: any(told.code == "search-index" for told in without.told(Warned)))
        tasks.cancel_scope.cancel()


def test_a_spool_that_is_not_there_or_of_another_version_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SpoolFailed, match="CANTOPEN"), open_search(tmp_path):
        pass
    write_old_spool(tmp_path, SENT[:1])
    with pytest.raises(SpoolFailed, match="has schema 1"), open_search(tmp_path):
        pass


def test_what_is_asked_is_not_taken_for_a_pattern_or_a_statement(tmp_path: Path) -> None:
    hostile: Sequence[str] = ("%", "*", "' OR 1=1 --", "\0", "C1\0", "é" * 300)

    async def fill() -> None:
        async with spooling(tmp_path) as running:
            await running.stored(*SENT[:9])

    anyio.run(fill)
    index_of(tmp_path)
    with searching(tmp_path) as found:
        for value in hostile:
            for query in (Query(type=value), Query(control_id=value), Query(patient=value), Query(peer=value)):
                assert seqs(found, query) == []
