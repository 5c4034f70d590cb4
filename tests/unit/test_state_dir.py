"""The state folder: closed to others, held by one daemon at a time."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from daemon.errors import StateDirTaken, StateDirUnusable
from daemon.state_dir import StateDir
from tests.support.process import ROOT

HOLD = """
import sys
from pathlib import Path
from daemon.state_dir import StateDir
held = StateDir(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""
WITHOUT_ROOM = """
import resource, sys
from pathlib import Path
from daemon.errors import StateDirUnusable
from daemon.state_dir import StateDir
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # as on a full disk: files can be made and not written
try:
    StateDir(Path(sys.argv[1]))
except StateDirUnusable as error:
    print(error)
"""


@contextmanager
def held_elsewhere(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Have another process hold a folder."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield holder
        holder.kill()


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_folder_that_is_not_there_is_made_and_closed_to_others(tmp_path: Path) -> None:
    path = tmp_path / "var" / "lib" / "carillon"
    before = os.umask(0)
    try:
        held = StateDir(path)
    finally:
        os.umask(before)
    assert mode_of(path) == 0o700
    assert mode_of(path / "lock") == 0o600
    held.close()


def test_a_folder_that_is_there_keeps_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "spool.sqlite").write_text("kept")
    held = StateDir(tmp_path)
    assert held.path == tmp_path
    assert (tmp_path / "spool.sqlite").read_text() == "kept"
    held.close()


def test_the_lock_names_the_process_that_holds_it(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("a line of an older daemon that is much longer\n")
    held = StateDir(tmp_path)
    assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    held.close()


def test_a_folder_another_process_holds_is_refused_and_the_holder_is_named(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path) as holder:
        with pytest.raises(StateDirTaken) as caught:
            StateDir(tmp_path)
        assert str(caught.value) == f"state folder {tmp_path} is held by process {holder.pid}"
        assert caught.value.exit_code == 75
        assert "state_dir of its own" in caught.value.hint
        assert (tmp_path / "lock").read_text() == f"{holder.pid}\n"


def test_a_folder_whose_holder_was_killed_is_free_at_once(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path) as holder:
        holder.kill()
        holder.wait()
        StateDir(tmp_path).close()


def test_a_folder_that_was_let_go_can_be_taken_again(tmp_path: Path) -> None:
    StateDir(tmp_path).close()
    with held_elsewhere(tmp_path):
        pass
    StateDir(tmp_path).close()


def test_the_same_process_cannot_hold_a_folder_twice(tmp_path: Path) -> None:
    held = StateDir(tmp_path)
    with pytest.raises(StateDirTaken, match=f"is held by process {os.getpid()}"):
        StateDir(tmp_path)
    held.close()


def test_a_refusal_leaves_no_file_open(tmp_path: Path) -> None:
    held = StateDir(tmp_path)
    probe = os.dup(0)  # the lowest number that is free
    os.close(probe)
    for _ in range(5):
        with pytest.raises(StateDirTaken):
            StateDir(tmp_path)
    after = os.dup(0)
    os.close(after)
    assert after == probe
    held.close()


def test_a_child_that_outlives_the_daemon_does_not_keep_the_folder(tmp_path: Path) -> None:
    held = StateDir(tmp_path)
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as child:
        held.close()
        StateDir(tmp_path).close()
        child.kill()


@pytest.mark.parametrize("place", ["file", "file/below", "lock-is-a-folder"])
def test_a_folder_that_cannot_be_had_is_refused_with_what_to_do(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "lock-is-a-folder" / "lock").mkdir(parents=True)
    with pytest.raises(StateDirUnusable, match=f"state folder {tmp_path / place}: ") as caught:
        StateDir(tmp_path / place)
    assert caught.value.exit_code == 73
    assert caught.value.hint == "site.state_dir must be a folder this user can write"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_this_user_may_not_write_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StateDirUnusable, match="Permission denied"):
        StateDir(tmp_path)
    tmp_path.chmod(0o700)


def test_a_folder_on_a_disk_without_room_is_refused_with_a_sentence(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_ROOM, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stderr, done.stdout) == ("", f"state folder {tmp_path}: File too large\n")
