"""Real sentinels, alone or three around a master and its replica, that act within a second or two."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from daemon.embedded_broker import find_binary
from shim.broker_url import BrokerUrl, parse_broker_url
from tests.support.valkey import START_LIMIT_S, ValkeyServer, free_port

NAME = "mymaster"
DOWN_AFTER_MS = 1000
SETTLE_LIMIT_S = 30.0
_PERIODS_MS = {
    "INFO-PERIOD": 100, "PING-PERIOD": 400, "ASK-PERIOD": 100, "PUBLISH-PERIOD": 800, "ELECTION-TIMEOUT": 2000,
    "TILT-TRIGGER": 60_000,
}  # fmt: skip
"""While a master is down its replicas are looked at once a second, whatever is said here. So five ping periods (after which
what is known of a replica is too old to promote it) and four publishing periods (after which a master nobody has announced is
made a replica again) must be longer. And a machine that stands still for a moment must not stop the sentinels."""


class Sentinel:
    """One sentinel on a loopback port."""

    def __init__(self, *lines: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="sentinel-"))
        self.port = free_port()
        self.lines = [f"port {self.port}", "bind 127.0.0.1", f"dir {self.folder}", *lines]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def client(self) -> Any:
        return redis.Redis(port=self.port, decode_responses=True, retry=Retry(NoBackoff(), 0))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        config = self.folder / "sentinel.conf"
        if not config.exists():
            config.write_text("\n".join([*self.lines, f"logfile {self.folder / 'log'}", ""]))
        self._process = subprocess.Popen([find_binary(None), str(config), "--sentinel"])
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline:
            try:
                with self.client as client:
                    client.ping()
            except redis.AuthenticationError:
                return
            except redis.ConnectionError:
                time.sleep(0.01)
            else:
                return
        raise AssertionError((self.folder / "log").read_text()[-2000:])

    def hurry(self, **periods_ms: int) -> None:
        with self.client as client:
            for name, value in {**_PERIODS_MS, **periods_ms}.items():
                client.execute_command("SENTINEL", "DEBUG", name.replace("_", "-"), str(value))

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def names_port(self) -> int:
        with self.client as client:
            return int(client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)[1])

    def describes(self) -> dict[str, str]:
        with self.client as client:
            parts = client.execute_command("SENTINEL", "MASTER", NAME)
        return parts if isinstance(parts, dict) else dict(zip(parts[::2], parts[1::2], strict=True))


def monitoring(port: int, *lines: str, quorum: int = 1, down_after_ms: int = 600_000) -> Sentinel:
    """Make a sentinel that watches a server, and by default believes in it whatever happens."""
    return Sentinel(
        f"sentinel monitor {NAME} 127.0.0.1 {port} {quorum}",
        f"sentinel down-after-milliseconds {NAME} {down_after_ms}",
        f"sentinel failover-timeout {NAME} 3000",
        *lines,
    )


def sentinel_url(
    *sentinels: Sentinel, login: str = "", use_ssl: Mapping[str, object] | None = None, **options: Any
) -> BrokerUrl:
    text = ";".join(f"sentinel://{login}127.0.0.1:{one.port}" for one in sentinels) + "/0"
    return parse_broker_url(text, use_ssl=use_ssl, transport_options={"master_name": NAME, **options})


class Watched:
    """A master, a replica of it, and three sentinels that make the replica master if need be."""

    def __init__(self) -> None:
        first = ValkeyServer("--repl-diskless-sync-delay", "0")
        second = ValkeyServer("--repl-diskless-sync-delay", "0", "--replicaof", f"127.0.0.1 {first.port}")
        self.servers = (first, second)
        # The first is quicker than the others and needs nobody's agreement, so that no vote is split; the others elect it.
        leader = monitoring(first.port, quorum=1, down_after_ms=DOWN_AFTER_MS)
        self.sentinels = [
            leader,
            *(monitoring(first.port, quorum=2, down_after_ms=4 * DOWN_AFTER_MS) for _ in range(2)),
        ]
        for number, one in enumerate(self.sentinels):
            one.lines.append(f"sentinel myid {number + 1:040x}")
            one.lines.append(f"sentinel known-replica {NAME} 127.0.0.1 {second.port}")
            for other, far in enumerate(self.sentinels):
                if far is not one:
                    one.lines.append(f"sentinel known-sentinel {NAME} 127.0.0.1 {far.port} {other + 1:040x}")
        self._open = ExitStack()

    def __enter__(self) -> Self:
        for server in self.servers:
            self._open.enter_context(server)
        for one in self.sentinels:
            self._open.enter_context(one).hurry()
        self.settle()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def url(self) -> BrokerUrl:
        return sentinel_url(*self.sentinels)

    @property
    def master(self) -> ValkeyServer:
        """The server that all sentinels name and that says so itself."""
        [port] = {one.names_port() for one in self.sentinels}
        [master] = [one for one in self.servers if one.port == port]
        return master

    @property
    def replica(self) -> ValkeyServer:
        master = self.master
        [replica] = [one for one in self.servers if one is not master]
        return replica

    def is_settled(self) -> bool:
        """Say whether all agree, and the replica has all that the master has."""
        try:
            replica = self.replica.client.info("replication")
            seen = [one.describes() for one in self.sentinels]
            master = self.master
            return (
                replica["role"] == "slave"
                and (replica["master_port"], replica["master_link_status"]) == (master.port, "up")
                and master.client.info("replication")["role"] == "master"
                and master.client.info("replication")["connected_slaves"] == 1
                and all(
                    (one["flags"], one["num-slaves"], one["num-other-sentinels"]) == ("master", "1", "2")
                    for one in seen
                )
                and all(self._sees_replica(one) for one in self.sentinels)
            )
        except (redis.RedisError, ValueError, KeyError):
            return False

    def _sees_replica(self, sentinel: Sentinel) -> bool:
        with sentinel.client as client:
            [replica] = client.sentinel_slaves(NAME)
        return bool(replica["flags"] == "slave" and replica["master-link-status"] == "ok")

    def hurry(self, **periods_ms: int) -> None:
        for one in self.sentinels:
            one.hurry(**periods_ms)

    def fail_over(self) -> None:
        """Ask for one though nothing is wrong: for a moment there are two masters, then the old one is a replica."""
        with self.sentinels[0].client as client:
            client.execute_command("SENTINEL", "FAILOVER", NAME)

    def has_master_besides(self, old: ValkeyServer) -> bool:
        """Say whether all sentinels name another."""
        try:
            return self.master is not old
        except ValueError:
            return False

    def settle(self) -> None:
        deadline = time.monotonic() + SETTLE_LIMIT_S
        while not self.is_settled():
            assert time.monotonic() < deadline, [one.describes() for one in self.sentinels]
            time.sleep(0.05)
