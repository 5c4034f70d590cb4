"""Apps asked in their own interpreters: what they tell, and what becomes of those that misbehave."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import anyio
import pytest

from shim.app import (
    AppAddress,
    AppBroken,
    AppEnded,
    AppFacts,
    AppNotAnswered,
    Crontab,
    DeclaredTask,
    Interval,
    OtherSchedule,
    ask_app,
    task_options,
)
from shim.app.conversation import PROBE
from shim.errors import RequestInvalid
from shim.routing import Target, routing_from_conf
from tests.support.apps import DJANGO, PLAIN, SERIES, address, alive, marked, write
from tests.support.publishing import until

pytestmark = pytest.mark.anyio
LIMIT_S = 60.0


async def ask(where: AppAddress, **options: Any) -> AppFacts:
    with anyio.fail_after(LIMIT_S):
        return await ask_app(where, **options)


# -- what is told ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, AppFacts]:
    """What one app tells, by the series of Celery it runs with."""
    folder = write(tmp_path_factory.mktemp("plain"), PLAIN)

    async def ask_all() -> dict[str, AppFacts]:
        return {series: await ask(address(folder, series=series)) for series in sorted(SERIES)}

    return anyio.run(ask_all, backend_options={"use_uvloop": True})


@pytest.mark.parametrize("series", sorted(SERIES))
def test_an_app_of_every_series_tells_what_it_is(told: dict[str, AppFacts], series: str) -> None:
    facts = told[series]
    assert facts.versions["celery"].startswith(f"{series}.")
    assert {"python", "kombu", "redis"} <= facts.versions.keys()
    assert facts.conf["broker_url"] == "redis://:pass@broker/3"
    assert facts.conf["result_backend"] == "redis://results/4"
    assert facts.conf["broker_transport_options"] == {"global_keyprefix": "p:", "priority_steps": [0, 5]}
    assert (facts.timezone, facts.enable_utc) == ("Europe/Berlin", True)
    assert {"plain.add", "app.bound", "more.extra", "celery.backend_cleanup"} <= facts.tasks.keys()
    assert "broker_url" in facts.secret
    assert {Path(path).name for path in facts.sources.files} == {"app.py", "more.py"}

    add = facts.tasks["plain.add"]
    options = {
        "priority": 7,
        "expires": 10,
        "time_limit": 5,
        "soft_time_limit": 4,
        "ignore_result": True,
        "max_retries": 3,
    }
    assert options.items() <= add.options.items()
    assert [(one.name, one.kind, one.has_default) for one in add.parameters or ()] == [
        ("a", "POSITIONAL_OR_KEYWORD", False),
        ("b", "POSITIONAL_OR_KEYWORD", True),
        ("c", "KEYWORD_ONLY", True),
    ]
    assert [one.name for one in facts.tasks["app.bound"].parameters or ()] == ["a"]
    assert facts.tasks["more.extra"].options["priority"] == 4  # task_default_priority

    entries = facts.schedule
    assert {name: entry.schedule for name, entry in entries.items()} == {
        "cron": Crontab((0, 30), "*/2", 1, "*", "*"),
        "float": Interval(30.0, relative=True),
        "delta": Interval(3600.0, relative=False),
        "added": Interval(10.0, relative=False),
        "moon": OtherSchedule("app.Moon"),
        "fancy": OtherSchedule("celery.schedules.crontab", "nowfun"),
    }
    assert entries["cron"].args == [{"__type__": "datetime", "__value__": "2026-01-02T00:00:00"}, 3]
    assert (entries["cron"].kwargs, entries["cron"].options) == ({"k": [1]}, {"queue": "a", "expires": 3.5})
    assert entries["added"].task == "plain.add"
    assert "pass" not in repr(facts)


@pytest.mark.parametrize("series", sorted(SERIES))
def test_an_app_of_every_series_is_routed_alike(told: dict[str, AppFacts], series: str) -> None:
    facts = told[series]
    router = routing_from_conf(facts.conf)
    assert router.route("plain.add", task_options(facts.tasks, "plain.add")).targets == (Target("a", 7),)
    assert router.route("plain.other").targets == (Target("a", 3),)
    assert router.route("MORE.X").targets == (Target("video", 0),)
    assert router.route("plain.x", {"queue": "brief"}).targets == (Target("brief", 3, queue_expires_ms=60_000),)
    with pytest.raises(RequestInvalid, match="would be lost") as caught:
        router.route("plain.x", {"queue": "video", "routing_key": "z"})
    assert "bound are: 'video.#', 'x.*', 'y'" in caught.value.hint
    assert router.route("plain.x", {"queue": "video", "routing_key": "y"}).targets == (Target("many", 3),)
    [fanout] = router.route("plain.x", {"queue": "bcast"}).targets
    assert (fanout.exchange, fanout.routing_key) == ("bcast", "celery")
    assert router.asks_app("unknown")


def test_all_series_tell_the_same_queues_and_routes(told: dict[str, AppFacts]) -> None:
    seen: list[Any] = []
    for facts in told.values():
        conf: Any = facts.conf
        queues = [{**queue, "name": re.sub(r"bcast\..*", "bcast", queue["name"])} for queue in conf["task_queues"]]
        seen.append([queues, conf["task_routes"]])
    assert all(one == seen[0] for one in seen[1:])


@pytest.mark.parametrize("app", ["site_", "site_.celery", "site_.celery:app"])
async def test_a_django_app_tells_its_autodiscovered_tasks(tmp_path: Path, app: str) -> None:
    facts = await ask(address(write(tmp_path, DJANGO), app))
    count = facts.tasks["wards.tasks.count"]
    assert {"queue": "beds", "priority": 2}.items() <= count.options.items()
    assert facts.conf["broker_url"] == "redis://broker/1"
    assert facts.timezone == "Europe/Paris"
    assert "django" in facts.versions
    names = {Path(path).relative_to(tmp_path).as_posix() for path in facts.sources.files}
    assert {"site_/settings.py", "site_/celery.py", "wards/tasks.py", "wards/models.py"} <= names
    routed = routing_from_conf(facts.conf).route("wards.tasks.count", task_options(facts.tasks, "wards.tasks.count"))
    assert routed.targets == (Target("beds", 2),)


async def test_an_app_gets_its_environment_and_nothing_of_ours(tmp_path: Path) -> None:
    write(tmp_path, {"app.py": """
        import os
        import sys
        from celery import Celery
        assert not {"PYTHONPATH", "PYTHONSAFEPATH", "VIRTUAL_ENV"} & set(os.environ), sorted(os.environ)
        assert not any(path.rstrip("/").endswith("shim/app") for path in sys.path), sys.path
        assert "shim" not in sys.modules and "probe_values" not in sys.modules
        app = Celery(os.environ["NAME"], broker=os.environ["URL"])
        """})  # fmt: skip
    facts = await ask(address(tmp_path, NAME="named", URL="redis://there/0"))
    assert facts.conf["broker_url"] == "redis://there/0"


async def test_a_module_of_the_app_may_have_any_name(tmp_path: Path) -> None:
    write(tmp_path, {
        "probe.py": "from celery import Celery\nimport facts, probe_values\napp = Celery('x')\n",
        "facts.py": "", "probe_values.py": "conf_of = None\n",
    })  # fmt: skip
    facts = await ask(address(tmp_path, "probe"))
    assert {Path(path).name for path in facts.sources.files} == {"probe.py", "facts.py", "probe_values.py"}


# -- apps that misbehave -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("import nowhere_to_be_found\n", "No module named 'nowhere_to_be_found'"),
        ("raise RuntimeError('no settings')\n", "RuntimeError: no settings"),
        ("def broken(:\n", "SyntaxError"),
        ("import sys; sys.stderr.write('first\\n'); sys.exit('enough')\n", "SystemExit: enough"),
        ("x = 5\n", "AttributeError"),
        ("from celery import Celery\napp = Celery('x', include=['missing'])\n", "No module named 'missing'"),
    ],
)
async def test_an_app_that_cannot_be_loaded_says_why(tmp_path: Path, text: str, shown: str) -> None:
    with pytest.raises(AppBroken) as caught:
        await ask(address(write(tmp_path, {"app.py": text})))
    assert shown in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert not caught.value.retryable


async def test_an_app_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(AppBroken, match="No module named 'absent'"):
        await ask(address(tmp_path, "absent"))


async def test_the_last_an_app_complained_of_is_kept_and_shown(tmp_path: Path) -> None:
    text = "import os, sys\nsys.stderr.write('x' * 100_000 + 'the last words')\nsys.stderr.flush()\nos._exit(3)\n"
    with pytest.raises(AppEnded, match=r"status 3") as caught:
        await ask(address(write(tmp_path, {"app.py": text})))
    assert caught.value.stderr.endswith("the last words")
    assert len(caught.value.stderr) == 4096
    assert str(caught.value).endswith("the last words")
    assert caught.value.retryable


HANGS = """
    import os, subprocess, sys, time
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    open("pids.tmp", "w").write(f"{os.getpid()} {child.pid}")
    os.rename("pids.tmp", "pids")
    time.sleep(3600)
    """


async def test_an_app_that_hangs_is_ended_with_all_it_started(tmp_path: Path) -> None:
    where = address(write(tmp_path, {"app.py": HANGS}), MARK_OF_THE_HANGING="1")
    with pytest.raises(AppNotAnswered, match="did not answer within"):
        await ask(where, within_s=0.5)
    with anyio.fail_after(LIMIT_S):
        await until(lambda: not marked("MARK_OF_THE_HANGING"))


async def test_asking_can_be_cancelled_and_leaves_no_process(tmp_path: Path) -> None:
    where = address(write(tmp_path, {"app.py": HANGS}))
    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask_app, where)
            await until((tmp_path / "pids").exists)
            assert all(map(alive, pids(tmp_path)))
            tasks.cancel_scope.cancel()
        await until(lambda: not any(map(alive, pids(tmp_path))))


def pids(folder: Path) -> list[int]:
    return [int(pid) for pid in (folder / "pids").read_text().split()]


async def test_an_app_that_prints_without_end_is_not_waited_for(tmp_path: Path) -> None:
    text = "import sys\nwhile True:\n    sys.stderr.write('x' * 10_000)\n    sys.stdout.write('y' * 10_000)\n"
    with pytest.raises(AppNotAnswered) as caught:
        await ask(address(write(tmp_path, {"app.py": text})), within_s=0.5)
    assert len(caught.value.stderr) <= 4096


async def test_an_answer_that_is_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AppNotAnswered, match="too large"):
        await ask(address(write(tmp_path, PLAIN)), limit_bytes=2000)


@pytest.mark.parametrize("broken", ["python", "folder"])
async def test_an_interpreter_that_cannot_be_started_is_named(tmp_path: Path, broken: str) -> None:
    where = address(tmp_path)
    nowhere = str(tmp_path / "nowhere")
    where = where._replace(python=nowhere) if broken == "python" else where._replace(folder=nowhere)
    with pytest.raises(AppNotAnswered, match="could not be started"):
        await ask(where)


async def test_a_process_an_app_leaves_behind_is_not_waited_for(tmp_path: Path) -> None:
    write(tmp_path, {"app.py": """
        import subprocess, sys
        from celery import Celery
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"], close_fds=False)
        open("pids", "w").write(str(child.pid))
        app = Celery("x")
        """})  # fmt: skip
    await ask(address(tmp_path))
    with anyio.fail_after(LIMIT_S):
        await until(lambda: not any(map(alive, pids(tmp_path))))


def test_the_scripts_of_the_probe_are_python_3_8_and_import_nothing_of_ours() -> None:
    for name in ("probe.py", "probe_values.py"):
        source = PROBE.with_name(name).read_text()
        ast.parse(source, feature_version=(3, 8))
        assert "from __future__ import annotations" in source
        assert not re.search(r"^\s*(from|import) (shim|daemon)\b", source, re.MULTILINE)


def test_declared_tasks_stand_where_those_of_an_app_do(told: dict[str, AppFacts]) -> None:
    facts = told["5.7"]
    tasks = {**facts.tasks, "plain.declared": DeclaredTask("plain.declared", queue="brief", priority=1)}
    routed = routing_from_conf(facts.conf).route("plain.declared", task_options(tasks, "plain.declared"))
    assert routed.targets == (Target("brief", 1, queue_expires_ms=60_000),)
