"""``[watch]``: whom to tell of what was missed."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, PlainSerializer, PlainValidator, field_validator, model_validator

from daemon.settings.section import Section
from daemon.settings.values import Address, Duration, Label, Labels, parse_address, wrong

URL_LIMIT = 2048
_SMTP_PORT = 25


def parse_web_address(value: Any) -> str:
    """Read the address of something on the web.

    Raises:
        PydanticCustomError: not ``http`` or ``https``, no host, or too long.
    """
    hint = 'write "https://host/path", "file:/path" or "credential:NAME"'
    if not isinstance(value, str) or not value.isprintable() or " " in value or len(value) > URL_LIMIT:
        raise wrong("not an address", hint)
    try:
        parts = urlsplit(value)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known:
        raise wrong("not an address of the web", hint)  # it is not quoted: such addresses are secrets
    return value


WebAddress = Annotated[str, PlainValidator(parse_web_address)]
"""An address whose path may be a secret."""


def _server(value: Any) -> Address:
    if isinstance(value, str) and value and ":" not in value:
        value = f"{value}:{_SMTP_PORT}"
    return parse_address(value)


class EmailSetting(Section):
    """``email`` of ``[watch]``."""

    to: Labels
    sender: Label = Field(alias="from")
    server: Annotated[Address, PlainValidator(_server), PlainSerializer(str)]
    starttls: bool = True
    user: Label | None = None
    password: str | None = Field(default=None, repr=False)

    @field_validator("to", "sender")
    @classmethod
    def _an_address(cls, value: Any) -> Any:
        for one in value if isinstance(value, tuple) else (value,):
            local, _, host = one.rpartition("@")
            if not local or not host or any(mark in one for mark in ' ,;<>"'):
                raise wrong("not an e-mail address", 'write "oncall@example.org"')
        return value

    @model_validator(mode="after")
    def _both(self) -> EmailSetting:
        if (self.user is None) != (self.password is None):
            raise wrong("user and password belong together", "leave both out if the server asks for none")
        return self


class WatchSection(Section):
    """``[watch]``. Nothing in it is needed: what is missed is always logged and counted."""

    task: Label | None = None
    queue: Label | None = None
    webhook: WebAddress | None = Field(default=None, repr=False)
    webhook_secret: str | None = Field(default=None, repr=False)
    email: EmailSetting | None = None
    again: Duration = 3600.0
    ping: WebAddress | None = Field(default=None, repr=False)
    ping_every: Duration = 60.0

    @field_validator("webhook_secret")
    @classmethod
    def _fits_a_header(cls, value: str | None) -> str | None:
        if value is not None and not (value and value.isascii() and value.isprintable()):
            raise wrong("a secret of printable ASCII is needed")
        return value

    @model_validator(mode="after")
    def _belong(self) -> WatchSection:
        if self.queue is not None and self.task is None:
            raise wrong("queue belongs to task", "name the task that takes alerts")
        if self.webhook_secret is not None and self.webhook is None:
            raise wrong("webhook_secret belongs to webhook", "name the address that takes alerts")
        return self


__all__ = ["EmailSetting", "WatchSection", "WebAddress", "parse_web_address"]
