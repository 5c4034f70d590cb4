"""What is answered to a request that is not right: a problem document (RFC 9457). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

CONTENT_TYPE = "application/problem+json"


def problem(status: int, paths: Sequence[str]) -> dict[str, Any]:
    """Describe a refusal by its status and by what could be asked instead; nothing of the request is in it."""
    *others, last = paths
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": f"this version answers {', '.join(others)} and {last}",
    }
