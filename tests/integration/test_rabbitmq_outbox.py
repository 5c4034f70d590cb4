"""The outbox with a real broker: killed processes lose nothing and double nothing but what was under way."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from shim.amqp.outbox import BATCH_MESSAGES, Outbox, OutboxLimits
from shim.amqp.outbox_store import Entered, OutboxEntry, OutboxFailed
from shim.amqp.publisher import AmqpPublisher
from tests.support.proxy import BadLink
from tests.support.publishing import until
from tests.support.rabbitmq import MESSAGE_LIMIT_BYTES, RabbitServer, drain, drained_ids, needs_rabbitmq, shared_rabbit
from tests.support.rabbitmq_publishing import LIMIT_S, amqp_message, make_publisher, now, queue_name

pytestmark = [pytest.mark.anyio, needs_rabbitmq]
ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "tests" / "support" / "rabbitmq_outbox.py"
COUNT = 60


@pytest.fixture
def rabbit() -> RabbitServer:
    return shared_rabbit()


@pytest.fixture
def queue() -> str:
    return queue_name()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox"


def entry(key: str, queue: str, **options: Any) -> OutboxEntry:
    return OutboxEntry(key, amqp_message(f"id-{key}", queue=queue, **options))


@asynccontextmanager
async def sending(path: Path, publisher: AmqpPublisher, **options: Any) -> AsyncIterator[Outbox]:
    async with (
        publisher,
        Outbox.open(path, publisher, now=now, **options) as outbox,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(outbox.run)
        with anyio.fail_after(LIMIT_S):
            yield outbox
        tasks.cancel_scope.cancel()


async def emptied(outbox: Outbox) -> None:
    while (await outbox.counts()).waiting:  # noqa: ASYNC110 - what is waited for is in the file
        await anyio.sleep(0.005)


def run_child(url: str, path: Path, queue: str, point: str = "none", passes: int = 1) -> tuple[int, list[str]]:
    """Run a process that enters the same keys each time; give its exit code and the keys it was told are safe."""
    arguments = [url, str(path), queue, "0", str(COUNT), point, str(passes)]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        cwd=ROOT, env={"PYTHONPATH": str(ROOT), "PATH": ""}, capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize("point", ["outbox.sending", "outbox.confirmed", "outbox.marked"])
def test_a_process_killed_anywhere_loses_nothing_and_repeats_only_what_was_not_marked(
    rabbit: RabbitServer, path: Path, queue: str, point: str
) -> None:
    code, told = run_child(rabbit.url, path, queue, point, passes=2)
    assert code == -9
    safe = {line.split()[1] for line in told}
    before = drained_ids(rabbit, queue)
    code, told = run_child(rabbit.url, path, queue)
    assert (code, told[-1]) == (0, "empty")
    assert safe <= {line.split()[1] for line in told if line.startswith("known")}
    after = drained_ids(rabbit, queue)
    assert {*before, *after} == {f"id-{number}" for number in range(COUNT)}
    repeated = [name for name, times in Counter(before + after).items() if times > 1]
    assert set(before) & set(after) == set(repeated)  # never twice within one life
    if point == "outbox.confirmed":
        assert 0 < len(repeated) <= BATCH_MESSAGES  # confirmed, and killed before the mark: the promised window
    else:
        assert repeated == []


async def test_a_process_killed_before_the_confirmation_came_repeats_what_was_under_way(
    rabbit: RabbitServer, path: Path, queue: str
) -> None:
    """What it has sent is held on the way when the process is killed, and arrives after it is gone."""
    async with BadLink(rabbit.port) as link:
        arguments = [f"amqp://127.0.0.1:{link.port}", str(path), queue, "0", str(COUNT), "outbox.sending:wait", "2"]
        child = await anyio.open_process(
            [sys.executable, str(SCRIPT), *arguments], cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, stderr=None
        )
        async with child:
            assert child.stdout is not None
            assert child.stdin is not None
            told = b""
            with anyio.fail_after(LIMIT_S):
                while b"reached" not in told:
                    told += await child.stdout.receive()
                link.freeze()
                await child.stdin.send(b"\n")
                await link.held.wait()
            child.kill()
            await child.wait()
        link.thaw()
        with anyio.fail_after(LIMIT_S):
            before: list[str] = []
            while len(set(before)) < 6:  # the first batch was five; now of the second too
                before += await anyio.to_thread.run_sync(drained_ids, rabbit, queue)
    code, told_again = await anyio.to_thread.run_sync(run_child, rabbit.url, path, queue)
    assert (code, told_again[-1]) == (0, "empty")
    found = [*before, *drained_ids(rabbit, queue)]
    assert set(found) == {f"id-{number}" for number in range(COUNT)}
    repeated = [name for name, times in Counter(found).items() if times > 1]
    assert repeated
    assert max(Counter(found).values()) == 2


async def test_a_repeated_message_is_the_same_message(rabbit: RabbitServer, path: Path, queue: str) -> None:
    """Confirmations are lost, not messages: the second copy equals the first in every byte."""
    async with BadLink(rabbit.port) as link:
        publisher = make_publisher(f"amqp://127.0.0.1:{link.port}", confirm_timeout_s=5)
        async with sending(path, publisher) as outbox:
            await outbox.enter([entry("first", queue)])
            await emptied(outbox)
            link.lose_replies()
            await outbox.enter([entry("second", queue, args=["once"])])
            await emptied(outbox)
            assert outbox.repeated == 1
    first, *copies = drain(rabbit, queue)
    assert first.headers["id"] == "id-first"
    assert [one.headers["id"] for one in copies] == ["id-second"] * 2
    assert copies[0].body == copies[1].body
    assert copies[0].properties == copies[1].properties


async def test_entering_a_key_again_sends_nothing_again(rabbit: RabbitServer, path: Path, queue: str) -> None:
    async with sending(path, make_publisher(rabbit.url)) as outbox:
        assert await outbox.enter([entry("a", queue), entry("a", queue)]) == [Entered.ACCEPTED, Entered.KNOWN]
        await emptied(outbox)
        assert await outbox.enter([entry("a", queue), entry("b", queue)]) == [Entered.KNOWN, Entered.ACCEPTED]
        await emptied(outbox)
    assert drained_ids(rabbit, queue) == ["id-a", "id-b"]


async def test_many_callers_at_once_are_all_on_the_disk_and_sent_in_order(
    rabbit: RabbitServer, path: Path, queue: str
) -> None:
    answers: list[Entered] = []
    async with sending(path, make_publisher(rabbit.url)) as outbox:

        async def one(number: int) -> None:
            answers.extend(await outbox.enter([entry(f"{number}", queue)]))

        async with anyio.create_task_group() as tasks:
            for number in range(300):
                tasks.start_soon(one, number)
        await emptied(outbox)
        assert (await outbox.counts()).sent == 300
    assert answers == [Entered.ACCEPTED] * 300
    assert drained_ids(rabbit, queue) == [f"id-{number}" for number in range(300)]


async def test_a_full_outbox_says_so_and_takes_more_when_the_broker_has(
    rabbit: RabbitServer, path: Path, queue: str
) -> None:
    limits = OutboxLimits(messages=2)
    async with make_publisher(rabbit.url) as publisher, Outbox.open(path, publisher, now=now, limits=limits) as outbox:
        answers = await outbox.enter([entry(key, queue) for key in "abc"])
        assert answers == [Entered.ACCEPTED, Entered.ACCEPTED, Entered.FULL]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(outbox.run)
            with anyio.fail_after(LIMIT_S):
                await emptied(outbox)
            assert await outbox.enter([entry("c", queue)]) == [Entered.ACCEPTED]
            with anyio.fail_after(LIMIT_S):
                await emptied(outbox)
            tasks.cancel_scope.cancel()
    assert drained_ids(rabbit, queue) == ["id-a", "id-b", "id-c"]


async def test_a_queue_that_refuses_holds_up_no_other(rabbit: RabbitServer, path: Path, queue: str) -> None:
    full = f"full.{queue}"
    async with sending(path, make_publisher(rabbit.url)) as outbox:
        await outbox.enter([entry("f1", full), entry("f2", full), entry("a", queue)])
        await outbox.enter([entry("b", queue)])
        await until(lambda: full in outbox.trouble.queues)
        while (await outbox.counts()).waiting > 1:  # noqa: ASYNC110 - what is waited for is in the file
            await anyio.sleep(0.005)
        assert "did not take it" in outbox.trouble.queues[full]
        assert outbox.trouble.broker == ""
    assert drained_ids(rabbit, queue) == ["id-a", "id-b"]


async def test_what_no_broker_would_take_is_given_up_with_its_reason(
    rabbit: RabbitServer, path: Path, queue: str
) -> None:
    async with sending(path, make_publisher(rabbit.url)) as outbox:
        await outbox.enter([entry("large", queue, args=["x" * MESSAGE_LIMIT_BYTES]), entry("small", queue)])
        await emptied(outbox)
        [given_up] = await outbox.given_up()
        assert (given_up.key, given_up.queue) == ("large", queue)
        assert str(MESSAGE_LIMIT_BYTES) in given_up.reason
    assert set(drained_ids(rabbit, queue)) == {"id-small"}


async def test_without_a_broker_everything_is_kept_and_the_reason_told(path: Path, queue: str) -> None:
    async with sending(path, make_publisher("amqp://127.0.0.1:1")) as outbox:
        assert await outbox.enter([entry("a", queue)]) == [Entered.ACCEPTED]
        await until(lambda: "no connection" in outbox.trouble.broker or "refused" in outbox.trouble.broker)
        assert (await outbox.counts()).waiting == 1


async def test_a_second_outbox_on_the_same_file_is_refused(rabbit: RabbitServer, path: Path) -> None:
    async with make_publisher(rabbit.url) as publisher, Outbox.open(path, publisher, now=now):
        with pytest.raises(OutboxFailed, match="another process"):
            async with Outbox.open(path, publisher, now=now):
                pass
