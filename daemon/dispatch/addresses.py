"""Where broker and result back-end are, and whether they can be spoken to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daemon.settings import Problem
from shim.client.conf import BrokerKind, broker_address, broker_kind, redis_broker, redis_results
from shim.errors import BrokerUrlInvalid

EMBEDDED = "embedded"
"""Stands for a private Valkey in the state folder."""


def check_addresses(conf: Mapping[str, Any]) -> list[Problem]:
    """Find what is wrong with the addresses of broker and result back-end."""
    problems = []
    is_embedded = conf.get("broker_url") == EMBEDDED
    for key, check in (("broker_url", _check_broker), ("result_backend", _check_results)):
        if conf.get(key) not in (None, EMBEDDED):
            try:
                check(conf)
            except BrokerUrlInvalid as error:
                problems.append(Problem(("celery", key), str(error), error.hint))
    if conf.get("result_backend") == EMBEDDED and not is_embedded:
        text = "there is no embedded server unless broker_url is embedded too"
        problems.append(Problem(("celery", "result_backend"), text))
    return problems


def _check_broker(conf: Mapping[str, Any]) -> None:
    if broker_kind(broker_address(conf)) is BrokerKind.REDIS:
        redis_broker(conf)


def _check_results(conf: Mapping[str, Any]) -> None:
    redis_results(conf)
