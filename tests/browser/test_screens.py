"""Every screen in light, in dark and on a phone: no complaint, nothing axe-core finds, no wider than its window."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.fake_api import FakeApi, Refused
from tests.browser.samples import (
    NOBODY,
    PROBLEMS,
    detail,
    entries,
    entry,
    feed,
    fire,
    moment,
    overview,
    session,
    some_entries,
)
from tests.browser.watching import Watched

LOOKS = {"light": {}, "dark": {"is_dark": True}, "phone": {"is_phone": True}}
SCREENS = ("/", "/schedules", "/schedules/nhsn-nightly-extract", "/schedules/x?edit=true", "/feeds", "/feeds/adt")


@pytest.mark.parametrize("path", SCREENS)
@pytest.mark.parametrize("look", LOOKS)
def test_a_screen_is_accessible_and_fits(fake: FakeApi, tab: Callable[..., Watched], path: str, look: str) -> None:
    page = tab(fake.url, **LOOKS[look])
    page.open(path).settled()
    page.accessible()
    page.fits()


@pytest.mark.parametrize("look", LOOKS)
def test_the_way_in_is_accessible_and_fits(fake: FakeApi, tab: Callable[..., Watched], look: str) -> None:
    fake.says("/api/session", NOBODY)
    page = tab(fake.url, **LOOKS[look])
    page.open("/")
    expect(page.page.locator("#token")).to_be_focused()
    page.accessible()
    page.fits()


def test_each_screen_has_one_heading_and_a_title_of_its_own(page: Watched) -> None:
    titles = set()
    for path in SCREENS[:3]:
        page.open(path).settled()
        assert page.page.locator("h1").count() == 1
        titles.add(page.page.title())
    assert len(titles) == 3


def test_an_empty_site_says_what_to_paste(page: Watched, fake: FakeApi) -> None:
    fake.says("/api/schedule", entries([]))
    fake.says(
        "/api/schedule/timeline",
        {"from_at": moment(-720), "to_at": moment(720), "now_at": moment(), "cell_s": 600, "others": 0, "rows": []},
    )
    fake.says("/api/feeds", {"items": [], "next": None, "total": 0})
    empty = overview(problems=[], traffic=[])
    empty["cards"]["feeds"] = {"total": 0, "up": 0, "paused": 0, "last_hour": 0, "waiting": 0, "oldest_s": 0.0}
    fake.says("/api/overview", empty)
    for path, words in {
        "/": "No schedules and no feeds yet",
        "/schedules": "No schedules yet",
        "/feeds": "No feeds yet",
    }.items():
        page.open(path).settled()
        assert words in page.page.inner_text("main")
        assert page.page.locator("pre").first.inner_text().startswith("[")
        page.accessible()


def test_a_filter_that_matches_nothing_can_be_taken_away(page: Watched, fake: FakeApi) -> None:
    fake.says(
        "/api/schedule",
        lambda request: (
            entries([], counts={**entries([])["counts"], "all": 37})
            if request.query.get("text")
            else entries(some_entries())
        ),
    )
    page.open("/schedules?text=nonsense").settled()
    assert "Without filters there are 37" in page.page.inner_text("main")
    page.accessible()
    page.page.get_by_role("button", name="Clear filters").click()
    page.page.get_by_role("link", name="monitor-mdro").wait_for()
    assert "text" not in page.page.url


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (503, "broker-down", "Not available now"),
        (404, "not-there", "Not there"),
        (501, "not-here", "Not with this broker"),
    ],
)
def test_a_refusal_says_what_the_api_said(page: Watched, fake: FakeApi, status: int, code: str, words: str) -> None:
    page.expect(f"status of {status}")
    fake.says("/api/schedule", Refused(status, code, "The broker is away.", "Start it, and look again."))
    page.open("/schedules").settled()
    said = page.page.get_by_role("alert").first.inner_text()
    assert words in said
    assert "The broker is away." in said
    assert "Start it, and look again." in said
    page.accessible()


def test_every_field_of_an_entry_that_may_be_absent_may_be_absent(page: Watched, fake: FakeApi) -> None:
    bare = entry(0, next_at=None, last=None, lateness_p95_s=None, recent=[], queue="", note="", allowed_actions=[])
    fake.says("/api/schedule", entries([bare]))
    page.open("/schedules").settled()
    assert "no run yet" in page.page.inner_text("main")
    fake.says(
        "/api/feeds",
        {
            "items": [
                feed(
                    last_at=None,
                    usual_silence_s=None,
                    p50_s=None,
                    p99_s=None,
                    codes={},
                    day=[],
                    certificate_expires_at=None,
                )
            ],
            "next": None,
            "total": 1,
        },
    )
    page.open("/feeds").settled()
    assert page.page.locator("tbody.row").count() == 1


def test_a_screen_that_fails_says_so_and_leaves_the_rest(page: Watched, fake: FakeApi) -> None:
    page.expect("TypeError")
    fake.says("/api/overview", {"cards": None, "problems": None})
    page.page.goto(page.url)
    page.page.get_by_role("heading", name="This screen failed").wait_for()
    page.page.get_by_role("link", name="Feeds").click()
    page.page.get_by_role("link", name="adt").wait_for()


def test_what_is_wrong_is_said_in_words_with_a_way_there(page: Watched) -> None:
    page.open("/").settled()
    said = page.page.inner_text("main")
    for problem in PROBLEMS:
        assert str(problem["what"]) in said
        assert str(problem["step"]) in said
    page.page.get_by_role("link", name="Open monitor-mdro").click()
    assert page.page.url.endswith("/schedules/monitor-mdro")


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_buttons_are_exactly_those_that_are_allowed(page: Watched, fake: FakeApi, role: str) -> None:
    fake.says("/api/session", session(role))
    allowed = [] if role == "viewer" else ["pause", "trigger"]
    row = entry(0, allowed_actions=allowed)
    fake.says("/api/schedule", entries([row], allowed_actions=[]))
    page.open("/schedules").settled()
    drawn = page.page.locator("tbody [data-action], tbody [aria-haspopup]").count()
    assert bool(drawn) is bool(allowed)
    assert page.page.locator("tbody input[type=checkbox]").count() == 0
    if allowed:
        page.page.locator("tbody [aria-haspopup]").click()
        names = page.page.locator("tbody [data-action]").evaluate_all("all => all.map(one => one.dataset.action)")
        assert sorted(names) == sorted(allowed)
        page.accessible()


def test_the_timeline_is_a_table_too(page: Watched) -> None:
    page.open("/").settled()
    page.page.locator(".timeline").get_by_role("button", name="Show as table").click()
    assert page.page.locator(".timeline tbody tr").count() == 5
    page.accessible()


def test_traffic_is_a_rate_also_while_its_quarter_of_an_hour_has_only_begun(page: Watched, fake: FakeApi) -> None:
    began = moment(-95 * 15 - 5)
    fake.says(
        "/api/overview",
        overview(traffic=[{"feed": "adt", "step_s": 900, "from_at": began, "messages": [30] * 95 + [510]}]),
    )
    page.open("/").settled()
    figure = page.page.locator("figure", has_text="Messages per minute")
    says = figure.get_by_role("img").get_attribute("aria-label") or ""
    assert float(says.rsplit("last ", 1)[1]) == pytest.approx(102, abs=3)
    figure.get_by_role("button", name="Show as table").click()
    rates = figure.locator("tbody td").all_inner_texts()
    assert rates[1:] == ["2"] * 47
    assert float(rates[0]) == pytest.approx(52, abs=2)


def test_what_is_due_within_a_minute_is_told_by_the_second(page: Watched, fake: FakeApi) -> None:
    fake.says("/api/schedule/nhsn-nightly-extract", detail(some_entries()[0], next=[fire(0.5), fire(90)]))
    page.open("/schedules/nhsn-nightly-extract").settled()
    coming = page.page.get_by_role("table", name="Coming fires").locator("td.number")
    expect(coming.first).to_have_text(re.compile(r"in (2\d|30) s"))
    expect(coming.nth(1)).to_have_text(re.compile("in 1 h|in 90 min|in 89 min"))


def test_times_are_in_the_zone_of_the_site_until_somebody_chooses(page: Watched, fake: FakeApi) -> None:
    fake.says("/api/schedule", entries([entry(0, next_at="2031-01-15T18:30:00Z")]))
    page.open("/schedules").settled()
    assert "2031-01-15 13:30" in page.page.inner_text("tbody")
    page.page.get_by_role("button", name="Menu of anna").click()
    page.page.get_by_role("menuitemradio", name="my zone").click()
    page.page.get_by_text("2031-01-15 19:30").wait_for()
    assert page.page.locator("tbody time").first.get_attribute("datetime") == "2031-01-15T18:30:00.000Z"
