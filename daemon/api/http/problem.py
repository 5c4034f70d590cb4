"""What is answered to a request that is not right: a problem document (RFC 9457). Pure; nothing of the request's contents is in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

CONTENT_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """What is wrong with a field of a request.

    Attributes:
        field: its place: ``body.every``, ``query.limit``.
    """

    field: str
    detail: str


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem document.

    Attributes:
        code: a stable word for programs.
        hint: what to do, if we know.
        errors: of fields, if they are to blame.
    """

    type: str
    title: str
    status: int
    code: str
    detail: str
    hint: str = ""
    errors: tuple[FieldProblem, ...] = ()


def problem(
    status: int, code: str, detail: str, *, hint: str = "", errors: Sequence[FieldProblem] = ()
) -> dict[str, Any]:
    """Describe a refusal."""
    found: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "code": code,
        "detail": detail,
    }
    if hint:
        found["hint"] = hint
    if errors:
        found["errors"] = [{"field": one.field, "detail": one.detail} for one in errors]
    return found


def word_of(status: int) -> str:
    """Give the code of a refusal nobody gave a better one."""
    return HTTPStatus(status).phrase.lower().replace(" ", "-")
