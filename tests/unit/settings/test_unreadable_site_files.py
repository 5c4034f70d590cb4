"""What ``carillon check`` says of a site file that cannot be read at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from daemon.settings.load import FILE_LIMIT_BYTES
from tests.support.site_files import (
    ENTRY,
    HEAD,
    lines_of,
    problem_lines,
)

# -- files that cannot be read at all ----------------------------------------------------------------------------------

UNREADABLE = {
    "a key given twice": (
        f"{HEAD}{ENTRY}task = 'u'\n",
        "site.toml:7: not TOML: Cannot overwrite a value (at line 7, column 11)",
    ),
    "a table given twice": (
        f"{HEAD}[celery]\n[celery]\n",
        "site.toml:5: not TOML: Cannot declare ('celery',) twice (at line 5, column 8)",
    ),
    "a bracket left open": (
        "[site\n",
        "site.toml:1: not TOML: Expected ']' at the end of a table declaration (at line 1, column 6)",
    ),
    "a string left open": (
        '[site]\nname = """a\n\n\n',
        "site.toml:5: not TOML: Unterminated string (at end of document)",
    ),
    "brackets without end": (f"{HEAD}x = {'[' * 100_000}", "site.toml:4: brackets nested deeper than 32"),
    "braces without end": (f"{HEAD}x = {'{a=' * 100_000}", "site.toml:4: brackets nested deeper than 32"),
    "a key of 20,000 parts": (f"{HEAD}{'a.' * 20_000}b = 1\n", "site.toml:4: a key of more than 16 parts"),
    "a table of 20,000 parts": (f"{HEAD}[{'a.' * 20_000}b]\n", "site.toml:4: a key of more than 16 parts"),
    "bytes that are not UTF-8": (b"# caf\xe9\n", "site.toml: not UTF-8 (byte 5)"),
    "UTF-16": ("[site]".encode("utf-16"), "site.toml: not UTF-8 (byte 0)"),
    "more than 16 MiB": (b"#" * (FILE_LIMIT_BYTES + 1), "site.toml: larger than 16777216 bytes"),
    "nothing": ("", "site.toml site: is missing"),
    "no site": ("[celery]\n", "site.toml:1 site: is missing"),
}


@pytest.mark.parametrize(("text", "expected"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_file_that_is_no_site_at_all_gives_one_problem(tmp_path: Path, text: str | bytes, expected: str) -> None:
    assert problem_lines(tmp_path, text) == [expected]


def test_a_file_of_exactly_16_mebibytes_is_read(tmp_path: Path) -> None:
    assert problem_lines(tmp_path, HEAD + "#" * (FILE_LIMIT_BYTES - len(HEAD))) == []


def test_a_missing_file_is_one_problem(tmp_path: Path) -> None:
    (tmp_path / "site.toml").symlink_to(tmp_path / "nowhere")
    assert _of_file(tmp_path) == ["site.toml: No such file or directory"]


def test_a_folder_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "site.toml").mkdir()
    assert _of_file(tmp_path) == ["site.toml: not a regular file"]


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "site.toml")
    assert _of_file(tmp_path) == ["site.toml: not a regular file"]


def test_a_device_without_end_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "site.toml").symlink_to("/dev/zero")
    assert _of_file(tmp_path) == ["site.toml: not a regular file"]


def test_a_name_that_is_no_file_name_is_one_problem() -> None:
    assert len(lines_of(Path("a\0b"))) == 1


def _of_file(folder: Path) -> list[str]:
    return [line.replace(f"{folder}/", "") for line in lines_of(folder / "site.toml")]
