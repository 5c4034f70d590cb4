"""A stock Celery application whose tasks write down that they ran. Runs under every Celery version tested; imports nothing else.

Each run is appended to the list ``ran`` in the broker: the task's id, its name, where it came from, when, and its arguments.
"""

import json
import os
import time
from typing import Any

import redis
from celery import Celery, __version__

URL = os.environ["CELERY_BROKER_URL"]
app = Celery("recording", broker=URL, backend=URL)
app.conf.broker_connection_retry_on_startup = True
app.conf.worker_prefetch_multiplier = 1
record = redis.Redis.from_url(URL)


def _write(task: Any, **values: Any) -> None:
    request = task.request
    seconds, micros = record.time()
    record.rpush(
        "ran",
        json.dumps(
            {
                "id": request.id,
                "name": task.name,
                "queue": request.delivery_info["routing_key"],
                "priority": request.delivery_info.get("priority"),
                "headers": {key: request.get(key) for key in ("celery_beat_task", "periodic_task_name", "expires")},
                "custom": request.headers,
                "eta": request.eta,
                "limits": request.timelimit,
                "celery": __version__,
                "at_us": seconds * 1_000_000 + micros,
                **values,
            }
        ),
    )


def message(self: Any, message: Any = None, **kwargs: Any) -> None:
    _write(self, message=message, kwargs=kwargs)


def tick(self: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
    _write(self, args=args, kwargs=kwargs)
    return {"args": list(args), "kwargs": kwargs}


def fail(self: Any) -> None:
    _write(self)
    raise ValueError("as asked")


def endless(self: Any) -> None:
    _write(self)
    while True:  # until a time limit ends it
        time.sleep(0.05)


# Called rather than written above the functions: Celery's decorators carry no types.
for function in (message, tick, fail, endless):
    app.task(bind=True, name=f"recording.{function.__name__}")(function)
