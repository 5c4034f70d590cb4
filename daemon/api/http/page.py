"""Pages of long lists: a bounded number of items, and an opaque word for what comes next. Pure."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

import orjson
from pydantic import Field

from daemon.api.http.asked import Query
from daemon.desks import BadRequest

T = TypeVar("T")
ITEMS_LIMIT = 200
CURSOR_LIMIT = 1024


class Paged(Query):
    """Asks for a page."""

    limit: Annotated[int, Field(ge=1, le=ITEMS_LIMIT, description="How many items at most.")] = 50
    after: Annotated[str, Field(max_length=CURSOR_LIMIT, description="`next` of the page before.")] = ""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A page.

    Attributes:
        next: what ``after`` must be for the page that follows; ``None`` on the last.
        total: how many there are in all, where that is known.
    """

    items: Sequence[T]
    next: str | None = None
    total: int | None = None


def cursor(*keys: Any) -> str:
    """Write the keys of a page's last item as an opaque word."""
    return urlsafe_b64encode(orjson.dumps(keys)).decode().rstrip("=")


def keys_of(after: str, count: int) -> list[Any] | None:
    """Read what ``cursor`` wrote; ``None`` for the first page.

    Raises:
        BadRequest: it is none of ours.
    """
    if not after:
        return None
    try:
        keys = orjson.loads(urlsafe_b64decode(after + "=" * (-len(after) % 4)))
    except ValueError:
        keys = None
    if not isinstance(keys, list) or len(keys) != count or not all(isinstance(key, (str, int)) for key in keys):
        message = '"after" is no word that a page gave'
        raise BadRequest(message, hint="leave it out for the first page", field="after")
    return keys
