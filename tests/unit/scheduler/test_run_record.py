"""What travels in a record, and what a stream may hold besides."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.scheduler.model import How
from daemon.scheduler.run import Run, RunState, read_record, write_record

RUN = Run("id-1", "nightly", 1_790_000_000_000_000, RunState.ENQUEUED, task="app.tick", task_id="t1", by="node")
TEXTS = st.text(max_size=20).filter(lambda text: text.isprintable())
RUNS = st.builds(
    Run, TEXTS, TEXTS, st.integers(0, 2**60), st.sampled_from(RunState), st.sampled_from(How), TEXTS,
    task=TEXTS, queue=TEXTS, task_id=TEXTS, reason=TEXTS, last_us=st.integers(0, 2**60), times=st.integers(0, 1000),
    holds=st.booleans(), settled_us=st.just(0), started_us=st.none(), finished_us=st.none(), worker=st.just(""),
)  # fmt: skip


@given(RUNS)
def test_a_record_is_read_as_it_was_written(run: Run) -> None:
    assert read_record(write_record(run), 7) == run._replace(settled_us=7)


def test_a_record_leaves_out_what_is_learnt_later() -> None:
    seen = RUN._replace(worker="w@host", started_us=1, finished_us=2, settled_us=3)
    assert write_record(seen) == write_record(RUN)


def test_a_long_reason_is_cut_and_can_be_read() -> None:
    found = read_record(write_record(RUN._replace(reason="n" * 5000)), 1)
    assert found is not None
    assert found.reason == "n" * 1000


@pytest.mark.parametrize(
    "text",
    [
        b"", b"\xff", b"[]", b"null", b"{}", b'{"e":"x"}',
        *(
            orjson.dumps({"e": "x", "n": "x", "o": 1, "s": "enqueued", **odd})
            for odd in (
                {"s": "boiled"}, {"s": ["x"]}, {"o": "1"}, {"o": True}, {"o": 2**63}, {"h": "luck"}, {"e": None},
                {"i": "x" * 2000}, {"c": 1.5}, {"g": 1},
            )
        ),
    ],
)  # fmt: skip
def test_what_is_no_record_is_not_taken_for_one(text: bytes) -> None:
    assert read_record(text, 1) is None


def test_passed_over_occurrences_are_told_apart_by_their_first_instant() -> None:
    skipped = RUN._replace(task_id="", state=RunState.SKIPPED)
    assert skipped.key != skipped._replace(occurrence_us=1).key
    assert skipped.key != skipped._replace(how=How.BACKFILL).key
    assert RUN.key == "t1"
