"""The schedule over HTTP, on a real server: looked at, changed, held; by a scheduler that fires."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from daemon.clock import SECOND_US, SystemClock, instant
from tests.support.api_serving import OPERATOR, VIEWER
from tests.support.schedule_api import Served, checked, serving
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

SECRET = "ZZPATIENT"
SCHEDULE = f"""
[schedule.nightly]
task = "app.nightly"
cron = "30 1 * * *"
timezone = "Europe/London"
kwargs = {{ ward = "{SECRET}" }}
options = {{ queue = "night" }}

[schedule.renamed]
id = "old-name"
task = "app.tick"
every = "15m"

[schedule.quick]
task = "app.quick"
every = "1s"
catch_up = "skip"

[schedule.off]
task = "app.off"
every = "1h"
enabled = false

[schedule.hold]
task = "app.hold"
every = "1h"
"""
NOTE = {"reason": "LIS upgrade"}


def site_of(folder: Path, valkey: ValkeyServer, schedule: str = SCHEDULE, **more: Any) -> Any:
    return checked(folder, valkey.url, schedule, **more)


def deeds(served: Served) -> list[dict[str, Any]]:
    path = Path(served.site.settings.site.state_dir) / "audit.log"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def in_days(days: int) -> str:
    at = instant(SystemClock().now_us() + days * 86_400 * SECOND_US)
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


async def listed(served: Served, query: str = "", **options: Any) -> dict[str, dict[str, Any]]:
    reply = await served.api.ask(f"/api/schedule{query}", **options)
    assert reply.status == 200, reply.text
    return {row["id"]: row for row in reply.body["items"]}


# -- looking -----------------------------------------------------------------------------------------------------------


async def test_entries_are_listed_with_state_words_and_what_comes_next(tmp_path: Path, valkey: ValkeyServer) -> None:
    async with serving(site_of(tmp_path, valkey)) as served:
        page = (await served.api.ask("/api/schedule", caller=VIEWER)).body
        assert page["total"] == 5
        assert page["counts"] == {
            "all": 5, "on": 4, "paused": 0, "disabled": 1, "wrong": 0, "over": 0, "stray": 0, "trouble": 0, "changed": 0,
        }  # fmt: skip
        assert (page["held"], page["can_change"], page["is_complete"], page["next"]) == (None, True, True, None)
        rows = {row["id"]: row for row in page["items"]}
        assert [row["name"] for row in page["items"]] == ["hold", "nightly", "off", "quick", "renamed"]
        assert rows["nightly"]["schedule"] == {
            "words": "daily at 01:30", "expression": "cron 30 1 * * *", "zone": "Europe/London",
        }  # fmt: skip
        assert rows["nightly"]["queue"] == "night"
        assert rows["nightly"]["next_at"].endswith("Z")
        assert rows["old-name"]["schedule"]["words"] == "every 15 min"
        assert rows["off"]["state"] == "disabled"
        assert rows["off"]["next_at"] is None
        assert rows["nightly"]["allowed_actions"] == []
        row = (await listed(served, caller=OPERATOR))["nightly"]
        assert row["allowed_actions"] == ["pause", "trigger", "backfill", "edit"]


async def test_a_list_is_filtered_put_in_order_and_cut_into_pages(tmp_path: Path, valkey: ValkeyServer) -> None:
    async with serving(site_of(tmp_path, valkey)) as served:
        assert list(await listed(served, "?text=NIGHT")) == ["nightly"]
        assert list(await listed(served, "?queue=night")) == ["nightly"]
        assert list(await listed(served, "?state=disabled")) == ["off"]
        assert list(await listed(served, "?task=app.tick")) == ["old-name"]
        assert list(await listed(served, "?source=app")) == []
        assert list(await listed(served, "?within_s=5")) == ["quick"]
        for sort in ("name", "next", "last", "lateness", "failures"):
            for more in ("", "&descending=true"):
                whole = list(await listed(served, f"?state=on&state=disabled&text=.&sort={sort}{more}&limit=200"))
                found: list[str] = []
                after = ""
                for _ in range(10):
                    query = f"/api/schedule?state=on&state=disabled&text=.&sort={sort}{more}&limit=2&after={after}"
                    page = (await served.api.ask(query)).body
                    found += [row["id"] for row in page["items"]]
                    after = page["next"]
                    if after is None:
                        break
                assert sorted(found) == sorted(whole)
                if sort in ("name", "lateness", "failures"):
                    assert found == whole
        name = (await served.api.ask("/api/schedule?limit=1")).body["next"]
        assert (await served.api.ask(f"/api/schedule?limit=1&sort=next&after={name}")).status == 400
        assert (await served.api.ask("/api/schedule?limit=201")).status == 422
        assert (await served.api.ask("/api/schedule?sort=wrong")).status == 422


async def test_an_entry_tells_where_its_fields_come_from_and_hides_arguments(
    tmp_path: Path, valkey: ValkeyServer
) -> None:
    async with serving(site_of(tmp_path, valkey)) as served:
        reply = await served.api.ask("/api/schedule/nightly", caller=VIEWER)
        assert reply.status == 200
        assert SECRET not in reply.text
        assert reply.headers["ETag"]
        fields = {one["field"]: one for one in reply.body["fields"]}
        assert fields["cron"]["value"] == "30 1 * * *"
        assert fields["cron"]["source"] == "site"
        place = fields["cron"]["place"]
        line = int(place.rpartition(":")[2])
        assert (tmp_path / "site.toml").read_text().splitlines()[line - 1].startswith("cron =")
        assert fields["kwargs"]["is_hidden"]
        assert fields["kwargs"]["value"] is None
        assert reply.body["arguments"] == {"positional": 0, "names": ["ward"]}
        assert len(reply.body["next"]) == 5
        assert (await served.api.ask("/api/schedule/nowhere")).status == 404
        assert (await served.api.ask("/api/schedule/~hold")).body["row"]["name"] == "hold"
        assert (await served.api.ask("/api/schedule/renamed")).body["row"]["id"] == "old-name"


async def test_arguments_are_shown_to_phi_alone_and_each_look_is_recorded(tmp_path: Path, valkey: ValkeyServer) -> None:
    async with serving(site_of(tmp_path, valkey)) as served:
        for caller in ("admin", "admin phi feed:adt"):
            assert (await served.api.ask("/api/schedule/nightly/arguments", caller=caller)).status == 403
        shown = (await served.api.ask("/api/schedule/nightly", caller="viewer phi")).body["row"]["allowed_actions"]
        some = (await served.api.ask("/api/schedule/nightly", caller="viewer phi feed:adt")).body["row"]
        assert ("reveal" in shown, "reveal" in some["allowed_actions"]) == (True, False)
        assert deeds(served) == []
        reply = await served.api.ask("/api/schedule/nightly/arguments", caller="viewer phi")
        assert reply.body["kwargs"] == {"ward": SECRET}
        assert reply.headers["Cache-Control"] == "no-store"
        [deed] = deeds(served)
        assert (deed["kind"], deed["about"], deed["who"]) == ("task-revealed", "entry nightly", "viewer")


async def test_coming_occurrences_tell_of_clock_changes(tmp_path: Path, valkey: ValkeyServer) -> None:
    async with serving(site_of(tmp_path, valkey)) as served:
        reply = await served.api.ask("/api/schedule/nightly/preview?count=200")
        assert len(reply.body["fires"]) == 200
        assert any("does not exist" in one["note"] for one in reply.body["fires"])
        until = in_days(3)
        reply = await served.api.ask(f"/api/schedule/nightly/preview?until={until}")
        assert len(reply.body["fires"]) == 3
        assert reply.body["is_over"]


async def test_a_change_is_tried_out_before_it_is_made(tmp_path: Path, valkey: ValkeyServer) -> None:
    async with serving(site_of(tmp_path, valkey)) as served:
        body = {"id": "nightly", "set": {"cron": "0 3 * * *"}}
        trial = (await served.api.post("/api/schedule/preview", body, caller=VIEWER)).body
        assert (len(trial["before"]), len(trial["after"]), trial["words"]) == (5, 5, "daily at 03:00")
        assert "T03:00" in trial["after"][0]["local"]
        assert "T01:30" in trial["before"][0]["local"]
        body = {"id": "nightly", "set": {"cron": "0 99 * * *"}}
        trial = (await served.api.post("/api/schedule/preview", body)).body
        assert [one["field"] for one in trial["problems"]] == ["cron"]
        trial = (await served.api.post("/api/schedule/preview", {"set": {"task": "x", "every": "1h"}})).body
        assert (trial["before"], len(trial["after"]), trial["problems"]) == ([], 5, [])
        assert (await listed(served))["nightly"]["is_changed"] is False


async def test_what_became_of_occurrences_is_told_and_drawn(tmp_path: Path, valkey: ValkeyServer) -> None:
    async with serving(site_of(tmp_path, valkey)) as served:
        await served.until("/api/schedule/quick/history?limit=3", lambda body: len(body["items"]) == 3)
        page = (await served.api.ask("/api/schedule/quick/history?limit=2")).body
        first = [one["due_at"] for one in page["items"]]
        assert first == sorted(first, reverse=True)
        following = (await served.api.ask(f"/api/schedule/quick/history?limit=2&after={page['next']}")).body
        assert following["items"][0]["due_at"] < first[-1]
        run = page["items"][0]
        assert (run["outcome"], run["how"], run["task"]) == ("enqueued", "clock", "app.quick")
        why = (await served.api.ask(f"/api/schedule/quick/why?at={run['due_at']}")).body
        assert why["finding"] == "ran"
        assert why["run"]["task_id"] == run["task_id"]
        assert (await served.api.ask("/api/schedule/nightly/why")).body["finding"] in ("not-due", "waits")
        row = (await listed(served))["quick"]
        assert row["recent"][-1] == "enqueued"
        assert row["last"]["outcome"] == "enqueued"
        assert row["lateness_p95_s"] < 60
        handed = (await served.api.ask("/api/dispatch?limit=2", caller=VIEWER)).body
        assert [one["entry"] for one in handed["items"]] == ["quick", "quick"]
        assert handed["broker"]["state"] == "up"
        assert (await served.api.ask(f"/api/dispatch?limit=2&after={handed['next']}")).status == 200


async def test_a_day_is_drawn_with_marks_or_cells(tmp_path: Path, valkey: ValkeyServer) -> None:
    async with serving(site_of(tmp_path, valkey)) as served:
        await served.until("/api/schedule/quick/history", lambda body: len(body["items"]) >= 1)
        picture = (await served.api.ask("/api/schedule/timeline")).body
        rows = {one["id"]: one for one in picture["rows"]}
        assert picture["cell_s"] == 600
        assert rows["quick"]["is_dense"]
        assert {one["outcome"] for one in rows["quick"]["cells"]} >= {"planned"}
        assert len(rows["quick"]["cells"]) <= 145
        assert [one["outcome"] for one in rows["hold"]["marks"]] == ["planned"] * 12
        assert (await served.api.ask("/api/schedule/timeline?limit=1")).body["others"] == 3
        span = "from=2026-01-01T00:00:00Z&to=2026-01-01T06:00:00Z"
        assert (await served.api.ask(f"/api/schedule/timeline?{span}")).status == 200
        span = "from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z"
        assert (await served.api.ask(f"/api/schedule/timeline?{span}")).status == 400


# -- changing ----------------------------------------------------------------------------------------------------------


async def test_an_entry_is_paused_and_resumed_and_the_daemon_is_told_at_once(
    tmp_path: Path, valkey: ValkeyServer
) -> None:
    async with serving(site_of(tmp_path, valkey)) as served:
        assert (await served.api.post("/api/schedule/quick/pause", NOTE, caller=VIEWER)).status == 403
        assert (await served.api.post("/api/schedule/quick/pause", {}, caller=OPERATOR)).status == 422
        until = in_days(1)
        reply = await served.api.post("/api/schedule/quick/pause", {**NOTE, "until_at": until}, caller=OPERATOR)
        assert reply.status == 200, reply.text
        assert reply.body["state"] == "paused"
        assert reply.body["paused"] | {"since_at": ""} == {
            "by": "operator", "since_at": "", "until_at": until, "note": "LIS upgrade",
        }  # fmt: skip
        assert "resume" in reply.body["allowed_actions"]
        await served.until(
            "/api/schedule/quick/history?state=skipped",
            lambda body: bool(body["items"]) and body["items"][0]["reason"] == "paused:operator",
        )
        reply = await served.api.post("/api/schedule/quick/resume", {"reason": "done"}, caller=OPERATOR)
        assert reply.body["state"] == "on"
        assert [one["kind"] for one in deeds(served)] == ["entry-paused", "entry-resumed"]
        deed = deeds(served)[0]
        assert (deed["who"], deed["role"], deed["about"], deed["note"], deed["before"]) == (
            "operator", "operator", "quick", "LIS upgrade", "on",
        )  # fmt: skip


async def test_an_edit_is_an_override_that_meets_no_other(tmp_path: Path, valkey: ValkeyServer) -> None:
    async with serving(site_of(tmp_path, valkey)) as served:
        tag = (await served.api.ask("/api/schedule/nightly")).headers["ETag"]
        body = {"set": {"cron": "0 4 * * *", "options.queue": "llm"}, "reason": "free the night"}
        reply = await served.api.ask(
            "/api/schedule/nightly", "PATCH", caller=OPERATOR, json=body, headers={"If-Match": tag}
        )
        assert reply.status == 200, reply.text
        fields = {one["field"]: one for one in reply.body["fields"]}
        assert (fields["cron"]["value"], fields["cron"]["below"], fields["cron"]["by"]) == (
            "0 4 * * *", "30 1 * * *", "operator",
        )  # fmt: skip
        assert reply.body["row"]["is_changed"]
        assert reply.headers["ETag"] != tag
        again = await served.api.ask(
            "/api/schedule/nightly", "PATCH", caller=OPERATOR, json=body, headers={"If-Match": tag}
        )
        assert again.status == 412
        wrong = {"set": {"cron": "99 * * * *"}, "reason": "x"}
        assert (await served.api.ask("/api/schedule/nightly", "PATCH", json=wrong)).status == 422
        args = {"set": {"kwargs": {"ward": SECRET}}, "reason": "x"}
        assert (await served.api.ask("/api/schedule/nightly", "PATCH", caller=OPERATOR, json=args)).status == 403
        done = await served.api.ask("/api/schedule/nightly", "PATCH", json=args)
        assert done.status == 200
        assert SECRET not in done.text
        trail = json.dumps(deeds(served))
        assert SECRET not in trail
        assert "30 1 * * *" in deeds(served)[0]["before"]
        assert "0 4 * * *" in deeds(served)[0]["after"]
        assert list(await listed(served, "?changed=true")) == ["nightly"]
        for wanted in ("?field=kwargs", "?field=cron&field=kwargs", ""):
            refused = await served.api.ask(f"/api/schedule/nightly/override{wanted}", "DELETE", caller=OPERATOR)
            assert refused.status == 403
        reverted = await served.api.ask("/api/schedule/nightly/override?field=kwargs", "DELETE")
        assert reverted.body["row"]["is_changed"]
        reverted = await served.api.ask("/api/schedule/nightly/override", "DELETE", caller=OPERATOR)
        assert not reverted.body["row"]["is_changed"]
        assert reverted.headers["ETag"] == tag


async def test_of_many_who_edit_what_they_read_one_succeeds(tmp_path: Path, valkey: ValkeyServer) -> None:
    async with serving(site_of(tmp_path, valkey)) as served:
        tag = (await served.api.ask("/api/schedule/nightly")).headers["ETag"]
        statuses: list[int] = []

        async def edit(minute: int) -> None:
            body = {"set": {"cron": f"{minute} 4 * * *"}, "reason": "x"}
            headers = {"If-Match": tag}
            reply = await served.api.ask("/api/schedule/nightly", "PATCH", caller=OPERATOR, json=body, headers=headers)
            statuses.append(reply.status)

        async with anyio.create_task_group() as tasks:
            for minute in range(8):
                tasks.start_soon(edit, minute)
        assert sorted(statuses) == [200, *[412] * 7]


async def test_options_are_changed_one_by_one_so_that_headers_stay_hidden(tmp_path: Path, valkey: ValkeyServer) -> None:
    async with serving(site_of(tmp_path, valkey)) as served:
        body = {"set": {"options": {"headers": {"ward": SECRET}}}, "reason": "x"}
        assert (await served.api.ask("/api/schedule/nightly", "PATCH", caller=OPERATOR, json=body)).status == 403
        refused = await served.api.ask("/api/schedule/nightly", "PATCH", json=body)
        assert (refused.status, refused.body["hint"]) == (422, "name each: options.queue, options.headers")
        body = {"set": {"options.headers": {"ward": SECRET}}, "reason": "x"}
        done = await served.api.ask("/api/schedule/nightly", "PATCH", json=body)
        assert done.status == 200
        assert SECRET not in done.text + json.dumps(deeds(served))


async def test_a_run_asked_for_happens_once_for_a_key(tmp_path: Path, valkey: ValkeyServer) -> None:
    async with serving(site_of(tmp_path, valkey)) as served:
        key = {"Idempotency-Key": "k1"}
        one = await served.api.post("/api/schedule/nightly/trigger", {"reason": "now"}, caller=OPERATOR, headers=key)
        assert one.status == 202, one.text
        two = await served.api.post("/api/schedule/nightly/trigger", {"reason": "now"}, caller=OPERATOR, headers=key)
        assert two.body == one.body
        page = await served.until("/api/schedule/nightly/history", lambda body: bool(body["items"]))
        [run] = page["items"]
        assert (run["how"], run["task_id"]) == ("manual", one.body["task_id"])
        assert valkey.client.llen("night") == 1
        own = {"reason": "x", "kwargs": {"ward": 7}}
        assert (await served.api.post("/api/schedule/nightly/trigger", own, caller=OPERATOR)).status == 403
        assert (await served.api.post("/api/schedule/nightly/trigger", own)).status == 202
        assert (await served.api.post("/api/schedule/off/trigger", {"reason": "x"})).status == 409
        assert [deed["kind"] for deed in deeds(served)] == ["entry-run", "entry-run"]


async def test_an_entry_is_added_and_removed(tmp_path: Path, valkey: ValkeyServer) -> None:
    async with serving(site_of(tmp_path, valkey)) as served:
        body = {"name": "extra", "entry": {"task": "app.extra", "every": "1s"}, "reason": "to see"}
        assert (await served.api.post("/api/schedule", body, caller=OPERATOR)).status == 403
        added = await served.api.post("/api/schedule", body)
        assert added.status == 201, added.text
        assert added.body["row"]["source"] == "added"
        assert "delete" in added.body["row"]["allowed_actions"]
        assert (await served.api.post("/api/schedule", body)).status == 409
        wrong = {"name": "more", "entry": {"task": "app.extra", "evry": "1s"}}
        assert (await served.api.post("/api/schedule", wrong)).status == 422
        await served.until("/api/schedule/extra/history", lambda found: bool(found["items"]))
        assert (await served.api.ask("/api/schedule/extra", "DELETE")).status == 422
        assert (await served.api.ask("/api/schedule/extra?confirm=other", "DELETE")).status == 400
        assert (await served.api.ask("/api/schedule/nightly?confirm=nightly", "DELETE")).status == 409
        gone = await served.api.ask("/api/schedule/extra?confirm=extra", "DELETE")
        assert gone.body == {"removed": ["extra"]}
        assert "extra" not in await listed(served)


async def test_many_entries_are_changed_as_they_were_frozen(tmp_path: Path, valkey: ValkeyServer) -> None:
    many = "".join(f'[schedule.e{number}]\ntask = "app.x"\nevery = "1h"\n' for number in range(25))
    async with serving(site_of(tmp_path, valkey, many)) as served:
        body = {"action": "pause", "filter": {"text": "e1"}}
        plan = (await served.api.post("/api/schedule/bulk", body, caller=OPERATOR)).body
        assert (plan["count"], plan["needs_role"], plan["sample"][:2]) == (11, "operator", ["e1", "e10"])
        go = {"reason": "move", "count": 11}
        path = f"/api/schedule/plans/{plan['token']}"
        assert (await served.api.post(path, {**go, "count": 10}, caller=OPERATOR)).status == 409
        assert (await served.api.post(path, {"count": 11}, caller=OPERATOR)).status == 422
        done = await served.api.post(path, go, caller=OPERATOR)
        assert done.body == {"action": "pause", "done": 11, "left_out": []}
        assert (await served.api.post(path, go, caller=OPERATOR)).status == 404
        assert len(await listed(served, "?state=paused")) == 11
        everything = (await served.api.post("/api/schedule/bulk", {"action": "trigger", "filter": {}})).body
        assert everything["needs_role"] == "admin"
        path = f"/api/schedule/plans/{everything['token']}"
        assert (await served.api.post(path, {"reason": "x", "count": 25}, caller=OPERATOR)).status == 403
        assert (await served.api.post(path, {"reason": "x", "count": 25})).body["done"] == 25
        resumed = (await served.api.post("/api/schedule/bulk", {"action": "resume", "ids": ["e1", "e2", "zz"]})).body
        assert resumed["sample"] == ["e1"]


async def test_a_window_of_the_past_is_shown_before_it_is_run(tmp_path: Path, valkey: ValkeyServer) -> None:
    async with serving(site_of(tmp_path, valkey)) as served:
        window = {"from_at": "2026-01-01T00:00:00Z", "to_at": "2026-01-04T00:00:00Z", "overlap": "queue-all"}
        plan = (await served.api.post("/api/schedule/nightly/backfill", window, caller=OPERATOR)).body
        assert (plan["count"], plan["first_at"], plan["action"]) == (3, "2026-01-01T01:30:00Z", "backfill")
        assert valkey.client.llen("night") == 0
        path = f"/api/schedule/plans/{plan['token']}"
        assert (await served.api.post(path, {"reason": "again", "count": 3}, caller=OPERATOR)).body["done"] == 3
        page = await served.until("/api/schedule/nightly/history", lambda body: bool(body["items"]))
        assert page["items"][0]["how"] == "backfill"
        backwards = {"from_at": "2026-01-04T00:00:00Z", "to_at": "2026-01-01T00:00:00Z"}
        assert (await served.api.post("/api/schedule/nightly/backfill", backwards)).status == 422


# -- holding -----------------------------------------------------------------------------------------------------------


async def test_all_schedules_of_two_daemons_are_held_and_what_was_due_is_treated_by_catch_up(
    tmp_path: Path, valkey: ValkeyServer
) -> None:
    schedule = """
[schedule.skips]
task = "app.skips"
every = "1s"
catch_up = "skip"
options = { queue = "skips" }

[schedule.makes-up]
task = "app.makes"
every = "1s"
catch_up = "all"
options = { queue = "makes" }
"""
    async with (
        serving(site_of(tmp_path / "a", valkey, schedule)) as one,
        serving(site_of(tmp_path / "b", valkey, schedule)) as two,
    ):
        await one.until("/api/schedule/skips/history", lambda body: bool(body["items"]))
        assert (await one.api.post("/api/schedule/hold", NOTE, caller=OPERATOR)).status == 403
        held = await one.api.post("/api/schedule/hold", NOTE)
        assert (held.body["by"], held.body["reason"]) == ("admin", "LIS upgrade")
        assert (await two.api.ask("/api/schedule/hold")).body["held"]["by"] == "admin"
        for served in (one, two):
            await served.until("/api/schedule?state=waiting", lambda body: body["total"] == 2)
        before = {queue: valkey.client.llen(queue) for queue in ("skips", "makes")}
        waiting = (await two.api.ask("/api/dispatch")).body
        assert {row["id"] for row in waiting["waiting"]} == {"skips", "makes-up"}
        assert {queue: valkey.client.llen(queue) for queue in ("skips", "makes")} == before
        released = await two.api.post("/api/schedule/release", {"reason": "done"}, caller=OPERATOR)
        assert released.body["was"]["by"] == "admin"
        page = await one.until("/api/schedule/skips/history?state=skipped", lambda body: bool(body["items"]))
        assert {run["reason"] for run in page["items"]} == {"held"}
        assert page["items"][0]["reason_text"] == "all schedules were held"
        await one.until("/api/schedule?state=waiting", lambda body: body["total"] == 0)
        page = (await one.api.ask("/api/schedule/makes-up/history?limit=200")).body
        assert {run["outcome"] for run in page["items"]} == {"enqueued"}
        assert (await one.api.post("/api/schedule/release", {})).body == {"was": None}
        assert [deed["kind"] for deed in deeds(one)] == ["schedule-held", "schedule-released"]


# -- where it cannot be ------------------------------------------------------------------------------------------------


async def test_while_the_broker_is_away_the_schedule_is_shown_and_not_changed(tmp_path: Path) -> None:
    site = checked(tmp_path, "redis://127.0.0.1:1/0", SCHEDULE)
    async with serving(site) as served:
        page = (await served.api.ask("/api/schedule")).body
        assert (page["total"], page["is_complete"]) == (5, False)
        assert (await served.api.ask("/api/schedule/nightly")).status == 200
        assert (await served.api.post("/api/schedule/nightly/pause", NOTE)).status == 503
        assert (await served.api.ask("/api/schedule/hold")).status == 503
        assert (await served.api.ask("/api/dispatch")).body["broker"]["state"] in ("down", "unknown")


async def test_on_rabbitmq_the_schedule_is_shown_and_changing_it_is_refused(tmp_path: Path) -> None:
    site = checked(tmp_path, "amqp://127.0.0.1:1//", SCHEDULE)
    async with serving(site) as served:
        page = (await served.api.ask("/api/schedule")).body
        assert (page["total"], page["can_change"], page["allowed_actions"]) == (5, False, [])
        assert all(row["allowed_actions"] == [] for row in page["items"])
        for path in ("nightly/pause", "nightly/trigger", "hold"):
            assert (await served.api.post(f"/api/schedule/{path}", {"reason": "x"})).status == 501
        assert deeds(served) == []


async def test_what_was_changed_of_an_entry_that_is_no_more_is_shown_and_taken_away(
    tmp_path: Path, valkey: ValkeyServer
) -> None:
    key = "carillon:1:testsite:overrides"
    valkey.client.hset(key, "gone", '{"every":{"value":"5m","author":"ada","reason":"busy"}}')
    async with serving(site_of(tmp_path, valkey)) as served:
        row = (await listed(served, "?state=stray"))["gone"]
        assert (row["state"], row["allowed_actions"], row["note"]) == ("stray", ["revert"], "busy")
        assert (await served.api.ask("/api/schedule/gone")).status == 404
        assert (await served.api.post("/api/schedule/gone/pause", NOTE)).status == 409
        assert (await served.api.ask("/api/schedule/gone/override", "DELETE")).status == 200
        assert "gone" not in await listed(served)
        assert valkey.client.hget(key, "gone") is None


async def test_a_change_of_more_entries_than_it_has_tries_reaches_them_all(
    tmp_path: Path, valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.scheduler.layers.desk.EDITS_LIMIT", 1)
    many = "".join(f'[schedule.e{number}]\ntask = "app.x"\nevery = "1h"\n' for number in range(12))
    async with serving(site_of(tmp_path, valkey, many)) as served:
        plan = (await served.api.post("/api/schedule/bulk", {"action": "pause", "filter": {}})).body
        done = await served.api.post(f"/api/schedule/plans/{plan['token']}", {"reason": "move", "count": 12})
        assert done.body["done"] == 12
        assert len(await listed(served, "?state=paused")) == 12
