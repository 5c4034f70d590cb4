"""Listening sockets: handed down by systemd, or bound here."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest

from daemon.errors import ListenFailed
from daemon.settings.values import Address
from daemon.sockets import address_of, inherited, keep_alive, listen
from tests.support.process import ROOT
from tests.support.systemd import bound

PID = 4711
ANYWHERE = Address("127.0.0.1", 0)
REPORT = """
import json, os, socket, sys
from daemon.sockets import address_of, inherited
os.environ.update(LISTEN_PID=str(os.getpid()))
found = inherited(os.environ, os.getpid())
print(json.dumps({
    "names": {name: [address_of(one).port for one in some] for name, some in found.items()},
    "blocking": [one.getblocking() for some in found.values() for one in some],
    "inheritable": [one.get_inheritable() for some in found.values() for one in some],
    "left": sorted(name for name in os.environ if name.startswith("LISTEN_")),
}))
"""


def report(sockets: list[socket.socket], **variables: str) -> dict[str, object]:
    """Hand sockets down from descriptor 3 on to a process, as systemd does, and give what it found."""
    placing = "import os, sys\n" + "".join(
        f"os.dup2({one.fileno()}, {100 + place})\n" for place, one in enumerate(sockets)
    )
    placing += "".join(f"os.dup2({100 + place}, {3 + place}, inheritable=True)\n" for place in range(len(sockets)))
    placing += "os.execv(sys.executable, [sys.executable, '-c', sys.argv[1]])\n"
    done = subprocess.run(
        [sys.executable, "-c", placing, REPORT],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        pass_fds=[one.fileno() for one in sockets],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def port(listening: socket.socket) -> int:
    name: tuple[str, int] = listening.getsockname()
    return name[1]


# -- handed down -------------------------------------------------------------------------------------------------------


def test_sockets_are_found_by_their_names_several_under_one_name_in_their_order() -> None:
    with bound() as first, bound() as second, bound() as api:
        found = report([first, api, second], LISTEN_FDS="3", LISTEN_FDNAMES="feed-adt:api:feed-adt")
        assert found["names"] == {"feed-adt": [port(first), port(second)], "api": [port(api)]}


def test_sockets_taken_over_do_not_block_and_no_child_gets_them() -> None:
    with bound() as one, bound() as other:
        found = report([one, other], LISTEN_FDS="2", LISTEN_FDNAMES="a:b")
    assert found["blocking"] == [False, False]
    assert found["inheritable"] == [False, False]
    assert found["left"] == []


def test_sockets_without_a_name_are_called_unknown() -> None:
    with bound() as one, bound() as other:
        assert report([one], LISTEN_FDS="1")["names"] == {"unknown": [port(one)]}
        found = report([one, other], LISTEN_FDS="2", LISTEN_FDNAMES="a")
        assert found["names"] == {"a": [port(one)], "unknown": [port(other)]}


def test_a_socket_taken_over_goes_on_listening() -> None:
    with bound() as one:
        report([one], LISTEN_FDS="1", LISTEN_FDNAMES="a")
        with socket.create_connection(one.getsockname(), timeout=10):
            one.settimeout(10)
            one.accept()[0].close()


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"LISTEN_FDS": "1", "LISTEN_FDNAMES": "a"},
        {"LISTEN_PID": str(PID + 1), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "a"},
        {"LISTEN_PID": "", "LISTEN_FDS": "1"},
        {"LISTEN_PID": str(PID)},
        {"LISTEN_PID": str(PID), "LISTEN_FDS": "0"},
        {"LISTEN_PID": str(PID), "LISTEN_FDS": "-1"},
        {"LISTEN_PID": str(PID), "LISTEN_FDS": "many"},
        {"LISTEN_PID": str(PID), "LISTEN_FDS": "²"},
    ],
)
def test_what_is_not_meant_for_this_process_is_left_alone_and_the_variables_are_forgotten(
    variables: dict[str, str],
) -> None:
    environment = {**variables, "PATH": "/bin"}
    assert inherited(environment, PID) == {}
    assert environment == {"PATH": "/bin"}


# -- bound here --------------------------------------------------------------------------------------------------------


def test_a_socket_bound_here_listens_where_it_was_told() -> None:
    with listen(ANYWHERE, "api") as listening:
        address = address_of(listening)
        assert address.host == "127.0.0.1"
        assert address.port > 0
        assert not listening.getblocking()
        assert not listening.get_inheritable()
        with socket.create_connection((address.host, address.port), timeout=10):
            pass


def test_a_port_can_be_bound_again_at_once() -> None:
    with listen(ANYWHERE, "api") as listening:
        address = address_of(listening)
        with socket.create_connection((address.host, address.port), timeout=10):
            listening.setblocking(True)  # noqa: FBT003 - the standard library's own signature
            listening.accept()[0].close()  # ours closes first, so the port stays in TIME-WAIT
    listen(address, "api").close()


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_the_wildcard_of_ipv6_takes_connections_of_both_kinds() -> None:
    with listen(Address("::", 0), "feed adt") as listening:
        number = address_of(listening).port
        for host in ("127.0.0.1", "::1"):
            with socket.create_connection((host, number), timeout=10):
                pass


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        (Address("192.0.2.1", 2575), "Cannot assign requested address"),
        (Address("no-such-host.invalid", 2575), "Name or service not known"),
    ],
)
def test_an_address_that_is_not_ours_is_refused_with_a_sentence(address: Address, reason: str) -> None:
    with pytest.raises(ListenFailed) as caught:
        listen(address, "feed adt")
    assert str(caught.value).startswith(f"feed adt: cannot listen on {address} (")
    assert reason.split(maxsplit=1)[0] in str(caught.value) or "resolution" in str(caught.value)
    assert "another program" not in caught.value.hint


def test_a_port_that_is_taken_is_named_with_what_to_do() -> None:
    with bound() as taken:
        address = address_of(taken)
        with pytest.raises(ListenFailed) as caught:
            listen(address, "api")
    assert str(caught.value) == f"api: cannot listen on {address} (Address already in use)"
    assert f"ss -ltnp 'sport = :{address.port}'" in caught.value.hint


def test_a_connection_is_probed_when_it_is_silent_so_that_a_peer_that_vanished_is_noticed() -> None:
    with socket.socket() as connection:
        keep_alive(connection)
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
            assert connection.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) == value
