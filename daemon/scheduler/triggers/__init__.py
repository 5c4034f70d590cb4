"""Triggers: rules that say at which instants an entry is due."""

from daemon.scheduler.triggers.cron import Cron
from daemon.scheduler.triggers.crontab import Crontab
from daemon.scheduler.triggers.dst import CrontabMode, Dst, DstPolicy, Fold, Gap, parse_dst
from daemon.scheduler.triggers.excluding import Days, Excluding, Exclusion, Minutes, Stretch
from daemon.scheduler.triggers.from_start import FromStart
from daemon.scheduler.triggers.instants import Instants
from daemon.scheduler.triggers.interval import Interval
from daemon.scheduler.triggers.relative import Relative
from daemon.scheduler.triggers.rrule import Rrule
from daemon.scheduler.triggers.solar import Solar
from daemon.scheduler.triggers.spread import Jittered, Shifted
from daemon.scheduler.triggers.trigger import Trigger, last_at_or_before
from daemon.scheduler.triggers.union import Union
from daemon.scheduler.triggers.wall_trigger import WallTrigger
from daemon.scheduler.triggers.window import Window
from daemon.scheduler.triggers.zone import forget_zones

__all__ = [
    "Cron",
    "Crontab",
    "CrontabMode",
    "Days",
    "Dst",
    "DstPolicy",
    "Excluding",
    "Exclusion",
    "Fold",
    "FromStart",
    "Gap",
    "Instants",
    "Interval",
    "Jittered",
    "Minutes",
    "Relative",
    "Rrule",
    "Shifted",
    "Solar",
    "Stretch",
    "Trigger",
    "Union",
    "WallTrigger",
    "Window",
    "forget_zones",
    "last_at_or_before",
    "parse_dst",
]
