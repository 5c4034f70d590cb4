"""Carries one alert or ping to where it goes, and says what went wrong; tries again where that may help."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from functools import partial

import aiohttp
import anyio
from aiohttp import ClientTimeout
from anyio import to_thread

from daemon.alerts.channels import Mailbox, Webhook
from daemon.public import Public

TIMEOUT_S = 10.0
TRIES = 3
PING_TRIES = 2
PAUSE_S = 1.0
SECRET_HEADER = "X-Carillon-Secret"  # noqa: S105 - a name
_ANSWER_LIMIT_BYTES = 64 * 1024
_OK = range(200, 300)
_AGAIN = frozenset((408, 425, 429, *range(500, 600)))


class PostFailed(Exception):
    """It did not arrive; ``reason`` may be shown."""

    def __init__(self, reason: str, *, may_retry: bool = True) -> None:
        """Keep why, and whether trying again may help."""
        super().__init__(reason)
        self.reason = Public(reason)
        self.may_retry = may_retry


class HttpPost:
    """Calls addresses over HTTP. Redirects are not followed: what an alert says is for one host alone."""

    def __init__(self, *, timeout_s: float = TIMEOUT_S, pause_s: float = PAUSE_S) -> None:
        """Keep the limits; nothing is opened."""
        self._timeout = ClientTimeout(total=timeout_s)
        self._pause_s = pause_s
        self._session: aiohttp.ClientSession | None = None

    async def post(self, webhook: Webhook, body: bytes) -> None:
        """Send JSON.

        Raises:
            PostFailed: it was not taken.
        """
        headers = {"Content-Type": "application/json"}
        if webhook.secret is not None:
            headers[SECRET_HEADER] = webhook.secret
        await self._tried("POST", webhook.url, TRIES, body, headers)

    async def get(self, url: str) -> None:
        """Call an address.

        Raises:
            PostFailed: it did not answer well.
        """
        await self._tried("GET", url, PING_TRIES, None, {})

    async def close(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _tried(self, method: str, url: str, tries: int, body: bytes | None, headers: dict[str, str]) -> None:
        for left in range(tries - 1, -1, -1):
            try:
                await self._once(method, url, body, headers)
            except PostFailed as error:
                if not left or not error.may_retry:
                    raise
                await anyio.sleep(self._pause_s)
            else:
                return

    async def _once(self, method: str, url: str, body: bytes | None, headers: dict[str, str]) -> None:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        try:
            async with self._session.request(
                method, url, data=body, headers=headers, allow_redirects=False, ssl=True
            ) as answer:
                await answer.content.read(_ANSWER_LIMIT_BYTES)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            # Its text may quote the address, whose path is a secret.
            raise PostFailed(type(error).__name__) from None
        if answer.status not in _OK:
            raise PostFailed(f"answered {answer.status}", may_retry=answer.status in _AGAIN)


async def mail(
    mailbox: Mailbox, letter: EmailMessage, *, timeout_s: float = TIMEOUT_S, pause_s: float = PAUSE_S
) -> None:
    """Send a letter, in a thread.

    Raises:
        PostFailed: the server did not take it.
    """
    for left in range(TRIES - 1, -1, -1):
        try:
            await to_thread.run_sync(partial(_mail, mailbox, letter, timeout_s))
        except smtplib.SMTPResponseException as error:
            is_final = error.smtp_code >= 500  # noqa: PLR2004 - SMTP's permanent errors
            if is_final or not left:
                raise PostFailed(f"answered {error.smtp_code}", may_retry=not is_final) from None
        except (smtplib.SMTPException, OSError) as error:
            if not left:
                raise PostFailed(type(error).__name__) from None
        else:
            return
        await anyio.sleep(pause_s)


def _mail(mailbox: Mailbox, letter: EmailMessage, timeout_s: float) -> None:
    with smtplib.SMTP(mailbox.server.host, mailbox.server.port, timeout=timeout_s) as server:
        if mailbox.starttls:
            server.starttls(context=ssl.create_default_context())
        if mailbox.user is not None:
            server.login(mailbox.user, mailbox.password or "")
        server.send_message(letter)


def place_of(mailbox: Mailbox) -> Public:
    """Say where letters go, for a report."""
    return Public(str(mailbox.server))
