"""Our side of Flower's REST interface beside a real Flower: the same broker, the same worker, the same questions."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from celery import Celery

from tests.support.api_celery import CeleryApi, serving_celery
from tests.support.api_serving import ADMIN, OPERATOR, VIEWER
from tests.support.flower import Flower
from tests.support.following import listeners, wait_until
from tests.support.valkey import ValkeyServer
from tests.support.worker import Worker

pytestmark = pytest.mark.anyio

PHI = f"{ADMIN} phi"
MARKER = "KOWALSKA"
LIMIT_S = 30.0


@dataclass
class House:
    server: ValkeyServer
    flower: Flower
    worker: Worker
    app: Celery

    def theirs(self, path: str, data: Any = None, *, method: str | None = None, form: bool = False) -> tuple[int, Any]:
        """Ask Flower; gives status and body."""
        raw, headers = None, {}
        if data is not None:
            raw = urllib.parse.urlencode(data).encode() if form else json.dumps(data).encode()
            headers["Content-Type"] = "application/x-www-form-urlencoded" if form else "application/json"
        address = f"http://127.0.0.1:{self.flower.port}/{path}"
        request = urllib.request.Request(address, raw, headers, method=method or ("GET" if data is None else "POST"))
        try:
            with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
                status, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read().decode()
            error.close()
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with ValkeyServer(append_only=False) as server, Flower(server.url, results=server.url) as flower:
        wait_until(lambda: listeners(server) > 0, "Flower that listens to events")
        app = Celery("sender", broker=server.url, backend=server.url, set_as_current=False)
        app.conf.update(task_send_sent_event=True)
        with Worker(server.url, app="event_tasks", arguments=["-E"]) as worker:
            house = House(server, flower, worker, app)
            # An inspection by Flower lasts a second; a busy machine may need another.
            wait_until(lambda: worker.name in house.theirs("api/workers?refresh=1")[1], "workers that Flower has asked")
            yield house
        app.close()


def shape(value: Any) -> Any:
    """Give keys and types, to compare what differs in its values by its nature."""
    if isinstance(value, dict):
        return {key: shape(one) for key, one in sorted(value.items())}
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__


async def ran(api: CeleryApi, house: House, task: str, args: tuple[Any, ...], state: str, **options: Any) -> str:
    """Run a task to its end, and give its id once both sides show it."""
    task_id: str = house.app.send_task(task, args, argsrepr=repr(args), **options).id
    await api.until(f"/api/task/info/{task_id}", lambda found: found["state"] == state)
    wait_until(lambda: (house.flower.task(task_id) or {}).get("state") == state, "the same in Flower")
    return task_id


@pytest.mark.parametrize(("task", "args", "state"), [("add", (2, 3), "SUCCESS"), ("fail", (), "FAILURE")])
async def test_a_task_is_shown_with_the_values_flower_shows(
    house: House, task: str, args: tuple[Any, ...], state: str
) -> None:
    async with serving_celery(house.server.url) as api:
        task_id = await ran(api, house, f"event_tasks.{task}", args, state)
        ours = await api.ask(f"/api/task/info/{task_id}", caller=PHI)
        _, theirs = house.theirs(f"api/task/info/{task_id}")
        assert ours.keys() == theirs.keys()
        assert ours.pop("clock") > 0
        assert theirs.pop("clock") > 0
        assert ours == theirs
        listed = await api.ask("/api/tasks", caller=PHI)
        _, their_list = house.theirs("api/tasks")
        assert listed[task_id].keys() == their_list[task_id].keys()


async def test_results_are_those_flower_gives(house: House) -> None:
    async with serving_celery(house.server.url) as api:
        done = await ran(api, house, "event_tasks.add", (2, 3), "SUCCESS")
        failed = await ran(api, house, "event_tasks.fail", (), "FAILURE")
        for path in (f"api/task/result/{done}?timeout=5", f"api/task/result/{done}", f"api/task/result/{failed}",
                     "api/task/result/nobody-knows", "api/task/result/nobody-knows?timeout=0.2"):  # fmt: skip
            status, theirs = house.theirs(path)
            assert (status, theirs) == (200, await api.ask(f"/{path}", caller=PHI)), path
        assert (await api.ask(f"/api/task/result/{done}", caller=VIEWER))["result"] == "(masked)"


@pytest.mark.parametrize(
    "query",
    [
        "state=SUCCESS",
        "state=success&limit=1",
        "limit=2&offset=1",
        "sort_by=received",
        "sort_by=-name",
        "sort_by=started&limit=2",
        "taskname=event_tasks.fail",
        "taskname=All&state=All&workername=All",
        "workername=nobody@nowhere",
        "received_start=2020-01-01%2000:00",
        "received_end=2020-01-01%2000:00",
        "search=event_tasks.add",
        "search=state:FAILURE",
        "search=fail+OR+%22event_tasks.add%22",
        "search=%28add+OR+fail%29+state:success",
        "search=args:111",
        "search=kwargs:bed=b-12",
    ],
)
async def test_lists_of_tasks_are_chosen_and_ordered_as_flower_does(house: House, query: str) -> None:
    async with serving_celery(house.server.url) as api:
        house.theirs("api/tasks")
        ids = [await ran(api, house, "event_tasks.add", (111, number), "SUCCESS") for number in (1, 2)]
        ids.append(await ran(api, house, "event_tasks.fail", (), "FAILURE"))
        with_kwargs = house.app.send_task("event_tasks.fail", (), {"bed": "B-12"}, kwargsrepr="{'bed': 'B-12'}").id
        await api.until(f"/api/task/info/{with_kwargs}", lambda found: found["state"] == "FAILURE")
        wait_until(lambda: (house.flower.task(with_kwargs) or {}).get("state") == "FAILURE", "the same in Flower")
        known = {*ids, with_kwargs}
        ours = list((await api.asking.ask(f"/api/tasks?{query}", caller=PHI)).body)
        theirs = list(house.theirs(f"api/tasks?{query}")[1])
        if "limit" in query:  # theirs remembers what earlier tests ran
            assert len(ours) == len(theirs)
        else:
            assert [one for one in ours if one in known] == [one for one in theirs if one in known]
            assert set(ours) <= set(theirs)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "api/tasks?sort_by=color"),
        ("GET", "api/tasks?limit=many"),
        ("GET", "api/tasks?received_start=yesterday"),
        ("GET", "api/tasks?search=ab"),
        ("GET", "api/tasks?search=NOT+something"),
        ("GET", "api/tasks?search=%22open"),
        ("GET", "api/tasks?search=%28%28add%29"),
        ("GET", "api/tasks?search=add+OR"),
        ("GET", "api/task/info/nobody-knows"),
        ("GET", "api/task/result/x?timeout=soon"),
        ("GET", "api/workers?workername=nobody@nowhere"),
        ("GET", "api/workers?status=perhaps"),
        ("POST", "api/worker/shutdown/nobody@nowhere"),
        ("POST", "api/worker/pool/restart/nobody@nowhere"),
        ("POST", "api/worker/pool/grow/nobody@nowhere"),
        ("POST", "api/worker/pool/grow/WORKER?n=few"),
        ("POST", "api/worker/pool/autoscale/WORKER?min=1"),
        ("POST", "api/worker/pool/autoscale/WORKER?min=1&max=2"),
        ("POST", "api/worker/pool/restart/WORKER"),
        ("POST", "api/worker/queue/add-consumer/WORKER"),
        ("POST", "api/task/apply/nobody.knows"),
        ("POST", "api/task/async-apply/nobody.knows"),
        ("POST", "api/task/timeout/nobody.knows?workername=WORKER"),
        ("POST", "api/task/timeout/nobody.knows"),
        ("POST", "api/task/rate-limit/nobody.knows?workername=WORKER&ratelimit=1"),
        ("POST", "api/task/revoke/x?terminate=perhaps"),
    ],
)
async def test_what_flower_refuses_is_refused_with_its_status(house: House, method: str, path: str) -> None:
    path = path.replace("WORKER", house.worker.name)
    async with serving_celery(house.server.url) as api:
        ours = await api.asking.ask(f"/{path}", method)
        status, _ = house.theirs(path, method=method)
        assert ours.status == status, ours.text
        assert ours.headers["Content-Type"] == "application/problem+json"


async def test_workers_tell_what_they_tell_flower(house: House) -> None:
    name = house.worker.name
    async with serving_celery(house.server.url) as api:
        for path in ("api/workers", f"api/workers?workername={name}", f"api/workers?refresh=1&workername={name}"):
            ours, (_, theirs) = await api.ask(f"/{path}", caller=PHI), house.theirs(path)
            assert ours.keys() == theirs.keys() == {name}
            assert {"stats", "active_queues", "registered", "conf", "timestamp"} <= ours[name].keys()
            if "refresh" in path:
                assert ours[name].keys() == theirs[name].keys()
            for key in ("active_queues", "registered", "conf"):
                assert ours[name][key] == theirs[name][key]
            for stats in (ours[name]["stats"], theirs[name]["stats"]):
                stats["total"] = {}  # Flower keeps what it asked some time ago
            assert shape(ours[name]["stats"]) == shape(theirs[name]["stats"])
        await api.until("/api/workers?status=true", lambda found: found == {name: True})
        assert house.theirs("api/workers?status=true")[1] == {name: True}


async def test_steering_a_worker_says_what_flower_says(house: House) -> None:
    name = house.worker.name
    async with serving_celery(house.server.url) as api:
        for path, data in (
            (f"api/worker/pool/grow/{name}", {"n": "2"}),
            (f"api/worker/queue/add-consumer/{name}", {"queue": "extra"}),
            (f"api/worker/queue/cancel-consumer/{name}", {"queue": "extra"}),
            ("api/task/revoke/some-id", {"terminate": "true", "signal": "SIGKILL"}),
            ("api/task/abort/some-id", {}),
        ):
            theirs = house.theirs(path, data, form=True)
            ours = await api.asking.post(f"/{path}", caller=ADMIN, data=data)
            assert (ours.status, ours.body) == theirs, path
            by_query = await api.asking.post(f"/{path}?{urllib.parse.urlencode(data)}", caller=ADMIN)
            assert (by_query.status, by_query.body) == theirs, path
        # Processes that have just begun count as busy for a moment, and both say so in their own words until then.
        shrinking, one = f"api/worker/pool/shrink/{name}", {"n": "1"}
        wait_until(lambda: house.theirs(shrinking, one, form=True)[0] == 200, "idle processes")
        theirs, ours = house.theirs(shrinking, one, form=True), await api.asking.post(f"/{shrinking}", data=one)
        assert (ours.status, ours.body) == theirs
        limit = {"ratelimit": "100", "workername": name}
        set_ = await api.asking.post("/api/task/rate-limit/event_tasks.add", data=limit)
        assert set_.body == {"message": "new rate limit set successfully"}
        times = {"soft": "30", "hard": "100", "workername": name}
        set_ = await api.asking.post("/api/task/timeout/event_tasks.add", data=times)
        assert set_.body == {"message": "time limits set successfully"}
        assert set(api.deeds.kinds) == {"worker-commanded", "task-revoked"}
        assert house.app.AsyncResult("some-id").state == "ABORTED"


async def test_a_task_that_has_succeeded_is_not_aborted(house: House) -> None:
    async with serving_celery(house.server.url) as api:
        task_id = await ran(api, house, "event_tasks.add", (1, 1), "SUCCESS")
        assert (await api.asking.post(f"/api/task/abort/{task_id}")).status == 200
        assert house.app.AsyncResult(task_id).state == "SUCCESS"


async def test_tasks_are_sent_as_flower_sends_them(house: House) -> None:
    async with serving_celery(house.server.url) as api:
        body: dict[str, Any] = {"args": [2, 3]}
        ours = await api.asking.post("/api/task/apply/event_tasks.add", {**body, "timeout": 20}, caller=PHI)
        found = ours.body
        assert (ours.status, found.pop("task-id") != "", found) == (200, True, {"state": "SUCCESS", "result": 5})
        masked = await api.asking.post("/api/task/apply/event_tasks.add", body, caller=OPERATOR)
        assert masked.body["result"] == "(masked)"
        sent = await api.asking.post("/api/task/async-apply/event_tasks.add", {**body, "countdown": 600})
        assert (sent.status, sent.body["state"]) == (200, "PENDING")
        their_status, theirs = house.theirs("api/task/send-task/event_tasks.add", {**body, "queue": "nowhere"})
        ours = await api.asking.post("/api/task/send-task/event_tasks.add", {**body, "queue": "nowhere"})
        assert (ours.status, ours.body.keys(), ours.body["state"]) == (their_status, theirs.keys(), theirs["state"])
        assert house.server.client.llen("nowhere") == 2
        assert api.deeds.kinds.count("task-sent") == 4
        for wrong in ({"args": "text"}, [1], {"args": [], "eta": "soon"}, {"timeout": "x"}):
            refused = await api.asking.post("/api/task/apply/event_tasks.add", wrong)
            assert refused.status == 400, wrong


async def test_lengths_of_queues_are_counted_as_flower_counts(house: House) -> None:
    async with serving_celery(house.server.url) as api:
        assert await api.ask("/api/queues/length") == house.theirs("api/queues/length")[1]
        types = await api.ask("/api/task/types")
        assert types.keys() == house.theirs("api/task/types")[1].keys()
        health = await api.asking.ask("/healthcheck", caller="")
        assert (health.status, health.text) == (200, house.theirs("healthcheck")[1])


async def test_a_viewer_sees_nothing_of_what_tasks_hold(house: House) -> None:
    async with serving_celery(house.server.url) as api:
        task_id = await ran(api, house, "event_tasks.fail", (MARKER,), "FAILURE")
        for path in (f"/api/task/info/{task_id}", "/api/tasks", f"/api/task/result/{task_id}",
                     f"/api/workers?refresh=1&workername={house.worker.name}"):  # fmt: skip
            reply = await api.asking.ask(path, caller=VIEWER)
            assert reply.status == 200
            assert MARKER not in reply.text
            assert "as asked" not in reply.text
        assert await api.ask(f"/api/tasks?search={MARKER}", caller=VIEWER) == {}
        assert api.deeds.kept == []
        assert MARKER in (await api.asking.ask(f"/api/task/info/{task_id}", caller=PHI)).text
        assert task_id in await api.ask(f"/api/tasks?search={MARKER}", caller=PHI)
        assert set(api.deeds.kinds) == {"task-revealed"}


async def test_contents_are_not_shown_if_that_cannot_be_recorded(house: House) -> None:
    async with serving_celery(house.server.url) as api:
        task_id = await ran(api, house, "event_tasks.add", (2, 3), "SUCCESS")
        api.deeds.is_full = True
        for path in (f"/api/task/info/{task_id}", "/api/tasks", f"/api/task/result/{task_id}"):
            assert (await api.asking.ask(path, caller=PHI)).status == 503
        assert (await api.asking.post("/api/task/send-task/x", {})).status == 503
        assert house.server.client.llen("celery") == 0


async def test_tasks_that_the_site_calls_harmless_are_shown_to_anyone(house: House) -> None:
    async with serving_celery(house.server.url, show_tasks=("event_tasks.a*",)) as api:
        task_id = await ran(api, house, "event_tasks.add", (2, 3), "SUCCESS")
        shown = await api.ask(f"/api/task/info/{task_id}", caller=VIEWER)
        assert (shown["args"], shown["result"]) == ("(2, 3)", "5")
        assert api.deeds.kept == []


@pytest.mark.parametrize(
    ("path", "lowest"),
    [("worker/shutdown/x", "admin"), ("worker/pool/restart/x", "admin"), ("worker/pool/grow/x", "operator"),
     ("task/revoke/x", "operator"), ("task/apply/x", "operator"), ("task/abort/x", "operator")],
)  # fmt: skip
async def test_each_role_may_do_what_it_may(house: House, path: str, lowest: str) -> None:
    async with serving_celery(house.server.url) as api:
        below = VIEWER if lowest == OPERATOR else OPERATOR
        assert (await api.asking.post(f"/api/{path}", caller=below)).status == 403
        assert (await api.asking.post(f"/api/{path}", caller=lowest)).status != 403
