"""The thread for libraries that block: what waits, what hangs, what is cancelled, what is closed."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.lowlevel import checkpoint

from shim.errors import RequestInvalid, ShimError
from shim.foreign import ForeignBusy, ForeignClosed, ForeignFailed, ForeignMissing, ForeignThread, ForeignUncertain

pytestmark = pytest.mark.anyio

LIMIT_S = 30.0
"""A deadline against hanging; nothing is judged by it."""
AT_ONCE_S = 0.01


class Hanging:
    """A function that runs until it is let go."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self._let_go = threading.Event()

    def __call__(self, _: object) -> str:
        self.began.set()
        assert self._let_go.wait(LIMIT_S)
        return "ended"

    def let_go(self) -> None:
        self._let_go.set()

    async def has_begun(self) -> None:
        assert await anyio.to_thread.run_sync(self.began.wait, LIMIT_S)


@asynccontextmanager
async def hanging_thread(queue_limit: int = 10) -> AsyncIterator[tuple[ForeignThread[None], Hanging]]:
    """A thread with one call that hangs until the end, and whose caller gave up."""
    hanging = Hanging()
    with anyio.fail_after(LIMIT_S):
        async with ForeignThread[None](lambda: None, lambda _: None, queue_limit=queue_limit) as thread:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lambda: thread.call("hang", hanging, deadline_s=LIMIT_S))
                await hanging.has_begun()
                tasks.cancel_scope.cancel()
            try:
                yield thread, hanging
            finally:
                hanging.let_go()


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await checkpoint()


async def test_calls_run_one_after_the_other_in_one_thread_with_one_state() -> None:
    opened: list[int] = []
    closed: list[int] = []

    def open_state() -> int:
        opened.append(threading.get_ident())
        return len(opened)

    order: list[tuple[int, int, int]] = []
    async with ForeignThread(open_state, lambda _: closed.append(threading.get_ident())) as thread:

        async def one(number: int) -> None:
            await thread.call("note", lambda state: order.append((number, state, threading.get_ident())))

        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(one, number)
    assert [number for number, _, _ in order] == list(range(20))
    assert {state for _, state, _ in order} == {1}
    assert {ident for _, _, ident in order} == {*opened} == {*closed}
    assert threading.get_ident() not in opened


async def test_a_thread_nobody_called_opens_and_starts_nothing() -> None:
    before = threading.active_count()
    thread = ForeignThread[None](lambda: pytest.fail("opened"), lambda _: pytest.fail("closed"))
    assert threading.active_count() == before
    assert await thread.close() is None


async def test_what_is_raised_is_an_error_of_the_shim_and_the_thread_goes_on() -> None:
    def fails(error: BaseException) -> Callable[[None], None]:
        def run(_: None) -> None:
            raise error

        return run

    table: list[tuple[BaseException, type[ShimError], bool]] = [
        (ValueError("the patient's name"), ForeignFailed, False),
        (SystemExit(3), ForeignFailed, False),
        (ConnectionRefusedError(111, "Connection refused"), ForeignFailed, True),
        (ModuleNotFoundError("x", name="boto3"), ForeignMissing, False),
        (RequestInvalid("as it is"), RequestInvalid, False),
    ]
    async with ForeignThread[None](lambda: None, lambda _: None) as thread:
        for error, kind, retryable in table:
            with pytest.raises(ShimError) as caught:
                await thread.call("work", fails(error))
            assert type(caught.value) is kind
            assert caught.value.retryable is retryable
            assert "patient" not in f"{caught.value}{caught.value.hint}"
            assert caught.value.__cause__ is None
        assert await thread.call("work", lambda _: "still there") == "still there"


async def test_the_system_says_why_and_the_chain_of_causes_is_named() -> None:
    def run(_: None) -> None:
        try:
            raise ConnectionRefusedError(111, "Connection refused")
        except OSError as error:
            message = "with the patient's name"
            raise LookupError(message) from error

    async with ForeignThread[None](lambda: None, lambda _: None) as thread:
        with pytest.raises(ForeignFailed, match=r"work: LookupError, because of .*\(Connection refused\)") as caught:
            await thread.call("work", run)
    assert caught.value.retryable


async def test_a_state_that_could_not_be_opened_is_opened_by_the_next_call() -> None:
    tries: list[int] = []

    def open_state() -> int:
        tries.append(1)
        if len(tries) == 1:
            raise OSError
        return len(tries)

    async with ForeignThread(open_state, lambda _: None) as thread:
        with pytest.raises(ForeignFailed):
            await thread.call("work", lambda state: state)
        assert await thread.call("work", lambda state: state) == 2


async def test_a_call_that_hangs_is_uncertain_at_its_deadline_and_named_as_stuck() -> None:
    hanging = Hanging()
    async with ForeignThread[None](lambda: None, lambda _: None) as thread:
        with pytest.raises(ForeignUncertain, match=r"slow: still running") as caught:
            await thread.call("slow", hanging, deadline_s=0.2)
        assert caught.value.retryable
        assert thread.stuck == "slow"
        with pytest.raises(ForeignBusy, match="slow hangs"):
            await thread.call("next", lambda _: pytest.fail("ran"), deadline_s=AT_ONCE_S)
        hanging.let_go()
        assert await thread.call("last", lambda _: "runs") == "runs"
        assert thread.stuck is None


async def test_a_call_without_its_turn_within_the_deadline_never_runs() -> None:
    ran: list[str] = []
    async with hanging_thread() as (thread, hanging):
        with pytest.raises(ForeignBusy, match="never ran"):
            await thread.call("late", lambda _: ran.append("late"), deadline_s=AT_ONCE_S)
        assert thread.waiting == 0
        hanging.let_go()
        await thread.call("after", lambda _: ran.append("after"))
    assert ran == ["after"]


async def test_a_full_queue_makes_callers_wait_and_refuses_at_their_deadline() -> None:
    ran: list[int] = []
    async with hanging_thread(queue_limit=3) as (thread, hanging), anyio.create_task_group() as tasks:

        async def one(number: int) -> None:
            await thread.call("one", lambda _: ran.append(number))

        for number in range(50):
            tasks.start_soon(one, number)
        await until(lambda: thread.waiting == 2)
        with pytest.raises(ForeignBusy):
            await thread.call("refused", lambda _: ran.append(-1), deadline_s=AT_ONCE_S)
        assert thread.waiting == 2  # and one that hangs: never more than three
        hanging.let_go()
    assert ran == list(range(50))


async def test_a_cancelled_caller_takes_its_call_along_and_breaks_nothing() -> None:
    ran: list[str] = []
    async with hanging_thread(queue_limit=2) as (thread, hanging):
        for _ in range(10):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lambda: thread.call("given up", lambda _: ran.append("given up")))
                await until(lambda: thread.waiting == 1)
                tasks.cancel_scope.cancel()
            assert thread.waiting == 0
        hanging.let_go()
        assert await thread.call("after", lambda _: "answer") == "answer"
    assert ran == []


async def test_closing_lets_the_running_call_end_and_refuses_those_that_wait() -> None:
    hanging = Hanging()
    told: list[str] = []
    thread = ForeignThread[None](lambda: None, lambda _: None, queue_limit=3)

    async def one(name: str, function: Callable[[None], object]) -> None:
        try:
            told.append(f"{name}: {await thread.call(name, function)}")
        except ForeignClosed:
            told.append(f"{name}: closed")

    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one, "running", hanging)
            await hanging.has_begun()
            for number in range(6):  # two in the queue, four before it
                tasks.start_soon(one, str(number), lambda _: pytest.fail("ran"))
            await until(lambda: thread.waiting == 2)
            tasks.start_soon(thread.close)
            await until(lambda: len(told) == 6)
            hanging.let_go()
        with pytest.raises(ForeignClosed):
            await thread.call("late", lambda _: None)
    assert sorted(told[:6]) == [f"{number}: closed" for number in range(6)]
    assert told[6:] == ["running: ended"]


async def test_closing_reports_a_call_that_hangs_and_does_not_wait_for_it() -> None:
    hanging = Hanging()
    closed: list[str] = []
    thread = ForeignThread[None](lambda: None, lambda _: closed.append("closed"))
    told: list[ShimError] = []

    async def hang() -> None:
        try:
            await thread.call("hang", hanging)
        except ForeignUncertain as error:
            told.append(error)

    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hang)
            await hanging.has_begun()
            assert await thread.close(within_s=AT_ONCE_S) == "hang"
        assert len(told) == 1
        assert await thread.close(within_s=AT_ONCE_S) == "hang"
        hanging.let_go()
        assert await thread.close() is None
    assert closed == ["closed"]


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        (ForeignBusy("x"), "foreign-busy", True),
        (ForeignClosed("x"), "foreign-closed", False),
        (ForeignFailed("x"), "foreign-failed", False),
        (ForeignFailed("x", retryable=True), "foreign-failed", True),
        (ForeignMissing("x"), "foreign-missing", False),
        (ForeignUncertain("x"), "foreign-uncertain", True),
    ],
    ids=str,
)
def test_an_error_has_a_code_and_says_whether_trying_again_helps(
    error: ShimError, code: str, *, retryable: bool
) -> None:
    assert (error.code, error.retryable, error.hint) == (code, retryable, "")


def test_a_process_ends_though_a_call_hangs() -> None:
    script = """
import anyio, threading
from shim.foreign import ForeignThread, ForeignUncertain
async def main():
    thread = ForeignThread(lambda: None, lambda _: None)
    try:
        await thread.call("hang", lambda _: threading.Event().wait(), deadline_s=0.1)
    except ForeignUncertain:
        print(await thread.close(within_s=0.1))
anyio.run(main)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=LIMIT_S, check=True)
    assert (done.stdout, done.stderr) == ("hang\n", "")


async def test_an_idle_thread_keeps_no_arguments_and_no_answers() -> None:
    class Body:
        pass

    async with ForeignThread[None](lambda: None, lambda _: None) as thread:
        body = Body()
        gone = weakref.ref(body)
        given = await thread.call("give back", lambda _, body=body: body)  # type: ignore[misc]
        assert given is body
        await thread.call("nothing", lambda _: None)
        del given, body
        gc.collect()
        assert gone() is None


def test_importing_the_shim_and_its_foreign_package_loads_no_celery() -> None:
    script = """
import sys, shim, shim.foreign, shim.canvas
found = {name.split(".")[0] for name in sys.modules} & {"celery", "kombu", "billiard", "vine"}
assert not found, found
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=LIMIT_S)


def test_without_celery_a_call_says_what_is_missing() -> None:
    script = """
import sys, anyio
sys.modules["celery"] = None
from shim.foreign import ForeignMissing, ForeignResults, ForeignSettings, foreign_thread
async def main():
    async with foreign_thread(ForeignSettings(result_backend="rpc://")) as thread:
        try:
            await ForeignResults(thread).fetch(["some"])
        except ForeignMissing as error:
            print(error.code, error.hint)
anyio.run(main)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=LIMIT_S, check=True)
    assert done.stdout.startswith("foreign-missing pip install 'carillond[celery]'")
