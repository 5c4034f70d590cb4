"""Keys of ``[feed.NAME]`` and ``[[feed.NAME.route]]`` about what becomes of a message."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator

from daemon.settings.section import Section
from daemon.settings.values import AS_LIST, Duration, Label, Labels, Name, Priority, wrong

_LONGEST_WORD = 255
_PATHS_LIMIT = 8
FEWEST_LANES, MOST_LANES = 2, 256


def _words(value: Any) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    if not items or not all(isinstance(item, str) and len(item) <= _LONGEST_WORD for item in items):
        raise wrong(
            f"a word of at most {_LONGEST_WORD} characters or a list of them is needed", 'write "" for an absent value'
        )
    return tuple(items)


def _paths(value: Any) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    if not 0 < len(items) <= _PATHS_LIMIT or not all(isinstance(item, str) for item in items):
        raise wrong(f"an HL7 path or a list of at most {_PATHS_LIMIT} is needed", 'write "PID-3.1"')
    return tuple(items)


Words = Annotated[tuple[str, ...], PlainValidator(_words), AS_LIST]
"""Words and globs a value is compared with; the empty one stands for an absent value."""

Paths = Annotated[tuple[str, ...], PlainValidator(_paths), AS_LIST]
"""An HL7 path or a list of them, not yet read."""


class RouteSection(Section):
    """``[[feed.NAME.route]]``: which messages become which task."""

    type: Labels | None = None
    event: Labels | None = None
    structure: Labels | None = None
    sending_application: Labels | None = None
    sending_facility: Labels | None = None
    receiving_application: Labels | None = None
    receiving_facility: Labels | None = None
    processing_id: Labels | None = None
    version: Labels | None = None
    where: dict[str, Words] = Field(default_factory=dict)
    unless: dict[str, Words] = Field(default_factory=dict)
    sample: float | None = Field(default=None, gt=0, lt=1)
    default: bool = False
    also: bool = False
    filter: bool = False
    task: Label | None = None
    entry: Name | None = None
    once_per: Duration | None = None
    args: list[Any] | None = None
    kwargs: dict[str, Any] | None = None
    message: bool | None = None
    queue: Label | None = None
    priority: Priority | None = None
    expires: Duration | None = None
    headers: dict[Label, str] = Field(default_factory=dict)
    lane_by: Paths | None = None
    lanes: int | None = Field(default=None, ge=FEWEST_LANES, le=MOST_LANES)
    lane_on_park: Literal["hold", "go-on"] = "hold"


class RoutingKeys(Section):
    """What becomes of messages."""

    unrouted: Literal["reject", "park"] = "reject"
    match: Literal["first", "all"] = "first"
    route: list[RouteSection] = Field(default_factory=list)
