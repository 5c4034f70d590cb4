"""Small files of the state folder are replaced as a whole, and are nobody else's to read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from daemon.whole_file import write_whole


def test_a_file_is_replaced_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    before = os.umask(0)
    try:
        write_whole(path, b"first, and longer")
        write_whole(path, b"second")
    finally:
        os.umask(before)
    assert path.read_bytes() == b"second"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_the_old_one_stands_if_the_disk_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "one.json"
    write_whole(path, b"first")

    def fail(descriptor: int) -> None:
        del descriptor
        raise OSError(5, "cut short")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="cut short"):
        write_whole(path, b"second")
    assert path.read_bytes() == b"first"
