"""Databases with the tables of the real django-celery-beat, and the Django project that edits them."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from textwrap import dedent
from types import TracebackType
from typing import Any, Self

import pytest

from tests.support.valkey import free_port

START_LIMIT_S = 60.0
SHELL = Path(__file__).parent / "django_shell.py"


class DjangoProject:
    """A Django project on a database. ``run`` executes lines of Python in it and gives what they put into ``answer``."""

    def __init__(self, url: str, *database: str) -> None:
        self.url = url
        self._database = database
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(SHELL), *self._database],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._heard()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(START_LIMIT_S)
        self._process.stdout.close()

    def run(self, lines: str) -> Any:
        """Execute lines; the models of django-celery-beat, ``client`` (signed in), ``connection`` and ``datetime`` are there."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(dedent(lines)) + "\n")
        self._process.stdin.flush()
        return self._heard()

    def clear(self) -> None:
        self.run("for model in (PeriodicTask, CrontabSchedule, IntervalSchedule, SolarSchedule, ClockedSchedule):\n"
                 "    model.objects.all().delete()")  # fmt: skip

    def row(self, name: str) -> dict[str, Any]:
        """Read a row as Django has it."""
        found: dict[str, Any] = self.run(f"answer = PeriodicTask.objects.filter(name={name!r}).values().get()")
        return found

    def _heard(self) -> Any:
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        answer = json.loads(line) if line else {"error": "the project ended"}
        if isinstance(answer, dict) and "error" in answer:
            raise AssertionError(answer["error"])
        return answer


def sqlite_project(folder: Path) -> DjangoProject:
    path = folder / "project.sqlite3"
    return DjangoProject(f"sqlite+aiosqlite:///{path}", "sqlite3", str(path))


@cache
def postgres_folder() -> Path | None:
    """Find the server's own programs, where Debian keeps them or on the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    on_path = shutil.which("postgres")
    if found:
        return found[-1].parent
    return Path(on_path).resolve().parent if on_path else None


needs_postgres = pytest.mark.skipif(
    postgres_folder() is None, reason="PostgreSQL is not installed (apt-get install postgresql)"
)


class PostgresServer:
    """A private server on a loopback port, without passwords. It refuses to be root's, so root's is another user's."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        self.port = free_port()
        self._user = _other_user()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql+asyncpg://carillon@127.0.0.1:{self.port}/postgres"

    def project(self) -> DjangoProject:
        return DjangoProject(self.url, "postgresql", "postgres", "127.0.0.1", str(self.port), "carillon")

    def __enter__(self) -> Self:
        binaries = postgres_folder()
        assert binaries is not None
        if self._user is not None:
            os.chown(self.folder, pwd.getpwnam(self._user).pw_uid, -1)
        data = str(self.folder / "data")
        subprocess.run(
            [binaries / "initdb", "-D", data, "-U", "carillon", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C"],
            check=True,
            capture_output=True,
            user=self._user,
            cwd=self.folder,
        )
        self._process = subprocess.Popen(
            [binaries / "postgres", "-D", data, "-p", str(self.port), "-k", str(self.folder), "-h", "127.0.0.1",
             "-c", "fsync=off"],
            user=self._user,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + START_LIMIT_S
        ready: list[str | Path] = [binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        while subprocess.run(ready, check=False).returncode != 0:
            assert time.monotonic() < deadline, "PostgreSQL did not start"
            time.sleep(0.05)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.terminate()  # as "smart": it waits for sessions
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def _other_user() -> str | None:
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"
