"""A stock Celery application for ordered lanes: a task that writes down when it ran, for whom and where. Imports nothing else.

A run whose control id stands under ``kill`` kills its process when it has begun.
"""

import json
import os
import signal
import time
from typing import Any

import redis
from celery import Celery

URL = os.environ["CELERY_BROKER_URL"]
app = Celery("lanes_app", broker=URL, backend=URL)
app.conf.broker_connection_retry_on_startup = True
app.conf.worker_prefetch_multiplier = 1
app.conf.task_acks_late = bool(os.environ.get("ACKS_LATE"))
record = redis.Redis.from_url(URL)


def step(self: Any, patient: str, number: str) -> None:
    begun_us = time.monotonic_ns() // 1000
    if record.srem("kill", number):
        record.rpush("killed", number)
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.001)
    entry = {
        "patient": patient,
        "number": number,
        "queue": self.request.delivery_info["routing_key"],
        "begun_us": begun_us,
        "ended_us": time.monotonic_ns() // 1000,
    }
    record.rpush("ran", json.dumps(entry))


# Called rather than written above the function: Celery's decorators carry no types.
app.task(bind=True, name="lanes.step")(step)
