"""Whether a run goes on: the table."""

from __future__ import annotations

from itertools import product

import pytest

from daemon.scheduler.runs.judge import Judgement, Patience, Traces, judge

J = Judgement
S = 1_000_000
PATIENCE = Patience(silence_s=60, absence_s=1800, untold_s=60, ask_s=20)
WAITING, RUNNING = Traces(is_started=False, age_us=0), Traces(is_started=True, age_us=0)


@pytest.mark.parametrize(
    ("told", "traces", "expected"),
    [
        ("waits in its queue", WAITING, J.GOES_ON),
        ("waits for long", WAITING._replace(age_us=80_000 * S), J.GOES_ON),
        ("waits for too long", WAITING._replace(is_stale=True), J.STALE),
        ("waits for too long, and nobody would tell", WAITING._replace(is_stale=True, is_told=False), J.UNTOLD),
        ("nobody will ever tell", WAITING._replace(is_told=False, age_us=60 * S), J.UNTOLD),
        ("nobody will tell, and it is young", WAITING._replace(is_told=False, age_us=59 * S), J.GOES_ON),
        ("others wait for it", WAITING._replace(holds=True), J.ASK),
        ("others wait, nobody tells", WAITING._replace(holds=True, is_told=False, age_us=99 * S), J.ASK),
        ("nobody had it twice", WAITING._replace(holds=True, absences=2), J.ASK),
        ("nobody had it three times", WAITING._replace(holds=True, absences=3), J.VANISHED),
        ("nobody had it, nobody tells", WAITING._replace(holds=True, absences=3, is_told=False), J.UNTOLD),
        ("runs", RUNNING, J.GOES_ON),
        ("runs for long on a worker that is heard", RUNNING._replace(age_us=80_000 * S), J.GOES_ON),
        ("runs for too long", RUNNING._replace(is_stale=True), J.STALE),
        ("runs and others wait", RUNNING._replace(holds=True), J.ASK),
        ("its worker is quiet", RUNNING._replace(quiet_s=20), J.ASK),
        ("its worker is another process", RUNNING._replace(has_restarted=True), J.ASK),
        ("its worker did not answer", RUNNING._replace(quiet_s=70, silences=9), J.ASK),
        ("its worker is not connected", RUNNING._replace(quiet_s=60, absences=2, silences=2), J.GONE),
        ("its worker was not connected once", RUNNING._replace(quiet_s=60, absences=1, silences=1), J.ASK),
        ("its worker just left the line", RUNNING._replace(quiet_s=59, absences=2, silences=2), J.ASK),
        ("its heart beat at work and stopped", RUNNING._replace(quiet_s=60, silences=2, beats_at_work=True), J.GONE),
        ("a goodbye is no end", RUNNING._replace(quiet_s=1799, absences=9, has_left=True), J.ASK),
        ("a goodbye of half an hour is", RUNNING._replace(quiet_s=1800, absences=9, has_left=True), J.GONE),
        ("solo and silent for half an hour", RUNNING._replace(quiet_s=1800, silences=9), J.GONE),
        ("its worker denied it once", RUNNING._replace(denials=1, holds=True), J.ASK),
        ("its worker denies it", RUNNING._replace(denials=2), J.UNTOLD),
        ("its worker was started anew and denies it", RUNNING._replace(denials=2, has_restarted=True), J.RESTARTED),
    ],
)  # fmt: skip
def test_what_to_think_of_a_run(told: str, traces: Traces, expected: Judgement) -> None:
    assert judge(traces, PATIENCE) is expected, told


FLAGS = list(product((False, True), repeat=4))


@pytest.mark.parametrize("flags", FLAGS)
def test_every_started_run_comes_to_an_end_in_silence(flags: tuple[bool, ...]) -> None:
    holds, has_left, has_restarted, beats = flags
    silent = RUNNING._replace(
        holds=holds, has_left=has_left, has_restarted=has_restarted, beats_at_work=beats, quiet_s=PATIENCE.absence_s
    )
    assert not judge(silent, PATIENCE).is_open


@pytest.mark.parametrize("flags", FLAGS)
def test_no_run_ends_while_its_worker_is_heard_and_denies_nothing(flags: tuple[bool, ...]) -> None:
    holds, has_left, has_restarted, beats = flags
    heard = RUNNING._replace(
        holds=holds, has_left=has_left, has_restarted=has_restarted, beats_at_work=beats, absences=9, silences=9
    )
    assert judge(heard, PATIENCE).is_open
