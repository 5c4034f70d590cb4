"""Datagrams to the service manager: their words, where they go, and that they never stop us."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from daemon.notify import Notifier, notifier

PID = 4711
Say = Callable[[Notifier], None]
EVERYTHING: tuple[Say, ...] = (
    lambda notify: notify.ready("1 entry"),
    lambda notify: notify.status("fine"),
    lambda notify: notify.alive(),
    lambda notify: notify.stopping(20.0),
)


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """A manager's socket, on a path or with an abstract name, and its name as systemd writes it."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@carillon/{os.getpid()}/{tmp_path.name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + name[1:] if name.startswith("@") else name)
        listening.settimeout(10)
        yield name, listening


# -- words -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("say", "datagram"),
    [
        (lambda notify: notify.ready("1 entry, 2 feeds"), "READY=1\nSTATUS=1 entry, 2 feeds"),
        (lambda notify: notify.status("größer"), "STATUS=größer"),
        (lambda notify: notify.alive(), "WATCHDOG=1"),
        (lambda notify: notify.stopping(20.0), "STOPPING=1\nEXTEND_TIMEOUT_USEC=25000000"),
        (lambda notify: notify.stopping(0.25), "STOPPING=1\nEXTEND_TIMEOUT_USEC=5250000"),
    ],
)
def test_each_state_is_one_datagram(manager: tuple[str, socket.socket], say: Say, datagram: str) -> None:
    name, listening = manager
    say(Notifier(name, None))
    assert listening.recv(4096).decode() == datagram


def test_states_arrive_in_the_order_they_were_told(manager: tuple[str, socket.socket]) -> None:
    name, listening = manager
    for say in EVERYTHING:
        say(Notifier(name, None))
    words = [listening.recv(4096).decode().partition("=")[0] for _ in EVERYTHING]
    assert words == ["READY", "STATUS", "WATCHDOG", "STOPPING"]


# -- nobody there ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("say", EVERYTHING)
def test_without_a_manager_nothing_happens(say: Say) -> None:
    say(notifier({}, PID))


@pytest.mark.parametrize("name", ["/nonexistent/notify", "@nobody/listens/here", "", "/" + "x" * 200, "relative"])
def test_a_manager_that_cannot_be_reached_stops_nobody(name: str) -> None:
    for say in EVERYTHING:
        say(Notifier(name, None))


def test_a_manager_that_does_not_read_holds_nobody_up(tmp_path: Path) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(path))
        notify = Notifier(str(path), None)
        for _ in range(5000):  # many times what the socket's buffer holds
            notify.alive()
        listening.setblocking(False)  # noqa: FBT003 - the standard library's own signature
        assert listening.recv(4096) == b"WATCHDOG=1"


# -- variables ---------------------------------------------------------------------------------------------------------


def test_the_socket_is_the_one_the_variable_names(manager: tuple[str, socket.socket]) -> None:
    name, listening = manager
    notifier({"NOTIFY_SOCKET": name}, PID).alive()
    assert listening.recv(4096) == b"WATCHDOG=1"


@pytest.mark.parametrize(
    ("variables", "watchdog_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(PID)}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(PID + 1)}, None),
        ({"WATCHDOG_USEC": "250000"}, 0.25),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": ""}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "-1"}, None),
        ({"WATCHDOG_USEC": "²"}, None),
    ],
)
def test_the_watchdog_is_petted_as_often_as_the_manager_asks_this_process_to(
    variables: dict[str, str], watchdog_s: float | None
) -> None:
    assert notifier(variables, PID).watchdog_s == watchdog_s


def test_children_inherit_none_of_the_variables() -> None:
    environment = {
        "NOTIFY_SOCKET": "/run/systemd/notify",
        "WATCHDOG_USEC": "1000000",
        "WATCHDOG_PID": str(PID),
        "PATH": "/bin",
    }
    assert notifier(environment, PID).watchdog_s == 1.0
    assert environment == {"PATH": "/bin"}
