"""``[api]``: where HTTP is served, to whom, and what it may show."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, model_validator

from daemon.public import Public
from daemon.settings.feed.trust import File, Networks
from daemon.settings.section import Section
from daemon.settings.values import AS_LIST, Duration, Label, ListenAddress, parse_address, wrong

HOSTS_LIMIT = 100
GLOBS_LIMIT = 1000
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*\.?", re.ASCII)
_HOST_LIMIT = 253
_SHORTEST_SESSION_S = 60.0
_LONGEST_SESSION_S = 7 * 86_400.0


def _hosts(value: Any) -> tuple[Public, ...]:
    items = list(value) if isinstance(value, (list, tuple)) else [value]
    hint = 'write names without a port: ["carillon.example.org"]'
    if len(items) > HOSTS_LIMIT:
        raise wrong(f"at most {HOSTS_LIMIT} names are taken")
    for item in items:
        if not isinstance(item, str) or len(item) > _HOST_LIMIT or not _HOST.fullmatch(item.lower()):
            raise wrong("not the name of a host", hint)
    return tuple(Public(item.lower().rstrip(".")) for item in items)


def _globs(value: Any) -> tuple[Public, ...]:
    items = list(value) if isinstance(value, (list, tuple)) else [value]
    if len(items) > GLOBS_LIMIT:
        raise wrong(f"at most {GLOBS_LIMIT} patterns are taken")
    for item in items:
        if not isinstance(item, str) or not 0 < len(item) <= 255 or not item.isprintable():  # noqa: PLR2004
            raise wrong("not a pattern of task names", 'write ["apps.reports.*"]')
    return tuple(Public(item) for item in items)


Hosts = Annotated[tuple[Public, ...], PlainValidator(_hosts), AS_LIST]
Globs = Annotated[tuple[Public, ...], PlainValidator(_globs), AS_LIST]


class ApiSection(Section):
    """``[api]``: health, metrics, the API and the dashboard over HTTP."""

    listen: ListenAddress = parse_address("127.0.0.1:8674")
    hosts: Hosts = ()
    tls_certificate: File | None = None
    tls_key: File | None = None
    trusted_proxies: Networks | None = None
    insecure: bool = False
    read_only: bool = False
    reveal: bool = False
    metrics: Literal["open", "token"] | None = None
    show_tasks: Globs = ()
    rate: int = Field(default=3000, ge=1, le=1_000_000)
    session_idle: Duration = 900.0
    session_limit: Duration = 43_200.0
    environment: Label | None = None
    colour: Literal["none", "red", "amber", "green", "blue", "violet"] = "none"

    @model_validator(mode="after")
    def _is_safe(self) -> ApiSection:
        if (self.tls_certificate is None) is not (self.tls_key is None):
            raise wrong("tls_certificate and tls_key belong together", "name both files")
        if not self.listen.is_loopback and not self.is_encrypted and not self.insecure:
            raise wrong(
                f"{self.listen} can be reached from other machines, and tokens would be read on the way",
                "set tls_certificate and tls_key, or trusted_proxies for a proxy that ends TLS; or insecure = true",
            )
        for key in ("session_idle", "session_limit"):
            if not _SHORTEST_SESSION_S <= getattr(self, key) <= _LONGEST_SESSION_S:
                raise wrong(f"{key} is between a minute and a week")
        return self

    @property
    def is_encrypted(self) -> bool:
        """Say whether what is asked comes encrypted, up to here or up to a proxy that is trusted."""
        return self.tls_certificate is not None or self.trusted_proxies is not None

    @property
    def has_open_metrics(self) -> bool:
        """Say whether metrics are given without a token: on loopback, where no proxy opens it to others."""
        if self.metrics is not None:
            return self.metrics == "open"
        return self.listen.is_loopback and self.trusted_proxies is None
