"""Real daemons under violence: a sample of ``make prove-daemons``. Each occurrence is in the queue, and once."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import anyio
import pytest

from tests.support.valkey import ValkeyServer
from tests.support.violence import Cluster, Sum, cluster, follow

ENTRIES, DAEMONS, HARM_S = 150, 3, 7.0


@pytest.fixture
def seed() -> int:
    chosen = random.randrange(1 << 32)
    sys.stdout.write(f"seed={chosen}\n")
    return chosen


def test_killed_stopped_cut_off_and_by_wrong_clocks_each_occurrence_is_in_the_queue_once(
    tmp_path: Path, valkey: ValkeyServer, seed: int
) -> None:
    async def story() -> tuple[Sum, Cluster]:
        async with cluster(tmp_path, valkey, daemons=DAEMONS, entries=ENTRIES, seed=seed) as made:
            await made.harm(HARM_S, 0.7)
            await made.settle()
            await made.end()
            return made.sum_up(), made

    found, made = anyio.run(story)
    sys.stdout.write(f"{found.due} occurrences, {dict(made.done)}\n")
    assert found.due > 2000
    assert (found.missing, found.doubled, found.strange) == ([], [], [])


def test_when_a_stale_replica_is_promoted_none_is_lost_and_what_is_pushed_again_has_its_id_and_is_reported(
    tmp_path: Path, seed: int
) -> None:
    """One daemon may push again what it never knew to have been pushed; another's history knows, and tells."""

    async def story(master: ValkeyServer, replica: ValkeyServer) -> tuple[Sum, set[str], set[str], set[str]]:
        follow(replica, master)
        async with cluster(tmp_path, master, daemons=DAEMONS, entries=60, seed=seed, skew_s=0) as made:
            await anyio.sleep(2)
            lost = await made.fail_over(replica, 2.5)
            await made.settle()
            await made.end()
            return made.sum_up(), lost, set(made.queued()), made.repeated()

    with ValkeyServer() as master, ValkeyServer() as replica:
        found, lost, queued, repeated = anyio.run(story, master, replica)
    sys.stdout.write(f"{found.due} occurrences, {len(lost)} lost, {len(lost & repeated)} of them reported\n")
    assert len(lost) > 50
    assert (found.missing, found.doubled, found.strange) == ([], [], [])
    assert lost <= queued
    assert lost <= repeated
