"""What is unsafe about ``[api]``, for ``carillon check`` and the start of the daemon."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from daemon.api.certificate import Certificate
from daemon.errors import ListenFailed
from daemon.settings.api_section import ApiSection
from daemon.settings.problems import Problem, Severity

_SECTION = "api"
_WIDEST = 8
_WIDEST_V6 = 32


def check_api(section: ApiSection) -> Iterator[Problem]:
    """Find certificates that cannot be used, and what lets too many in."""
    if section.tls_certificate is not None and section.tls_key is not None:
        try:
            Certificate(section.tls_certificate, section.tls_key).load()
        except ListenFailed as error:
            yield Problem((_SECTION, "tls_certificate"), str(error), error.hint)
        if _is_open(section.tls_key):
            yield _unsafe("tls_key", f"{section.tls_key} can be read by others", f"chmod 600 {section.tls_key}")
    if not section.listen.is_loopback and not section.is_encrypted:
        text = "tokens and what they show go unencrypted over the network"
        yield _unsafe("insecure", text, "set tls_certificate and tls_key")
    for proxy in section.trusted_proxies or ():
        if proxy.prefixlen < (_WIDEST if proxy.version == 4 else _WIDEST_V6):  # noqa: PLR2004 - of the Internet
            text = f"{proxy} is hardly a network of proxies: whoever is in it says from which address it asks"
            yield _unsafe("trusted_proxies", text, "name the proxies themselves")
    if section.metrics == "open" and not section.listen.is_loopback:
        text = "metrics are open to whoever reaches the address"
        yield _unsafe("metrics", text, 'write metrics = "token", and give Prometheus one')


def _unsafe(key: str, text: str, hint: str) -> Problem:
    return Problem((_SECTION, key), text, hint, Severity.WARNING)


def _is_open(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))
    except OSError:
        return False
