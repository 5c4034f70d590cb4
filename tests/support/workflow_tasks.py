"""A stock Celery application for workflows, and for brokers and back-ends of any kind; its settings are JSON in the environment.

Runs under every Celery version tested and imports nothing else. A task shows what it was given as its result.
"""

import json
import os
from typing import Any

from celery import Celery

app = Celery("workflow_tasks")
app.conf.update(json.loads(os.environ["WORKFLOW_CONF"]))


def show(self: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
    request = self.request
    return {
        "args": list(args),
        "kwargs": kwargs,
        "root": request.root_id,
        "parent": request.parent_id,
        "group": request.group,
        "headers": request.headers,
        "queue": request.delivery_info["routing_key"],
    }


def add(_: Any, *numbers: Any) -> int:
    return sum(one for number in numbers for one in (number if isinstance(number, list) else [number]))


def fail(_: Any, *__: Any) -> None:
    raise ValueError("as asked")


def report(self: Any) -> None:
    self.update_state(state="PROGRESS", meta={"current": 1, "total": 4})
    raise SystemError("after progress")


# Called rather than written above the functions: Celery's decorators carry no types.
for function in (show, add, fail, report):
    app.task(bind=True, name=f"flow.{function.__name__}")(function)
app.task(bind=True, name="flow.silent", ignore_result=True)(add)
