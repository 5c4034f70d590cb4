"""Reads query strings and bodies into what a resource asks for; says of each field what is wrong with it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar, get_origin

import orjson
from pydantic import BaseModel, ValidationError

from daemon.api.http.asked import Body, Query
from daemon.api.http.problem import FieldProblem
from daemon.desks import BadRequest
from daemon.public import escaped

PROBLEMS_SHOWN = 20
NAME_LIMIT = 64
M = TypeVar("M", bound=BaseModel)
_LISTS = (tuple, list, set, frozenset)


class FieldsRefused(BadRequest):
    """Fields of a request cannot be read.

    Attributes:
        errors: the first of them.
    """

    code = "fields-invalid"
    status = 422

    def __init__(self, errors: Sequence[FieldProblem]) -> None:
        """Keep what is wrong with each."""
        super().__init__(f"{errors[0].field}: {errors[0].detail}")
        self.errors = tuple(errors)


def read_query(model: type[Query] | None, pairs: Iterable[tuple[str, str]]) -> Query | None:
    """Read a query string.

    Raises:
        FieldsRefused: a name nobody asked for, one that comes twice, or a value that cannot be.
    """
    pairs = list(pairs)
    if model is None:
        if pairs:
            raise FieldsRefused([FieldProblem(f"query.{_name(pairs[0][0])}", "nothing is asked for here")])
        return None
    values: dict[str, Any] = {}
    lists = {name for name, field in model.model_fields.items() if get_origin(field.annotation) in _LISTS}
    for name, value in pairs:
        if name in lists:
            values.setdefault(name, []).append(value)
        elif name in values:
            raise FieldsRefused([FieldProblem(f"query.{_name(name)}", "is said twice")])
        else:
            values[name] = value
    return _validated(model, values, "query")


def read_body(model: type[Body] | None, raw: bytes) -> Body | None:
    """Read a body: a JSON object, or nothing where every field may be absent.

    Raises:
        BadRequest: it is no JSON object.
        FieldsRefused: a field is not what it should be.
    """
    if model is None:
        if raw.strip() not in (b"", b"{}"):  # many programs send an empty object with each POST
            message = "nothing is to be said in a body here"
            raise BadRequest(message)
        return None
    try:
        values = orjson.loads(raw) if raw.strip() else {}
    except (ValueError, RecursionError):
        message = "the body is no JSON"
        raise BadRequest(message) from None
    if not isinstance(values, dict):
        message = "the body is no JSON object"
        raise BadRequest(message)
    return _validated(model, values, "body", is_json=raw)


def _validated(model: type[M], values: Mapping[str, Any], where: str, *, is_json: bytes = b"") -> M:
    try:
        if is_json.strip():  # so that lists are taken for tuples, and texts for enumerations
            return model.model_validate_json(is_json)
        return model.model_validate(values)
    except ValidationError as error:
        raise FieldsRefused(_problems(error, where)) from None


def _problems(error: ValidationError, where: str) -> list[FieldProblem]:
    """Say what is wrong in pydantic's own words, which do not quote what was sent."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [
        FieldProblem(".".join((where, *(_name(str(part)) for part in one["loc"]))), one["msg"])
        for one in found[:PROBLEMS_SHOWN]
    ]


def _name(name: str) -> str:
    return escaped(name[:NAME_LIMIT])


def fields_of(model: type[BaseModel]) -> tuple[str, ...]:
    """Name the fields of a model as they are written."""
    return tuple(field.alias or name for name, field in model.model_fields.items())
