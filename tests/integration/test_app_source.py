"""Facts that are kept: asked once, asked again when anything they came from has changed, never believed when damaged."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import anyio
import pytest

from shim.app import AppAddress, AppBroken, AppFacts, AppSource
from tests.support.apps import address, write

pytestmark = pytest.mark.anyio
LIMIT_S = 60.0

APP = """
    import os
    from celery import Celery
    with open("asked", "a") as file:
        file.write("x")
    app = Celery("x", broker=os.environ.get("URL", "redis://h/0"))
    import tasks
    """


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = write(tmp_path / "app", {"app.py": APP, "tasks.py": "from app import app\n@app.task\ndef one(): pass\n"})
    age(folder)
    return folder


def age(folder: Path, by_s: int = 3600) -> None:
    """Make files look old: one that was just written may be written again without looking changed."""
    stamp = time.time() - by_s  # noqa: TID251 - a file's age counts from the true time
    for path in folder.glob("*.py"):
        os.utime(path, (stamp, stamp))


def asked(folder: Path) -> int:
    return len((folder / "asked").read_text())


async def load(where: AppAddress, folder: Path, *, fresh: bool = False) -> tuple[AppFacts, AppSource]:
    source = AppSource(where, folder.parent / "kept")
    with anyio.fail_after(LIMIT_S):
        return await source.load(fresh=fresh), source


async def test_an_app_is_asked_once_while_nothing_changes(folder: Path) -> None:
    first, source = await load(address(folder), folder)
    again, _ = await load(address(folder), folder)
    assert again == first
    assert asked(folder) == 1
    assert source.problem == ""


async def test_what_is_kept_is_readable_by_its_owner_alone_and_nothing_else_is_left(folder: Path) -> None:
    _, source = await load(address(folder), folder)
    assert source.path.stat().st_mode & 0o777 == 0o600
    assert list(source.path.parent.iterdir()) == [source.path]


async def test_asking_anew_may_be_asked_for(folder: Path) -> None:
    await load(address(folder), folder)
    await load(address(folder), folder, fresh=True)
    assert asked(folder) == 2


@pytest.mark.parametrize("change", ["content", "time", "new module", "new package", "lost module", "environment"])
async def test_a_change_has_the_app_asked_again(folder: Path, change: str) -> None:
    where = address(folder)
    if change == "lost module":
        write(folder, {"spare.py": ""})
    await load(where, folder)
    match change:
        case "content":
            (folder / "tasks.py").write_text("from app import app\n@app.task\ndef two(): pass\n")
        case "time":
            os.utime(folder / "tasks.py")
        case "new module":
            write(folder, {"new.py": ""})
        case "new package":
            write(folder, {"wards/__init__.py": ""})
        case "lost module":
            (folder / "spare.py").unlink()
        case "environment":
            where = address(folder, URL="redis://other/1")
    facts, _ = await load(where, folder)
    assert asked(folder) == 2
    if change == "content":
        assert "tasks.two" in facts.tasks
        assert "tasks.one" not in facts.tasks
    if change == "environment":
        assert facts.conf["broker_url"] == "redis://other/1"


async def test_a_file_that_is_no_source_changes_nothing(folder: Path) -> None:
    await load(address(folder), folder)
    (folder / "celerybeat-schedule.db").write_text("")
    await load(address(folder), folder)
    assert asked(folder) == 1


async def test_a_source_written_while_the_app_is_asked_is_not_relied_on(folder: Path) -> None:
    write(folder, {"tasks.py": "import os\nos.utime(__file__)\nfrom app import app\n@app.task\ndef one(): pass\n"})
    _, source = await load(address(folder), folder)
    assert "while the app was asked" in source.problem
    assert not source.path.exists()
    await load(address(folder), folder)
    assert asked(folder) == 2


@pytest.mark.parametrize("damage", ["cut", "other", "binary", "nested", "foreign"])
async def test_what_is_damaged_is_asked_anew_and_replaced(folder: Path, damage: str) -> None:
    first, source = await load(address(folder), folder)
    kept = source.path.read_text()
    match damage:
        case "cut":
            source.path.write_text(kept[: len(kept) // 2])
        case "other":
            source.path.write_text(json.dumps({**json.loads(kept), "document": {"form": 1}}))
        case "binary":
            source.path.write_bytes(b"\xff\xfe\x00")
        case "nested":
            source.path.write_text("[" * 100_000)
        case "foreign":
            source.path.write_text(json.dumps({**json.loads(kept), "address": "of another"}))
    again, source = await load(address(folder), folder)
    assert again == first
    assert asked(folder) == 2
    await load(address(folder), folder)
    assert asked(folder) == 2


async def test_a_broken_app_leaves_what_is_kept_alone(folder: Path) -> None:
    _, source = await load(address(folder), folder)
    before = source.path.read_bytes()
    (folder / "tasks.py").write_text("raise RuntimeError\n")
    with pytest.raises(AppBroken):
        await load(address(folder), folder)
    assert source.path.read_bytes() == before
    assert list(source.path.parent.iterdir()) == [source.path]


async def test_a_place_where_nothing_can_be_kept_is_no_reason_to_fail(folder: Path) -> None:
    (folder.parent / "kept").write_text("a file where a folder should be")
    facts, source = await load(address(folder), folder)
    assert "tasks.one" in facts.tasks
    assert source.problem
