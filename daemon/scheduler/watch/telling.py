"""Has what was missed told: who tells is settled in the broker, and while it stays away each daemon tells for itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from daemon.clock import Clock
from daemon.keys import part_id
from daemon.ports import Emit, WorkItem
from daemon.public import Public
from daemon.scheduler.run import Run, RunState
from daemon.scheduler.watch.alarm import Alarm, after_miss, after_return, after_run, parse_alarm
from daemon.scheduler.watch.claiming import SETTLE_S, Claiming
from daemon.scheduler.watch.claims import Change
from daemon.scheduler.watch.missed import Missed, What, makes_good
from daemon.scheduler.watch.ports import Alert, Herald
from daemon.watch_events import DaemonBack, OccurrenceMadeGood

AGAIN_US = 3600 * 1_000_000


@dataclass(frozen=True, slots=True)
class WatchPlan:
    """How a site wants to be told.

    Attributes:
        site: its name.
        me: this daemon.
        again_us: while an entry goes on missing what is expected, it is told again after so long.
        patience_s: with the broker away for so long, people are told without it, by each daemon.
        task, queue: what is enqueued with each alert, if anything.
        settle_s: how long to listen when the broker is back before what was missed is told.
    """

    site: Public
    me: Public
    again_us: int = AGAIN_US
    patience_s: float = 60.0
    task: Public | None = None
    queue: Public | None = None
    settle_s: float = SETTLE_S


def entry_field(key: str) -> str:
    """Name what the site remembers of the alarm of an entry."""
    return f"entry:{key}"


def daemon_field(name: str) -> str:
    """Name what the site remembers of the alarm of a daemon."""
    return f"daemon:{name}"


def ping_field(key: str) -> str:
    """Name what the site remembers of the pings of an entry."""
    return f"ping:{key}"


class Teller:
    """Turns misses, and runs that make them good, into changes of alarms, and won changes into alerts."""

    def __init__(self, plan: WatchPlan, claiming: Claiming, herald: Herald, clock: Clock, emit: Emit) -> None:
        """Keep the collaborators."""
        self._plan = plan
        self._claiming = claiming
        self._herald = herald
        self._clock = clock
        self._emit = emit
        self._misses: dict[str, Missed] = {}
        self._told_alone: set[str] = set()

    def missed(self, name: str, missed: Missed) -> None:
        """Have a miss told, unless the site was told."""
        self._misses[name] = missed

        def decide(found: str | None) -> Change | None:
            now_us = self._clock.now_us()
            alarm = after_miss(parse_alarm(found), missed, now_us, str(self._plan.me), self._plan.again_us)
            if alarm is None:
                self._done(name)
                return None
            return self._change(name, alarm, missed)

        self._claiming.ask(name, "miss", decide)

    def heard(self, run: Run) -> None:
        """Have it told if a run makes good what was missed, or shows that nothing was."""
        name = entry_field(run.entry)
        missed = self._misses.get(name)
        if missed is not None and _was_in_time(missed, run):
            del self._misses[name]
            self._claiming.claims.forget(name, "miss")
        alarm = parse_alarm(self._claiming.claims.known.get(name))
        ends_it = after_run(alarm, run, 0, "") is not None
        ends_it = ends_it or (missed is not None and makes_good(missed.what, missed.at_us, run))
        if not ends_it:
            return

        def decide(found: str | None) -> Change | None:
            now_us = self._clock.now_us()
            over = after_run(parse_alarm(found), run, now_us, str(self._plan.me))
            if over is None:
                return None
            return self._change(name, over, Missed(run.entry, run.name, over.at_us, over.what, over.told_us))

        self._claiming.ask(name, "run", decide)

    def returned(self, daemon: str) -> None:
        """Have it told that a daemon gives signs again, if it was told that it was gone."""
        name = daemon_field(daemon)

        def decide(found: str | None) -> Change | None:
            over = after_return(parse_alarm(found), self._clock.now_us(), str(self._plan.me))
            if over is None:
                return None
            return self._change(name, over, Missed(daemon, daemon, over.at_us, over.what, over.told_us))

        self._claiming.ask(name, "return", decide)

    def once(self, name: str, kind: str, decide: Callable[[str | None], Any], then: Callable[[], None]) -> None:
        """Have something done by the one daemon that writes what ``decide`` says."""

        def change(found: str | None) -> Change | None:
            text = decide(found)
            return None if text is None else Change(str(text), None, then)

        self._claiming.ask(name, kind, change)

    def broker_stays_away(self) -> None:
        """Tell of each miss that has waited long enough, without the broker."""
        for name, missed in list(self._misses.items()):
            if name not in self._told_alone and self._claiming.waiting_s(name) >= self._plan.patience_s:
                self._told_alone.add(name)
                alarm = Alarm(missed.what, missed.at_us, self._clock.now_us(), is_over=False, by=str(self._plan.me))
                self._herald.tell(self._alert(alarm, missed))

    # -- changes -------------------------------------------------------------------------------------------------------

    def _change(self, name: str, alarm: Alarm, missed: Missed) -> Change:
        alert = self._alert(alarm, missed)

        def won() -> None:
            was_told = name in self._told_alone and not alarm.is_over
            self._done(name)
            if not was_told:
                self._herald.tell(alert)
            self._emit_over(alarm, missed)

        return Change(str(alarm), self._item(name, alarm, alert), won)

    def _done(self, name: str) -> None:
        self._misses.pop(name, None)
        self._told_alone.discard(name)

    def _emit_over(self, alarm: Alarm, missed: Missed) -> None:
        if alarm.is_over and alarm.what is What.DAEMON_GONE:
            self._emit(DaemonBack(Public(missed.about)))
        elif alarm.is_over:
            self._emit(OccurrenceMadeGood(Public(missed.name), alarm.at_us, alarm.what))

    def _alert(self, alarm: Alarm, missed: Missed) -> Alert:
        of_daemon = alarm.what is What.DAEMON_GONE
        return Alert(
            self._plan.site,
            self._plan.me,
            None if of_daemon else Public(missed.name),
            Public(missed.about) if of_daemon else None,
            Public(alarm.what.value),
            alarm.at_us,
            missed.since_us,
            alarm.is_over,
        )

    def _item(self, name: str, alarm: Alarm, alert: Alert) -> WorkItem | None:
        if self._plan.task is None:
            return None
        task_id = part_id(f"{self._plan.site}\n{name}", str(alarm))
        data = alert.as_data()
        return WorkItem(self._plan.task, task_id, kwargs=data, queue=self._plan.queue, kwargs_shown=repr(data))


def _was_in_time(missed: Missed, run: Run) -> bool:
    """Say whether a run that is heard of late was enqueued in time after all."""
    is_it = run.occurrence_us == missed.at_us and run.state is not RunState.SKIPPED
    return is_it and missed.what is What.NOT_ENQUEUED and 0 < run.settled_us < missed.since_us
