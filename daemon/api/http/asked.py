"""A request as its handler sees it: read, checked, and free of the library it came through. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

from daemon.api.http.answer import is_one_of
from daemon.api.http.caller import Caller
from daemon.deeds import Deed, DeedKind
from daemon.desks import By, Changed
from daemon.public import Public, escaped

M = TypeVar("M", bound=BaseModel)
SHOWN_LIMIT = 255


class Query(BaseModel):
    """Common ground of what is asked in a query string; unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Body(BaseModel):
    """Common ground of what is asked in a body: a JSON object; unknown names are refused, texts are no numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request.

    Attributes:
        parts: the names in its path, decoded; anything anyone may write stands there.
        query: the query string, as the resource's model; ``None`` without one.
        body: the body, as the resource's model; ``None`` without one.
        raw_query: the query string as it came; for the ways that mirror others.
        raw_body: the body as it came, where the resource has no model.
        if_match: entity tags the caller wants the thing to have still; empty if it did not say.
        idempotency_key: under which a repeated request is the same one; the caller drew it.
    """

    caller: Caller
    parts: Mapping[str, str] = field(default_factory=dict)
    query: BaseModel | None = None
    body: BaseModel | None = None
    raw_query: tuple[tuple[str, str], ...] = ()
    raw_body: bytes = b""
    if_match: str = ""
    idempotency_key: str = ""
    content_type: str = ""

    def asks(self, model: type[M]) -> M:
        """Give the query string as what it was read as."""
        assert isinstance(self.query, model)  # the resource names its model; anything else is a bug here
        return self.query

    def says(self, model: type[M]) -> M:
        """Give the body as what it was read as."""
        assert isinstance(self.body, model)
        return self.body

    def expect(self, etag: str) -> None:
        """Refuse to change what somebody else has changed since the caller read it (RFC 9110 section 13.1.1).

        Raises:
            Changed: the caller said which state it knows, and it is not this one.
        """
        if self.if_match and not is_one_of(etag, self.if_match):
            message = "it has been changed since it was read"
            raise Changed(message, hint="read it again, and decide anew")

    @property
    def by(self) -> By:
        """Say who asks, for the record of what a desk does."""
        return By(self.caller.who, self.caller.address, self.caller.role.word)

    def deed(self, kind: DeedKind, about: str, **more: Any) -> Deed:
        """Write down who does what; ``more`` are further fields of the deed."""
        return Deed(
            kind,
            self.caller.who,
            named(about),
            address=self.caller.address,
            role=self.caller.role.word,
            **more,
        )

    def __repr__(self) -> str:
        """Show who asks; what is asked may hold anything."""
        return f"Asked(caller={self.caller!r})"


def named(text: str) -> Public:
    """Take a name or a reason that an authenticated caller wrote as something to be shown: one line, cut at 255 characters."""
    return Public(escaped(text[:SHOWN_LIMIT]))
