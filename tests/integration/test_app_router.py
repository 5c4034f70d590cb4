"""Router functions of an app, asked in a process of its own that hangs, dies and is started again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from shim.app import AppBroken, AppEnded, AppNotAnswered, AppRouter, RouteUndecided, ask_app
from shim.errors import RequestInvalid
from shim.routing import Answer, Route, Target, routing_from_conf
from tests.support.apps import PLAIN, address, alive, write
from tests.support.publishing import until

pytestmark = pytest.mark.anyio
LIMIT_S = 60.0


@asynccontextmanager
async def asking(folder: Path, *, series: str = "5.7", answer_within_s: float = LIMIT_S) -> AsyncIterator[AppRouter]:
    router = AppRouter(address(folder, series=series), answer_within_s=answer_within_s)
    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(router.run)
            yield router
            tasks.cancel_scope.cancel()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path, PLAIN)


@pytest.mark.parametrize("series", ["5.3", "5.7"])
async def test_a_function_decides_by_the_arguments(folder: Path, series: str) -> None:
    facts = await ask_app(address(folder, series=series))
    router = routing_from_conf(facts.conf)
    async with asking(folder, series=series) as app:
        routed = await app.route(router, "any", args=["media"])
        assert (routed.targets, routed.options) == ((Target("video", 0),), {"expires": 5})
        routed = await app.route(router, "any", args=["media"], kwargs={"key": "x.1"})
        assert routed.targets == (Target("many", 0),)
        assert (await app.route(router, "any", args=["other"])).targets == (Target("celery", 0),)
        routed = await app.route(router, "any", {"queue": "a"})
        assert (routed.targets, routed.options) == ((Target("a", 9),), {"saw": "a"})


async def test_the_app_is_not_asked_where_no_function_has_a_say(folder: Path) -> None:
    router = routing_from_conf((await ask_app(address(folder))).conf)
    app = AppRouter(address(folder))  # nobody runs it
    with anyio.fail_after(LIMIT_S):
        assert (await app.route(router, "plain.add")).targets == (Target("a", 3),)


async def test_the_app_answers_of_all_its_routers(folder: Path) -> None:
    async with asking(folder) as app:
        assert await app.ask("plain.add") == Answer(Route("a", 3))
        assert await app.ask("more.x") == Answer(Route("video"))
        assert await app.ask("nobody") == Answer(None)
        with pytest.raises(RouteUndecided, match="garbage"):
            await app.ask("garbage")


async def test_a_function_that_raises_is_told_without_what_it_said(folder: Path) -> None:
    async with asking(folder) as app:
        with pytest.raises(RouteUndecided, match="ValueError") as caught:
            await app.ask("raise", args=["Müller"])
        assert "Müller" not in f"{caught.value}{caught.value.hint}{caught.value!r}"
        assert await app.ask("plain.add") == Answer(Route("a", 3))


async def test_a_process_that_dies_is_started_again_and_its_question_asked_once_more(folder: Path) -> None:
    async with asking(folder) as app:
        assert await app.ask("die once") == Answer(Route("a"))
        with pytest.raises(AppEnded, match="status 7") as caught:
            await app.ask("die", args=["Müller"])
        assert "Müller" not in f"{caught.value}{caught.value.stderr}{caught.value!r}"  # though the app wrote it
        assert await app.ask("plain.add") == Answer(Route("a", 3))


async def test_a_function_that_hangs_is_given_up_and_the_next_question_answered(folder: Path) -> None:
    async with asking(folder, answer_within_s=0.5) as app:
        with pytest.raises(AppNotAnswered, match="did not answer within"):
            await app.ask("hang")
        app._answer_within_s = LIMIT_S
        assert await app.ask("plain.add") == Answer(Route("a", 3))


async def test_questions_of_many_callers_get_their_own_answers(folder: Path) -> None:
    wrong: list[Any] = []

    async def call(app: AppRouter, number: int) -> None:
        name, expected = (("plain.add", Route("a", 3)), ("more.x", Route("video")), ("nobody", None))[number % 3]
        if await app.ask(name, args=[number]) != Answer(expected):
            wrong.append(number)

    async with asking(folder) as app, anyio.create_task_group() as tasks:
        for number in range(200):
            tasks.start_soon(call, app, number)
    assert wrong == []


async def test_a_caller_that_gives_up_leaves_the_others_their_answers(folder: Path) -> None:
    async with asking(folder) as app:
        async with anyio.create_task_group() as leaving:
            leaving.start_soon(app.ask, "plain.add")
            await anyio.wait_all_tasks_blocked()
            leaving.cancel_scope.cancel()
        assert await app.ask("more.x") == Answer(Route("video"))


async def test_a_broken_app_is_told_to_who_asks_and_asked_again_when_mended(folder: Path) -> None:
    mended = (folder / "more.py").read_text()
    (folder / "more.py").write_text("raise RuntimeError('broken')\n")
    async with asking(folder) as app:
        with pytest.raises(AppBroken, match="broken"):
            await app.ask("plain.add")
        (folder / "more.py").write_text(mended + "# mended\n")
        assert await app.ask("plain.add") == Answer(Route("a", 3))


async def test_arguments_that_are_no_json_are_refused(folder: Path) -> None:
    app = AppRouter(address(folder))
    with pytest.raises(RequestInvalid, match="must be JSON"):
        await app.ask("any", args=[object()])  # type: ignore[list-item]


async def test_when_it_ends_no_process_is_left_and_whoever_waits_is_told(folder: Path) -> None:
    write(folder, {"more.py": PLAIN["more.py"] + "\n        open('pid', 'w').write(str(os.getpid()))\n"})
    told: list[BaseException] = []

    async def call(app: AppRouter, name: str) -> None:
        try:
            await app.ask(name)
        except AppNotAnswered as error:
            told.append(error)

    app = AppRouter(address(folder), answer_within_s=LIMIT_S)
    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as callers, anyio.create_task_group() as tasks:
            tasks.start_soon(app.run)
            await app.ask("plain.add")
            for name in ("hang", "plain.add"):
                callers.start_soon(call, app, name)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        pid = int((folder / "pid").read_text())
        await until(lambda: not alive(pid))
    assert len(told) == 2
