"""What a task is given of a message: values at paths, constants, and the whole message as a document. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple, TypeAlias

from daemon.hl7listener.text.charset import Decoded
from daemon.hl7listener.text.content import Content
from daemon.hl7listener.text.document import document
from daemon.hl7listener.text.header import Header
from daemon.hl7listener.text.message import Message
from daemon.hl7listener.text.path import Hl7Path
from daemon.hl7listener.text.timestamp import Stamp, message_zone, parse_timestamp
from daemon.public import Public

_LONGEST_INT = 18
_PLAIN = Content()


class Form(Enum):
    """What a value is made into; one that cannot be becomes the default."""

    TEXT = "text"
    TIMESTAMP = "timestamp"
    """ISO 8601, with the precision and the offset that were sent."""
    DATE = "date"
    INT = "int"


class Constant(NamedTuple):
    """The same for each message."""

    value: Any


class Pick(NamedTuple):
    """The value at a path, or ``default`` if there is none; with ``is_list`` all of them, none left out."""

    path: Hl7Path
    form: Form = Form.TEXT
    default: Any = None
    is_list: bool = False


Argument: TypeAlias = Constant | Pick


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of a task.

    Attributes:
        document_as: the keyword under which it gets the whole document; empty: it does not.
    """

    args: tuple[Argument, ...] = field(default=(), repr=False)
    kwargs: Mapping[str, Argument] = field(default_factory=dict, repr=False)
    document_as: str = "message"


WHOLE = Arguments()


def task_arguments(
    arguments: Arguments,
    data: bytes,
    received_us: int,
    feed: Public,
    header: Header,
    decoded: Decoded,
    content: Content,
) -> tuple[list[Any], dict[str, Any]]:
    """Give the arguments of a task, those by place and those by name."""
    kwargs: dict[str, Any] = {}
    if arguments.document_as:
        kwargs[arguments.document_as] = document(data, received_us, feed, header, decoded, content)
    if not arguments.args and not arguments.kwargs:
        return [], kwargs
    picker = _Picker(header, decoded, content)
    for name, one in arguments.kwargs.items():
        kwargs[name] = picker.value(one)
    return [picker.value(one) for one in arguments.args], kwargs


class _Picker:
    """A message from which values are picked."""

    def __init__(self, header: Header, decoded: Decoded, content: Content) -> None:
        self._header = header
        self._zone = content.zone
        self._message = Message(decoded.text, header.delimiters, decoded.codec)

    def value(self, argument: Argument) -> Any:
        if isinstance(argument, Constant):
            return argument.value
        path, form, default, is_list = argument
        if is_list:
            return [self._formed(value, form, default) for value in self._message.get_all(path)]
        return self._formed(self._message.get(path), form, default)

    def _formed(self, text: str | None, form: Form, default: Any) -> Any:
        if text is None:
            return default
        if form is Form.TEXT:
            return text
        if form is Form.INT:
            return _int(text, default)
        stamp = self._stamp(text)
        if stamp is None:
            return default
        if form is Form.TIMESTAMP:
            return stamp.iso()
        day = stamp.day()
        return default if day is None else day.isoformat()

    def _stamp(self, text: str) -> Stamp | None:
        version, component = self._header.version, self._header.delimiters.component.decode("ascii")
        sent_at = self._header.raw(7).decode("latin-1")
        zone = message_zone(sent_at, self._zone, version=version, component=component)
        return parse_timestamp(text, zone, version=version, component=component)


def _int(text: str, default: Any) -> Any:
    text = text.strip()
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not digits.isascii() or not digits.isdecimal() or len(digits) > _LONGEST_INT:
        return default
    return int(text)
