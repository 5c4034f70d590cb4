"""``carillon demo`` stops by itself and its numbers add up."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
import urllib.request

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


def test_a_guest_who_sends_a_task_does_not_spoil_the_numbers() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "daemon", "demo"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "DEMO_SECONDS": "6", "PYTHONPATH": "."},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as show:
        assert show.stderr is not None
        found = next(
            match for line in show.stderr if (match := re.match(r"dashboard: (http://[^/]+)/#token=(\S+)", line))
        )
        request = urllib.request.Request(
            f"{found[1]}/api/tasks/bedboard.ring",
            data=b'{"args": ["ding"]}',
            headers={
                "Authorization": f"Bearer {found[2]}",
                "Idempotency-Key": "once",
                "Content-Type": "application/json",
            },
        )
        deadline = time.monotonic() + 60
        while not _is_answered(request):
            assert time.monotonic() < deadline, "the demo's daemon does not answer"
            time.sleep(0.1)
        out, _ = show.communicate(timeout=120)
    assert show.returncode == 0, out
    match = LAST_LINE.fullmatch(out.splitlines()[-1])
    assert match is not None, out
    _, _, spooled, succeeded, fired, lost = map(int, match.groups())
    assert succeeded == spooled + fired + 1
    assert lost == 0


def _is_answered(request: urllib.request.Request) -> bool:
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return bool(response.status < 300)
    except OSError:  # not there yet, or not ready yet
        return False
