"""Arguments of commands, read strictly: some of what a worker accepts would break it, or do nothing without a word."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from shim import option
from shim.encoding import check_header, check_mapping
from shim.errors import RequestInvalid
from shim.value import Json

IDS_LIMIT = 10_000
"""Ids in one command; a worker remembers 50,000 revoked ones and forgets the oldest."""

NAMES_LIMIT = 1000
POOL_LIMIT = 1000
"""Processes that may be asked for at once."""

SIGNALS: Final = frozenset(
    (
        "ABRT", "ALRM", "BUS", "CHLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "KILL", "PIPE", "PROF", "PWR", "QUIT",
        "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1", "USR2", "VTALRM", "WINCH",
        "XCPU", "XFSZ",
    )
)  # fmt: skip
"""Signals of Linux, without their ``SIG``."""

EXCHANGE_TYPES: Final = ("direct", "topic", "fanout")
"""Types kombu's transport on Redis has. Told another one, a 5.3 worker ends and a 5.7 worker reconnects for ever."""

_FLAGS = (
    "auto_delete", "durable", "exchange_auto_delete", "exchange_durable", "exclusive", "no_ack", "no_declare",
    "queue_auto_delete", "queue_durable",
)  # fmt: skip
_TABLES = ("binding_arguments", "consumer_arguments", "exchange_arguments", "queue_arguments")
_SECONDS = ("expires", "message_ttl")
_COUNTS: Final[Mapping[str, int]] = {
    "max_length": option.COUNT_LIMIT,
    "max_length_bytes": option.COUNT_LIMIT,
    "max_priority": 255,
}
QUEUE_OPTIONS: Final = frozenset((*_FLAGS, *_TABLES, *_SECONDS, *_COUNTS))
"""What ``kombu.Queue.from_dict`` reads beside the exchange and the routing key, as far as it makes sense here."""

_RATE = re.compile(r"\d{1,9}(\.\d{1,9})?(/[smh])?", re.ASCII)
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


def names(values: object, label: str, *, most: int = NAMES_LIMIT) -> list[str]:
    """Read a list of names.

    Raises:
        RequestInvalid: a text instead of a list, too many, or one that is no name.
    """
    if isinstance(values, str) or not isinstance(values, Sequence) or len(values) > most:
        message = f"{label}: a list of at most {most} is needed"
        raise RequestInvalid(message)
    return [option.name(value, label) for value in values]


def ids(values: object, label: str) -> str | list[str]:
    """Read one id or several, in the form in which they were given.

    Raises:
        RequestInvalid: none, too many, or one that is no id.
    """
    if isinstance(values, str):
        return option.name(values, label)
    if not values:
        message = f"{label}: no id"
        raise RequestInvalid(message)
    return names(values, label, most=IDS_LIMIT)


def signal_name(value: object, label: str = "signal") -> str:
    """Read the name of a signal, with or without ``SIG``.

    Raises:
        RequestInvalid: a name no Linux worker knows; it would answer with an error, or not at all.
    """
    if not isinstance(value, str) or value.removeprefix("SIG") not in SIGNALS:
        message = f"{label}: not a signal"
        raise RequestInvalid(message, hint="in capitals, such as SIGTERM, SIGKILL, SIGUSR1")
    return value


def rate(value: str | float | None, label: str = "rate_limit") -> str | float | None:
    """Read a rate limit: tasks per second as a number, or text such as ``10/m``; ``None`` and 0 mean none.

    Raises:
        RequestInvalid: anything else. A worker would accept ``inf`` and negative numbers, and then run nothing or fail.
    """
    if value is None:
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if 0 <= value <= option.COUNT_LIMIT:
            return value
    elif isinstance(value, str) and _RATE.fullmatch(value):
        return value
    message = f"{label}: not a rate"
    raise RequestInvalid(message, hint="a number per second, or text such as 5/s, 10/m, 0.5/h")


def exchange_type(value: str, label: str = "exchange_type") -> str:
    """Read the type of an exchange.

    Raises:
        RequestInvalid: one a worker's transport does not know.
    """
    if value not in EXCHANGE_TYPES:
        message = f"{label}: not known to workers"
        raise RequestInvalid(message, hint=f"one of {', '.join(EXCHANGE_TYPES)}")
    return value


def queue_options(values: Mapping[str, Json], label: str = "options") -> dict[str, Json]:
    """Read further options of a queue: flags, tables of arguments, seconds and counts.

    Raises:
        RequestInvalid: one that kombu does not read, or of the wrong kind. A worker would lose its connection over it, and
            again over each attempt to restore it.
    """
    found: dict[str, Json] = {}
    for name, value in values.items():
        where = f"{label}[{name!r}]"
        if name in _FLAGS:
            found[name] = option.flag(value, where)
        elif name in _SECONDS:
            found[name] = option.limit(value, where)
        elif name in _COUNTS:
            found[name] = option.count(value, where, least=1, most=_COUNTS[name])
        elif name in _TABLES:
            check_mapping(value, where)
            check_header(value, where)
            found[name] = value
        else:
            message = f"{label}: {name!r} is no option of a queue"
            raise RequestInvalid(message, hint=f"one of {', '.join(sorted(QUEUE_OPTIONS))}")
    return found


def modules(values: Sequence[str] | None, label: str = "modules") -> list[str] | None:
    """Read names of Python modules.

    Raises:
        RequestInvalid: one that cannot be a module.
    """
    if values is None:
        return None
    found = names(values, label)
    for name in found:
        if not _MODULE.fullmatch(name):
            message = f"{label}: {name!r} cannot be a module"
            raise RequestInvalid(message)
    return found


def stamps(headers: object, label: str = "headers") -> dict[str, Json]:
    """Read the stamps that tasks are chosen by: for each name the values that match.

    Raises:
        RequestInvalid: none at all, or one that is no name.
    """
    if not isinstance(headers, Mapping) or not headers:
        message = f"{label}: at least one stamp is needed"
        raise RequestInvalid(message, hint='such as {"tenant": ["acme"]}')
    return {option.name(name, label): ids(values, f"{label}[{name!r}]") for name, values in headers.items()}
