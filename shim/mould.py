"""Messages of one task for one queue differ in little: what stays the same is written once, the rest is put in between. Pure.

Only for requests that set nothing unusual, which nearly all are; the bytes are those of ``build_envelope``, to the last one.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

import orjson

from shim.encoding import as_json_text, check_arguments, encode_body, write_body
from shim.envelope import ENVELOPE_LIMIT_BYTES, Envelope, build_envelope
from shim.message import is_plain
from shim.option import NAME_LIMIT
from shim.pieces import holds_long_text
from shim.request import TaskRequest
from shim.routing import Target

MOULDS_LIMIT = 1000

_ID, _TAG = "5b3c0f6e-id-goes-here-9d0c", "5b3c0f6e-tag-goes-here-9d0c"
_AT = datetime.fromtimestamp(0.5, UTC)
_BEGIN, _END = b'{"body":"', b"}}"
_IDS = 3
_MOST_BYTES = ENVELOPE_LIMIT_BYTES - 1024 * 1024
"""A body as text that is no larger keeps all limits, whatever stands around it."""


class _Mould(NamedTuple):
    """What stands between the body, the id three times, the tag and the time."""

    after_body: bytes
    after_first: bytes
    after_second: bytes
    after_third: bytes
    after_tag: bytes


class Moulds:
    """Makes envelopes in the name of one sender, and remembers how those of each task look."""

    def __init__(self, origin: str) -> None:
        """Begin with none."""
        self._origin = origin
        self._known: dict[tuple[str, str, str, Target], _Mould | None] = {}
        self._stamp: tuple[datetime, bytes] = (_AT, b"0.5")

    def envelope(self, request: TaskRequest, target: Target, delivery_tag: str, at: datetime) -> Envelope | None:
        """Make what ``build_envelope`` makes; ``None`` if that must be asked.

        Raises:
            RequestInvalid: as ``build_envelope``.
        """
        task_id = request.task_id
        if not is_plain(request) or not (_is_simple(task_id) and _is_simple(delivery_tag)):
            return None
        asked = (request.task, request.argsrepr, request.kwargsrepr, target)
        try:
            mould = self._known[asked]
        except KeyError:
            mould = self._remember(asked, request, target)
        if mould is None:
            return None
        is_typed = check_arguments(request.args, request.kwargs)
        if is_typed and (holds_long_text(request.args) or holds_long_text(request.kwargs)):
            return None
        text = as_json_text(write_body(request.args, request.kwargs, is_typed=is_typed))
        if len(text) > _MOST_BYTES:
            return None  # near a limit; what is to be said of it is known there
        one = task_id.encode()
        body, first, second, third, last = mould
        parts = (
            _BEGIN,
            text,
            body,
            one,
            first,
            one,
            second,
            one,
            third,
            delivery_tag.encode(),
            last,
            self._at(at),
            _END,
        )
        return Envelope(task_id, target, b"".join(parts))

    def _at(self, at: datetime) -> bytes:
        known, stamp = self._stamp
        if known is not at:
            stamp = orjson.dumps(round(at.timestamp(), 3))
            self._stamp = (at, stamp)
        return stamp

    def _remember(self, asked: tuple[str, str, str, Target], request: TaskRequest, target: Target) -> _Mould | None:
        if len(self._known) >= MOULDS_LIMIT:
            self._known.clear()
        sample = request._replace(task_id=_ID, args=(), kwargs={})
        payload = bytes(build_envelope(sample, target, delivery_tag=_TAG, at=_AT, origin=self._origin).payload)
        body, *rest = payload[len(_BEGIN + as_json_text(encode_body((), {}))) :].split(_ID.encode())
        third, *last = rest[-1].split(_TAG.encode())
        is_cut = len(rest) == _IDS and len(last) == 1 and last[0].endswith(b'"timestamp":0.5}}')
        mould = _Mould(body, rest[0], rest[1], third, last[0].removesuffix(b"0.5}}")) if is_cut else None
        self._known[asked] = mould
        return mould


def _is_simple(text: object) -> bool:
    """Say whether a name is sound, and stands in JSON as it is."""
    return (
        type(text) is str
        and 0 < len(text) <= NAME_LIMIT
        and text.isascii()
        and text.isprintable()
        and '"' not in text
        and "\\" not in text
    )
