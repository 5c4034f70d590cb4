"""Crontabs of older releases, asked of these releases; more of it is ``make prove``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.proof import KINDS, Proof

CASES = 400


@pytest.fixture(scope="module")
def proof() -> Iterator[Proof]:
    with Proof() as made:
        yield made


@pytest.mark.parametrize("kind", ["celery 5.3", "celery 5.4", "celery 5.5", "celery 5.6", "beat 5.4"])
def test_an_older_celery_agrees_around_clock_changes(proof: Proof, kind: str) -> None:
    found = [proof.check(number) for number in range(CASES) if KINDS[number % len(KINDS)] == kind]
    assert found == [None] * len(found)
