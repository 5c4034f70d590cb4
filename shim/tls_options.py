"""TLS options of a connection, as Celery users write them: in an address, ``broker_use_ssl`` or ``sentinel_kwargs``."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import PurePath
from typing import TypeAlias

from shim.errors import BrokerUrlInvalid

UseSsl: TypeAlias = Mapping[str, object] | bool | None
"""What ``broker_use_ssl`` and ``redis_backend_use_ssl`` may be."""

TLS_OPTIONS = (
    "ssl_ca_certs", "ssl_ca_data", "ssl_ca_path", "ssl_cert_reqs", "ssl_certfile", "ssl_check_hostname", "ssl_ciphers",
    "ssl_keyfile", "ssl_min_version", "ssl_password",
)  # fmt: skip
"""What redis-py's TLS connection takes, and so what Celery takes for Redis."""

_DEMANDS: dict[object, str] = {
    "required": "required", "optional": "optional", "none": "none",
    "cert_required": "required", "cert_optional": "optional", "cert_none": "none",
    ssl.CERT_REQUIRED: "required", ssl.CERT_OPTIONAL: "optional", ssl.CERT_NONE: "none",
    None: "none",
}  # fmt: skip
_SWITCH = {"true": "true", "false": "false", "1": "true", "0": "false", "yes": "true", "no": "false"}


def read_tls_options(given: Mapping[str, object]) -> dict[str, str]:
    """Give ``given`` as the text an address carries: the same options, constants and booleans as words.

    Raises:
        BrokerUrlInvalid: an unknown option or a value it cannot have. The message shows no value.
    """
    return {name: _read(name, value) for name, value in given.items()}


def read_use_ssl(given: UseSsl) -> dict[str, str] | None:
    """Read ``broker_use_ssl`` or ``redis_backend_use_ssl``; ``None`` if it asks for no TLS.

    Raises:
        BrokerUrlInvalid: as ``read_tls_options``, and for ``True``: kombu then connects to Redis without TLS and says nothing
            (``kombu/transport/redis.py``, ``_connparams``).
    """
    if not given:
        return None
    if not isinstance(given, Mapping):
        message = "use_ssl without options: Celery would connect to Redis without TLS"
        raise BrokerUrlInvalid(
            message, hint='write a mapping: {"ssl_cert_reqs": "required", "ssl_ca_certs": "/etc/ca.pem"}'
        )
    return read_tls_options(given)


def _read(name: str, value: object) -> str:
    if name not in TLS_OPTIONS:
        message = f"TLS option {name!r} is not known"
        better = f"for Redis it is called 'ssl_{name}'" if f"ssl_{name}" in TLS_OPTIONS else ""
        raise BrokerUrlInvalid(message, hint=better or f"known are {', '.join(TLS_OPTIONS)}")
    if name == "ssl_cert_reqs":
        word = value.lower() if isinstance(value, str) else value
        is_plain = word is None or (isinstance(word, (str, int)) and not isinstance(word, bool))
        demand = _DEMANDS.get(word) if is_plain else None
        return _known(name, demand, "one of required, optional, none, or the CERT_ constants")
    if name == "ssl_check_hostname":
        return _known(name, _SWITCH.get(str(value).lower()), "true or false")
    if name == "ssl_min_version":
        number = str(int(value)) if isinstance(value, int) else value
        usable = isinstance(number, str) and number.isascii() and number.isdigit() and len(number) <= len("65535")
        return _known(name, number if usable else None, "a number, such as 771 for TLS 1.2 or 772 for TLS 1.3")
    if isinstance(value, PurePath):
        return str(value)
    return _known(name, value if value and isinstance(value, str) else None, "a text that is not empty")


def _known(name: str, read: object, wanted: str) -> str:
    if not isinstance(read, str):
        message = f"{name} is not known" if name == "ssl_cert_reqs" else f"{name} has a value it cannot have"
        raise BrokerUrlInvalid(message, hint=wanted)
    return read
