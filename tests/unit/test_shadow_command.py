"""What ``carillon shadow`` does with what it hears, and how it says what it finds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from daemon.cli.shadow import SKEW_LIMIT_US, _Watch
from daemon.clock import SECOND_US, SystemClock
from daemon.dispatch import SentTask
from daemon.site import check_site
from tests.support.site_files import HEAD, put_site

ENTRY = '[schedule.hourly]\ntask = "ward.hourly"\nevery = "1h"\n'
CHAIN = '[schedule.chain]\nchain = [{ task = "ward.one" }, { task = "ward.two" }]\nevery = "1h"\n'


def watch_of(folder: Path, *, sender: str = "*", as_json: bool = True) -> _Watch:
    site = check_site(put_site(folder, HEAD + ENTRY + CHAIN), {}).site
    assert site is not None
    entries = [entry for entry in site.entries if entry.canvas is None]
    return _Watch(site, entries, SECOND_US, sender, as_json=as_json)


def task(name: str = "ward.hourly", *, ahead_us: int = 0) -> SentTask:
    return SentTask(name, "id", SystemClock().now_us() + ahead_us, "gen1@beat", is_first=True)


@pytest.mark.parametrize(
    ("sender", "one", "heard"),
    [
        ("*", task(), 1),
        ("gen*@beat", task(), 1),
        ("gen*@web", task(), 0),
        ("*", task()._replace(is_first=False), 0),
    ],
    ids=["all", "a node that is heeded", "a node that is not", "what a task called for"],
)
def test_it_heeds_what_the_nodes_it_was_told_of_send_first_hand(
    tmp_path: Path, sender: str, one: SentTask, heard: int
) -> None:
    watch = watch_of(tmp_path, sender=sender)
    watch._heard(one)
    assert watch.shadow.heard == heard


def test_a_sender_whose_clock_is_far_off_is_named_once_and_its_tasks_count_when_they_are_heard(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    watch = watch_of(tmp_path)
    for days in (1, 2):
        watch._heard(task(ahead_us=days * 86_400 * SECOND_US))
    assert capsys.readouterr().err.startswith("the clock of gen1@beat differs from ours by +86")
    [tally] = watch.shadow.tallies.values()
    assert (tally.matched, tally.missing) == (1, 0)


def test_a_sender_whose_clock_is_a_little_off_is_believed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    watch_of(tmp_path)._heard(task(ahead_us=SKEW_LIMIT_US // 2))
    assert capsys.readouterr().err == ""


def test_entries_that_beat_cannot_have_are_left_out_and_it_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    watch_of(tmp_path)._begun(0)
    assert capsys.readouterr().err == (
        "watching 1 entry until 1970-01-01T00:00:00.000Z; 1 entry left out: beat has no chains, groups and chords\n"
    )


@pytest.mark.parametrize("as_json", [True, False])
def test_each_difference_is_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], *, as_json: bool) -> None:
    watch = watch_of(tmp_path, as_json=as_json)
    now_us = SystemClock().now_us()
    hour_us = 3600 * SECOND_US
    watch._begin(now_us)
    take = watch.shadow.take
    watch._report(take("ward.hourly", now_us, "gen1@beat"))
    watch._report(take("ward.hourly", now_us + hour_us + 5 * SECOND_US, "gen1@beat"))
    watch._report(take("ward.\x1bother", now_us + hour_us + 6 * SECOND_US, "gen1@beat"))
    watch.end(now_us + 3 * hour_us)
    out = capsys.readouterr().out
    if as_json:
        *lines, summary = [json.loads(line) for line in out.splitlines()]
        assert [one["kind"] for one in lines] == ["late", "unexpected", "missing"]
        assert lines[0]["late_s"] == 5.0
        assert summary["entries"] == {
            "hourly": {"due": 3, "matched": 1, "late": 1, "missing": 1, "unheard": 0, "furthest_s": 5.0}
        }
    else:
        lines = out.splitlines()
        assert [line.split()[0] for line in lines[:3]] == ["late", "unexpected", "missing"]
        assert lines[0].endswith("hourly  ward.hourly  by 5.000 s")
        assert lines[1].endswith(r"ward.\x1bother")
        assert lines[-1].split("\t") == ["hourly", "3", "1", "1", "1", "0", "+5.000 s"]
