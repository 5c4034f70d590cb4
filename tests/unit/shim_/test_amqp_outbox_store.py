"""The outbox's file: what is accepted, remembered, forgotten and refused."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from shim.amqp.outbox_store import Entered, OutboxEntry, OutboxFailed, OutboxStore, Settled, State
from shim.amqp.wire import AmqpMessage

ACCEPTED, KNOWN, FULL = Entered.ACCEPTED, Entered.KNOWN, Entered.FULL
SECRET = b"ZZPATIENT"
ALL = 10**9


def entry(key: str, *, queue: str = "q", body: bytes = b"x" * 90) -> OutboxEntry:
    return OutboxEntry(key, AmqpMessage(f"id-{key}", f"m-{key}", "", queue, queue, b"p" * 10, body))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox"


@pytest.fixture
def store(path: Path) -> Iterator[OutboxStore]:
    store = OutboxStore(path, limit_messages=4, limit_bytes=1000)
    yield store
    store.close()


def keys(store: OutboxStore, held: tuple[str, ...] = ()) -> list[str]:
    return [one.key for one in store.waiting(100, ALL, held)]


def test_what_was_entered_waits_in_order_and_unchanged(store: OutboxStore) -> None:
    entries = [entry(key) for key in "bac"]
    assert store.enter(entries, 1) == [ACCEPTED] * 3
    found = store.waiting(100, ALL, ())
    assert [(one.key, one.message) for one in found] == [(one.key, one.message) for one in entries]


def test_a_key_is_accepted_once(store: OutboxStore) -> None:
    assert store.enter([entry("a"), entry("a", body=b"other")], 1) == [ACCEPTED, KNOWN]
    assert store.enter([entry("a")], 2) == [KNOWN]
    assert [one.message.body for one in store.waiting(9, ALL, ())] == [entry("a").message.body]


def test_a_key_is_known_after_its_message_was_sent_until_it_is_pruned(store: OutboxStore) -> None:
    store.enter([entry("a")], 1)
    store.settle([Settled(store.waiting(1, ALL, ())[0].seq, State.SENT)], 50)
    assert keys(store) == []
    assert store.enter([entry("a")], 60) == [KNOWN]
    assert store.prune(50, 100) == 0
    assert store.prune(51, 100) == 1
    assert store.enter([entry("a")], 70) == [ACCEPTED]


def test_what_waits_is_never_pruned(store: OutboxStore) -> None:
    store.enter([entry("a")], 1)
    assert store.prune(ALL, 100) == 0
    assert keys(store) == ["a"]


def test_more_messages_than_allowed_are_answered_full_and_not_stored(store: OutboxStore) -> None:
    assert store.enter([entry(key) for key in "abcde"], 1) == [ACCEPTED] * 4 + [FULL]
    assert store.enter([entry("a"), entry("f")], 2) == [KNOWN, FULL]
    store.settle([Settled(store.waiting(1, ALL, ())[0].seq, State.SENT)], 3)
    assert store.enter([entry("f")], 4) == [ACCEPTED]
    assert keys(store) == ["b", "c", "d", "f"]


def test_more_bytes_than_allowed_are_answered_full_and_a_smaller_message_behind_does_not_overtake(
    store: OutboxStore,
) -> None:
    small = entry("c", body=b"x" * 100)
    answers = store.enter([entry("a", body=b"x" * 800), entry("b", body=b"x" * 200), small], 1)
    assert answers == [ACCEPTED, FULL, FULL]
    assert store.enter([small], 1) == [ACCEPTED]
    assert store.counts().waiting_bytes == 920


def test_a_queue_that_is_held_back_holds_back_no_other(store: OutboxStore) -> None:
    store.enter([entry("a", queue="bad"), entry("b"), entry("c", queue="bad"), entry("d")], 1)
    assert keys(store, ("bad",)) == ["b", "d"]
    assert keys(store) == ["a", "b", "c", "d"]


def test_a_batch_ends_where_its_bytes_end_but_holds_at_least_one(store: OutboxStore) -> None:
    store.enter([entry("a"), entry("b"), entry("c")], 1)
    assert [one.key for one in store.waiting(100, 200, ())] == ["a", "b"]
    assert [one.key for one in store.waiting(100, 1, ())] == ["a"]


def test_counts_tell_what_is_held_and_what_was_given_up(store: OutboxStore) -> None:
    store.enter([entry(key) for key in "abc"], 1)
    first, second, _ = store.waiting(3, ALL, ())
    store.settle([Settled(first.seq, State.SENT), Settled(second.seq, State.GIVEN_UP, "too large")], 2)
    assert store.counts() == (1, 100, 1, 1)
    assert store.given_up(10) == [("b", "id-b", "q", "too large")]


def test_everything_is_there_again_after_the_file_is_opened_anew(path: Path) -> None:
    first = OutboxStore(path, limit_messages=4, limit_bytes=1000)
    first.enter([entry("a"), entry("b")], 1)
    first.close()
    second = OutboxStore(path, limit_messages=2, limit_bytes=1000)
    assert keys(second) == ["a", "b"]
    assert second.enter([entry("c")], 2) == [FULL]
    second.close()


def test_a_second_process_is_kept_out(path: Path, store: OutboxStore) -> None:
    store.enter([entry("a")], 1)
    with pytest.raises(OutboxFailed, match="another process"):
        OutboxStore(path, limit_messages=4, limit_bytes=1000)


def test_a_file_of_a_newer_version_is_left_alone(path: Path, store: OutboxStore) -> None:
    store._db.execute("PRAGMA user_version=99")
    store.close()
    with pytest.raises(OutboxFailed, match="schema 99"):
        OutboxStore(path, limit_messages=4, limit_bytes=1000)


def test_what_is_no_database_is_refused(path: Path) -> None:
    path.write_bytes(b"x" * 5000)
    with pytest.raises(OutboxFailed, match=str(path)):
        OutboxStore(path, limit_messages=4, limit_bytes=1000)


def test_a_folder_that_is_absent_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutboxFailed, match="absent"):
        OutboxStore(tmp_path / "absent" / "outbox", limit_messages=4, limit_bytes=1000)


def test_a_key_that_cannot_be_stored_stores_nothing_of_its_company(store: OutboxStore) -> None:
    with pytest.raises(OutboxFailed) as caught:
        store.enter([entry("a"), entry("Mustermann \ud800")], 1)
    assert "Mustermann" not in str(caught.value)
    assert keys(store) == []
    assert store.enter([entry("a")], 1) == [ACCEPTED]


def test_only_the_owner_may_read_and_what_was_sent_is_gone_from_the_file(path: Path, store: OutboxStore) -> None:
    store.enter([entry("a", body=SECRET * 20)], 1)
    files = [path, path.with_name("outbox-wal")]
    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600, 0o600]
    assert any(SECRET in file.read_bytes() for file in files)
    store.settle([Settled(store.waiting(1, ALL, ())[0].seq, State.SENT)], 2)
    store.close()  # the log is folded into the file
    assert [file.name for file in path.parent.iterdir()] == ["outbox"]
    assert SECRET not in path.read_bytes()
