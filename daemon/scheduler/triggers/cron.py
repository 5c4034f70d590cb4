"""Cron expressions on the wall clock of a time zone."""

from __future__ import annotations

from daemon.scheduler.triggers.cron_fields import parse_cron
from daemon.scheduler.triggers.dst import Dst, DstPolicy
from daemon.scheduler.triggers.wall_trigger import WallTrigger


class Cron(WallTrigger):
    """A cron expression on the wall clock of a zone."""

    def __init__(self, expression: str, zone: str, dst: DstPolicy = Dst.CRON) -> None:
        """Read the expression.

        Raises:
            TriggerInvalid: as ``parse_cron``.
        """
        super().__init__(parse_cron(expression), zone, dst)
        self.expression = " ".join(expression.split())

    def describe(self) -> str:
        """Write expression, zone and policy."""
        return f"cron {self.expression} in {self.clock.zone} dst {self.policy.name}"
