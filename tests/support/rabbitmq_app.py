"""A stock Celery application on RabbitMQ whose tasks write down that they ran, as lines of a file. Runs under every Celery tested.

With ``QUORUM`` set its queue is a quorum queue behind a topic exchange.
"""

import json
import os
from typing import Any

import kombu
from celery import Celery, __version__

Exchange: Any = kombu.Exchange  # type: ignore[attr-defined]
Queue: Any = kombu.Queue  # type: ignore[attr-defined]

app = Celery("rabbitmq_app", broker=os.environ["CELERY_BROKER_URL"])
app.conf.broker_connection_retry_on_startup = True
app.conf.worker_send_task_events = True
app.conf.task_default_queue = "lab"
if os.environ.get("QUORUM"):
    app.conf.task_queues = [
        Queue("slow", Exchange("slow", type="topic"), "slow.#", queue_arguments={"x-queue-type": "quorum"})
    ]
    app.conf.task_default_queue = "slow"


def note(self: Any, *args: Any, **kwargs: Any) -> None:
    request = self.request
    line = {
        "id": request.id,
        "args": args,
        "kwargs": kwargs,
        "queue": request.delivery_info["routing_key"],
        "priority": request.delivery_info.get("priority"),
        "custom": request.headers,
        "timelimit": request.timelimit,
        "celery": __version__,
    }
    with open(os.environ["RAN_FILE"], "a", encoding="utf-8") as out:  # noqa: PTH123 - one write, appended whole
        out.write(json.dumps(line, default=str) + "\n")


# Called rather than written above the function: Celery's decorators carry no types.
app.task(bind=True, name="rabbitmq_app.note", ignore_result=True)(note)
