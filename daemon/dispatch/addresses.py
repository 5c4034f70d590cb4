"""Where broker and result back-end are, and whether they can be spoken to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from daemon.dispatch.celery_side import EMBEDDED
from daemon.settings import Problem
from daemon.settings.problems import KeyPath
from shim.client.amqp_extra import check_amqp
from shim.client.conf import BrokerKind, broker_address, broker_kind, foreign_results, redis_broker, redis_results
from shim.errors import BrokerUrlInvalid

NO_RUN = "carillon run needs Redis, Valkey or RabbitMQ"
NO_RUN_HINT = "tasks can be sent to this broker with carillon send, from a site without entries and feeds"
NOT_COUNTED_HINT = "leave it out: on RabbitMQ nobody counts what runs and what was sent"


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


def check_runs(conf: Mapping[str, Any], *, has_work: bool) -> list[Problem]:
    """Find out whether a daemon can run on the broker; ``has_work`` says whether there are entries or feeds for it."""
    if not has_work or conf.get("broker_url") == EMBEDDED:
        return []
    try:
        kind = broker_kind(broker_address(conf))
    except BrokerUrlInvalid:
        return []  # found by check_addresses
    return [Problem(("celery", "broker_url"), NO_RUN, NO_RUN_HINT)] if kind is BrokerKind.FOREIGN else []


def check_gates(conf: Mapping[str, Any], counted: Sequence[KeyPath], hint: str = NOT_COUNTED_HINT) -> list[Problem]:
    """Find what the broker cannot count: RabbitMQ knows neither how many tasks run nor how many were sent.

    Args:
        conf: Celery's settings.
        counted: the keys that ask for counting, such as ``("schedule", "report", "overlap")``, or for what else it cannot do.
        hint: what to do instead.
    """
    if not counted or conf.get("broker_url") == EMBEDDED:
        return []
    try:
        kind = broker_kind(broker_address(conf))
    except BrokerUrlInvalid:
        return []  # found by check_addresses
    if kind is not BrokerKind.AMQP:
        return []
    return [Problem(path, f"{path[-1]} needs Redis or Valkey as the broker", hint) for path in counted]


def _check_broker(conf: Mapping[str, Any]) -> None:
    kind = broker_kind(broker_address(conf))
    if kind is BrokerKind.REDIS:
        redis_broker(conf)
    elif kind is BrokerKind.AMQP:
        check_amqp(conf)


def _check_results(conf: Mapping[str, Any]) -> None:
    if redis_results(conf) is None:
        foreign_results(conf)
