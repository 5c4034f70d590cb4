"""What can be asked: one value for each method and path. The router, the OpenAPI document and the tests are made of these."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from daemon.api.http.asked import Asked, Body, Query
from daemon.api.http.caller import Capability, Role
from daemon.api.http.ports import Line as Line  # noqa: PLC0414 - stands here for those who write handlers
from daemon.api.http.ports import LineGone as LineGone  # noqa: PLC0414 - the same

Handler: TypeAlias = Callable[[Asked], Awaitable[Any]]
SAFE = frozenset(("GET", "HEAD"))


@dataclass(frozen=True, slots=True)
class Resource:
    """What is answered under a method and a path.

    Attributes:
        path: with names in braces; ``{name:.+}`` also takes slashes.
        handle: gives an ``Answer``, or a body to be answered with ``status``.
        summary: one line for the OpenAPI document.
        tag: the group it stands in there.
        role: who may ask.
        needs: capabilities that are needed besides.
        is_for_results: whether a token with ``results`` alone may ask; the handler keeps it to what it sent.
        query, body: what may be asked; ``None``: nothing.
        answers: the type of the body, for the document and the tests (a dataclass, a pydantic model or a plain type).
        media_type: of the answer.
        also_as: other media types it can be asked in; then the answer is a text.
        problems: statuses of refusals that are this resource's own, besides those any has.
        is_creation: whether ``Idempotency-Key`` is heeded.
        is_hidden: whether it stays out of the OpenAPI document; for files of the page.
        description: more for the document, in Markdown.
        is_raw: the handler reads query string and body by itself; for the ways that mirror other programs.
        body_limit_bytes: of the request's body.
        is_reading: it changes nothing, though its method might; what is asked does not fit an address, or must not stand in one.
    """

    method: str
    path: str
    handle: Handler
    summary: str
    tag: str
    role: Role = Role.VIEWER
    needs: frozenset[Capability] = frozenset()
    is_for_results: bool = False
    query: type[Query] | None = None
    body: type[Body] | None = None
    answers: Any = None
    status: int = 200
    media_type: str = "application/json"
    also_as: tuple[str, ...] = ()
    problems: tuple[int, ...] = ()
    is_creation: bool = False
    is_hidden: bool = False
    description: str = ""
    is_raw: bool = False
    body_limit_bytes: int = 256 * 1024
    is_reading: bool = False

    @property
    def is_safe(self) -> bool:
        """Say whether asking changes nothing (RFC 9110 section 9.2.1)."""
        return self.method in SAFE


@dataclass(frozen=True, slots=True)
class Channel:
    """A WebSocket that can be opened.

    Attributes:
        talk: is called once it is open, and closes it by returning.
        check: is called before it is opened and may refuse, for instance with 404; what it gives is handed to ``talk``.
    """

    path: str
    talk: Callable[[Asked, Line, Any], Awaitable[None]]
    summary: str
    tag: str
    role: Role = Role.VIEWER
    is_for_results: bool = False
    check: Callable[[Asked], Awaitable[Any]] | None = None
    query: type[Query] | None = None
