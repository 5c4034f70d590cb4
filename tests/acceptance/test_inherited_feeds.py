"""Sockets handed down by systemd that do, or do not, fit the feeds of the site."""

from __future__ import annotations

from pathlib import Path

from tests.support.builders import adt, framed, site_text, write_site
from tests.support.peer import Peer
from tests.support.process import DaemonProcess
from tests.support.systemd import InheritingDaemon, bound

MISCONFIGURED = 78
FEED = """
[feed.adt]
listen = "systemd"
unrouted = "park"
"""


def exit_of(daemon: DaemonProcess) -> tuple[int, str]:
    """Wait for a daemon that does not start; give its exit code and what it said."""
    error = daemon.wait_for("daemon.failed")["error"]
    assert daemon.process is not None
    return daemon.process.wait(30), error


def test_a_feed_of_systemd_sockets_listens_on_all_that_are_passed(tmp_path: Path) -> None:
    site = write_site(tmp_path, site_text(feeds=FEED))
    with bound() as feed, InheritingDaemon(site, {"feed-adt": feed}) as daemon:
        daemon.ready()
        with Peer(feed.getsockname()[1]) as sender:
            sender.send(framed(adt("M1")))
            assert sender.acks()[0].code == "AA"
        assert daemon.terminate() == 0


def test_a_feed_of_systemd_sockets_without_any_is_a_misconfiguration(tmp_path: Path) -> None:
    with DaemonProcess(write_site(tmp_path, site_text(feeds=FEED))) as daemon:
        code, error = exit_of(daemon)
        assert code == MISCONFIGURED
        assert "feed adt listens on a socket of systemd" in error


def test_a_socket_for_a_feed_that_does_not_exist_is_a_misconfiguration(tmp_path: Path) -> None:
    site = write_site(tmp_path, site_text(feeds=FEED))
    with bound() as feed, bound() as other, InheritingDaemon(site, {"feed-adt": feed, "feed-lab": other}) as daemon:
        code, error = exit_of(daemon)
        assert code == MISCONFIGURED
        assert "feed-lab" in error
