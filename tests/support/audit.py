"""Whether what a broker holds adds up: ledger, queues and history are held against each other and against the schedule. Pure.

Nothing here asks how the scheduler came to it. What was pushed must have been due, and once; what the ledger went past must be in
the history; no more may have run at once, or in a time, than the entry allows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from daemon.keys import occurrence_id
from daemon.scheduler import Entry
from daemon.scheduler.evaluate import SkipReason
from daemon.scheduler.model import CatchUp, CatchUpPolicy, Horizon, How, Limit, OverlapPolicy, parse_horizon
from daemon.scheduler.run import Run, RunState, read_record
from tests.support.broker_model import TOLERANCE_US, BrokerModel, Pushed


@dataclass(slots=True)
class Site:
    """What a test knows of a site besides what is in its broker.

    Attributes:
        versions: all that each entry has been, by its id.
        over_us: from when on a run counts as over: somebody asked to have its places let go, or revoked it.
        holds: when all schedules were held, and when they went on.
        paused: ids of entries that were ever paused.
    """

    name: str
    versions: dict[str, list[Entry]] = field(default_factory=dict)
    over_us: dict[str, int] = field(default_factory=dict)
    holds: list[tuple[int, int]] = field(default_factory=list)
    paused: set[str] = field(default_factory=set)

    def put(self, entry: Entry) -> None:
        """Note what an entry is from now on."""
        self.versions.setdefault(str(entry.id), []).append(entry)
        if entry.pause is not None:
            self.paused.add(str(entry.id))

    def end(self, task_id: str, at_us: int) -> None:
        """Note that a run counts as over; the earliest that was noted holds."""
        self.over_us[task_id] = min(self.over_us.get(task_id, at_us), at_us)


class _Told(NamedTuple):
    run: Run
    at_us: int


def faults(site: Site, broker: BrokerModel) -> list[str]:
    """Give all that does not add up, one line each."""
    told = [_Told(run, at_us) for text, at_us in broker.gates.history if (run := read_record(text, at_us)) is not None]
    owners = _owners(site, told)
    pushed: dict[str, list[Pushed]] = defaultdict(list)
    found = []
    for one in broker.pushed:
        if one.task_id in owners:
            pushed[owners[one.task_id]].append(one)
        else:
            found.append(f"{one.task_id} was pushed and is in no record")
    found += _unequal(broker, told)
    for name, versions in site.versions.items():
        mine = [one for one in told if one.run.entry == name]
        chain = _chain(broker, name)
        found += _gaps(name, versions, chain, mine)
        found += _uses(versions[0], chain)
        found += _reasons(site, name, versions[0], mine, owners)
        found += _crowds(site, versions[0], pushed[name])
        found += _rates(versions[0], pushed[name])
        found += _held(site, versions[0], pushed[name])
        found += _early(mine)
    return found


def unfinished(broker: BrokerModel, current: Iterable[Entry], now_us: int) -> list[str]:
    """Give the entries of which something is due and not accounted for, although it has no place or rate to wait for."""
    found = []
    for entry in current:
        if entry.limit != Limit() or entry.overlap.policy is not OverlapPolicy.ALLOW:
            continue
        horizon = next(reversed(_chain(broker, str(entry.id))), None)
        if horizon is None or horizon.revision != entry.revision:
            found.append(f"{entry.id}: the broker knows it as {horizon} and not as {entry.revision}")
            continue
        due_us = entry.trigger.begun(horizon.since_us).next_after(horizon.at_us)
        is_spent = entry.max_runs is not None and horizon.runs >= entry.max_runs
        if due_us is not None and due_us <= now_us and not is_spent:
            found.append(f"{entry.id}: {due_us} was due {(now_us - due_us) / 1e6:.1f} s ago")
    return found


def instants(entry: Entry, after_us: int, until_us: int) -> Iterator[int]:
    """Give the occurrences in (``after_us``, ``until_us``]."""
    at_us = entry.trigger.next_after(after_us)
    while at_us is not None and at_us <= until_us:
        yield at_us
        at_us = entry.trigger.next_after(at_us)


# -- the parts ---------------------------------------------------------------------------------------------------------


def _owners(site: Site, told: Sequence[_Told]) -> dict[str, str]:
    """Map the ids the history tells of to their entries; each must be the id of its occurrence."""
    owners = {}
    for run, _ in told:
        if run.state is RunState.ENQUEUED and run.entry in site.versions:
            promised = site.versions[run.entry][0].task_id
            if run.task_id == (promised or occurrence_id(site.name, run.entry, run.occurrence_us)):
                owners[run.task_id] = run.entry
    return owners


def _unequal(broker: BrokerModel, told: Sequence[_Told]) -> Iterator[str]:
    recorded = Counter(run.task_id for run, _ in told if run.state is RunState.ENQUEUED)
    pushed = Counter(broker.ids)
    for one, count in pushed.items():
        if count > 1:
            yield f"{one} was pushed {count} times"
    for one in recorded.keys() | pushed.keys():
        if recorded[one] != pushed[one] and not (one in broker.results and recorded[one] == 1):
            yield f"{one} was pushed {pushed[one]} times and recorded {recorded[one]} times"


def _chain(broker: BrokerModel, name: str) -> list[Horizon]:
    """Give all that the broker has remembered of an entry, one after the other."""
    texts = [write.before for write in broker.journal if write.field == name]
    texts += [ledger[name] for ledger in broker.ledgers.values() if name in ledger]
    return [horizon for text in texts if text is not None and (horizon := parse_horizon(text)) is not None]


def _gaps(name: str, versions: Sequence[Entry], chain: Sequence[Horizon], told: Sequence[_Told]) -> Iterator[str]:
    """Compare what the ledger went past with what the history tells."""
    by_revision = {entry.revision: entry for entry in versions}
    passed: Counter[int] = Counter()
    once = [entry for entry in versions if entry.is_once]
    for entry in once[:1] if chain else ():
        passed.update(instants(entry, chain[0].at_us - 1, chain[0].at_us))
    for before, after in pairwise(chain):
        if before.revision == after.revision:
            if after.at_us <= before.at_us:
                yield f"{name}: the ledger went back from {before} to {after}"
            passed.update(instants(by_revision[after.revision], before.at_us, after.at_us))
    accounted: Counter[int] = Counter()
    for run, _ in told:
        if run.state is RunState.ENQUEUED:
            accounted[run.occurrence_us] += 1
        else:
            meant = _meant(versions, run)
            accounted.update(meant)
            if not meant:
                yield f"{name}: {run} counts what is not there"
    for at_us in passed - accounted:
        yield f"{name}: {at_us} was passed over and is in no record"
    for at_us in accounted - passed:
        yield f"{name}: {at_us} is recorded and the ledger never went past it"


def _uses(entry: Entry, chain: Sequence[Horizon]) -> Iterator[str]:
    if entry.max_runs is not None and any(horizon.runs > entry.max_runs for horizon in chain):
        yield f"{entry.id}: was enqueued more than {entry.max_runs} times"


def _meant(versions: Sequence[Entry], run: Run) -> list[int]:
    """Give the occurrences a record of what was passed over means; none if it fits no version of its entry."""
    for entry in versions:
        found = list(instants(entry, run.occurrence_us - 1, run.last_us))
        if found and found[0] == run.occurrence_us and found[-1] == run.last_us and min(len(found), 1000) == run.times:
            return found
    return []


def _reasons(site: Site, name: str, entry: Entry, told: Sequence[_Told], owners: Mapping[str, str]) -> Iterator[str]:
    """Ask of everything that was passed over whether the entry allows it."""
    skips = entry.overlap.policy is OverlapPolicy.SKIP
    allowed = {
        SkipReason.PAUSED: name in site.paused,
        SkipReason.OVERLAP: skips,
        SkipReason.POLICY: entry.catch_up.policy is CatchUpPolicy.SKIP,
        SkipReason.WINDOW: entry.catch_up.window_us is not None,
        SkipReason.DEADLINE: entry.start_deadline_us is not None,
        SkipReason.COALESCED: entry.catch_up.policy is not CatchUpPolicy.ALL
        or entry.overlap.policy is OverlapPolicy.QUEUE_ONE,
    }
    may_miss = entry.catch_up != CatchUp(CatchUpPolicy.ALL) or entry.start_deadline_us is not None
    for run, told_us in told:
        if run.state is RunState.SKIPPED:
            word, _, detail = run.reason.partition(":")
            was_held = any(begin <= told_us and run.occurrence_us < end for begin, end in site.holds)
            if not (may_miss and was_held if word == SkipReason.HELD.value else allowed.get(SkipReason(word), False)):
                yield f"{name}: {run.occurrence_us} was passed over for {run.reason}"
            if word == SkipReason.OVERLAP.value and owners.get(detail) != name:
                yield f"{name}: {run.occurrence_us} is said to overlap with {detail or 'nobody'}"


def _crowds(site: Site, entry: Entry, pushed: Sequence[Pushed]) -> Iterator[str]:
    """Count the runs that are not over, each time one is added."""
    limits = [] if entry.limit.concurrency is None else [entry.limit.concurrency]
    if entry.overlap.policy is not OverlapPolicy.ALLOW:
        limits.append(1)
    if not limits:
        return
    live: list[tuple[int, str]] = []
    for one in pushed:
        live = [other for other in live if other[0] > one.at_us]
        if len(live) >= min(limits):
            yield f"{entry.id}: {one.task_id} was pushed beside {len(live)} of {min(limits)}"
        stale_us = one.at_us + entry.overlap.stale_us
        live.append((min(site.over_us.get(one.task_id, stale_us), stale_us), one.task_id))


def _rates(entry: Entry, pushed: Sequence[Pushed]) -> Iterator[str]:
    """Over any span, at most ``count`` and one more each ``per_us / count``."""
    rate = entry.limit.rate
    if rate is None:
        return
    each_us = rate.per_us / rate.count
    latest = float("-inf")
    for place, one in enumerate(pushed):
        here = one.at_us - place * each_us
        latest = max(latest, here)
        if here < latest - (rate.count - 1) * each_us - 1:
            yield f"{entry.id}: {one.task_id} was pushed too soon"


def _held(site: Site, entry: Entry, pushed: Sequence[Pushed]) -> Iterator[str]:
    if entry.how not in (How.MANUAL, How.BACKFILL):
        for one in pushed:
            if any(begin < one.at_us < end for begin, end in site.holds):
                yield f"{entry.id}: {one.task_id} was pushed while all schedules were held"


def _early(told: Sequence[_Told]) -> Iterator[str]:
    for run, at_us in told:
        if max(run.occurrence_us, run.last_us) > at_us + TOLERANCE_US:
            yield f"{run.entry}: {run.occurrence_us} was settled {run.occurrence_us - at_us} us too soon"
