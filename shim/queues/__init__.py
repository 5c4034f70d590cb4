"""Queues: what waits in them, for whom, since when; and taking out, setting aside, moving."""

from shim.queues.backlog import Backlog, Backlogs, consumers_by_queue
from shim.queues.body import QueuedBody, read_body
from shim.queues.desk import Moved, Purged, Queues
from shim.queues.message import QueuedMessage, read_message
from shim.queues.parking import Parked

__all__ = [
    "Backlog",
    "Backlogs",
    "Moved",
    "Parked",
    "Purged",
    "QueuedBody",
    "QueuedMessage",
    "Queues",
    "consumers_by_queue",
    "read_body",
    "read_message",
]
