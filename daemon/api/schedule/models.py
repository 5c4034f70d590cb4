"""What requests about the schedule say. Pure."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import orjson
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from daemon.api.http.asked import Body, Query
from daemon.api.http.moment import MomentUs
from daemon.api.http.page import Paged
from daemon.desks.schedule import Choice, SortBy

SECONDS_LIMIT = 400 * 86_400
IDS_LIMIT = 10_000
FIELDS_LIMIT = 100

StateWord = Literal["on", "paused", "disabled", "wrong", "over", "stray", "trouble", "waiting"]
SourceWord = Literal["app", "site", "django", "added"]
OutcomeWord = Literal["enqueued", "started", "succeeded", "failed", "revoked", "lost", "unknown", "skipped"]
OverlapWord = Literal["allow", "skip", "queue-one", "queue-all"]


def _writable(value: Any) -> Any:
    """Refuse numbers and texts that could not be kept."""
    try:
        orjson.dumps(value)
    except (TypeError, ValueError, RecursionError):
        code = "json"
        raise PydanticCustomError(code, "holds a number of too many digits, or a text that is not Unicode") from None
    return value


Name = Annotated[str, Field(min_length=1, max_length=255)]
Text = Annotated[str, Field(max_length=255)]
Needed = Annotated[str, Field(min_length=1, max_length=1000, description="Why; it is kept and shown.")]
Given = Annotated[str, Field(max_length=1000, description="Why; it is kept and shown.")]
Fields = Annotated[dict[Name, Any], Field(max_length=FIELDS_LIMIT), AfterValidator(_writable)]
Values = Annotated[list[Any], Field(max_length=1000), AfterValidator(_writable)]


class ListQuery(Paged):
    """Which entries, and in what order."""

    text: Text = ""
    state: tuple[StateWord, ...] = ()
    source: tuple[SourceWord, ...] = ()
    queue: Text = ""
    task: Text = ""
    changed: bool = False
    within_s: Annotated[float, Field(gt=0, le=SECONDS_LIMIT)] | None = None
    sort: SortBy = SortBy.NAME
    descending: bool = False

    def choice(self) -> Choice:
        """Say which entries are meant."""
        return Choice(
            self.text,
            frozenset(self.state),
            frozenset(self.source),
            self.queue,
            self.task,
            self.changed,
            self.within_s,
        )


class PreviewQuery(Query):
    """How many coming occurrences, and before when."""

    count: Annotated[int, Field(ge=1, le=200)] = 10
    until: MomentUs | None = None


class HistoryQuery(Paged):
    """Which runs."""

    state: tuple[OutcomeWord, ...] = ()
    asked: Annotated[bool, Field(description="With the runs of it that somebody asked for.")] = True


class WhyQuery(Query):
    """Which instant."""

    at: Annotated[MomentUs | None, Field(description="Without it: the last that was due.")] = None


class TimelineQuery(Query):
    """Which stretch of time, at most eight days; without bounds from 12 hours ago to 12 hours from now."""

    from_us: Annotated[MomentUs | None, Field(alias="from")] = None
    to_us: Annotated[MomentUs | None, Field(alias="to")] = None
    limit: Annotated[int, Field(ge=1, le=50)] = 12


class RevertQuery(Query):
    """Which changes are taken away; all if none is named."""

    field: Annotated[tuple[Name, ...], Field(max_length=FIELDS_LIMIT)] = ()


class RemoveQuery(Query):
    """The name of the entry once more."""

    confirm: Name


class TrialBody(Body):
    """A change to be looked at; without an id, ``set`` is a whole entry."""

    id: Name | None = None
    set: Fields = Field(default_factory=dict)
    clear: Annotated[tuple[Name, ...], Field(max_length=FIELDS_LIMIT)] = ()


class PauseBody(Body):
    """Why, and until when."""

    reason: Needed
    until_at: MomentUs | None = None


class ReasonBody(Body):
    """Why."""

    reason: Given = ""


class TriggerBody(Body):
    """How a run that is asked for is run; other arguments than its own need an admin."""

    reason: Given = ""
    overlap: OverlapWord = "allow"
    args: Values | None = None
    kwargs: Fields | None = None


class EditBody(Body):
    """Fields of an entry, as in a site file; options as ``options.queue``."""

    set: Fields = Field(default_factory=dict)
    clear: Annotated[tuple[Name, ...], Field(max_length=FIELDS_LIMIT)] = ()
    reason: Needed
    until_at: MomentUs | None = None


class AddBody(Body):
    """A whole entry, as ``[schedule.NAME]`` of a site file has it."""

    name: Name
    entry: Fields
    reason: Given = ""


class FilterBody(Body):
    """Which entries."""

    text: Text = ""
    state: Annotated[tuple[StateWord, ...], Field(max_length=10)] = ()
    source: Annotated[tuple[SourceWord, ...], Field(max_length=10)] = ()
    queue: Text = ""
    task: Text = ""


class BulkBody(Body):
    """What is to be done with which entries: those named, or those of a filter."""

    action: Literal["pause", "resume", "trigger"]
    ids: Annotated[list[Name], Field(max_length=IDS_LIMIT)] | None = None
    filter: FilterBody | None = None


class BackfillBody(Body):
    """A window of the past."""

    from_at: MomentUs
    to_at: MomentUs
    overlap: OverlapWord = "allow"


class CarryOutBody(Body):
    """Why, until when (of a pause), and how many the plan said there are."""

    reason: Given = ""
    until_at: MomentUs | None = None
    count: Annotated[int, Field(ge=0)]
