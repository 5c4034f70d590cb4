"""One pub/sub connection that is kept open, whatever happens to the server.

Redis forgets a subscription with its connection and repeats no message. So whoever listens is told whenever the connection
stands anew, and looks up what it may have missed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.lowlevel
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError, ResponseError

from shim.connector import HINTS, Connector, code_of
from shim.errors import BrokerRefused, BrokerUnavailable, RequestInvalid, ShimError
from shim.exchange import read, write

NAMES_PER_COMMAND = 1000
PING_EVERY_S = 10.0
"""After so much silence the server is asked whether it is there; after as much again the connection counts as dead."""
BACKOFF_FIRST_S, BACKOFF_LAST_S = 0.05, 2.0
MESSAGES_PER_TURN = 100
"""Messages handled before other tasks get a turn."""

Receive = Callable[[str, bytes], None]
"""Takes the channel and the payload of a message; never waits and never raises."""


class _Lost(Exception):
    """The server did not answer a ping, or is no longer the master."""


@dataclass(slots=True, eq=False)
class _Join:
    """Somebody who waits for channels."""

    left: int
    failure: BrokerRefused | BrokerUnavailable | None = None
    done: anyio.Event = field(default_factory=anyio.Event)


@dataclass(slots=True)
class _Sent:
    """A command on its way; its answers come one for each name, in the order of the commands."""

    kind: str
    names: Sequence[str]
    left: int


class Subscription:
    """Channels and patterns that are listened to. ``run`` must be running in a task group."""

    def __init__(
        self,
        connector: Connector,
        receive: Receive,
        *,
        patterns: Iterable[str] = (),
        opened: Callable[[], Awaitable[None]] | None = None,
        closed: Callable[[BrokerUnavailable | None], None] | None = None,
        ping_every_s: float = PING_EVERY_S,
    ) -> None:
        """Keep the collaborators; no I/O happens here.

        Args:
            connector: opens the connection.
            receive: called for each message, in order. A channel that was just left may still give one.
            patterns: glob patterns to listen to from the start.
            opened: called each time all channels and patterns are subscribed on a new connection. It is cancelled if that
                connection breaks, and if it raises a ``ShimError`` the connection is given up: it will be called again.
            closed: called when a connection broke (``None``) or could not be made or used (why).
            ping_every_s: silence after which the server is asked whether it is there; with Sentinel also how often the
                sentinels are asked whether it is still the master.
        """
        self._connector = connector
        self._receive = receive
        self._patterns = tuple(dict.fromkeys(patterns))
        self._patterns_left = 0
        self._opened = opened
        self._closed = closed
        self._ping_every_s = ping_every_s
        self._wanted: dict[str, bool] = {}
        """Channels to listen to, and whether they were ever confirmed."""
        self._held: set[str] = set()
        """Those of them the server has confirmed on this connection, with nothing under way that could change it."""
        self._joins: dict[str, list[_Join]] = {}
        self._is_connected = False
        self._to_join: list[str] = []
        self._to_join_alone: list[str] = []
        self._to_leave: list[str] = []
        self._sent: deque[_Sent] = deque()
        self._under_way: dict[str, int] = {}
        self._work = anyio.Event()
        self.is_open = anyio.Event()
        """Set while everything wanted is subscribed; a new one after each loss."""

    async def subscribe(self, channels: Iterable[str]) -> None:
        """Listen to ``channels``, and come back once the server has confirmed them all. Waits for a server that is away.

        If the caller is cancelled, channels never confirmed that nobody else waits for are left again; whether the others are
        still needed, only the caller knows.

        Raises:
            BrokerRefused: the user may not listen to one of them. The others may have been subscribed.
            BrokerUnavailable: ``run`` was ended meanwhile.
            RequestInvalid: a name with lone surrogates; nothing was subscribed.
        """
        new = [name for name in dict.fromkeys(channels) if name not in self._held]
        if not new:
            return
        _check_names(new)
        join = _Join(len(new))
        for name in new:
            self._joins.setdefault(name, []).append(join)
            if name not in self._wanted:
                self._wanted[name] = False
                if self._is_connected:
                    self._to_join.append(name)
        self._work.set()
        try:
            await join.done.wait()
        finally:
            if join.left:
                self._give_up(join, new)
        if join.failure is not None:
            raise join.failure

    def unsubscribe(self, channels: Iterable[str]) -> None:
        """Listen to ``channels`` no longer, whoever asked for them; the server is told soon."""
        for name in channels:
            if name in self._wanted:
                del self._wanted[name]
                self._held.discard(name)
                if self._is_connected:
                    self._to_leave.append(name)
            self._confirm(name)  # whoever still waits for it waits for nothing
        self._work.set()

    async def run(self) -> None:
        """Keep the connection open and hand on what arrives, until cancelled; then whoever waits is told so."""
        pause_s = BACKOFF_FIRST_S
        try:
            while True:
                try:
                    connection = await self._connector.open()
                except BrokerUnavailable as error:
                    failure: BrokerUnavailable | None = error
                else:
                    was_of_use, failure = await self._listen(connection)
                    if was_of_use:
                        pause_s = BACKOFF_FIRST_S
                if self._closed is not None:
                    self._closed(failure)
                await anyio.sleep(pause_s)
                pause_s = min(pause_s * 2, BACKOFF_LAST_S)
        finally:
            message = f"{self._connector.url}: nobody listens any longer"
            for join in {id(one): one for joins in self._joins.values() for one in joins}.values():
                join.failure = BrokerUnavailable(message)
                join.done.set()

    async def _listen(self, connection: AbstractConnection) -> tuple[bool, BrokerUnavailable | None]:
        """Listen until the connection breaks; say whether it was of use, and what the server refused."""
        self._is_connected = True
        self._patterns_left = len(self._patterns)
        self._to_join, self._to_join_alone, self._to_leave = list(self._wanted), [], []
        opening = self.is_open
        failure: BrokerUnavailable | None = None
        was_told = True
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._write, connection)
                if self._opened is not None:
                    tasks.start_soon(self._tell_opened, self._opened)
                if self._connector.url.sentinels:
                    tasks.start_soon(self._watch, connection)
                await self._read(connection)
        except* ResponseError as errors:
            failure = self._unusable(errors.exceptions[0])
        except* ShimError:
            was_told = False
        except* (RedisError, OSError, _Lost):
            pass
        finally:
            self._is_connected = False
            if opening.is_set():
                self.is_open = anyio.Event()
            self._held.clear()
            self._sent.clear()
            self._under_way.clear()
            with anyio.CancelScope(shield=True):
                await connection.disconnect(nowait=True)
        return opening.is_set() and was_told, failure

    async def _tell_opened(self, opened: Callable[[], Awaitable[None]]) -> None:
        await self.is_open.wait()
        await opened()

    async def _watch(self, connection: AbstractConnection) -> None:
        while True:
            await anyio.sleep(self._ping_every_s)
            if await self._connector.is_outdated(connection):
                raise _Lost

    # -- what is sent --------------------------------------------------------------------------------------------------

    async def _write(self, connection: AbstractConnection) -> None:
        await self._send(connection, "PSUBSCRIBE", self._patterns)
        while True:
            self._work = anyio.Event()
            leaving, self._to_leave = self._to_leave, []
            joining, self._to_join = self._to_join, []
            alone, self._to_join_alone = self._to_join_alone, []
            await self._send(connection, "UNSUBSCRIBE", [name for name in leaving if name not in self._wanted])
            await self._send(connection, "SUBSCRIBE", [name for name in joining if name in self._wanted])
            for name in alone:
                await self._send(connection, "SUBSCRIBE", [name] if name in self._wanted else [])
            self._look()
            if not (self._to_join or self._to_join_alone or self._to_leave):
                await self._work.wait()

    async def _send(self, connection: AbstractConnection, command: str, names: Sequence[str]) -> None:
        for first in range(0, len(names), NAMES_PER_COMMAND):
            part = names[first : first + NAMES_PER_COMMAND]
            self._sent.append(_Sent(command, part, len(part)))
            if command != "PSUBSCRIBE":
                for name in part:
                    self._under_way[name] = self._under_way.get(name, 0) + 1
            await write(connection, connection.pack_command(command, *part))

    # -- what arrives --------------------------------------------------------------------------------------------------

    async def _read(self, connection: AbstractConnection) -> None:
        was_pinged = False
        taken = 0
        while True:
            try:
                reply: Any = await read(connection, timeout_s=self._ping_every_s)
            except ResponseError as error:
                self._take_error(error)
                continue
            if reply is None:
                if was_pinged:
                    raise _Lost
                was_pinged = True
                self._sent.append(_Sent("PING", (), 1))  # a server takes it from a subscriber, and answers in kind
                await write(connection, connection.pack_command("PING"))
                continue
            was_pinged = False
            self._take(reply)
            taken += 1
            if taken % MESSAGES_PER_TURN == 0:
                await anyio.lowlevel.checkpoint()

    def _take(self, reply: Any) -> None:
        kind = reply[0]
        if kind == b"message":
            self._receive(reply[1].decode(errors="replace"), reply[2])
        elif kind == b"pmessage":
            self._receive(reply[2].decode(errors="replace"), reply[3])
        elif self._sent:
            command = self._sent[0]
            command.left -= 1
            if not command.left:
                self._sent.popleft()
            if command.kind == "PSUBSCRIBE":
                self._patterns_left -= 1
            elif command.kind != "PING":
                self._answered(command.kind, reply[1].decode())
            self._look()

    def _answered(self, kind: str, name: str) -> None:
        """Take an answer about a channel. Only the last one says what holds: others are being made up for already."""
        left = self._under_way[name] - 1
        if left:
            self._under_way[name] = left
            return
        del self._under_way[name]
        if kind == "SUBSCRIBE" and name in self._wanted:
            self._wanted[name] = True
            self._held.add(name)
            self._confirm(name)

    def _take_error(self, error: ResponseError) -> None:
        """Find out which channel the user may not listen to; the server refuses a command as a whole.

        Raises:
            ResponseError: the connection cannot be used as it is.
        """
        command = self._sent.popleft() if self._sent else None
        if command is None or command.kind != "SUBSCRIBE" or code_of(error) != "NOPERM":
            raise error
        for name in command.names:
            left = self._under_way.pop(name) - 1
            if left:
                self._under_way[name] = left
            elif len(command.names) > 1:
                self._to_join_alone.append(name)
            elif self._wanted.get(name):
                raise error  # it was listened to before: whoever did must not be left in the belief that it still is
            elif name in self._wanted:
                del self._wanted[name]
                self._confirm(name, BrokerRefused(self._told(error), server_code="NOPERM", hint=HINTS["NOPERM"]))
        self._look()
        self._work.set()

    def _look(self) -> None:
        if not self._patterns_left and len(self._held) == len(self._wanted):
            self.is_open.set()

    def _confirm(self, name: str, failure: BrokerRefused | None = None) -> None:
        for join in self._joins.pop(name, ()):
            join.left -= 1
            join.failure = join.failure or failure
            if not join.left:
                join.done.set()

    def _give_up(self, join: _Join, names: Iterable[str]) -> None:
        for name in names:
            joins = self._joins.get(name, [])
            if join in joins:
                joins.remove(join)
                if not joins:
                    del self._joins[name]
                    if self._wanted.get(name) is False:
                        self.unsubscribe([name])

    def _unusable(self, error: BaseException) -> BrokerUnavailable:
        return BrokerUnavailable(self._told(error), hint=HINTS.get(code_of(error), ""))

    def _told(self, error: BaseException) -> str:
        return (
            f"{self._connector.url}: the server does not let itself be listened to ({code_of(error) or 'ERR'}: {error})"
        )


def _check_names(names: Iterable[str]) -> None:
    try:
        "".join(names).encode()
    except UnicodeEncodeError:
        message = "channel: text with lone surrogates is not Unicode and cannot travel"
        raise RequestInvalid(message) from None
