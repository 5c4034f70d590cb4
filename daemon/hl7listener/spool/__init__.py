"""The durable store between a sender's message and its task."""

from daemon.hl7listener.spool.jobs import Limits
from daemon.hl7listener.spool.reader import Reader
from daemon.hl7listener.spool.rows import Arrival, Flag, NotStored, Pending, Row, SequenceNumber, Stored, WhyNot
from daemon.hl7listener.spool.service import Spool

__all__ = [
    "Arrival",
    "Flag",
    "Limits",
    "NotStored",
    "Pending",
    "Reader",
    "Row",
    "SequenceNumber",
    "Spool",
    "Stored",
    "WhyNot",
]
