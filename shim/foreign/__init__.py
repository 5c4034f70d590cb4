"""What the shim does not speak itself, through the installed celery and kombu, in a thread of its own.

    async with foreign_thread(ForeignSettings("sqs://", "db+postgresql://…")) as thread:
        results = await ForeignPublisher(thread).send([ForeignCall(TaskRequest("app.add", task_id, args=[2, 3]))])
        metas = await ForeignResults(thread).fetch([task_id])

Celery is loaded in the thread, with its first call; importing this loads nothing of it.
"""

from shim.foreign.app import foreign_thread
from shim.foreign.call import ForeignCall
from shim.foreign.canvas import ForeignCanvas, SentCanvas
from shim.foreign.errors import ForeignBusy, ForeignClosed, ForeignFailed, ForeignMissing, ForeignUncertain
from shim.foreign.publisher import ForeignPublisher
from shim.foreign.results import ForeignResults
from shim.foreign.settings import ForeignSettings
from shim.foreign.thread import ForeignThread

__all__ = [
    "ForeignBusy",
    "ForeignCall",
    "ForeignCanvas",
    "ForeignClosed",
    "ForeignFailed",
    "ForeignMissing",
    "ForeignPublisher",
    "ForeignResults",
    "ForeignSettings",
    "ForeignThread",
    "ForeignUncertain",
    "SentCanvas",
    "foreign_thread",
]
