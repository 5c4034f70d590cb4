"""The durable store between a sender's message and its task."""

from daemon.hl7listener.spool.jobs import Limits
from daemon.hl7listener.spool.reader import Reader
from daemon.hl7listener.spool.rows import Arrival, NotStored, Row, Stored
from daemon.hl7listener.spool.service import Spool

__all__ = ["Arrival", "Limits", "NotStored", "Reader", "Row", "Spool", "Stored"]
