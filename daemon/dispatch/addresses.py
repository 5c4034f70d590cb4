"""Where broker and result back-end are, as a site file says it."""

from __future__ import annotations

from daemon.errors import SettingsInvalid
from daemon.settings import Problem
from daemon.settings.celery_sections import CelerySection
from shim.broker_url import BrokerUrl, parse_broker_url
from shim.errors import BrokerUrlInvalid

EMBEDDED = "embedded"
"""Stands for a private Valkey in the state folder."""


def broker_address(text: str) -> BrokerUrl:
    """Read the address of a broker or result back-end.

    Raises:
        SettingsInvalid: it is not one we can speak to.
    """
    try:
        return parse_broker_url(text)
    except BrokerUrlInvalid as error:
        raise SettingsInvalid(str(error), hint=error.hint) from None


def check_addresses(settings: CelerySection) -> list[Problem]:
    """Find what is wrong with the addresses of ``[celery]``."""
    problems = []
    for key, text in (("broker_url", settings.broker_url), ("result_backend", settings.result_backend)):
        if text is not None and text != EMBEDDED:
            try:
                broker_address(text)
            except SettingsInvalid as error:
                problems.append(Problem(("celery", key), str(error), error.hint))
    if settings.result_backend == EMBEDDED and settings.broker_url != EMBEDDED:
        text = "there is no embedded server unless broker_url is embedded too"
        problems.append(Problem(("celery", "result_backend"), text))
    return problems
