"""Describes what can be asked as an OpenAPI 3.1 document, made of the same values the router is made of. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter

from daemon.api.http.caller import Capability, Role
from daemon.api.http.problem import CONTENT_TYPE, Problem
from daemon.api.http.resource import Channel, Resource

VERSION = "3.1.0"
_REF = "#/components/schemas/{model}"
_PART = re.compile(r"\{([a-z_]+)(?::[^{}]*)?\}")
_ALWAYS = (400, 401, 403, 408, 413, 421, 422, 429, 500, 503)
_DESCRIPTION = (
    "Schedules, HL7 feeds, messages, tasks, workers and queues of one site.\n\n"
    "Refusals are `application/problem+json` (RFC 9457) with a stable `code`. Lists come in pages: `next` of one is `after` of "
    "the following. What can be changed has an entity tag: send it as `If-Match`, and a change of somebody else's is not "
    "overwritten. Creations heed `Idempotency-Key`. Contents (arguments, results, messages) are shown to tokens with the "
    "capability `phi` alone, each time on the record."
)


def document(resources: Iterable[Resource], channels: Iterable[Channel], version: str) -> dict[str, Any]:
    """Describe what can be asked."""
    shown = [resource for resource in resources if not resource.is_hidden]
    channels = list(channels)
    shapes = _Shapes([*shown, *channels])
    paths: dict[str, dict[str, Any]] = {}
    for resource in shown:
        paths.setdefault(plain_path(resource.path), {})[resource.method.lower()] = _operation(resource, shapes)
    for channel in channels:
        paths.setdefault(plain_path(channel.path), {})["get"] = _upgrade(channel, shapes)
    return {
        "openapi": VERSION,
        "info": {
            "title": "Carillon",
            "version": version,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {"session": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(shapes.named.items())),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "`carillon token add` makes one."},
                "session": {"type": "apiKey", "in": "cookie", "name": "carillon_session"},
            },
        },
    }


class _Shapes:
    """Schemas of all types at once, so that equal names of different types are told apart.

    Attributes:
        named: those that are referred to.
    """

    def __init__(self, wanted: Sequence[Resource | Channel]) -> None:
        models: dict[tuple[int, str], tuple[Any, Any]] = {}
        for one in wanted:
            models[id(one.query), "validation"] = (one.query, "validation")
            if isinstance(one, Resource):
                models[id(one.body), "validation"] = (one.body, "validation")
                models[id(one.answers), "serialization"] = (one.answers, "serialization")
        models[id(Problem), "serialization"] = (Problem, "serialization")
        inputs = [(key, mode, TypeAdapter(model)) for key, (model, mode) in models.items() if model is not None]
        found, more = TypeAdapter.json_schemas(inputs, ref_template=_REF)
        self._found = {key: schema for (key, _), schema in found.items()}
        self.named: dict[str, Any] = dict(more.get("$defs", {}))

    def of(self, model: Any, mode: str = "serialization") -> dict[str, Any]:
        """Give the schema of a type, or a reference to it."""
        return dict(self._found[id(model), mode])

    def fields(self, model: Any) -> dict[str, Any]:
        """Give the schema of a type itself, and keep it from being named: query strings are taken apart."""
        schema = self.of(model, "validation")
        reference = schema.get("$ref", "")
        return dict(self.named[reference.rpartition("/")[2]]) if reference else schema


def plain_path(path: str) -> str:
    """Write a router's path as OpenAPI has it: names without patterns."""
    return _PART.sub(r"{\1}", path)


def _operation(resource: Resource, shapes: _Shapes) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": _operation_id(resource.method, resource.path),
        "summary": resource.summary,
        "tags": [resource.tag],
        "parameters": [*_parts(resource.path), *_parameters(resource.query, shapes), *_headers(resource)],
        "responses": _responses(resource, shapes),
        "x-role": resource.role.word,
    }
    notes = [resource.description] if resource.description else []
    if resource.needs:
        words = sorted(one.value for one in resource.needs)
        found["x-capabilities"] = words
        notes.append(f"Takes the capability {', '.join(words)}.")
    if resource.is_for_results:
        notes.append(f"A token with `{Capability.RESULTS.value}` alone may ask for what it sent itself.")
    if resource.role is Role.NOBODY and not resource.is_for_results:
        found["security"] = []
    if notes:
        found["description"] = "\n\n".join(notes)
    if resource.body is not None:
        content = {"application/json": {"schema": shapes.of(resource.body, "validation")}}
        is_needed = any(field.is_required() for field in resource.body.model_fields.values())
        found["requestBody"] = {"content": content, "required": is_needed}
    return found


def _upgrade(channel: Channel, shapes: _Shapes) -> dict[str, Any]:
    return {
        "operationId": _operation_id("ws", channel.path),
        "summary": f"{channel.summary} (WebSocket)",
        "tags": [channel.tag],
        "parameters": [*_parts(channel.path), *_parameters(channel.query, shapes)],
        "responses": {
            "101": {"description": "The connection becomes a WebSocket."},
            **{str(status): _refused() for status in (*_ALWAYS, 404)},
        },
        "x-role": channel.role.word,
        "x-websocket": True,
    }


def _responses(resource: Resource, shapes: _Shapes) -> dict[str, Any]:
    right: dict[str, Any] = {"description": "As asked."}
    if resource.answers is not None:
        right["content"] = {resource.media_type: {"schema": shapes.of(resource.answers)}}
    elif resource.status != 204:  # noqa: PLR2004 - no content
        right["content"] = {resource.media_type: {}}
    for media_type in resource.also_as:
        right["content"][media_type] = {"schema": {"type": "string"}}
    found = {str(resource.status): right}
    if resource.is_safe:
        found["304"] = {"description": "It is as the caller knows it already."}
    found.update(
        {str(status): _refused() for status in sorted({*_ALWAYS, *_of_parts(resource.path), *resource.problems})}
    )
    return found


def _of_parts(path: str) -> tuple[int, ...]:
    """Give the refusals of a path with names in it: nothing may be there."""
    return (404,) if _PART.search(path) else ()


def _refused() -> dict[str, Any]:
    schema = {"$ref": _REF.format(model="Problem")}
    return {"description": "Refused; the problem says why.", "content": {CONTENT_TYPE: {"schema": schema}}}


def _parts(path: str) -> list[dict[str, Any]]:
    schema = {"type": "string", "minLength": 1}
    return [{"name": name, "in": "path", "required": True, "schema": schema} for name in _PART.findall(path)]


def _parameters(model: Any, shapes: _Shapes) -> list[dict[str, Any]]:
    if model is None:
        return []
    shape = shapes.fields(model)
    needed = set(shape.get("required", ()))
    return [_parameter(name, schema, needed) for name, schema in shape.get("properties", {}).items()]


def _parameter(name: str, schema: Mapping[str, Any], needed: set[str]) -> dict[str, Any]:
    schema = dict(schema)
    found = {"name": name, "in": "query", "required": name in needed}
    if "description" in schema:
        found["description"] = schema.pop("description")
    schema.pop("title", None)
    return {**found, "schema": schema}


def _headers(resource: Resource) -> list[dict[str, Any]]:
    text = {"type": "string", "maxLength": 255}
    names = ["Idempotency-Key"] if resource.is_creation else []
    if not resource.is_safe and 412 in resource.problems:  # noqa: PLR2004 - changed since
        names.append("If-Match")
    return [{"name": name, "in": "header", "required": False, "schema": text} for name in names]


def _operation_id(method: str, path: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", plain_path(path).lower()).strip("-")
    return f"{method.lower()}-{words}"
