"""What is outside: a database that must speak as one, pages that must answer, and neither asked too often."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from anyio.abc import SocketStream

from daemon.clock import SystemClock
from daemon.health.findings import celery_checks, outside_checks, required
from daemon.health.outside import Outside, database_of
from daemon.settings.health_section import HealthSection, is_database
from tests.support.clock import SetClock

pytestmark = pytest.mark.anyio


async def answering(answer: bytes, asked: list[bytes]) -> bool:
    """Say whether a server that answers so is taken for PostgreSQL."""

    async def serve(stream: SocketStream) -> None:
        async with stream:
            asked.append(await stream.receive(64))
            if answer:
                await stream.send(answer)

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        [probe] = await Outside((), f"postgresql+asyncpg://u:s3cret@127.0.0.1:{port}/app", SystemClock()).look()
        tasks.cancel_scope.cancel()
    assert "s3cret" not in repr(probe)
    return probe.is_there


@pytest.mark.parametrize(("answer", "is_there"), [(b"N", True), (b"S", True), (b"H", False), (b"", False)])
async def test_a_server_that_speaks_as_postgresql_is_there_and_nobody_signs_in(
    answer: bytes, *, is_there: bool
) -> None:
    asked: list[bytes] = []
    assert await answering(answer, asked) is is_there
    assert asked == [bytes.fromhex("0000000804d2162f")]  # a request for TLS, and nothing else


@pytest.mark.parametrize(
    ("content", "is_there"), [(b"SQLite format 3\0rest", True), (b"", True), (b"something else", False), (None, False)]
)
async def test_a_file_of_sqlite_is_looked_at(tmp_path: Path, content: bytes | None, is_there: bool) -> None:  # noqa: FBT001 - a column
    path = tmp_path / "app db.sqlite"
    if content is not None:
        path.write_bytes(content)
    [probe] = await Outside((), f"sqlite:///{str(path).replace(' ', '%20')}", SystemClock()).look()
    assert probe.is_there is is_there


async def test_an_answer_is_kept_for_a_while(tmp_path: Path) -> None:
    path, clock = tmp_path / "app.sqlite", SetClock()
    outside = Outside((), f"sqlite:///{path}", clock)
    [before] = await outside.look()
    path.write_bytes(b"SQLite format 3\0")
    [kept] = await outside.look()
    clock.advance(16.0)
    [after] = await outside.look()
    assert (before.is_there, kept.is_there, after.is_there) == (False, False, True)
    assert [check.state.value for check in outside_checks((before, after))] == ["error", "ok"]


@pytest.mark.parametrize(
    ("said", "environment", "found"),
    [
        ("", {}, ""),
        ("", {"DATABASE_URL": "postgres://h/a"}, "postgres://h/a"),
        ("sqlite:///a", {"DATABASE_URL": "postgres://h/a"}, "sqlite:///a"),
        ("", {"DATABASE_URL": "mysql://h/a"}, ""),
    ],
)
async def test_the_site_file_comes_before_the_environment(said: str, environment: dict[str, str], found: str) -> None:
    assert database_of(HealthSection(database=said), environment) == found
    assert not found or is_database(found)


async def test_what_is_required_counts_workers_and_names_queues() -> None:
    checks = required(("w1@a",), (), 2, ("llm",))
    assert [(check.name, check.ok) for check in checks] == [("workers", False), ("queue llm", False)]
    assert required((), (), 0, ()) == []


async def test_without_workers_there_is_a_word_on_what_to_do() -> None:
    found = {
        str(one.name): one for one in celery_checks((), (), keeps_results=None, require_workers=0, require_queues=())
    }
    assert found["workers"].state.value == "warning"
    assert "celery -A APP worker" in found["workers"].hint
    assert "result back-end" not in found
