# ruff: noqa: ARG001, UP017 - tasks are bound alike, and Celery 5.3 is run by older Pythons too
"""A stock Celery application whose tasks end in every way a task can end. Runs under every Celery version tested.

Tasks named ``extended.*``, ``packed.*`` and ``yaml.*`` store their results through back-ends of other settings.
"""

import os
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import redis
from celery import Celery, __version__

URL = os.environ["CELERY_BROKER_URL"]
SPECIAL = {
    "nan": float("nan"),
    "big": 10**300,
    "surrogate": "\ud800",
    "when": datetime(2026, 11, 22, 3, 15, tzinfo=timezone.utc),
    "price": Decimal("1.10"),
    "uuid": UUID(int=5),
}
gate = redis.Redis.from_url(URL)


def make(**conf: Any) -> Any:
    app = Celery("result_tasks", broker=URL, backend=URL, set_as_current=not conf)
    app.conf.update(broker_connection_retry_on_startup=True, worker_prefetch_multiplier=1, **conf)
    return app


app = make()
extended = make(result_extended=True)


def value(self: Any, given: Any) -> Any:
    return given


def special(self: Any, name: str) -> Any:
    return SPECIAL[name]


def fail(self: Any, *message: Any) -> None:
    raise ValueError(*message)


def once_more(self: Any) -> str:
    if self.request.retries:
        gate.blpop(["gate"])
        return "second"
    raise self.retry(exc=KeyError("first"), countdown=0, max_retries=1)


def poison(self: Any) -> None:
    self.update_state(state="FAILURE", meta={"status": "Failed", "error": "no template"})
    raise ValueError("the real one")


def steps(self: Any, count: int) -> str:
    for current in range(count):
        self.update_state(state="PROGRESS", meta={"current": current, "total": count, "status": "at it"})
        gate.blpop(["gate"])
    return "done"


def wait(self: Any) -> int:
    gate.blpop(["gate"])
    return 1


def parent(self: Any) -> str:
    return str(value_task.delay(1).id)


def total(self: Any, numbers: Any) -> int:
    return sum(numbers)


# Called rather than written above the functions: Celery's decorators carry no types.
for function in (special, fail, once_more, poison, steps, wait, parent, total):
    app.task(bind=True, name=f"results.{function.__name__}")(function)
value_task = app.task(bind=True, name="results.value")(value)
app.task(bind=True, name="results.silent", ignore_result=True)(value)
app.task(bind=True, name="results.tracked", track_started=True)(wait)
app.task(bind=True, name="extended.value", backend=extended.backend)(value)
app.task(bind=True, name="extended.fail", backend=extended.backend)(fail)
if __version__ >= "5.7":
    for algorithm in ("gzip", "bzip2", "lzma"):
        app.task(bind=True, name=f"packed.{algorithm}", backend=make(result_compression=algorithm).backend)(value)
    app.task(bind=True, name="yaml.value", backend=make(result_serializer="yaml").backend)(value)
