"""Opens connections to RabbitMQ; every AMQP connection of the shim is made here.

What is used is the lower half of aio-pika (aiormq): it speaks the protocol and never repeats anything. Its own records are
silenced, because at their lower levels they show the bytes of messages; what they would say comes as errors and outcomes.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import aiormq
import anyio
from anyio import to_thread
from yarl import URL

from shim.amqp.url import AmqpTls, AmqpUrl
from shim.errors import BrokerRefused, BrokerUnavailable, PublishUncertain

T = TypeVar("T")

CLOSE_LIMIT_S = 2.0
UNREACHED = "is RabbitMQ running, and is the address right?"
WRONG_LOGIN = "the user or the password is wrong"
WRONG_HOST = "the virtual host does not exist, or the user may not use it"

if logging.getLogger("aiormq").level == logging.NOTSET:
    logging.getLogger("aiormq").setLevel(logging.CRITICAL + 1)


class _Transports(aiormq.TransportFactory):
    """Opens the socket, and keeps hold of it: aiormq would wait minutes for the farewell of a server that is stuck."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context
        self.transport: asyncio.WriteTransport | None = None

    async def create(self, url: URL, **_: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(url.host, url.port, ssl=self._context)
        self.transport = writer.transport
        return reader, writer


class AmqpConnection:
    """One open connection."""

    def __init__(self, url: AmqpUrl, connection: aiormq.Connection, transports: _Transports) -> None:
        """Take over what ``AmqpConnector.open`` has opened."""
        self.url = url
        self._connection = connection
        self._transports = transports
        self._over = anyio.Event()
        connection.closing.add_done_callback(lambda _: self._over.set())

    @property
    def is_open(self) -> bool:
        """Say whether it has not been closed or lost."""
        return self._connection.is_opened

    @property
    def server_version(self) -> str:
        """Give the version the server told."""
        return str(self._connection.server_properties.get("version", ""))

    async def channel(self, *, confirms: bool, timeout_s: float) -> aiormq.Channel:
        """Open a channel.

        Raises:
            BrokerUnavailable: the connection is lost, or did not answer in time.
        """
        try:
            channel = await guarded(
                self._connection.channel(publisher_confirms=confirms, on_return_raises=True), self.url, timeout_s
            )
        except PublishUncertain as error:
            raise BrokerUnavailable(str(error), hint=UNREACHED) from None
        assert isinstance(channel, aiormq.Channel)
        return channel

    async def unblocked(self, limit_s: float) -> bool:
        """Wait while the server takes no messages because of an alarm; false if that lasts longer than ``limit_s``."""
        with anyio.move_on_after(limit_s):
            await self._connection.ready()
            return True
        return False

    async def lost(self) -> None:
        """Wait until it is closed or lost, or ``give_up`` is called."""
        await self._over.wait()

    def give_up(self) -> None:
        """Let ``lost`` return: the connection is of no use any more."""
        self._over.set()

    async def close(self) -> None:
        """Say farewell, or cut the connection if the server does not answer."""
        # Even when the caller is being cancelled: a socket left open would keep exclusive queues alive.
        with anyio.CancelScope(shield=True):
            with anyio.move_on_after(CLOSE_LIMIT_S), suppress(Exception, asyncio.CancelledError):
                await self._connection.close()
            await self.abort()

    async def abort(self) -> None:
        """Cut the connection; what was under way in it ends."""
        self.cut()
        with anyio.CancelScope(shield=True), suppress(Exception, asyncio.CancelledError):
            await asyncio.wait((self._connection.closing,), timeout=CLOSE_LIMIT_S)

    def cut(self) -> None:
        """Drop the socket, if there is one."""
        if self._transports.transport is not None:
            self._transports.transport.abort()


class AmqpConnector:
    """Where to connect to and how patiently."""

    def __init__(
        self, urls: Sequence[AmqpUrl], *, client_name: str, connect_timeout_s: float = 4.0, heartbeat_s: int = 20
    ) -> None:
        """Keep the addresses, which are tried in turn; no I/O happens here.

        Args:
            urls: at least one.
            client_name: shown by the server's own tools.
            connect_timeout_s: for each address.
            heartbeat_s: a server that sends nothing for about three times as long is given up.
        """
        self.urls = tuple(urls)
        self._client_name = client_name
        self._connect_timeout_s = connect_timeout_s
        self._heartbeat_s = heartbeat_s
        self._first = 0

    async def open(self) -> AmqpConnection:
        """Connect to the address that answered last, or else to the next that does.

        Raises:
            BrokerUnavailable: none of them; the message tells of the last.
        """
        failure = BrokerUnavailable("no address")
        for step in range(len(self.urls)):
            number = (self._first + step) % len(self.urls)
            try:
                connection = await self._open(self.urls[number])
            except BrokerUnavailable as error:
                failure = error
            else:
                self._first = number
                return connection
        raise failure

    async def _open(self, url: AmqpUrl) -> AmqpConnection:
        try:
            context = None if url.tls is None else await to_thread.run_sync(_context, url.tls)
        except (OSError, ValueError) as error:
            message = f"{url}: the TLS files cannot be used ({error})"
            raise BrokerUnavailable(
                message, hint="do ca_certs, certfile and keyfile name readable PEM files?"
            ) from None
        transports = _Transports(context)
        address = URL.build(
            scheme="amqp" if context is None else "amqps",
            host=url.host, port=url.port, user=url.user, password=url.password, path=f"/{url.virtual_host}",
            query={"heartbeat": self._heartbeat_s, "name": self._client_name},
        )  # fmt: skip
        connection = aiormq.Connection(address, transport_factory=transports)
        opened = AmqpConnection(url, connection, transports)
        try:
            await guarded(connection.connect(), url, self._connect_timeout_s)
        except PublishUncertain as error:
            opened.cut()
            raise BrokerUnavailable(str(error), hint=error.hint or UNREACHED) from None
        except BaseException:
            opened.cut()
            raise
        return opened


async def guarded(call: Awaitable[T], url: AmqpUrl, timeout_s: float) -> T:
    """Wait for a call of aiormq, and let nothing of it escape.

    When a connection breaks, aiormq ends some of its callers as if they had been cancelled; a cancellation of our own is
    told from that and goes on.

    Raises:
        PublishUncertain: the connection broke, or no answer came in time.
        BrokerRefused: the server closed the channel; ``server_code`` is its reply code.
    """
    reason, hint = "no answer in time", ""
    try:
        with anyio.fail_after(timeout_s):
            return await call
    except TimeoutError:
        pass
    except asyncio.CancelledError:
        if is_cancelled():
            raise
        reason = "the connection broke"
    except aiormq.AMQPChannelError as error:
        code, text = channel_close(error)
        message = f"{url}: the server closed the channel ({text})"
        raise BrokerRefused(message, server_code=code) from None
    except (aiormq.AMQPError, OSError, RuntimeError, EOFError) as error:
        reason = failure_text(error)
        hint = _hint(error)
    message = f"{url}: {reason}"
    raise PublishUncertain(message, hint=hint)


def is_cancelled() -> bool:
    """Say whether the running task itself is being cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def failure_text(error: BaseException) -> str:
    """Say why a connection failed, without anything a message holds."""
    if isinstance(error, aiormq.ProbableAuthenticationError):
        return "login refused"
    if isinstance(error, aiormq.InvalidFrameError):
        return "the server ended the login"
    if isinstance(error, (aiormq.AMQPConnectionError, OSError)):
        return ", ".join(str(one) for one in error.args if one) or type(error).__name__
    return type(error).__name__


def channel_close(error: BaseException) -> tuple[str, str]:
    """Give the code and the text with which the server closed a channel."""
    text = next((one for one in error.args if isinstance(one, str)), type(error).__name__)
    return text.split(" ", 1)[0], text


def _hint(error: BaseException) -> str:
    if isinstance(error, aiormq.ProbableAuthenticationError):
        return WRONG_LOGIN
    if isinstance(error, (aiormq.InvalidFrameError, aiormq.ConnectionNotAllowed)):
        return WRONG_HOST
    return ""


def _context(tls: AmqpTls) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls.ca_file)
    context.check_hostname = tls.check_hostname
    if not tls.is_verified:
        context.verify_mode = ssl.CERT_NONE
    if tls.certificate_file is not None:
        context.load_cert_chain(tls.certificate_file, tls.key_file)
    return context
