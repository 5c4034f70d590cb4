"""Private RabbitMQ nodes that tests kill, pause and start again.

Each has an epmd, a data folder and an Erlang cookie of its own, so that it meets no other node on the machine. Where RabbitMQ
is not installed the tests are skipped and say so.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import kombu
import pytest

from tests.support.valkey import free_port

START_LIMIT_S = 90.0
MISSING = "RabbitMQ is not installed (apt-get install rabbitmq-server)"

MESSAGE_LIMIT_BYTES = 300_000
"""Of the shared node."""

_PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
_METHOD_FRAME = b"\x01"


def find_server() -> Path | None:
    """Find the server's own start script; the one on the path of Debian changes the user."""
    found = sorted(Path("/usr/lib/rabbitmq").glob("lib/rabbitmq_server-*/sbin/rabbitmq-server"))
    if found and shutil.which("epmd") and shutil.which("erl"):
        return found[-1]
    return None


needs_rabbitmq = pytest.mark.skipif(find_server() is None, reason=MISSING)


class RabbitServer:
    """One node on a loopback port, in a folder of its own.

    Besides ``/`` there is the virtual host ``hospital/a b`` and the user ``nurse`` with the password ``p@ss/word`` in it.
    """

    def __init__(self, *lines: str) -> None:
        """Take further lines for ``rabbitmq.conf``."""
        self.folder = Path(tempfile.mkdtemp(prefix="rabbit-"))
        self.port, self._dist_port, self._epmd_port = free_port(), free_port(), free_port()
        self.tls_port = free_port() if shutil.which("openssl") else None
        if self.tls_port is not None:
            lines = (*lines, *self._certified(self.tls_port))
        self._lines = lines
        self._node: subprocess.Popen[bytes] | None = None
        self._epmd: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    @property
    def authority(self) -> Path:
        """The certificate of the TLS port, which is its own authority; it is valid for 127.0.0.1."""
        return self.folder / "cert.pem"

    def connection(self) -> Any:
        """Open a blocking kombu connection for the test's own looks."""
        connect: Any = kombu.Connection  # type: ignore[attr-defined]
        return connect(self.url, connect_timeout=20)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.kill()
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd.wait()
            self._epmd = None
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def is_running(self) -> bool:
        return self._node is not None and self._node.poll() is None

    def start(self) -> None:
        server = find_server()
        assert server is not None, MISSING
        environment = self._environment()
        if self._epmd is None:
            epmd = shutil.which("epmd")
            assert epmd is not None
            self._epmd = subprocess.Popen(
                [epmd, "-port", str(self._epmd_port), "-address", "127.0.0.1"],
                env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        with (self.folder / "out").open("ab") as out:
            self._node = subprocess.Popen(
                [str(server)], env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )
        self._wait()

    def kill(self) -> None:
        if self._node is not None:
            os.killpg(self._node.pid, signal.SIGCONT)
            os.killpg(self._node.pid, signal.SIGKILL)
            self._node.wait()
            self._node = None

    def pause(self) -> None:
        assert self._node is not None
        os.killpg(self._node.pid, signal.SIGSTOP)

    def resume(self) -> None:
        assert self._node is not None
        os.killpg(self._node.pid, signal.SIGCONT)

    def restart(self) -> None:
        self.kill()
        self.start()

    def control(self, *arguments: str) -> str:
        """Run ``rabbitmqctl`` on the node; it takes a few seconds."""
        server = find_server()
        assert server is not None
        done = subprocess.run(
            [str(server.with_name("rabbitmqctl")), *arguments],
            env=self._environment(), capture_output=True, text=True, timeout=START_LIMIT_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _certified(self, port: int) -> tuple[str, ...]:
        key = self.folder / "key.pem"
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
                *("-days", "2", "-subj", "/CN=broker", "-addext", "subjectAltName=IP:127.0.0.1"),
                *("-keyout", str(key), "-out", str(self.authority)),
            ],
            check=True, capture_output=True,
        )  # fmt: skip
        return (
            f"listeners.ssl.local = 127.0.0.1:{port}",
            f"ssl_options.cacertfile = {self.authority}",
            f"ssl_options.certfile = {self.authority}",
            f"ssl_options.keyfile = {key}",
        )

    def _environment(self) -> dict[str, str]:
        folder = self.folder
        (folder / "plugins").write_text("[].\n")
        (folder / "definitions.json").write_text(json.dumps(_DEFINITIONS))
        (folder / "rabbitmq.conf").write_text(
            "\n".join(
                (
                    f"listeners.tcp.local = 127.0.0.1:{self.port}",
                    f"load_definitions = {folder}/definitions.json",
                    *("log.console = false", "log.file.level = warning"),
                    *("vm_memory_high_watermark.relative = 0.9", "disk_free_limit.absolute = 1MB"),
                    *self._lines,
                    "",
                )
            )
        )
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RABBITMQ_", "ERL_"))}
        return {
            **kept,
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"test{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "none.config"),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "config"),
            "RABBITMQ_FEATURE_FLAGS_FILE": str(folder / "feature_flags"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none",
            "LC_ALL": "C.UTF-8",
        }

    def _wait(self) -> None:
        assert self._node is not None
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline and self._node.poll() is None:
            if self._answers():
                return
            time.sleep(0.05)
        message = f"no answer: {(self.folder / 'out').read_text()[-3000:]}"
        raise AssertionError(message)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as probe:
                probe.sendall(_PROTOCOL_HEADER)
                return probe.recv(1) == _METHOD_FRAME
        except OSError:
            return False


_DEFINITIONS: dict[str, list[dict[str, Any]]] = {
    "vhosts": [{"name": "/"}, {"name": "hospital/a b"}],
    "users": [
        {"name": "guest", "password": "guest", "tags": "administrator"},
        {"name": "nurse", "password": "p@ss/word", "tags": ""},
    ],
    "permissions": [
        {"user": "guest", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"},
        {"user": "nurse", "vhost": "hospital/a b", "configure": ".*", "write": ".*", "read": ".*"},
    ],
    "policies": [
        {
            "vhost": "/",
            "name": "full",
            "pattern": r"^full\.",
            "apply-to": "queues",
            "definition": {"max-length": 1, "overflow": "reject-publish"},
            "priority": 0,
        }
    ],
}


@cache
def _shared() -> RabbitServer:
    server = RabbitServer(f"max_message_size = {MESSAGE_LIMIT_BYTES}")
    atexit.register(server.close)
    return server


def shared_rabbit() -> RabbitServer:
    """Give the one node of all tests; it takes seconds to start. Whoever kills or pauses it puts it right again."""
    server = _shared()
    if not server.is_running:
        server.kill()
        server.start()
    return server


def drain(server: RabbitServer, queue: str) -> list[Any]:
    """Take every message out of a queue with kombu, and give them in order."""
    found = []
    with server.connection() as connection:
        channel = connection.channel()
        while (message := channel.basic_get(queue, no_ack=True)) is not None:
            found.append(channel.message_to_python(message))
    return found


def drained_ids(server: RabbitServer, queue: str) -> list[str]:
    """Take every message out of a queue, and give the ids of their tasks in order."""
    return [message.headers["id"] for message in drain(server, queue)]
