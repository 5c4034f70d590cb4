"""Follows Celery's event stream: what workers and tasks do, kept in a bounded state.

state = EventState()
receiver = EventReceiver(Connector(parse_broker_url(url), client_name="mine"), state, now=now)
tasks.start_soon(receiver.run)                 # in a task group
state.recent(state="FAILURE"), state.workers(now()), state.gaps

The stream has no replay: ``gaps`` tells when something may have been missed.
"""

from shim.events.channel import events_pattern
from shim.events.gap import Gap
from shim.events.message import Event, Fault, Reading, read_message
from shim.events.receiver import EventReceiver
from shim.events.state import Changes, EventState, Page
from shim.events.task import Task
from shim.events.worker import Worker

__all__ = [
    "Changes",
    "Event",
    "EventReceiver",
    "EventState",
    "Fault",
    "Gap",
    "Page",
    "Reading",
    "Task",
    "Worker",
    "events_pattern",
    "read_message",
]
