"""Private MariaDB servers. Where MariaDB is not installed the tests are skipped and say so."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pymysql
import pytest

from tests.support.django_project import DjangoProject
from tests.support.valkey import free_port

START_LIMIT_S = 60.0
TABLES = ("mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql")


@cache
def mariadb_binary() -> Path | None:
    """Find the server on the path or where Debian keeps it."""
    found = shutil.which("mariadbd") or "/usr/sbin/mariadbd"
    return Path(found) if Path(found).exists() else None


needs_mariadb = pytest.mark.skipif(
    mariadb_binary() is None, reason="MariaDB is not installed (apt-get install mariadb-server-core)"
)


class MariaServer:
    """A private server on a loopback port that asks nobody for a password."""

    def __init__(self) -> None:
        binary = mariadb_binary()
        assert binary is not None
        self.folder = Path(tempfile.mkdtemp(prefix="mariadb-"))
        self.port = free_port()
        self._share = binary.parent.parent / "share" / "mysql"
        self._process: subprocess.Popen[bytes] | None = None
        user = ["--user=root"] if os.geteuid() == 0 else []
        places = [f"--datadir={self.folder}/data", f"--lc-messages-dir={self._share}", f"--socket={self.folder}/socket"]
        self._command = [str(binary), "--no-defaults", *user, *places]

    def project(self) -> DjangoProject:
        url = f"mysql+aiomysql://root@127.0.0.1:{self.port}/wards"
        return DjangoProject(url, "mysql", "wards", "127.0.0.1", str(self.port), "root")

    def __enter__(self) -> Self:
        (self.folder / "data").mkdir()
        texts = [(self._share / name).read_text() for name in TABLES if (self._share / name).exists()]
        script = "\n".join(["CREATE DATABASE mysql;", "USE mysql;", *texts])
        subprocess.run(
            [*self._command, "--bootstrap"],
            input=script.encode(),
            check=True,
            capture_output=True,
            timeout=START_LIMIT_S,
        )
        self._process = subprocess.Popen(
            [
                *self._command,
                "--skip-grant-tables",
                "--skip-networking=0",
                f"--port={self.port}",
                "--bind-address=127.0.0.1",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + START_LIMIT_S
        while True:
            try:
                with pymysql.connect(host="127.0.0.1", port=self.port, user="root") as connection:
                    cursor: Any = connection.cursor()
                    cursor.execute("CREATE DATABASE wards CHARACTER SET utf8mb4")
            except pymysql.err.OperationalError:
                assert time.monotonic() < deadline, "MariaDB did not start"
                time.sleep(0.05)
            else:
                return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.kill()  # nobody needs its data again
        self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
