"""A bed board: plain Celery, as any application has it. It knows nothing of what sends its tasks.

    CELERY_BROKER_URL=redis://localhost:6379/0 celery -A bedboard worker -Q bedboard

Each patient's place is kept from admissions (A01), transfers (A02) and discharges (A03); a periodic census counts the beds.
"""

import json
import os
import time

import redis
from celery import Celery

BROKER_URL = os.environ.get("CELERY_BROKER_URL", "redis://localhost:6379/0")
RESULT_URL = os.environ.get("CELERY_RESULT_BACKEND", BROKER_URL)

app = Celery("bedboard", broker=BROKER_URL, backend=RESULT_URL)
app.conf.task_default_queue = "bedboard"
app.conf.broker_connection_retry_on_startup = True

board = redis.Redis.from_url(BROKER_URL, decode_responses=True)
PLACES, CENSUS, UPDATES = "bedboard:places", "bedboard:census", "bedboard:updates"


@app.task(name="bedboard.record_movement")
def record_movement(event, patient, ward=None, bed=None, moved_at=None):
    """Keep where a patient is; the feed delivers a patient's movements in the order they were sent."""
    if event == "A03":
        board.hdel(PLACES, patient)
    else:
        board.hset(PLACES, patient, f"{ward}/{bed}")
    return {"event": event, "moved_at": moved_at}


@app.task(name="bedboard.record_update")
def record_update(message):
    """Count an update of a patient's data (A08)."""
    board.hincrby(UPDATES, message["sending_application"], 1)
    return {"control_id": message["control_id"]}


@app.task(name="bedboard.take_census")
def take_census():
    """Count the patients of each ward."""
    wards = {}
    for place in board.hvals(PLACES):
        ward = place.split("/", 1)[0]
        wards[ward] = wards.get(ward, 0) + 1
    board.set(CENSUS, json.dumps({"at": time.time(), "wards": wards}))
    return wards


@app.task(name="bedboard.report")
def report(title):
    """Say how many beds are in use."""
    return {"title": title, "beds": board.hlen(PLACES)}


@app.task(name="bedboard.ring")
def ring(word):
    """Ring."""
    return word
