"""The history of a site's entries: a stream in the broker that all daemons write, and a copy of it on each daemon's disk."""

from daemon.scheduler.history.reader import HistoryReader
from daemon.scheduler.history.retention import Retention
from daemon.scheduler.history.schema import FILE
from daemon.scheduler.history.service import History
from daemon.scheduler.history.store import HistoryStore
from daemon.scheduler.history.why import Knowledge, explain

__all__ = ["FILE", "History", "HistoryReader", "HistoryStore", "Knowledge", "Retention", "explain"]
