"""What can be asked of alerts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from daemon.api.alerts.views import AlertPage, AlertView, ChannelView, alert_view, channel_view
from daemon.api.http.asked import Asked, Body, named
from daemon.api.http.caller import Role
from daemon.api.http.moment import MomentUs
from daemon.api.http.page import Paged, cursor, keys_of
from daemon.api.http.resource import Resource
from daemon.api.roles import acting
from daemon.clock import SECOND_US, instant
from daemon.desks import AlertDesk, AlertState, DeskRefused

LONGEST_US = 30 * 86_400 * SECOND_US
TEXT_LIMIT = 1000
LOOK_EVERY_S = 5.0


class AlertQuery(Paged):
    """Which alerts are wanted."""

    state: Annotated[AlertState | None, Field(description="All, if it is left out.")] = None


class NoteBody(Body):
    """What is to be said about it."""

    note: Annotated[str, Field(max_length=TEXT_LIMIT)] = ""


class SilenceBody(Body):
    """How long nobody is told, and why."""

    reason: Annotated[str, Field(min_length=1, max_length=TEXT_LIMIT, pattern=r"\S")]
    until_at: MomentUs


@dataclass(frozen=True, slots=True)
class AlertStatus:
    """Whether anybody looks: when it was looked last, and how many alerts stand."""

    checked_at: datetime
    every_s: float
    open: int
    acknowledged: int
    silenced: int
    channels: Sequence[ChannelView]


@dataclass(frozen=True, slots=True)
class Tested:
    """A test is on its way; what became of it shows in the status."""

    channel: str
    where: str


class AlertHandlers:
    """Answers what is asked of alerts."""

    def __init__(self, alerts: AlertDesk, now_us: Callable[[], int], looked_us: Callable[[], int]) -> None:
        """Keep the desk."""
        self._alerts = alerts
        self._now_us = now_us
        self._looked_us = looked_us

    async def rows(self, asked: Asked) -> Any:
        """List alerts."""
        wanted = asked.asks(AlertQuery)
        rows = [row for row in self._alerts.rows() if wanted.state in (None, row.state)]
        [after] = keys_of(wanted.after, 1) or [0]
        start = after if isinstance(after, int) and after >= 0 else 0
        end = start + wanted.limit
        items = [alert_view(row, acting(asked.caller)) for row in rows[start:end]]
        return AlertPage(items, cursor(end) if end < len(rows) else None, len(rows))

    async def status(self, asked: Asked) -> Any:
        """Say whether anybody looks."""
        states = [row.state for row in self._alerts.rows()]
        return AlertStatus(
            instant(self._looked_us()),
            LOOK_EVERY_S,
            states.count(AlertState.OPEN),
            states.count(AlertState.ACKNOWLEDGED),
            states.count(AlertState.SILENCED),
            [channel_view(row, acting(asked.caller)) for row in self._alerts.channels()],
        )

    async def acknowledge(self, asked: Asked) -> Any:
        """Note that somebody has seen it."""
        await self._alerts.acknowledge(asked.parts["alert"], asked.by, named(asked.says(NoteBody).note))
        return self._view(asked)

    async def silence(self, asked: Asked) -> Any:
        """Have nobody told of it for a while."""
        wanted = asked.says(SilenceBody)
        until_us, now_us = wanted.until_at, self._now_us()
        if not now_us < until_us <= now_us + LONGEST_US:
            message = "the end of a silence lies ahead, within 30 days"
            raise DeskRefused(message, field="until_at")
        await self._alerts.silence(asked.parts["alert"], until_us, asked.by, named(wanted.reason))
        return self._view(asked)

    async def unsilence(self, asked: Asked) -> Any:
        """Have people told again."""
        await self._alerts.unsilence(asked.parts["alert"], asked.by)
        return self._view(asked)

    async def test(self, asked: Asked) -> Any:
        """Have a test sent."""
        name = asked.parts["channel"]
        return Tested(name, await self._alerts.test(name, asked.by))

    def _view(self, asked: Asked) -> AlertView:
        return alert_view(self._alerts.row(asked.parts["alert"]), acting(asked.caller))


def alert_resources(alerts: AlertDesk, now_us: Callable[[], int], looked_us: Callable[[], int]) -> tuple[Resource, ...]:
    """List what can be asked of alerts."""
    at = AlertHandlers(alerts, now_us, looked_us)
    one = "/api/alerts/{alert}"
    steer: dict[str, Any] = {"tag": "alerts", "role": Role.OPERATOR, "answers": AlertView, "problems": (404,)}
    return (
        Resource("GET", "/api/alerts", at.rows, "List alerts", "alerts", query=AlertQuery, answers=AlertPage),
        Resource("GET", "/api/alerts/status", at.status, "Say whether anybody looks", "alerts", answers=AlertStatus),
        Resource("POST", f"{one}/acknowledge", at.acknowledge, "Say that it was seen", body=NoteBody, **steer),
        Resource("POST", f"{one}/silence", at.silence, "Have nobody told for a while", body=SilenceBody, **steer),
        Resource("POST", f"{one}/unsilence", at.unsilence, "Have people told again", body=Body, **steer),
        Resource(
            "POST",
            "/api/alerts/channels/{channel}/test",
            at.test,
            "Send a test over a channel",
            status=202,
            body=Body,
            **{**steer, "answers": Tested},
        ),
    )
