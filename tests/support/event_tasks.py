"""A stock Celery application whose tasks end in every way there is. Imports nothing else, so that it runs under every version."""

import os
import time
from typing import Any

from celery import Celery
from celery.exceptions import Reject

URL = os.environ["CELERY_BROKER_URL"]
app = Celery("event_tasks", broker=URL, backend=URL)
app.conf.broker_connection_retry_on_startup = True
app.conf.worker_prefetch_multiplier = 1
app.conf.task_reject_on_worker_lost = False


def add(x: int, y: int) -> int:
    return x + y


def fail() -> None:
    raise ValueError("as asked", 42)


def try_again(self: Any, times: int) -> str:
    if self.request.retries < times:
        raise self.retry(exc=KeyError("not yet"), countdown=0, max_retries=times)
    return "at last"


def give_up(self: Any) -> None:
    raise self.retry(exc=KeyError("never"), countdown=0, max_retries=1)


def reject() -> None:
    raise Reject("as asked", requeue=False)


def endless() -> None:
    while True:  # until a time limit or a revoke ends it
        time.sleep(0.05)


def progress(self: Any) -> None:
    self.send_event("task-progress", done=1)


task: Any = app.task  # Celery's decorators carry no types
task(name="event_tasks.add")(add)
task(name="event_tasks.fail")(fail)
task(name="event_tasks.endless")(endless)
task(name="event_tasks.reject", acks_late=True)(reject)
task(name="event_tasks.try_again", bind=True)(try_again)
task(name="event_tasks.give_up", bind=True)(give_up)
task(name="event_tasks.progress", bind=True)(progress)
