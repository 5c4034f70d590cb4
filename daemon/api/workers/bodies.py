"""What can be said to a worker, and which arguments of Celery's commands that becomes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, model_validator

from daemon.api.http.asked import Body
from daemon.desks import WorkerAction

NAME_LIMIT = 255
POOL_LIMIT = 1000
REASON_LIMIT = 1000
Name = Annotated[str, Field(min_length=1, max_length=NAME_LIMIT)]
Count = Annotated[int, Field(ge=1, le=POOL_LIMIT)]
Seconds = Annotated[float, Field(gt=0, le=86_400 * 365)]


class CommandBody(Body):
    """What any command takes besides.

    Attributes:
        dry_run: whether it is only said what would be done.
    """

    reason: Annotated[str, Field(max_length=REASON_LIMIT)] = ""
    dry_run: bool = False

    def arguments(self) -> Mapping[str, Any]:
        """Give the arguments of the command."""
        return self.model_dump(exclude={"reason", "dry_run", "confirm"})


class PoolBody(CommandBody):
    """How many processes."""

    n: Count = 1


class AutoscaleBody(CommandBody):
    """Between how many processes a worker scales."""

    max: Count
    min: Annotated[int, Field(ge=0, le=POOL_LIMIT)] = 0

    @model_validator(mode="after")
    def _is_range(self) -> AutoscaleBody:
        if self.min > self.max:
            message = "min is above max"
            raise ValueError(message)
        return self

    def arguments(self) -> Mapping[str, Any]:
        """Give the arguments of the command."""
        return {"most": self.max, "least": self.min}


class RateLimitBody(CommandBody):
    """How often a task is started at most: ``10/m``, ``5/s``, or a number a second; null lifts the limit."""

    task: Name
    rate: Annotated[str, Field(pattern=r"^\d{1,9}(\.\d{1,9})?(/[smh])?$")] | None

    def arguments(self) -> Mapping[str, Any]:
        """Give the arguments of the command."""
        return {"task": self.task, "limit": self.rate}


class TimeLimitBody(CommandBody):
    """How long a task may take; null lifts a limit."""

    task: Name
    soft_s: Seconds | None = None
    hard_s: Seconds | None = None

    @model_validator(mode="after")
    def _is_in_order(self) -> TimeLimitBody:
        if self.soft_s is not None and self.hard_s is not None and self.soft_s > self.hard_s:
            message = "soft_s is above hard_s"
            raise ValueError(message)
        return self


class ConsumerBody(CommandBody):
    """Which queue."""

    queue: Name


class ShutdownBody(CommandBody):
    """The worker's name once more, unless it is a dry run."""

    confirm: Annotated[str, Field(max_length=NAME_LIMIT)] = ""


BODIES: Mapping[WorkerAction, type[CommandBody]] = {
    WorkerAction.POOL_GROW: PoolBody,
    WorkerAction.POOL_SHRINK: PoolBody,
    WorkerAction.AUTOSCALE: AutoscaleBody,
    WorkerAction.RATE_LIMIT: RateLimitBody,
    WorkerAction.TIME_LIMIT: TimeLimitBody,
    WorkerAction.ADD_CONSUMER: ConsumerBody,
    WorkerAction.CANCEL_CONSUMER: ConsumerBody,
    WorkerAction.POOL_RESTART: CommandBody,
    WorkerAction.SHUTDOWN: ShutdownBody,
}
