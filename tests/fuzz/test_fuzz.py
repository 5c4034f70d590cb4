"""What holds for any bytes: tried on chosen ones, and for a moment by a fuzzer that follows the code. ``make prove-fuzz`` goes on."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.fuzz.fuzzing import EVERY_TARGET, FAULTY_TARGET, fuzz
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS

RUNS = 10_000

needs_atheris = pytest.mark.skipif(
    find_spec("atheris") is None, reason="atheris has no wheel for this Python or machine"
)


@pytest.mark.parametrize(("name", "target"), TARGETS.items(), ids=TARGETS)
def test_what_must_hold_holds_for_every_input_of_interest(name: str, target: Callable[[bytes], None]) -> None:
    inputs = seeds(name)
    assert inputs
    for data in inputs:
        target(data)


@needs_atheris
def test_a_fuzzer_that_follows_the_code_finds_nothing_that_does_not_hold(tmp_path: Path) -> None:
    found = fuzz(EVERY_TARGET, tmp_path, runs=RUNS)
    assert found.broken is None, found.said[-3000:]
    assert found.tried >= RUNS
    assert found.kept > 100


@needs_atheris
def test_a_framer_that_forgets_where_a_packet_ended_does_not_hold_for_long(tmp_path: Path) -> None:
    found = fuzz(FAULTY_TARGET, tmp_path, runs=RUNS)
    assert found.broken is not None
    assert found.tried < RUNS
