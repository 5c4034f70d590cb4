"""The private Valkey as it is set up: what it writes, where it listens, who gets in, and where its files lie."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from daemon.embedded_broker import SOCKET_PATH_LIMIT, Place, ask, known_place
from daemon.settings.sections import EmbeddedBrokerSection
from shim.broker_url import parse_broker_url
from shim.link import Link
from shim.results.place import result_place
from tests.support.embedded_broker import LIMIT_S, Kept, mode_of, running
from tests.support.systemd import bound

pytestmark = pytest.mark.anyio


async def test_it_logs_every_write_never_evicts_and_writes_no_snapshots(tmp_path: Path) -> None:
    async with running(tmp_path) as kept:
        with kept.client as client:
            wanted = ("appendonly", "appendfsync", "maxmemory-policy", "save", "protected-mode", "daemonize")
            found = {name: client.config_get(name)[name] for name in wanted}
    assert found == {
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
        "save": "",
        "protected-mode": "yes",
        "daemonize": "no",
    }


async def test_a_site_may_ask_for_a_sync_with_every_write(tmp_path: Path) -> None:
    async with running(tmp_path, appendfsync="always") as kept:
        with kept.client as client:
            assert client.config_get("appendfsync") == {"appendfsync": "always"}


async def test_it_listens_on_a_loopback_port_and_a_unix_socket_and_nowhere_else(tmp_path: Path) -> None:
    async with running(tmp_path) as kept:
        with kept.client as client:
            assert client.config_get("bind") == {"bind": "127.0.0.1"}
            assert client.config_get("port") == {"port": str(kept.place.port)}
        assert kept.place.socket_path is not None
        with socket.socket(socket.AF_UNIX) as own:
            own.connect(str(kept.place.socket_path))
        assert mode_of(kept.place.socket_path) == 0o700
        for other in _other_addresses():
            with socket.socket() as probe:
                assert probe.connect_ex((other, kept.place.port)) != 0


def _other_addresses() -> list[str]:
    """Give addresses of this machine that are not 127.0.0.1."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing; asks which address would be used
        except OSError:
            return ["127.0.0.2"]
        return ["127.0.0.2", probe.getsockname()[0]]


async def test_nobody_gets_in_without_the_password(tmp_path: Path) -> None:
    async with running(tmp_path) as kept:
        with socket.create_connection(("127.0.0.1", kept.place.port), timeout=LIMIT_S) as stranger:
            stranger.sendall(b"PING\r\n")
            assert stranger.recv(100) == b"-NOAUTH Authentication required.\r\n"
        wrong = Place(kept.place.folder, kept.place.port, "guessed")
        assert await ask(wrong, "PING") is None
        assert await ask(kept.place, "PING") == "+PONG"


async def test_password_and_addresses_are_for_this_user_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        async with running(tmp_path / "state") as kept:
            folder = kept.place.folder
            assert mode_of(folder) == 0o700
            files = [folder / "password", folder / "port", folder / "valkey.conf", tmp_path / "state" / "broker-url"]
            assert {path.name: mode_of(path) for path in files} == dict.fromkeys((path.name for path in files), 0o600)
    finally:
        os.umask(before)
    assert len((folder / "password").read_text().strip()) == 64
    assert kept.place.password not in repr(kept.place)
    assert kept.place.password not in str(kept.said)


async def test_a_password_file_that_was_left_open_to_others_is_closed_again(tmp_path: Path) -> None:
    Kept(tmp_path)
    (tmp_path / "valkey" / "password").chmod(0o644)
    (tmp_path / "valkey" / "password").write_text("")
    Kept(tmp_path)
    assert mode_of(tmp_path / "valkey" / "password") == 0o600


async def test_port_and_password_stay_the_same_from_start_to_start(tmp_path: Path) -> None:
    places = [Kept(tmp_path).place for _ in range(2)]
    assert places[0] == places[1]
    assert known_place(tmp_path, EmbeddedBrokerSection()) == places[0]


async def test_a_port_of_the_site_file_is_used_and_the_chosen_one_kept_for_later(tmp_path: Path) -> None:
    chosen = Kept(tmp_path).place.port
    with bound() as free:
        wanted = free.getsockname()[1]
    async with running(tmp_path, port=wanted) as kept:
        assert kept.place.port == wanted
        assert f":{wanted}/0" in (tmp_path / "broker-url").read_text()
        with kept.client as client:
            assert client.ping()
    assert known_place(tmp_path, EmbeddedBrokerSection(port=wanted)).port == wanted
    assert Kept(tmp_path).place.port == chosen


async def test_a_folder_whose_path_is_too_long_for_a_socket_is_served_over_the_port_alone(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * SOCKET_PATH_LIMIT)
    async with running(deep) as kept:
        assert kept.place.socket_path is None
        assert kept.place.own_url == kept.place.worker_url
        with kept.client as client:
            assert client.ping()


async def test_a_folder_with_spaces_quotes_and_backslashes_in_its_name_is_served(tmp_path: Path) -> None:
    async with running(tmp_path / 'a "b" \\c #d') as kept:
        with kept.client as client:
            client.set("key", "value")
            assert client.config_get("dir")["dir"] == str(kept.place.folder)
        assert (kept.place.folder / "appendonlydir").is_dir()


async def test_our_own_way_is_the_unix_socket_and_the_workers_way_is_the_port(tmp_path: Path) -> None:
    place = Kept(tmp_path).place
    assert place.own_url == f"redis+socket://:{place.password}@{tmp_path}/valkey/valkey.sock?virtual_host=0"
    assert place.worker_url == f"redis://:{place.password}@127.0.0.1:{place.port}/0"


async def test_our_own_way_leads_to_the_server_whatever_its_folder_is_called(tmp_path: Path) -> None:
    async with running(tmp_path / "a b?c#d%41ä@") as kept:
        assert kept.place.socket_path is not None
        results = result_place({"result_backend": kept.place.own_url})
        assert results is not None
        assert results.url is not None
        for address in (parse_broker_url(kept.place.own_url), results.url):
            link = Link(address, client_name="test")
            assert await link.call("PING") == b"PONG"
            await link.close()
