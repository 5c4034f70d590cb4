"""The OpenAPI document as a resource."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from daemon.api.http.answer import Answer, tag_of, written
from daemon.api.http.asked import Asked
from daemon.api.http.caller import Role
from daemon.api.http.openapi import document
from daemon.api.http.resource import Channel, Resource


def document_resources(
    resources: Sequence[Resource], channels: Sequence[Channel], version: str
) -> tuple[Resource, ...]:
    """List the document; it describes the others."""
    body = document(resources, channels, version)
    text, tag = written(body), tag_of(body)

    async def openapi(asked: Asked) -> Any:
        del asked
        return Answer(text, etag=tag)

    return (Resource("GET", "/api/openapi.json", openapi, "This document", "document", Role.NOBODY, is_hidden=True),)
