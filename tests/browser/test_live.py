"""What happens while the page is open: events, a socket that breaks, a daemon that goes and comes back, long lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.browser.fake_api import FakeApi
from tests.browser.samples import entries, entry, feed, feeds, overview
from tests.browser.watching import LIMIT_MS, Watched

GONE = ("WebSocket connection", "status of 502", "ERR_")


def test_an_event_changes_a_row_in_place_without_asking_again(page: Watched, fake: FakeApi) -> None:
    page.open("/feeds").settled()
    page.page.get_by_role("button", name="Live").wait_for()
    asked = sum(one.path == "/api/feeds" for one in fake.asked)
    page.page.wait_for_timeout(100)
    fake.tell("feeds", {"changed": [feed("adt", last_hour=4711)], "removed": []})
    page.page.get_by_text("4\u202f711/h").wait_for()
    assert sum(one.path == "/api/feeds" for one in fake.asked) == asked


def test_an_event_has_a_list_read_again_and_a_burst_of_them_once(page: Watched, fake: FakeApi) -> None:
    page.open("/schedules").settled()
    page.page.get_by_role("button", name="Live").wait_for()
    page.page.wait_for_timeout(600)
    before = sum(one.path == "/api/schedule" for one in fake.asked)
    fake.says("/api/schedule", entries([entry(0, note="changed"), entry(1, state="paused")]))
    for _ in range(30):
        fake.tell("schedule", {"changed": [], "removed": []})
    page.page.locator("tbody").get_by_text("paused").first.wait_for()
    assert sum(one.path == "/api/schedule" for one in fake.asked) - before <= 2


def test_rows_stay_where_they_are_under_the_pointer(page: Watched, fake: FakeApi) -> None:
    rows = [entry(number) for number in range(4)]
    fake.says("/api/schedule", entries(rows))
    page.open("/schedules").settled()
    page.page.hover("tbody[data-row=monitor-mdro]")
    fake.says("/api/schedule", entries([entry(9), *reversed(rows)]))
    fake.tell("schedule")
    page.page.get_by_role("button", name="1 new").wait_for()
    names = "all => all.map(one => one.dataset.row)"
    assert page.page.locator("tbody[data-row]").evaluate_all(names) == [row["id"] for row in rows]
    page.page.get_by_role("button", name="1 new").click()
    page.page.locator("tbody[data-row]").nth(4).wait_for()
    assert page.page.locator("tbody[data-row]").evaluate_all(names)[0] == entry(9)["id"]


def test_a_daemon_that_goes_away_is_said_and_one_that_comes_back_is_noticed(page: Watched, fake: FakeApi) -> None:
    page.expect(*GONE)
    page.open("/schedules/nhsn-nightly-extract").settled()
    page.page.get_by_role("button", name="Live").wait_for()
    fake.leave()
    page.page.get_by_text("Not live since").wait_for()
    assert page.page.get_by_role("button", name="Run now…").is_disabled()
    assert "daily at 02:00" in page.page.inner_text("main")  # what was known stays
    page.accessible()
    fake.come_back()
    page.page.get_by_text("Not live since").wait_for(state="detached", timeout=2 * LIMIT_MS)
    assert page.page.get_by_role("button", name="Run now…").is_enabled()


def test_a_newer_daemon_asks_for_a_reload_and_forces_none(page: Watched, fake: FakeApi) -> None:
    page.expect(*GONE)
    page.open("/feeds").settled()
    page.page.get_by_role("button", name="Live").wait_for()
    fake.leave()
    page.page.get_by_text("Not live since").wait_for()
    fake.version = "1.1.0"
    fake.come_back()
    page.page.get_by_text("The daemon runs version 1.1.0 now.").wait_for(timeout=2 * LIMIT_MS)
    page.page.get_by_role("button", name="Reload the page").wait_for()


def test_without_a_way_for_sockets_the_page_is_read_again_every_few_seconds(page: Watched, fake: FakeApi) -> None:
    page.expect(*GONE)
    fake.has_socket = False
    page.open("/feeds").settled()
    page.page.get_by_role("button", name="Every 5 s").wait_for()
    fake.says("/api/feeds", {"items": [*feeds(), feed("extra")], "next": None, "total": 4})
    page.page.get_by_role("link", name="extra").wait_for()


def test_live_can_be_switched_off_and_stays_off(page: Watched, fake: FakeApi) -> None:
    page.open("/feeds").settled()
    page.page.get_by_role("button", name="Live").click()
    page.page.get_by_role("button", name="Live off").wait_for()
    page.page.reload()
    page.page.get_by_role("button", name="Live off").wait_for()
    assert not fake.subscribed


def test_a_broker_that_is_away_is_said_with_what_still_works(page: Watched, fake: FakeApi) -> None:
    page.open("/").settled()
    away = overview()
    away["cards"] |= {
        "broker": {"is_up": False, "address": "redis://127.0.0.1:6379/0", "since_at": overview()["checked_at"]},
        "occurrences": None, "queues": None, "workers": None,
    }  # fmt: skip
    away["cards"]["feeds"]["waiting"] = 312
    fake.says("/api/overview", away)
    fake.tell("overview")
    page.page.get_by_text("Broker unreachable").wait_for()
    said = page.page.inner_text("main")
    assert "312 messages wait safely in the spool" in said
    assert "cannot be asked now" in said
    page.accessible()


def many(count: int) -> Callable[[Any], Any]:
    """Answer pages of so many entries."""

    def page(request: Any) -> Any:
        start, limit = int(request.query.get("after", "0")), int(request.query["limit"])
        rows = [
            entry(number, id=f"e{number}", name=f"entry-{number}") for number in range(start, min(count, start + limit))
        ]
        following = str(start + limit) if start + limit < count else None
        return entries(rows, next=following, total=count, counts={**entries([])["counts"], "all": count})

    return page


def test_ten_thousand_entries_are_read_page_by_page(page: Watched, fake: FakeApi) -> None:
    fake.says("/api/schedule", many(10_000))
    page.open("/schedules").settled()
    assert page.page.locator("tbody.row").count() == 100
    assert "1\u2013100 of 10\u202f000" in page.page.inner_text("main")
    page.page.get_by_role("button", name="Show more").click()
    page.page.locator("tbody.row").nth(199).wait_for()
    assert "1\u2013200 of 10\u202f000" in page.page.inner_text("main")
    page.fits()


def test_a_thousand_rows_stay_usable_while_events_come(page: Watched, fake: FakeApi) -> None:
    rows = [feed(f"feed-{number}") for number in range(1000)]
    fake.says("/api/feeds", {"items": rows, "next": None, "total": 1000})
    page.open("/feeds").settled()
    for number in range(50):
        fake.tell("feeds", {"changed": [feed(f"feed-{number}", last_hour=5000 + number)], "removed": []})
    page.page.get_by_text("5\u202f049/h").wait_for()
    page.page.get_by_role("link", name="feed-999", exact=True).click()
    page.page.get_by_role("heading", name="feed-999").wait_for()
