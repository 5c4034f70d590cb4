"""Workers and queues over HTTP where the broker is RabbitMQ: what it tells is shown, what it cannot do is refused with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.dispatch.feeding import Feeder
from tests.support.api_celery import serving_celery
from tests.support.rabbitmq import needs_rabbitmq, shared_rabbit
from tests.support.worker import Worker

pytestmark = [pytest.mark.anyio, needs_rabbitmq]

QUEUE, DESERTED = "api-ward", "api-deserted"
FEEDERS = tuple(Feeder(is_feed=False, name=name, task="", queue=name) for name in (QUEUE, DESERTED))


async def test_what_rabbitmq_tells_is_shown_and_the_rest_refused(tmp_path: Path) -> None:
    server = shared_rabbit()
    with Worker(
        server.url, queues=QUEUE, app="rabbitmq_app", environment={"RAN_FILE": str(tmp_path / "ran")}
    ) as worker:
        async with serving_celery(server.url, feeders=FEEDERS) as api:
            await api.until("/api/nodes", lambda found: worker.name in {one["name"] for one in found["items"]})
            lines = await api.until(
                f"/api/queues?text={QUEUE}", lambda found: found["items"][0]["consumers"] == [worker.name]
            )
            assert (lines["items"][0]["unacked"], lines["items"][0]["in_per_min"]) == (None, None)
            [deserted] = (await api.ask(f"/api/queues?text={DESERTED}"))["items"]
            assert (deserted["state"], deserted["consumer_count"]) == ("no consumer", 0)
            for path, body in (
                (f"/api/queues/{QUEUE}/purge", {"reason": "x", "confirm": QUEUE}),
                (f"/api/queues/{QUEUE}/move", {"reason": "x", "confirm": QUEUE, "to": "other"}),
                (f"/api/queues/{QUEUE}/restore", {"token": "x"}),
            ):
                refused = await api.asking.post(path, body)
                assert (refused.status, "RabbitMQ cannot" in refused.body["detail"]) == (501, True), path
            for path in ("peek", "parked"):
                assert (await api.asking.ask(f"/api/queues/{QUEUE}/{path}")).status == 501
            assert worker.name in await api.ask("/api/workers")
            assert (await api.ask("/api/workers?status=1"))[worker.name] is True
