"""Where alerts go, as the site file says. Pure; addresses and passwords are left out of representations."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import urlsplit

from daemon.public import Public
from daemon.settings.values import Address
from daemon.settings.watch_section import WatchSection


class Channel(Enum):
    """A way out."""

    WEBHOOK = "webhook"
    EMAIL = "email"
    PING = "ping"


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that takes alerts by POST; ``secret`` goes with each in a header."""

    url: str = field(repr=False)
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A mail server, and who writes to whom over it."""

    server: Address
    sender: Public
    to: tuple[Public, ...]
    starttls: bool = True
    user: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Channels:
    """All there are; ``ping`` is called every ``ping_every_s`` while the schedule moves."""

    webhook: Webhook | None = None
    mailbox: Mailbox | None = None
    ping: str | None = field(default=None, repr=False)
    ping_every_s: float = 60.0


def read_channels(section: WatchSection) -> Channels:
    """Read ``[watch]``."""
    email = section.email
    return Channels(
        None if section.webhook is None else Webhook(section.webhook, section.webhook_secret),
        None
        if email is None
        else Mailbox(email.server, email.sender, email.to, email.starttls, email.user, email.password),
        section.ping,
        section.ping_every,
    )


def host_of(url: str) -> Public:
    """Give what may be shown of an address: its host. The path of such addresses is often the secret itself."""
    return Public(urlsplit(url).hostname or "nowhere")
