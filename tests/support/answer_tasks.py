"""A stock Celery application whose task does what the event of its message says. Runs under every Celery version tested.

A01 succeeds, A02 fails with a text nobody may see, A03 fails once and is tried again, A04 waits until its gate is opened.
"""

import os
from typing import Any

import redis
from celery import Celery

URL = os.environ["CELERY_BROKER_URL"]
RESULTS = os.environ.get("RESULT_URL", URL)
SECRET = "ZZWHY it failed"
app = Celery("answer_tasks", broker=URL, backend=RESULTS)
app.conf.broker_connection_retry_on_startup = True
app.conf.worker_prefetch_multiplier = 1
record = redis.Redis.from_url(URL)


def act(self: Any, event: str, control_id: str) -> str:
    record.rpush("acted", f"{control_id}:{self.request.retries}")
    if event == "A02":
        raise ValueError(SECRET)
    if event == "A03" and not self.request.retries:
        raise self.retry(exc=KeyError(SECRET), countdown=0, max_retries=1)
    if event == "A04":
        record.blpop([f"gate:{control_id}"])
    return "done"


app.task(bind=True, name="answers.act")(act)
