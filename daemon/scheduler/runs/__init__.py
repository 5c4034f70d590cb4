"""What became of what was enqueued: followed until it is over, and kept at hand."""

from daemon.scheduler.runs.book import EntryRuns, RunBook
from daemon.scheduler.runs.judge import Patience
from daemon.scheduler.runs.tracker import Tracker

__all__ = ["EntryRuns", "Patience", "RunBook", "Tracker"]
