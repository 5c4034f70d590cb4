"""Site files of very many entries."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from daemon.site import check_site
from tests.support.site_files import HEAD

ENTRIES = 3000
ENTRY = '[schedule.entry-{}]\ntask = "app.tick"  # every hour\nargs = [1, "x"]\nevery = "1h"\noptions = {{ queue = "q" }}\n\n'


def _site(folder: Path, more: str = "", end: str = "\n") -> Path:
    path = folder / "site.toml"
    text = HEAD + "".join(map(ENTRY.format, range(ENTRIES))) + more
    path.write_text(text.replace("\n", end), newline="")
    return path


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_mistake_behind_very_many_entries_is_found_on_its_line(tmp_path: Path, end: str) -> None:
    path = _site(tmp_path, '[schedule.last]\ntask = "app.tick"\nevery = "soon"\n', end)
    [problem] = check_site(path, {}).problems
    wanted = path.read_text().splitlines().index('every = "soon"') + 1
    assert str(problem).startswith(f"{path}:{wanted} schedule.last.every: ")


def test_the_same_slip_in_very_many_entries_is_told_of_each(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(HEAD + "".join(map(ENTRY.replace("every =", "evry =").format, range(200))))
    problems = [str(one) for one in check_site(path, {}).problems]
    assert sum('unknown key; did you mean "every"?' in one for one in problems) == 200


@pytest.mark.parametrize("is_enabled", [True, False])
def test_reading_a_site_looks_for_no_cycles_and_leaves_the_collector_as_it_was(
    tmp_path: Path,
    is_enabled: bool,  # noqa: FBT001 - a column
) -> None:
    path = _site(tmp_path)
    gc.collect()
    was_enabled, runs = gc.isenabled(), []
    (gc.enable if is_enabled else gc.disable)()
    gc.callbacks.append(lambda phase, _: runs.append(gc.isenabled()) if phase == "start" else None)
    try:
        site = check_site(path, {}).site
        found = gc.isenabled()
    finally:
        gc.callbacks.pop()
        (gc.enable if was_enabled else gc.disable)()
    assert site is not None
    assert len(site.entries) == ENTRIES
    assert found is is_enabled
    assert len(runs) < 20  # it takes hundreds
