"""What people do on the page, by mouse and by keyboard alone, and what it asks the API for in doing so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.fake_api import FakeApi, Refused, Request
from tests.browser.samples import NOBODY, PAUSE, entries, entry, moment, session, some_entries
from tests.browser.watching import Watched

TOKEN = "crl_0123456789ab_made-up"


def focused(page: Watched) -> str:
    """Name what the keyboard is on."""
    return str(
        page.page.evaluate(
            "document.activeElement.ariaLabel || document.activeElement.innerText || document.activeElement.name"
        )
    )


def tab_to(page: Watched, wanted: str, key: str = "Tab", limit: int = 40) -> None:
    """Press a key until the focus is on something."""
    for _ in range(limit):
        page.page.keyboard.press(key)
        if wanted in focused(page):
            return
    raise AssertionError(f"{wanted} cannot be reached: at {focused(page)}")


class Entry:
    """An entry that is paused and resumed as the API would."""

    def __init__(self, fake: FakeApi) -> None:
        self.row = entry(0)
        fake.says("/api/schedule", lambda _: entries([self.row]))
        fake.says("/api/schedule/monitor-drug-bug/pause", self.pause, "POST")
        fake.says("/api/schedule/monitor-drug-bug/resume", self.resume, "POST")

    def pause(self, request: Request) -> Any:
        actions = ["resume", "trigger"]
        self.row = entry(
            0,
            state="paused",
            next_at=None,
            paused={**PAUSE, "note": request.body["reason"], "by": "anna"},
            allowed_actions=actions,
        )
        return self.row

    def resume(self, request: Request) -> Any:
        del request
        self.row = entry(0)
        return self.row


def test_signing_in_pausing_with_a_reason_and_resuming_take_no_mouse(page: Watched, fake: FakeApi) -> None:
    fake.says("/api/session", NOBODY)
    shown = Entry(fake)
    page.open("/schedules")
    expect(page.page.locator("#token")).to_be_focused()
    page.page.keyboard.type(TOKEN)
    fake.says("/api/session", session())
    page.page.keyboard.press("Enter")
    page.page.get_by_role("heading", name="Schedules").wait_for()
    page.page.get_by_role("link", name="monitor-drug-bug").wait_for()
    assert fake.changes()[0].body == {"token": TOKEN}

    page.page.keyboard.press("j")
    expect(page.page.locator("tbody.row").first).to_be_focused()
    page.page.keyboard.press("p")
    page.page.get_by_role("dialog").wait_for()
    page.accessible()
    expect(page.page.get_by_role("dialog").get_by_label("Reason")).to_be_focused()
    page.page.keyboard.type("LIS upgrade")
    tab_to(page, "Pause")
    page.page.keyboard.press("Enter")
    page.page.get_by_text("“LIS upgrade” by anna").wait_for()
    paused = fake.changes("POST")[-1]
    assert paused.path == "/api/schedule/monitor-drug-bug/pause"
    assert paused.body == {"reason": "LIS upgrade", "until_at": None}
    assert len(paused.key) == 32

    page.page.wait_for_selector("dialog", state="detached")
    page.page.keyboard.press("j")
    page.page.keyboard.press("p")
    page.page.get_by_role("dialog", name="Resume monitor-drug-bug").wait_for()
    tab_to(page, "Resume")
    page.page.keyboard.press("Enter")
    page.page.get_by_text("“LIS upgrade” by anna").wait_for(state="detached")
    assert fake.changes("POST")[-1].path == "/api/schedule/monitor-drug-bug/resume"
    assert shown.row["state"] == "on"


def test_a_pause_can_be_taken_back(page: Watched, fake: FakeApi) -> None:
    Entry(fake)
    page.open("/schedules").settled()
    page.page.keyboard.press("j")
    page.page.keyboard.press("p")
    page.page.get_by_label("Reason").fill("wrong one")
    page.page.get_by_role("button", name="Pause", exact=True).click()
    page.page.get_by_role("button", name="Undo").click()
    page.page.get_by_text("Taken back").wait_for()
    assert fake.changes("POST")[-1].path.endswith("/resume")


def test_escape_leaves_a_dialog_undone_and_gives_the_focus_back(page: Watched, fake: FakeApi) -> None:
    page.open("/schedules/nhsn-nightly-extract").settled()
    button = page.page.get_by_role("button", name="Run now…")
    button.click()
    expect(page.page.get_by_role("dialog").get_by_role("button", name="Cancel")).to_be_focused()
    page.page.keyboard.press("Escape")
    page.page.wait_for_selector("dialog", state="detached")
    expect(button).to_be_focused()
    assert not fake.changes()


def test_a_token_in_the_fragment_signs_in_and_leaves_the_address_at_once(page: Watched, fake: FakeApi) -> None:
    page.page.goto(f"{page.url}/feeds#token={TOKEN}")
    page.page.get_by_role("heading", name="Feeds").wait_for()
    assert page.page.url == f"{page.url}/feeds"
    assert fake.changes()[0].body == {"token": TOKEN}
    assert TOKEN not in page.text()
    assert TOKEN not in str(page.page.evaluate("JSON.stringify([localStorage, sessionStorage, history.state])"))


def test_a_wrong_token_is_refused_in_words(page: Watched, fake: FakeApi) -> None:
    page.expect("status of 401")
    fake.says("/api/session", NOBODY)
    fake.says("/api/session", Refused(401, "not-signed-in", "This token is not known, or has expired."), "POST")
    page.open("/")
    page.page.locator("#token").fill("crl_no")
    page.page.get_by_role("button", name="Sign in").click()
    page.page.get_by_role("alert").get_by_text("not known").wait_for()
    page.accessible()


def test_a_session_that_ends_brings_one_back_to_where_one_was(page: Watched, fake: FakeApi) -> None:
    page.expect("status of 401")
    page.open("/feeds").settled()
    fake.says("/api/feeds", Refused(401, "not-signed-in", "Sign in first."))
    fake.tell("feeds", {"changed": [{"name": "other"}], "removed": []})
    page.page.get_by_text("Your session has ended").wait_for()
    fake.says("/api/feeds", {"items": [], "next": None, "total": 0})
    page.page.locator("#token").fill(TOKEN)
    page.page.keyboard.press("Enter")
    page.page.get_by_role("heading", name="Feeds", exact=True).wait_for()
    assert page.page.url.endswith("/feeds")


def test_what_the_api_refuses_stays_in_the_dialog_with_what_was_typed(page: Watched, fake: FakeApi) -> None:
    page.expect("status of 422")
    wrong = Refused(
        422, "fields-invalid", "reason: too short", errors=({"field": "body.reason", "detail": "say more"},)
    )
    fake.says("/api/schedule/*/pause", wrong, "POST")
    page.open("/schedules/nhsn-nightly-extract").settled()
    page.page.get_by_role("button", name="Pause…").click()
    page.page.get_by_label("Reason").fill("x")
    page.page.get_by_role("button", name="Pause", exact=True).click()
    page.page.get_by_text("say more").first.wait_for()
    assert page.page.get_by_label("Reason").input_value() == "x"
    page.accessible()


def test_many_are_a_frozen_set_and_their_number_is_typed(page: Watched, fake: FakeApi) -> None:
    rows = [entry(number) for number in range(30)]
    fake.says("/api/schedule", entries(rows))
    plan = {
        "token": "plan1",
        "action": "pause",
        "count": 30,
        "sample": ["a", "b"],
        "first_at": None,
        "last_at": None,
        "needs_role": "admin",
        "expires_at": moment(10),
    }
    fake.says("/api/schedule/bulk", plan, "POST")
    fake.says("/api/schedule/plans/plan1", {"action": "pause", "done": 30, "left_out": []}, "POST")
    page.open("/schedules").settled()
    page.page.get_by_label("Select all shown").check()
    page.page.locator(".selection").get_by_role("button", name="Pause…").click()
    page.page.get_by_label("Reason").fill("LIS upgrade")
    go = page.page.get_by_role("button", name="Pause 30")
    assert go.is_disabled()
    page.page.get_by_label("Type 30 to confirm").fill("30")
    page.accessible()
    page.page.keyboard.press("Enter")  # never confirms what cannot be undone
    assert [one.path for one in fake.changes()] == ["/api/schedule/bulk"]
    go.click()
    page.page.get_by_text("30 entries paused").wait_for()
    assert len(fake.changes()[0].body["ids"]) == 30
    assert fake.changes()[-1].body == {"reason": "LIS upgrade", "until_at": None, "count": 30}


def test_an_edit_shows_what_it_changes_and_heeds_what_others_did_meanwhile(page: Watched, fake: FakeApi) -> None:
    page.expect("status of 412")
    fake.says("/api/schedule/*", Refused(412, "changed", "Changed."), "PATCH")
    page.open("/schedules/nhsn-nightly-extract?edit=true").settled()
    page.page.get_by_label("Cron expression").fill("0 3 * * *")
    page.page.get_by_text("after: daily at 03:00").wait_for()
    assert 'cron = "0 3 * * *"' in page.page.inner_text(".editor pre")
    page.page.get_by_role("button", name="Save as override…").click()
    page.page.get_by_role("dialog").get_by_label("Reason").fill("later")
    page.page.get_by_role("button", name="Change", exact=True).click()
    page.page.get_by_text("Somebody else changed this entry").wait_for()
    sent = fake.changes("PATCH")[-1]
    assert sent.body == {"set": {"cron": "0 3 * * *"}, "clear": [], "reason": "later", "until_at": None}


def test_one_press_sends_one_request_however_often_it_is_pressed(page: Watched, fake: FakeApi) -> None:
    fake.says("/api/schedule/*/trigger", {"task_id": "7f3a91bd-0000", "run_id": "r", "heard_by": 1}, "POST")
    page.open("/schedules/nhsn-nightly-extract").settled()
    page.page.get_by_role("button", name="Run now…").click()
    page.page.get_by_role("button", name="Run now", exact=True).dblclick()
    page.page.get_by_text("Sent nhsn-nightly-extract").wait_for()
    assert len(fake.changes("POST")) == 1


def test_letters_go_to_screens_and_can_be_switched_off(page: Watched) -> None:
    page.open("/").settled()
    for letter, heading in {"f": "Feeds", "s": "Schedules", "o": "Overview"}.items():
        page.page.keyboard.press("g")
        page.page.keyboard.press(letter)
        page.page.get_by_role("heading", name=heading, level=1).wait_for()
    page.page.keyboard.press("?")
    page.page.get_by_role("dialog", name="Keyboard").wait_for()
    page.accessible()
    page.page.keyboard.press("Escape")
    page.page.get_by_role("button", name="Menu of anna").click()
    page.accessible()
    page.page.get_by_role("menuitemcheckbox", name="One-letter keys").click()
    page.page.keyboard.press("?")
    assert page.page.locator("dialog").count() == 0


def test_tab_begins_with_the_way_past_the_header(page: Watched) -> None:
    page.open("/").settled()
    page.page.keyboard.press("Tab")
    assert focused(page) == "Skip to the screen"


def test_the_theme_is_kept(page: Watched) -> None:
    page.open("/").settled()
    page.page.keyboard.press("t")
    page.page.keyboard.press("t")
    assert page.page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.page.reload()
    assert page.page.evaluate("document.documentElement.dataset.theme") == "dark"


@pytest.mark.parametrize("look", ["light", "dark"])
def test_forced_colours_leave_everything_readable(fake: FakeApi, tab: Callable[..., Watched], look: str) -> None:
    page = tab(fake.url, is_dark=look == "dark", forced_colors="active")
    for path in ("/", "/schedules"):
        page.open(path).settled()
        page.accessible()


def test_hold_all_takes_the_name_of_the_site_and_is_said_on_top(page: Watched, fake: FakeApi) -> None:
    fake.says("/api/session", session("admin"))
    held = {"by": "anna", "since_at": moment(), "until_at": moment(120), "reason": "incident 12"}
    fake.says("/api/schedule", lambda _: entries(some_entries(), held=held if fake.changes() else None))
    fake.says("/api/schedule/hold", held, "POST")
    page.open("/").settled()
    page.page.get_by_role("button", name="Hold all schedules…").click()
    page.page.get_by_label("Reason").fill("incident 12")
    page.page.get_by_label("Type aegis to confirm").fill("aegis")
    page.page.get_by_role("button", name="Hold everything").click()
    page.page.get_by_text("All schedules are held", exact=True).first.wait_for()
    page.page.get_by_role("button", name="Release…").wait_for()
    page.accessible()
