"""``carillon demo`` stops by itself and its numbers add up."""

from __future__ import annotations

import re
import socket
import subprocess
import sys

from tests.support.process import ROOT

LAST_LINE = re.compile(
    r"demo: (\d+) sent, (\d+) acked, (\d+) spooled, (\d+) tasks succeeded, (\d+) entries fired, (\d+) lost"
)


def demo(*options: str, seconds: str = "4") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "daemon", "demo", *options],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "DEMO_SECONDS": seconds, "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_the_demo_ends_with_a_line_of_numbers_that_add_up() -> None:
    done = demo()
    assert done.returncode == 0, done.stdout + done.stderr
    match = LAST_LINE.fullmatch(done.stdout.splitlines()[-1])
    assert match is not None, done.stdout
    sent, acked, spooled, succeeded, fired, lost = map(int, match.groups())
    assert sent == acked == spooled
    assert sent > 10
    assert fired >= 2
    assert succeeded == spooled + fired
    assert lost == 0
    assert re.search(
        r"^beside it: CARILLON_SITE__STATE_DIR=\S+ carillon feeds list -c \S+demo\.toml$", done.stderr, re.MULTILINE
    )
    assert re.search(r"^dashboard: http://127\.0\.0\.1:\d+/#token=crl_\S+$", done.stderr, re.MULTILINE)


def test_the_demo_says_which_port_is_taken() -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", 2575))
        taken.listen()
        done = demo()
    assert done.returncode == 71
    assert "the demo's feed needs 127.0.0.1:2575" in done.stderr
    assert "ss -ltnp" in done.stderr


def test_the_demo_refuses_a_length_it_cannot_read() -> None:
    done = demo(seconds="soon")
    assert done.returncode == 64
    assert "soon" in done.stderr
