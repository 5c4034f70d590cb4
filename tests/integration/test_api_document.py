"""A running daemon is asked everything its own document says can be asked, and much that it says cannot; what it answers must be as described."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis.config import CacheConfig, SchemathesisConfig
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks

from tests.support.builders import ADT_FEED, MARKER, site_text, write_site
from tests.support.process import DaemonProcess
from tests.support.tokens import add_token
from tests.support.valkey import ValkeyServer

EXAMPLES = 12
SCHEDULE = """
[schedule.nightly]
task = "app.report"
cron = "0 2 * * *"
kwargs = { who = "ZZPATIENT" }

[schedule.often]
task = "app.ping"
every = "5s"
"""
CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]


@dataclass(frozen=True, slots=True)
class Served:
    """A daemon, and a token that may do everything that is asked of it over the network."""

    url: str
    token: str
    document: dict[str, Any]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, shared_valkey: ValkeyServer) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("site")
    text = site_text(broker_url=shared_valkey.url, feeds=ADT_FEED, schedule=SCHEDULE)
    text = text.replace("[api]\n", "[api]\nreveal = true\n", 1)
    site_file = write_site(folder, text)
    with DaemonProcess(site_file) as daemon:
        listening = daemon.wait_for("api.listening")
        daemon.ready()
        url = f"http://{listening['address']}"
        token = add_token(folder / "state", "all", role="admin", phi=True)
        with urllib.request.urlopen(f"{url}/api/openapi.json") as response:
            document = json.loads(response.read())
        yield Served(url, token, document)


def test_the_document_of_a_daemon_is_sound_and_says_who_may_ask_what(served: Served) -> None:
    OpenAPIV31SpecValidator(served.document).validate()
    operations = [
        (path, method, operation)
        for path, methods in served.document["paths"].items()
        for method, operation in methods.items()
    ]
    assert len(operations) > 60
    assert [(path, method) for path, method, one in operations if not one["summary"] or "x-role" not in one] == []
    unprotected = {path for path, _, one in operations if one["x-role"] == "nobody" and one.get("security") == []}
    assert unprotected <= {"/healthz", "/readyz", "/metrics", "/healthcheck", "/api/session", "/api/session/confirm"}


def test_whatever_is_asked_is_answered_as_the_document_says(served: Served) -> None:
    config = SchemathesisConfig(cache=CacheConfig(enabled=False))  # it would write into the folder the tests run in
    schema = schemathesis.openapi.from_dict(served.document, config=config)
    headers = {"Authorization": f"Bearer {served.token}"}
    wrong: list[str] = []
    for found in schema.get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]
        if operation.definition.raw.get("x-websocket") or "/api/session" in operation.path:
            continue
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            wrong += _tried(operation, mode, served.url, headers)
    assert wrong == []


def _tried(operation: Any, mode: GenerationMode, url: str, headers: dict[str, str]) -> list[str]:
    """Ask one operation some times; give what was not as described, in a line each."""
    wrong: list[str] = []

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        response = case.call(base_url=url, headers=headers, timeout=65)
        assert response.status_code != 500, response.text[:500]
        assert MARKER not in response.text or "reveal" in operation.path
        case.validate_response(response, checks=CHECKS)

    try:
        ask()
    except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - each is a finding, told with the operation it was found at
        # Nothing wrong can be made of an operation that takes anything.
        if not type(error).__name__.startswith("Unsatisf"):
            wrong.append(f"{operation.method.upper()} {operation.path} ({mode.value}): {_told(error)}")
    return wrong


def _told(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {' '.join(str(error).split())[:700]}"
