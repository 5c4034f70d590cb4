"""A stock Celery application whose tasks write down what they were given, as Python shows it. Runs under every Celery version.

Each run is appended to the list ``ran`` in the broker.
"""

import json
import os
from typing import Any

import redis
from celery import Celery

URL = os.environ["CELERY_BROKER_URL"]
app = Celery("option_tasks", broker=URL, backend=URL)
app.conf.broker_connection_retry_on_startup = True
app.conf.accept_content = json.loads(os.environ["ACCEPT"])
record = redis.Redis.from_url(URL)


def _write(task: Any, args: Any, kwargs: Any) -> None:
    request = task.request
    line = {
        "id": request.id,
        "task": task.name,
        "args": repr(list(args)),
        "kwargs": repr(dict(sorted(kwargs.items()))),
        "root": request.root_id,
        "parent": request.parent_id,
        "group": request.group,
        "group_index": request.group_index,
        "retries": request.retries,
        "stamps": request.stamps,
        "limits": request.timelimit,
        "queue": request.delivery_info["routing_key"],
        "custom": request.headers,
    }
    record.rpush("ran", json.dumps(line))


def keep(self: Any, *args: Any, **kwargs: Any) -> int:
    _write(self, args, kwargs)
    return len(args)


def fail(self: Any, *args: Any, **kwargs: Any) -> None:
    _write(self, args, kwargs)
    raise ValueError("as asked")


# Called rather than written above the functions: Celery's decorators carry no types.
for function in (keep, fail):
    app.task(bind=True, name=f"options.{function.__name__}")(function)
