"""Tasks that get messages: one that works, some that fail as code fails, and one that tells what it got. Imports nothing else."""

import logging
import os
from typing import Any

from celery import Celery

URL = os.environ["CELERY_BROKER_URL"]
app = Celery("private", broker=URL, backend=URL)
app.conf.broker_connection_retry_on_startup = True
app.conf.worker_send_task_events = True
app.conf.task_track_started = True
if not os.environ.get(
    "PRIVATE_AS_IT_COMES"
):  # a retry is a message that this worker writes, with its arguments described anew
    app.amqp.argsrepr_maxsize = app.amqp.kwargsrepr_maxsize = 0
log = logging.getLogger("private")


class NotOurs(Exception):
    """A task's own error."""


def works(message: Any = None, **values: Any) -> int:
    return len(str(message)) + len(values)


def fails(self: Any, message: Any = None, **values: Any) -> None:
    kind = self.request.id[-1]
    if kind in "0123":
        raise NotOurs("no such ward")
    if kind in "4567":
        values["nothing"]
    if kind in "89ab" and self.request.retries < 1:
        raise self.retry(countdown=0)
    if kind in "89ab":
        raise ValueError(len(str(message)))
    message.no_such_method()


def tells(message: Any = None) -> None:
    log.error("got %s", message["text"])


app.task(name="private.works")(works)
app.task(name="private.fails", bind=True)(fails)
app.task(name="private.tells")(tells)
