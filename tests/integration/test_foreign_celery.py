"""Brokers and back-ends the shim does not speak, through celery in its thread, with real workers."""

from __future__ import annotations

import pickle
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from shim.canvas import Chain, Chord, Group, Part, as_signature
from shim.claim import Outcome
from shim.errors import RequestInvalid
from shim.foreign import (
    ForeignCall,
    ForeignCanvas,
    ForeignFailed,
    ForeignMissing,
    ForeignPublisher,
    ForeignResults,
    ForeignSettings,
    ForeignThread,
    ForeignUncertain,
    foreign_thread,
)
from shim.request import TaskRequest
from shim.routing import Target
from shim.signature import Signature
from tests.support.publishing import bad_link, queued, through
from tests.support.valkey import ValkeyServer, free_port
from tests.support.workflow_worker import workflow_worker

pytestmark = pytest.mark.anyio
LIMIT_S = 60.0
"""A deadline against hanging; nothing is judged by it."""
POLL_S = 0.02


def task(name: str, *args: Any, immutable: bool = False, **options: Any) -> Signature:
    return Signature(name, args, options=options, immutable=immutable)


def call(name: str, task_id: str, *args: Any, queue: str = "celery") -> ForeignCall:
    return ForeignCall(TaskRequest(name, task_id, args), Target(queue, 0))


class Site:
    """Settings that a worker and the shim share."""

    def __init__(self, broker: str, results: str, **conf: Any) -> None:
        self.settings = ForeignSettings(broker, results, conf)
        self.conf = {
            "broker_url": broker,
            "result_backend": results,
            **conf,
            "broker_connection_retry_on_startup": True,
        }

    def thread(self) -> ForeignThread[Any]:
        return foreign_thread(self.settings)


async def finished(thread: ForeignThread[Any], *task_ids: str) -> dict[str, Any]:
    found = await ForeignResults(thread).wait(task_ids, deadline_s=LIMIT_S, poll_s=POLL_S)
    assert found.keys() == set(task_ids)
    return found


# -- files as a broker, a database for results -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("files")
    for name in ("messages", "control"):
        (folder / name).mkdir()
    options = {
        "data_folder_in": str(folder / "messages"),
        "data_folder_out": str(folder / "messages"),
        "control_folder": str(folder / "control"),
        "polling_interval": POLL_S,
    }
    site = Site("filesystem://", f"db+sqlite:///{folder}/results.db", broker_transport_options=options)
    anyio.run(send_by_files, site)  # before a worker looks: kombu may take a file that is not written to its end
    with workflow_worker(site.conf):
        yield site


async def send_by_files(site: Site) -> None:
    calls = [
        call("flow.add", "added", 2, 3),
        call("flow.show", "shown", "x", queue="q1"),
        call("flow.fail", "failed"),
        call("flow.report", "reported"),
        call("flow.add", "forgotten", 1),
    ]
    async with site.thread() as thread:
        results = await ForeignPublisher(thread).send(calls)
    assert [one.outcome for one in results] == [Outcome.WRITTEN] * len(calls)


def database(site: Site) -> sqlite3.Connection:
    assert site.settings.result_backend is not None
    return sqlite3.connect(site.settings.result_backend.removeprefix("db+sqlite:///"))


async def test_a_task_goes_by_files_and_its_result_comes_from_a_database(files: Site) -> None:
    async with files.thread() as thread:
        metas = await finished(thread, "added", "shown")
        assert (metas["added"].state, metas["added"].result) == ("SUCCESS", 5)
        assert (metas["shown"].result["args"], metas["shown"].result["queue"]) == (["x"], "q1")
        assert metas["added"].date_done is not None
        assert await ForeignResults(thread).fetch(["added", "never sent"]) == {"added": metas["added"]}


async def test_a_failure_is_read_as_it_was_stored(files: Site) -> None:
    async with files.thread() as thread:
        metas = await finished(thread, "failed", "reported")
    assert [metas[one].error.exc_type for one in ("failed", "reported")] == ["ValueError", "SystemError"]
    assert metas["failed"].error.text == "as asked"
    assert "as asked" in metas["failed"].traceback


async def test_a_result_is_forgotten(files: Site) -> None:
    async with files.thread() as thread:
        await finished(thread, "forgotten")
        await ForeignResults(thread).forget(["forgotten", "never sent"])
        assert await ForeignResults(thread).fetch(["forgotten"]) == {}


@pytest.mark.parametrize(
    ("status", "result", "state"),
    [
        ("SUCCESS", b"not json", "UNREADABLE"),
        ("SUCCESS", b"\x80\x04 a cut pickle", "UNREADABLE"),
        ("SUCCESS", pickle.dumps({"kept": [1]}), "SUCCESS"),
        ("FAILURE", b'{"secret": 7}', "FAILURE"),
        ("FAILURE", b'"a text"', "FAILURE"),
        ("FAILURE", b'{"exc_type": "system", "exc_module": "os", "exc_message": ["true"]}', "FAILURE"),
        ("PROGRESS", b'{"current": 1, "total": 4}', "PROGRESS"),
        ("odd", b"null", "odd"),
        (None, b"1", "UNREADABLE"),
    ],
)
async def test_no_stored_value_makes_reading_raise(files: Site, status: str, result: bytes, state: str) -> None:
    async with files.thread() as thread:
        await finished(thread, "added")  # the tables are there
        with database(files) as rows:
            rows.execute("DELETE FROM celery_taskmeta WHERE task_id = 'poison'")
            rows.execute(
                "INSERT INTO celery_taskmeta (id, task_id, status, result) VALUES (?, 'poison', ?, ?)",
                (9999, status, result),
            )
        rows.close()
        found = await ForeignResults(thread).fetch(["poison", "added"])
    assert (found["poison"].state, found["added"].result) == (state, 5)
    assert "secret" not in repr(found["poison"])


# -- memory ------------------------------------------------------------------------------------------------------------


async def test_memory_holds_a_message_for_a_worker_of_this_process() -> None:
    async with foreign_thread(ForeignSettings("memory://", "cache+memory://")) as thread:
        results = await ForeignPublisher(thread).send([call("app.task", "m1", 1, queue="memory-q")])
        assert [one.outcome for one in results] == [Outcome.WRITTEN]

        def taken(app: Any) -> Any:
            return app.connection_for_read().channel()._get("memory-q")["headers"]["id"]

        assert await thread.call("take", taken) == "m1"
        assert await ForeignResults(thread).fetch(["m1"]) == {}


async def test_results_lie_in_files(tmp_path: Path) -> None:
    async with foreign_thread(ForeignSettings(result_backend=f"file://{tmp_path}")) as thread:
        results = ForeignResults(thread)
        (tmp_path / "celery-task-meta-good").write_bytes(b'{"status": "SUCCESS", "result": [1], "date_done": null}')
        (tmp_path / "celery-task-meta-bad").write_bytes(b"\xff\xfe")
        (tmp_path / "celery-task-meta-odd").write_bytes(b"[1, 2]")
        found = await results.fetch(["good", "bad", "odd", "absent"])
        assert {key: meta.state for key, meta in found.items()} == {
            "good": "SUCCESS", "bad": "UNREADABLE", "odd": "UNREADABLE",
        }  # fmt: skip
        await results.forget(["good"])
        assert not (tmp_path / "celery-task-meta-good").exists()


# -- Redis through kombu: what breaks, and what celery would leave behind ------------------------------------------------


@pytest.fixture(scope="module")
def redis_site() -> Iterator[tuple[ValkeyServer, Site]]:
    with ValkeyServer(append_only=False) as server:
        site = Site(server.url, server.url)
        with workflow_worker(site.conf):
            yield server, site


NESTED: dict[str, tuple[Part, Any]] = {
    "a group inside a chain": (
        Chain([task("flow.add", 1), Group([task("flow.add", 1), task("flow.add", 2)]), task("flow.add", 100)]),
        105,
    ),
    "a chain inside a chord": (
        Chord([Chain([task("flow.add", 1), task("flow.add", 1)]), task("flow.add", 5)], task("flow.add")),
        7,
    ),
    "a chord inside a chord": (
        Chord([Chord([task("flow.add", 1)], task("flow.add")), task("flow.add", 5)], Chain([task("flow.add"), task("flow.add", 1)])),
        7,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NESTED)
async def test_nested_workflows_are_sent_by_celery_and_run(redis_site: tuple[ValkeyServer, Site], name: str) -> None:
    _, site = redis_site
    part, expected = NESTED[name]
    async with site.thread() as thread:
        sent = await ForeignCanvas(thread).send(as_signature(part))
        assert sent.result_id is not None
        assert sent.result_id in sent.task_ids
        found = await finished(thread, sent.result_id)
    assert found[sent.result_id].result == expected


async def test_a_chain_that_ends_in_a_group_names_its_members(redis_site: tuple[ValkeyServer, Site]) -> None:
    _, site = redis_site
    part = Chain([task("flow.add", 1), Group([task("flow.add", 1), task("flow.add", 2)])])
    async with site.thread() as thread:
        sent = await ForeignCanvas(thread).send(as_signature(part))
        found = await finished(thread, *sent.member_ids)
        assert [found[one].result for one in sent.member_ids] == [2, 3]
        assert sent.task_ids[1:] == sent.member_ids
        nothing = await ForeignCanvas(thread).send(as_signature(Chain([])))
    assert nothing.result_id is None


async def test_a_chord_counts_in_a_database_too(tmp_path: Path) -> None:
    chord = Chord([task("flow.add", 1), task("flow.add", 2)], task("flow.add", 10))
    with ValkeyServer(append_only=False) as server:
        site = Site(server.url, f"db+sqlite:///{tmp_path}/results.db")
        with workflow_worker(site.conf):
            async with site.thread() as thread:
                sent = await ForeignCanvas(thread).send(as_signature(chord))
                assert sent.result_id is not None
                found = await finished(thread, sent.result_id)
    assert found[sent.result_id].result == 13
    assert len(sent.task_ids) == 3


async def test_celery_follows_no_result_of_what_is_sent_and_keeps_its_connections() -> None:
    several = Group([task("app.a"), Group([task("app.a")]), Chain([task("app.a"), task("app.a")])])
    with ValkeyServer(append_only=False) as server, server.client as client:
        async with foreign_thread(ForeignSettings(server.url, server.url)) as thread:

            async def use(name: str) -> int:
                await ForeignPublisher(thread).send([call("app.a", name)])
                await ForeignCanvas(thread).send(as_signature(several))
                await ForeignCanvas(thread).send(as_signature(Chord([task("app.a")], task("app.a"))))
                await ForeignResults(thread).fetch([name])
                assert client.pubsub_channels() == []
                return len(client.client_list())

            connections = await use("first")
            assert [await use(f"s{number}") for number in range(20)] == [connections] * 20
        assert client.llen("celery") == 21 * 5


async def test_replies_of_a_queue_are_read_by_the_thread_that_sent() -> None:
    with ValkeyServer(append_only=False) as server:
        site = Site(server.url, "rpc://")
        with workflow_worker(site.conf):
            async with site.thread() as thread:
                await ForeignPublisher(thread).send([call("flow.add", f"r{number}", number) for number in range(5)])
                found = await finished(thread, *(f"r{number}" for number in range(5)))
                assert [found[f"r{number}"].result for number in range(5)] == [0, 1, 2, 3, 4]
                assert await ForeignResults(thread).fetch(["r3"]) == {"r3": found["r3"]}  # and can be read again
                with pytest.raises(RequestInvalid, match="cannot do chords"):
                    await ForeignCanvas(thread).send(as_signature(Chord([task("flow.add")], task("flow.add"))))


async def test_a_broker_that_is_away_is_known_to_have_got_nothing_and_is_found_again() -> None:
    with ValkeyServer(append_only=False) as server:
        async with foreign_thread(ForeignSettings(server.url, server.url)) as thread:
            publisher, canvas, results = ForeignPublisher(thread), ForeignCanvas(thread), ForeignResults(thread)
            assert (await publisher.send([call("app.a", "w1")]))[0].outcome is Outcome.WRITTEN
            server.kill()
            lost = await publisher.send([call("app.a", "w2"), call("app.a", "w3")])
            assert {one.outcome for one in lost} <= {Outcome.NOT_WRITTEN, Outcome.UNCERTAIN}
            away = await publisher.send([call("app.a", "w4"), call("app.a", "w5")])
            assert [one.outcome for one in away] == [Outcome.NOT_WRITTEN] * 2
            assert "Connection refused" in str(away[0].found)
            with pytest.raises(ForeignFailed, match="Connection refused") as caught:
                await canvas.send(as_signature(task("app.a")))
            assert caught.value.retryable
            server.start()
            assert (await publisher.send([call("app.a", "w6")]))[0].outcome is Outcome.WRITTEN
            assert await results.fetch(["w6"]) == {}
            assert server.client.llen("celery") == 1  # w1 was not on disk


async def test_a_lost_answer_is_uncertain_and_the_message_is_there_once(redis_site: tuple[ValkeyServer, Site]) -> None:
    server, _ = redis_site
    async with bad_link(server) as proxy, foreign_thread(ForeignSettings(through(proxy))) as thread:
        publisher = ForeignPublisher(thread)
        await publisher.send([call("app.a", "l1", queue="lost")])
        proxy.lose_replies()
        told = await publisher.send([call("app.a", f"l{number}", queue="lost") for number in (2, 3, 4)])
        assert [one.outcome for one in told] == [Outcome.UNCERTAIN, Outcome.NOT_WRITTEN, Outcome.NOT_WRITTEN]
        assert queued(server, "lost") == ["l1", "l2"]


async def test_a_back_end_that_is_away_is_a_failure_and_not_a_damaged_result() -> None:
    settings = ForeignSettings(result_backend=f"redis://127.0.0.1:{free_port()}/0")
    async with foreign_thread(settings) as thread:
        with pytest.raises((ForeignFailed, ForeignUncertain)) as caught:
            await ForeignResults(thread, deadline_s=5.0).fetch(["some"])
    assert caught.value.retryable


async def test_a_library_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    monkeypatch.setitem(sys.modules, "botocore", None)
    async with foreign_thread(ForeignSettings("sqs://")) as thread:
        with pytest.raises(ForeignMissing, match="boto"):
            await ForeignPublisher(thread).send([call("app.a", "q1")])


async def test_a_bad_request_stops_none_of_the_others_because_nothing_is_sent() -> None:
    async with foreign_thread(ForeignSettings("memory://")) as thread:
        with pytest.raises(RequestInvalid):
            await ForeignPublisher(thread).send([call("app.a", "b1", queue="bad-q"), call("app.a", "")])

        def count(app: Any) -> Any:
            return app.connection_for_read().channel()._size("bad-q")

        assert await thread.call("count", count) == 0


async def test_many_callers_share_the_thread() -> None:
    async with foreign_thread(ForeignSettings("memory://"), queue_limit=5) as thread:
        publisher = ForeignPublisher(thread)
        outcomes: list[Outcome] = []

        async def one(number: int) -> None:
            outcomes.extend(one.outcome for one in await publisher.send([call("app.a", f"c{number}", queue="many-q")]))

        with anyio.fail_after(LIMIT_S):
            async with anyio.create_task_group() as tasks:
                for number in range(40):
                    tasks.start_soon(one, number)
    assert outcomes == [Outcome.WRITTEN] * 40
