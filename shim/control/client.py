"""Remote control of workers: many calls at once over two connections, each over as soon as all have answered.

When is that? The server tells how many listeners it handed the command to. As many answers, and it is over. If some
listener keeps silent (a monitor, a beat that knows only ``ping``), a fence is sent after a short while: a ``ping`` to all. A
node handles its commands one by one, so whoever has answered the fence has given every earlier answer it is going to give.
The fence itself is over when every node has answered it; who of the listeners is no node, the server counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import anyio

from shim.broker_url import BrokerUrl
from shim.connector import Connector
from shim.control.answers import Answers, Listeners, Reply, gather, have_all_answered, read_reply
from shim.control.audience import EVERYONE, Audience
from shim.control.command import (
    COUNT_LISTENERS,
    FANOUT_PREFIX,
    NAMESPACE,
    Command,
    control_channel,
    neighbour_of,
    write_command,
)
from shim.control.mailbox import BLOCK_S, Mailbox
from shim.control.methods import ping
from shim.errors import PublishUncertain, ShimError
from shim.link import Link
from shim.routing import Target
from shim.transport import RedisTransport

TIMEOUT_S = 1.0
CALLS_LIMIT = 1000
"""Calls under way; further ones wait for their turn, and their time runs meanwhile."""

FENCE_AFTER_S = 0.05
"""Silence after which a fence is sent; at once, for a method that somebody kept silent at before."""

METHODS_LIMIT = 100
LEFTOVER_TTL_S = 60
CLOSE_LIMIT_S = 1.0

_UNCERTAIN = "asking again is safe; whether a change was made, the workers tell"


@dataclass(slots=True, eq=False)
class _Fence:
    ticket: str
    covered: set[_Call]
    replies: int = 0
    listeners: Listeners | None = None
    done: anyio.Event = field(default_factory=anyio.Event)

    def judge(self) -> None:
        if self.listeners is not None and self.replies >= self.listeners.nodes:
            self.done.set()


@dataclass(slots=True, eq=False)
class _Call:
    method: str
    audience: Audience
    replies: list[Reply] = field(default_factory=list)
    heard: int | None = None
    is_complete: bool = False
    is_asking: bool = False
    fence: _Fence | None = None
    over: anyio.Event = field(default_factory=anyio.Event)

    def judge(self) -> None:
        if self.heard is not None and have_all_answered(self.replies, self.audience, self.heard):
            self.is_complete = True
            self.over.set()

    def leave(self) -> None:
        """Want nothing more; a fence that nobody waits for is given up."""
        if self.fence is not None:
            self.fence.covered.discard(self)
            if not self.fence.covered:
                self.fence.done.set()


class Control:
    """Sends commands to workers and gathers their answers. ``run`` must be running for answers to arrive."""

    def __init__(
        self,
        url: BrokerUrl,
        *,
        client_name: str,
        new_id: Callable[[], str],
        transport: RedisTransport | None = None,
        namespace: str = NAMESPACE,
        fanout_prefix: str = FANOUT_PREFIX,
        connect_timeout_s: float = 2.0,
        reply_timeout_s: float = 5.0,
    ) -> None:
        """Keep the address and the names; no I/O happens here.

        Args:
            url: the workers' broker, its database included.
            client_name: name of the two connections on the server.
            new_id: gives an id nobody else has, such as a random UUID; for tickets and the list of answers.
            transport: options that workers share (``broker_transport_options``).
            namespace: the workers' ``control_exchange``.
            fanout_prefix: the workers' transport option of that name; empty if they have turned it off.
            connect_timeout_s: patience until a connection stands.
            reply_timeout_s: patience with the server's reply to a command.

        Raises:
            RequestInvalid: a namespace that is no name.
        """
        transport = transport or RedisTransport()
        self._url = url
        self._new_id = new_id
        self._namespace = namespace
        self._channel = control_channel(
            url.database, key_prefix=transport.key_prefix, namespace=namespace, fanout_prefix=fanout_prefix
        )
        self._reply_to = f"shim.reply.{new_id()}"
        self._key = transport.list_key(Target(self._reply_to, 0))
        self._link = Link(
            url, client_name=client_name, connect_timeout_s=connect_timeout_s, reply_timeout_s=reply_timeout_s
        )
        connector = Connector(
            url, client_name=client_name, connect_timeout_s=connect_timeout_s, reply_timeout_s=reply_timeout_s + BLOCK_S
        )
        self._mailbox = Mailbox(connector, self._key, self._receive, lost=self._lost)
        self._clock = 0
        self._room = anyio.Semaphore(CALLS_LIMIT)
        self._calls: dict[str, _Call] = {}
        self._fence: _Fence | None = None
        self._fence_asked = anyio.Event()
        self._quiet_methods: set[str] = set()
        self._may_linger = False

    async def call(self, command: Command, audience: Audience = EVERYONE, *, timeout_s: float = TIMEOUT_S) -> Answers:
        """Send a command and gather the answers, until all have come or the time is over.

        If the connection is lost meanwhile, what has come is given back at once, marked incomplete.

        Raises:
            BrokerUnavailable: no connection; surely not sent.
            PublishUncertain: the server did not confirm it in time; nodes may have got the command.
            BrokerRefused: the server answered with an error.
            RequestInvalid: text with lone surrogates.
        """
        ticket = self._new_id()
        call = _Call(command.method, audience)
        try:
            with anyio.move_on_after(timeout_s):
                async with self._room:
                    self._calls[ticket] = call
                    call.heard = await self._publish(command, audience, ticket, reply_to=self._reply_to)
                    call.judge()
                    await self._wait_for(call)
        finally:
            self._calls.pop(ticket, None)
            call.leave()
        if call.heard is None:
            message = f"{self._url}: {command.method}: the server did not confirm it within {timeout_s:g} s"
            raise PublishUncertain(message, hint=_UNCERTAIN)
        if not call.is_complete:
            self._may_linger = True
        elif audience is EVERYONE and len(call.replies) >= call.heard:
            self._quiet_methods.discard(command.method)
        return gather(call.replies, audience, heard=call.heard, is_complete=call.is_complete)

    async def cast(self, command: Command, audience: Audience = EVERYONE, *, timeout_s: float = TIMEOUT_S) -> int:
        """Send a command that nobody shall answer, and give the number of listeners that got it.

        Nodes that are not meant get it too, and pass over it.

        Raises:
            ShimError: as ``call``.
        """
        with anyio.move_on_after(timeout_s):
            return await self._publish(command, audience, self._new_id(), reply_to=None)
        message = f"{self._url}: {command.method}: the server did not confirm it within {timeout_s:g} s"
        raise PublishUncertain(message, hint=_UNCERTAIN)

    async def run(self) -> None:
        """Take answers until cancelled; then calls under way end with what they have, and the list is removed."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._mailbox.run)
                tasks.start_soon(self._keep_fencing)
        finally:
            self._cut()
            with anyio.move_on_after(CLOSE_LIMIT_S, shield=True):
                await self._clear()
            with anyio.CancelScope(shield=True):
                await self._link.close()

    async def _publish(self, command: Command, audience: Audience, ticket: str, *, reply_to: str | None) -> int:
        payload = self._write(command, audience, ticket, reply_to)
        try:
            heard: int = await self._link.call("PUBLISH", self._channel, payload)
        except PublishUncertain:
            message = f"{self._url}: {command.method}: the connection broke before the server confirmed it"
            raise PublishUncertain(message, hint=_UNCERTAIN) from None
        return heard

    def _write(self, command: Command, audience: Audience, ticket: str, reply_to: str | None) -> bytes:
        self._clock += 1
        return write_command(
            command,
            audience,
            namespace=self._namespace,
            clock=self._clock,
            delivery_tag=ticket,
            reply_to=reply_to,
        )

    async def _wait_for(self, call: _Call) -> None:
        if call.method not in self._quiet_methods and call.audience.pattern is None:
            with anyio.move_on_after(FENCE_AFTER_S):
                await call.over.wait()
        if not call.over.is_set():
            call.is_asking = True
            self._fence_asked.set()
            await call.over.wait()

    def _receive(self, element: bytes) -> None:
        reply = read_reply(element)
        if reply is None:
            return
        self._clock = max(self._clock, reply.clock) + 1
        call = self._calls.get(reply.ticket)
        if call is not None:
            call.replies.append(reply)
            call.judge()
        elif self._fence is not None and self._fence.ticket == reply.ticket:
            self._fence.replies += 1
            self._fence.judge()

    # -- fences -------------------------------------------------------------------------------------------------------

    async def _keep_fencing(self) -> None:
        """Send one fence at a time; it covers all calls that had been sent before."""
        while True:
            await self._fence_asked.wait()
            self._fence_asked = anyio.Event()
            covered = {call for call in self._calls.values() if call.is_asking and not call.over.is_set()}
            if covered:
                fence = self._fence = _Fence(self._new_id(), covered)
                for call in covered:
                    call.fence = fence
                try:
                    await self._stand(fence)
                finally:
                    self._fence = None

    async def _stand(self, fence: _Fence) -> None:
        payload = self._write(ping(), EVERYONE, fence.ticket, self._reply_to)
        try:
            fence.listeners = Listeners(
                *await self._link.call("EVAL", COUNT_LISTENERS, 0, self._channel, payload, neighbour_of(self._channel))
            )
        except ShimError:
            return  # calls go on without, until their time is over
        fence.judge()
        await fence.done.wait()
        if fence.replies >= fence.listeners.nodes:
            for call in fence.covered:
                self._note_silence(call, fence.listeners)
                call.is_complete = True
                call.over.set()

    def _note_silence(self, call: _Call, listeners: Listeners) -> None:
        if call.audience is EVERYONE and len(call.replies) < listeners.heard:
            if len(self._quiet_methods) >= METHODS_LIMIT:
                self._quiet_methods.clear()
            self._quiet_methods.add(call.method)

    # -- the end of a connection --------------------------------------------------------------------------------------

    async def _lost(self) -> None:
        self._cut()
        await self._link.close()  # it most likely broke as well, and would find out only with the next command

    def _cut(self) -> None:
        if self._calls:
            self._may_linger = True
        for call in self._calls.values():
            if call.heard is not None:
                call.over.set()
        if self._fence is not None:
            self._fence.done.set()

    async def _clear(self) -> None:
        try:
            await self._link.call("DEL", self._key)
            if self._may_linger:  # an answer that comes later joins this and goes with it
                await self._link.call("LPUSH", self._key, "")
                await self._link.call("EXPIRE", self._key, LEFTOVER_TTL_S)
        except ShimError:
            pass
