"""The document is made of the resources: what it says of them is read back from it here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from openapi_spec_validator import OpenAPIV31SpecValidator

from daemon.api.http.asked import Asked, Body, Query
from daemon.api.http.caller import Capability, Role
from daemon.api.http.openapi import document, plain_path
from daemon.api.http.page import Page, Paged
from daemon.api.http.resource import Channel, Line, Resource
from daemon.public import Public


class Which(Query):
    state: str = ""


class Change(Body):
    note: str


@dataclass(frozen=True, slots=True)
class Thing:
    name: Public
    made_at: datetime


async def nothing(asked: Asked) -> Any:
    return asked


async def talk(asked: Asked, line: Line, found: Any) -> None:
    del asked, line, found


RESOURCES = (
    Resource("GET", "/api/things", nothing, "List", "things", query=Paged, answers=Page[Thing], also_as=("text/csv",)),
    Resource("GET", "/api/things/{name:.+}", nothing, "Show", "things", query=Which, answers=Thing, problems=(404,)),
    Resource(
        "PATCH",
        "/api/things/{name:.+}",
        nothing,
        "Change",
        "things",
        Role.OPERATOR,
        needs=frozenset((Capability.PHI,)),
        body=Change,
        answers=Thing,
        problems=(404, 412),
        is_creation=True,
    ),
    Resource("GET", "/healthz", nothing, "Live", "health", Role.NOBODY, media_type="text/plain"),
    Resource("GET", "/hidden", nothing, "Hidden", "health", is_hidden=True),
)
CHANNELS = (Channel("/api/ws/things", talk, "Things as they change", "things"),)
MADE = document(RESOURCES, CHANNELS, "1.2.3")


def test_the_document_is_a_sound_one() -> None:
    OpenAPIV31SpecValidator(MADE).validate()


def test_every_resource_and_channel_that_is_not_hidden_stands_in_it() -> None:
    found = {(method, path) for path, methods in MADE["paths"].items() for method in methods}
    assert found == {
        ("get", "/api/things"),
        ("get", "/api/things/{name}"),
        ("patch", "/api/things/{name}"),
        ("get", "/healthz"),
        ("get", "/api/ws/things"),
    }


def test_what_is_asked_and_answered_is_described_from_the_types() -> None:
    listing = MADE["paths"]["/api/things"]["get"]
    assert {one["name"] for one in listing["parameters"]} == {"limit", "after"}
    thing = MADE["components"]["schemas"]["Thing"]
    assert thing["properties"]["made_at"]["format"] == "date-time"
    assert thing["required"] == ["name", "made_at"]
    change = MADE["paths"]["/api/things/{name}"]["patch"]
    assert {one["name"] for one in change["parameters"]} == {"name", "Idempotency-Key", "If-Match"}
    assert change["requestBody"]["required"] is True
    assert change["x-role"] == "operator"
    assert change["x-capabilities"] == ["phi"]
    assert "404" in change["responses"]
    assert MADE["paths"]["/healthz"]["get"]["security"] == []


def test_each_media_type_an_answer_can_have_is_described() -> None:
    content = MADE["paths"]["/api/things"]["get"]["responses"]["200"]["content"]
    assert set(content) == {"application/json", "text/csv"}
    assert content["text/csv"]["schema"] == {"type": "string"}


def test_a_pattern_of_the_router_stays_out_of_the_path() -> None:
    assert plain_path("/a/{one:.+}/b/{two}") == "/a/{one}/b/{two}"
