"""Remote control of stock workers, and answering as a node beside them.

control = Control(parse_broker_url("redis://localhost:6379/0"), client_name="mine", new_id=lambda: str(uuid4()))
# control.run() must be running in a task group
answers = await control.call(methods.active(), only("celery@host"))
for node, rows in task_rows(answers).items(): ...
"""

from shim.control import methods
from shim.control.answering import beat_name
from shim.control.answers import Answers
from shim.control.audience import EVERYONE, Audience, matching, only
from shim.control.client import Control
from shim.control.command import Command, control_channel
from shim.control.node import Node
from shim.control.rows import (
    QueueRow,
    ScheduledRow,
    TaskRow,
    WorkerStats,
    found_tasks,
    queue_rows,
    registered_names,
    scheduled_rows,
    task_rows,
    worker_stats,
)

__all__ = [
    "EVERYONE",
    "Answers",
    "Audience",
    "Command",
    "Control",
    "Node",
    "QueueRow",
    "ScheduledRow",
    "TaskRow",
    "WorkerStats",
    "beat_name",
    "control_channel",
    "found_tasks",
    "matching",
    "methods",
    "only",
    "queue_rows",
    "registered_names",
    "scheduled_rows",
    "task_rows",
    "worker_stats",
]
