"""Takes alerts and pings and carries them out over each channel by itself: one that fails delays no other, and nobody waits for any."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from daemon.alerts.channels import Channel, Channels, host_of
from daemon.alerts.lane import Lane
from daemon.alerts.letter import as_json, as_letter
from daemon.alerts.post import HttpPost, PostFailed, mail, place_of
from daemon.ports import Emit
from daemon.public import Public
from daemon.scheduler.watch import Alert
from daemon.watch_events import AlertFailed, AlertSent

T = TypeVar("T")
QUEUE_LIMIT = 1000
FINISH_LIMIT_S = 5.0


class Courier:
    """Carries alerts and pings out."""

    name = Public("alerts")

    def __init__(
        self,
        channels: Channels,
        emit: Emit,
        *,
        may_ping: Callable[[], bool] = lambda: True,
        http: HttpPost | None = None,
        pause_s: float = 1.0,
    ) -> None:
        """Keep the channels; nothing is opened.

        Args:
            channels: where alerts go.
            emit: takes what happened.
            may_ping: says whether the schedule moves and the broker is up: what the ping of the site stands for.
            http: the way to web servers.
            pause_s: between tries of a letter.
        """
        self._channels = channels
        self._emit = emit
        self._may_ping = may_ping
        self._http = http or HttpPost()
        self._pause_s = pause_s
        self.mutes: Callable[[Alert], bool] = _nobody
        """Says of an alert whether nobody is to be told."""
        self._posts: Lane[Alert] = Lane(QUEUE_LIMIT)
        self._letters: Lane[Alert] = Lane(QUEUE_LIMIT)
        self._pings: Lane[str] = Lane(QUEUE_LIMIT)
        self._stop = anyio.Event()

    # -- what is taken in ----------------------------------------------------------------------------------------------

    def tell(self, alert: Alert) -> None:
        """Have an alert sent over every channel there is, unless it is muted."""
        if self.mutes(alert):
            return
        if self._channels.webhook is not None:
            self._enter(self._posts, alert, Channel.WEBHOOK, host_of(self._channels.webhook.url))
        if self._channels.mailbox is not None:
            self._enter(self._letters, alert, Channel.EMAIL, place_of(self._channels.mailbox))

    def test(self, channel: str, alert: Alert) -> bool:
        """Have an alert sent over one channel alone, muted or not; say whether there is such a channel."""
        if channel == Channel.WEBHOOK.value and self._channels.webhook is not None:
            self._enter(self._posts, alert, Channel.WEBHOOK, host_of(self._channels.webhook.url))
        elif channel == Channel.EMAIL.value and self._channels.mailbox is not None:
            self._enter(self._letters, alert, Channel.EMAIL, place_of(self._channels.mailbox))
        else:
            return False
        return True

    def ping(self, url: str) -> None:
        """Have an address called."""
        self._enter(self._pings, url, Channel.PING, host_of(url))

    def _enter(self, lane: Lane[T], one: T, channel: Channel, where: Public) -> None:
        if not lane.enter(one):
            self._emit(AlertFailed(channel, where, Public(f"{QUEUE_LIMIT} wait already")))

    # -- life ----------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Begin anew after a drain."""
        self._stop = anyio.Event()

    async def serve(self) -> None:
        """Carry out what is entered until drained; then what is left, for a moment."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._posts.carry, self._post)
                tasks.start_soon(self._letters.carry, self._mail)
                tasks.start_soon(self._pings.carry, self._call)
                tasks.start_soon(self._ping_always)
                await self._stop.wait()
                with anyio.move_on_after(FINISH_LIMIT_S):
                    while not self.is_idle:  # noqa: ASYNC110 - three lanes, and what is under way
                        await anyio.sleep(0.02)
                tasks.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await self._http.close()

    async def drain(self) -> None:
        """Take leave; what is entered is still sent, for a moment."""
        self._stop.set()

    @property
    def is_idle(self) -> bool:
        """Say whether everything that was entered has been carried out."""
        return self._posts.is_idle and self._letters.is_idle and self._pings.is_idle

    # -- channels ------------------------------------------------------------------------------------------------------

    async def _post(self, alert: Alert) -> None:
        webhook = self._channels.webhook
        assert webhook is not None  # alerts are entered only if there is one
        await self._reported(self._http.post(webhook, as_json(alert)), Channel.WEBHOOK, host_of(webhook.url))

    async def _mail(self, alert: Alert) -> None:
        mailbox = self._channels.mailbox
        assert mailbox is not None  # alerts are entered only if there is one
        letter = as_letter(alert, mailbox)
        await self._reported(mail(mailbox, letter, pause_s=self._pause_s), Channel.EMAIL, place_of(mailbox))

    async def _call(self, url: str) -> None:
        await self._reported(self._http.get(url), Channel.PING, host_of(url))

    async def _reported(self, doing: Awaitable[None], channel: Channel, where: Public) -> None:
        try:
            await doing
        except PostFailed as error:
            self._emit(AlertFailed(channel, where, error.reason))
        else:
            self._emit(AlertSent(channel))

    async def _ping_always(self) -> None:
        url = self._channels.ping
        if url is None:
            return
        while True:
            if self._may_ping():
                self.ping(url)
            await anyio.sleep(self._channels.ping_every_s)


def _nobody(alert: Alert) -> bool:
    del alert
    return False
