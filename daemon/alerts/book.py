"""What is open, silenced and closed. Pure: instants are told, and every change says whether something is to be kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from daemon.alerts.conditions import CONDITIONS, Condition, link_of, runbook_of
from daemon.clock import SECOND_US
from daemon.desks import AlertKind, AlertRow, Mark, Severity, Silence
from daemon.public import Public

OPEN_LIMIT, CLOSED_LIMIT = 1000, 500
DAY_US = 86_400 * SECOND_US
KEPT_US = 7 * DAY_US
_NOTHING = Public("")


def id_of(code: str, where: str) -> str:
    """Name an alert."""
    return f"{code}:{where}"


class AlertBook:
    """Keeps alerts.

    Attributes:
        open: by id.
        closed: the last time each ended, the latest last.
        forgotten: how many could not be kept for want of room.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self.open: dict[str, AlertRow] = {}
        self.closed: dict[str, AlertRow] = {}
        self.silences: dict[str, Silence] = {}
        self.forgotten = 0
        self._before: dict[str, AlertRow] = {}

    # -- what happens --------------------------------------------------------------------------------------------------

    def raised(
        self, code: str, where: Public, now_us: int, *, detail: Public = _NOTHING, notified: Iterable[Public] = ()
    ) -> bool:
        """Note that something is wrong; say whether it is new."""
        condition = CONDITIONS[code]
        name = id_of(code, where)
        known = self.open.get(name)
        if known is not None:
            self.open[name] = replace(known, last_us=now_us, count=known.count + 1, detail=detail or known.detail)
            return False
        self._end_family(condition, where, now_us)
        if len(self.open) >= OPEN_LIMIT:
            self.forgotten += 1
            return False
        self.closed.pop(name, None)
        self.open[name] = self._row(name, code, condition, where, now_us, detail, tuple(notified))
        return True

    def _row(
        self,
        name: str,
        code: str,
        condition: Condition,
        where: Public,
        now_us: int,
        detail: Public,
        notified: tuple[Public, ...],
    ) -> AlertRow:
        before = self._before.pop(name, None)  # it was open when the daemon ended
        return AlertRow(
            id=Public(name),
            code=Public(code),
            severity=condition.severity,
            kind=condition.kind,
            what=condition.what,
            where=where,
            detail=detail,
            step=condition.step,
            link=link_of(condition, where),
            since_us=now_us if before is None else before.since_us,
            last_us=now_us,
            count=1 if before is None else before.count + 1,
            notified=notified,
            acknowledged=None if before is None else before.acknowledged,
            silence=self.silences.get(name),
            runbook=runbook_of(code),
        )

    def ended(self, code: str, where: str, now_us: int, *, of_family: bool = False) -> bool:
        """Note that it is well again, and with it all of its family there; say whether it was open."""
        codes = _family(CONDITIONS[code].family) if of_family else [code]
        closed = [self._close(id_of(one, where), now_us) for one in codes]
        return any(closed)

    def observed(self, code: str, found: Mapping[str, str], now_us: int) -> bool:
        """Note where something is wrong at present, with details; elsewhere it is well. Say whether that is news."""
        gone = [row.where for row in self.open.values() if row.code == code and row.where not in found]
        news = [self.ended(code, where, now_us) for where in gone]
        news += [self.raised(code, Public(where), now_us, detail=Public(detail)) for where, detail in found.items()]
        return any(news)

    def tidied(self, now_us: int) -> bool:
        """End silences and moments whose time is over, forget what is old; say whether anything changed."""
        over = [name for name, silence in self.silences.items() if silence.until_us <= now_us]
        for name in over:
            self.unsilenced(name)
        moments = [
            name for name, row in self.open.items() if CONDITIONS[row.code].is_moment and now_us - row.last_us >= DAY_US
        ]
        for name in moments:
            self._close(name, now_us)
        old = [name for name, row in self.closed.items() if now_us - (row.closed_us or 0) >= KEPT_US]
        for name in old:
            del self.closed[name]
        return bool(over or moments or old)

    def _end_family(self, condition: Condition, where: str, now_us: int) -> None:
        for code in _family(condition.family) if condition.family else ():
            self._close(id_of(code, where), now_us)

    def _close(self, name: str, now_us: int) -> bool:
        row = self.open.pop(name, None)
        if row is None:
            return False
        self.closed[name] = replace(row, closed_us=now_us)
        while len(self.closed) > CLOSED_LIMIT:
            del self.closed[next(iter(self.closed))]
        return True

    # -- what people do ------------------------------------------------------------------------------------------------

    def acknowledged(self, name: str, mark: Mark) -> None:
        """Note that somebody has seen an open one; what was wrong for a moment only is closed."""
        self.open[name] = replace(self.open[name], acknowledged=mark)
        if CONDITIONS[self.open[name].code].is_moment:
            self._close(name, mark.at_us)

    def silenced(self, name: str, silence: Silence) -> None:
        """Have nobody told of one."""
        self.silences[name] = silence
        self.open[name] = replace(self.open[name], silence=silence)

    def unsilenced(self, name: str) -> None:
        """Have people told again."""
        self.silences.pop(name, None)
        if name in self.open:
            self.open[name] = replace(self.open[name], silence=None)

    # -- reading -------------------------------------------------------------------------------------------------------

    def rows(self) -> list[AlertRow]:
        """List the open ones, the gravest first, then the closed ones, the latest first."""
        grave = sorted(self.open.values(), key=lambda row: (row.severity is not Severity.CRITICAL, -row.since_us))
        return [*grave, *sorted(self.closed.values(), key=lambda row: -(row.closed_us or 0))]

    def restore(self, rows: Iterable[AlertRow], silences: Mapping[str, Silence]) -> None:
        """Take what was kept. Of what was open, runs and daemons still are; of the rest it shows when it is seen again."""
        self.silences = dict(silences)
        for row in rows:
            if row.code not in CONDITIONS:
                continue
            known = self.open.get(row.id)
            if known is not None:  # it was seen before anything could be read
                known = replace(known, silence=self.silences.get(row.id))
                was_open = row.closed_us is None
                self.open[row.id] = (
                    replace(known, acknowledged=row.acknowledged, since_us=row.since_us) if was_open else known
                )
            elif row.closed_us is not None:
                self.closed[row.id] = row
            elif row.kind in (AlertKind.ENTRY, AlertKind.DAEMON) or CONDITIONS[row.code].is_moment:
                self.open[row.id] = replace(row, silence=self.silences.get(row.id))
            else:
                self._before[row.id] = row


def _family(family: str) -> list[str]:
    return [code for code, condition in CONDITIONS.items() if condition.family == family]
