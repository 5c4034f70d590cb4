"""Messages, tasks, workers, queues, alerts, the audit trail and settings in a real browser."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.fake_api import FakeApi, Refused, Request
from tests.browser.samples import moment, session
from tests.browser.samples_celery import TASK, alert, celery_side, message, page_of, queue, task
from tests.browser.watching import Watched

SCREENS = {
    "/messages": "MSG00042",
    "/messages/42": "Structure",
    "/tasks": "handle_adt",
    f"/tasks/{TASK}": "ValueError",
    "/workers": "w1@node-a",
    "/workers/w1%40node-a": "Running",
    "/queues": "llm",
    "/queues/llm": "No worker takes from it",
    "/alerts": "Queue without consumer",
    "/audit": "LIS upgrade",
    "/settings": "site.timezone",
}
LOOKS: dict[str, dict[str, bool]] = {"light": {}, "dark": {"is_dark": True}, "phone": {"is_phone": True}}
PICTURES = os.environ.get("CARILLON_PICTURES")


@pytest.fixture
def fake(fake: FakeApi) -> FakeApi:
    celery_side(fake)
    fake.says("/api/session", session("admin", may_reveal=True, capabilities=["phi"]))
    return fake


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("path", SCREENS)
def test_a_screen_is_accessible_and_fits(path: str, look: str, fake: FakeApi, tab: Callable[..., Watched]) -> None:
    page = tab(fake.url, **LOOKS[look])
    page.expect("/readyz")  # the fake answers what is under /api alone
    page.expect("Failed to load resource")
    page.open(path).settled()
    expect(page.page.locator("main")).to_contain_text(SCREENS[path])
    page.accessible()
    page.fits()
    if PICTURES:
        name = path.strip("/").replace("/", "-").replace("%40", "_")
        page.page.screenshot(path=Path(PICTURES) / f"{name}-{look}.png", full_page=True)


EMPTY: dict[str, tuple[str, dict[str, Any], str]] = {
    "/messages": (
        "/api/messages",
        {"total": None, "since_at": None, "until_at": None, "is_complete": True},
        "hl7 simulate",
    ),
    "/tasks": (
        "/api/task-list",
        {
            "kept_since": None,
            "is_complete": True,
            "gaps": [],
            "forgotten": 0,
            "is_listening": True,
            "failed_by_name": {},
        },
        "--task-events",
    ),
    "/workers": (
        "/api/nodes",
        {
            "is_complete": True,
            "events_since_at": None,
            "unserved": [{"queue": "llm", "start": "celery -A a worker -Q llm"}],
        },
        "celery -A a worker -Q llm",
    ),
    "/queues": ("/api/queues", {"is_complete": True, "unacked_total": 0}, "celery -A yourapp worker"),
    "/alerts": ("/api/alerts", {}, "Everything is fine"),
    "/audit": ("/api/audit", {}, "Nothing is recorded yet"),
}


@pytest.mark.parametrize("path", EMPTY)
def test_an_empty_list_says_what_to_do(path: str, fake: FakeApi, page: Watched) -> None:
    where, more, says = EMPTY[path]
    fake.says(where, page_of(**more))
    page.open(path).settled()
    expect(page.page.locator("main")).to_contain_text(says)
    page.accessible()


@pytest.mark.parametrize("path", EMPTY)
def test_a_list_that_cannot_be_read_says_why_and_what_to_do(path: str, fake: FakeApi, page: Watched) -> None:
    page.expect("Failed to load resource")
    fake.says(EMPTY[path][0], Refused(503, "broker-down", "The broker does not answer.", hint="Is it running?"))
    page.open(path).settled()
    alert_box = page.page.get_by_role("alert").first
    expect(alert_box).to_contain_text("The broker does not answer. Is it running?")
    expect(alert_box.get_by_role("button", name="Try again")).to_be_visible()


def test_a_purge_wants_the_name_typed_shows_what_it_would_do_and_can_be_undone(fake: FakeApi, page: Watched) -> None:
    done = {"queue": "llm", "is_done": True, "count": 25, "token": "5f", "kept_until_at": None, "unacked": 0}
    fake.says("/api/queues/llm/purge", {**done, "what": "set 25 messages aside", "warnings": ["3 are taken"]}, "POST")
    fake.says("/api/queues/llm/restore", {"queue": "llm", "count": 25, "token": "5f"}, "POST")
    page.open("/queues/llm").settled()
    page.page.get_by_role("button", name="Actions on llm").click()
    page.page.get_by_role("menuitem", name="Purge…").click()
    dialog = page.page.get_by_role("dialog")
    expect(dialog).to_contain_text("set 25 messages aside")
    expect(dialog).to_contain_text("3 are taken")
    button = dialog.get_by_role("button", name="Purge")
    expect(button).to_be_disabled()
    dialog.get_by_label("Reason").fill("wrong release")
    expect(button).to_be_disabled()
    dialog.get_by_label("Type llm to confirm").fill("llm")
    button.click()
    page.page.get_by_role("button", name="Undo").click()
    expect(page.page.locator(".toasts")).to_contain_text("back", ignore_case=True)
    sent = [one for one in fake.changes("POST") if not (one.body or {}).get("dry_run")]
    assert [(one.path, one.body["reason"]) for one in sent] == [
        ("/api/queues/llm/purge", "wrong release"),
        ("/api/queues/llm/restore", "undone"),
    ]
    assert all(one.key for one in sent)


def test_contents_are_not_on_the_page_until_they_are_asked_for_with_a_reason_and_go_with_the_window(
    fake: FakeApi, page: Watched
) -> None:
    found = {"sequence": 42, "scope": "PID-3", "values": ["ZZPATIENT"], "segments": [], "raw_b64": ""}
    fake.says("/api/messages/42/reveal", found, "POST")
    page.open("/messages/42").settled()
    assert "ZZPATIENT" not in page.text()
    page.page.get_by_label("Field, as in PID-3").fill("PID-3")
    page.page.get_by_role("button", name="Reveal PID-3…").click()
    dialog = page.page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Reveal")).to_be_disabled()
    dialog.get_by_label("Reason").fill("ticket 4412")
    dialog.get_by_role("button", name="Reveal").click()
    expect(page.page.locator(".revealed")).to_contain_text("ZZPATIENT")
    [sent] = fake.changes("POST")
    assert (sent.body["scope"], sent.body["reason"]) == ("PID-3", "ticket 4412")
    page.page.evaluate("dispatchEvent(new Event('blur'))")
    expect(page.page.locator(".revealed")).to_have_count(0)
    assert "ZZPATIENT" not in page.text()


def test_a_search_for_a_patient_stays_out_of_the_address(fake: FakeApi, page: Watched) -> None:
    fake.says("/api/messages/search", page_of(total=None), "POST")
    page.open("/messages").settled()
    page.page.get_by_role("button", name="Search by patient…").click()
    dialog = page.page.get_by_role("dialog")
    dialog.get_by_label("Patient identifier").fill("ZZPATIENT")
    dialog.get_by_label("Reason").fill("asked for by the ward")
    dialog.get_by_role("button", name="Search").click()
    expect(page.page.locator("main")).to_contain_text("on the record")
    assert "ZZPATIENT" not in page.page.url
    assert "ZZPATIENT" not in page.text()


def test_an_alert_is_silenced_with_a_reason_and_an_end(fake: FakeApi, page: Watched) -> None:
    fake.says("/api/alerts/*", alert(state="silenced"), "POST")
    page.open("/alerts").settled()
    page.page.get_by_role("button", name="Silence…").click()
    dialog = page.page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("known")
    dialog.get_by_role("button", name="Silence").click()
    expect(page.page.locator(".toasts")).to_contain_text("Silenced")
    [sent] = fake.changes("POST")
    assert sent.body["until_at"] is not None


def test_whoever_may_nothing_sees_no_button_for_it(fake: FakeApi, page: Watched) -> None:
    fake.says("/api/session", session("viewer"))
    rows = [message(allowed_actions=[])]
    fake.says("/api/messages", page_of(*rows, since_at=None, until_at=None, is_complete=True))
    bare = queue(allowed_actions=[])
    minutes = {"every_s": 60, "until_at": bare["oldest_at"], "waiting": [1], "taken": []}
    fake.says("/api/queues/*", {"queue": bare, "minutes": minutes, "parked": [], "held": None})
    page.open("/messages").settled()
    expect(page.page.get_by_role("checkbox", name="Select")).to_have_count(0)
    expect(page.page.get_by_role("button", name="Search by patient…")).to_have_count(0)
    page.open("/queues/default").settled()
    expect(page.page.locator("[data-action]")).to_have_count(0)
    page.open("/audit").settled()
    expect(page.page.locator("main")).to_contain_text("for admins")


def test_a_hundred_thousand_tasks_are_read_page_by_page(fake: FakeApi, page: Watched) -> None:
    total = 100_000

    def some(request: Request) -> dict[str, Any]:
        start, limit = int(request.query.get("after", "0")), int(request.query["limit"])
        rows = [task(number + 1) for number in range(start, min(total, start + limit))]
        following = str(start + limit) if start + limit < total else None
        more: dict[str, Any] = {
            "kept_since": None,
            "is_complete": True,
            "gaps": [],
            "forgotten": 0,
            "is_listening": True,
        }
        return {"items": rows, "next": following, "total": total, "by_state": {}, "failed_by_name": {}, **more}

    fake.says("/api/task-list", some)
    page.open("/tasks").settled()
    expect(page.page.locator("tbody.row")).to_have_count(100)
    page.page.get_by_role("button", name="Show more").click()
    expect(page.page.locator("tbody.row")).to_have_count(200)
    expect(page.page.locator("main")).to_contain_text("of 100\u202f000")
    page.fits()


@pytest.mark.usefixtures("fake")
def test_what_a_message_went_through_is_not_said_to_be_yet_to_come(page: Watched) -> None:
    page.open("/messages/42").settled()
    way = page.page.get_by_role("list", name="Steps in order")
    expect(way.get_by_role("listitem").filter(has_text="answered")).to_have_text("answered AA")
    expect(way.get_by_role("listitem").filter(has_text="enqueued")).to_have_text("enqueued")
    expect(way.get_by_role("listitem").filter(has_text="ended")).to_have_text("ended not yet")
    expect(page.page.locator("main td .tone-ok", has_text="SUCCESS")).to_be_visible()


@pytest.mark.usefixtures("fake")
def test_the_overview_shows_how_deep_queues_are(page: Watched) -> None:
    page.open("/").settled()
    figure = page.page.locator("figure", has_text="Waiting in queues")
    expect(figure).to_be_visible()
    figure.get_by_role("button", name="Show as table").click()
    expect(figure.get_by_role("columnheader", name="llm")).to_be_visible()
    page.accessible()


def test_the_table_of_a_queue_says_how_deep_it_was_at_most(page: Watched, fake: FakeApi) -> None:
    deep = queue("llm")
    deep["history"] |= {"waiting": [3, 1, 7] * 32}
    fake.says("/api/queues", page_of(deep, asked_at=moment(), is_complete=True, unacked_total=4))
    page.open("/").settled()
    figure = page.page.locator("figure", has_text="Waiting in queues")
    figure.get_by_role("button", name="Show as table").click()
    assert set(figure.locator("tbody td").all_inner_texts()) == {"3", "7"}
