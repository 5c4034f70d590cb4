"""A stock Celery application whose tasks write down that they ran. Runs under every Celery version tested; imports nothing else.

Each run is appended to the list ``ran`` in the broker: the task's id, its name, and its arguments.
"""

import json
import os
from typing import Any

import redis
from celery import Celery

URL = os.environ["CELERY_BROKER_URL"]
app = Celery("recording", broker=URL, backend=URL)
app.conf.broker_connection_retry_on_startup = True
app.conf.worker_prefetch_multiplier = 1
record = redis.Redis.from_url(URL)


def _write(task: Any, **values: Any) -> None:
    request = task.request
    record.rpush(
        "ran",
        json.dumps(
            {
                "id": request.id,
                "name": task.name,
                "queue": request.delivery_info["routing_key"],
                "headers": {key: request.get(key) for key in ("celery_beat_task", "periodic_task_name", "expires")},
                **values,
            }
        ),
    )


@app.task(bind=True, name="recording.message")
def message(self: Any, message: Any = None, **kwargs: Any) -> None:
    _write(self, message=message, kwargs=kwargs)


@app.task(bind=True, name="recording.tick")
def tick(self: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
    _write(self, args=args, kwargs=kwargs)
    return {"args": list(args), "kwargs": kwargs}


@app.task(bind=True, name="recording.fail")
def fail(self: Any) -> None:
    _write(self)
    raise ValueError("as asked")
