"""The page of a real daemon with a real broker, a stock worker and messages of patients who are marked."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.browser.watching import LIMIT_MS, Watched
from tests.support.builders import ADT_FEED, MARKER, adt, framed, site_text, write_site
from tests.support.peer import Peer
from tests.support.process import DaemonProcess
from tests.support.tokens import add_token
from tests.support.valkey import ValkeyServer
from tests.support.worker import Worker, wait_until_ran

SCHEDULE = f"""
[schedule.often]
task = "recording.tick"
every = "1s"
args = ["{MARKER}"]

[schedule.nightly]
task = "recording.tick"
cron = "0 2 * * *"
kwargs = {{ ward = "{MARKER}" }}
"""
SCREENS = (
    "/", "/schedules", "/schedules/nightly", "/schedules/often", "/feeds", "/feeds/adt", "/messages", "/messages/1", "/tasks", "/workers",
    "/queues", "/alerts", "/settings",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Running:
    """A site that runs, with tokens for it."""

    url: str
    valkey: ValkeyServer
    tokens: dict[str, str]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder: Path = tmp_path_factory.mktemp("site")
    with ValkeyServer() as valkey:
        site = write_site(folder, site_text(broker_url=valkey.url, schedule=SCHEDULE, feeds=ADT_FEED))
        with DaemonProcess(site) as daemon, Worker(valkey.url, arguments=("-E",)) as worker:
            daemon.ready()
            tokens = {role: add_token(folder / "state", f"a-{role}", role) for role in ("viewer", "operator", "admin")}
            with Peer(daemon.port()) as sender:
                sender.send(framed(adt("M1"), adt("M2", event="A02")))
                assert [ack.code for ack in sender.acks(2)] == ["AA", "AA"]
            wait_until_ran(valkey.client, 3)
            url = f"http://{daemon.wait_for('api.listening')['address']}"
            for token in tokens.values():
                wait_until_known(url, token)
            tokens["worker"] = worker.name
            yield Running(url, valkey, tokens)


def wait_until_known(url: str, token: str) -> None:
    """Wait until the daemon has noticed a token."""
    deadline = time.monotonic() + LIMIT_MS / 1000
    question = urllib.request.Request(f"{url}/api/overview", headers={"Authorization": f"Bearer {token}"})
    while True:
        try:
            with urllib.request.urlopen(question, timeout=10):
                return
        except urllib.error.HTTPError as refused:
            refused.close()
        if time.monotonic() > deadline:
            raise AssertionError
        time.sleep(0.2)


def signed_in(running: Running, tab: Callable[..., Watched], role: str) -> Watched:
    """Open a tab as somebody of that role."""
    page = tab(running.url)
    page.page.goto(f"{running.url}/#token={running.tokens[role]}")
    page.page.get_by_role("heading", name="Overview", level=1).wait_for()
    return page


def test_no_screen_of_a_viewer_holds_anything_of_a_patient(running: Running, tab: Callable[..., Watched]) -> None:
    page = signed_in(running, tab, "viewer")
    frames: list[str] = []
    page.page.on("websocket", lambda socket: socket.on("framereceived", lambda text: frames.append(str(text))))
    for path in (*SCREENS, f"/workers/{running.tokens['worker']}", "/queues/celery"):
        page.open(path).settled()
        assert page.page.locator("h1").inner_text(), path
        assert not page.page.locator(".refusal").all_inner_texts(), path
        assert MARKER not in page.text(), path
    page.open("/tasks").settled()
    page.page.locator("tbody.row th a").first.click()
    page.page.get_by_role("navigation", name="Where this is").wait_for()
    page.settled()
    assert MARKER not in page.text()
    assert frames
    assert not [one for one in frames if MARKER in one]


def test_an_operator_pauses_and_resumes_by_keyboard(running: Running, tab: Callable[..., Watched]) -> None:
    page = signed_in(running, tab, "operator")
    page.open("/schedules?text=nightly").settled()
    page.page.get_by_role("link", name="nightly", exact=True).wait_for()
    page.page.keyboard.press("j")
    page.page.keyboard.press("p")
    page.page.get_by_role("dialog", name="Pause nightly").wait_for()
    page.page.keyboard.type("LIS upgrade")
    for _ in range(3):
        page.page.keyboard.press("Tab")
    page.page.keyboard.press("Enter")
    page.page.get_by_text("“LIS upgrade” by a-operator").wait_for()
    page.accessible()
    page.page.wait_for_selector("dialog", state="detached")
    page.page.keyboard.press("j")
    page.page.keyboard.press("p")
    page.page.get_by_role("dialog", name="Resume nightly").wait_for()
    for _ in range(2):
        page.page.keyboard.press("Tab")
    page.page.keyboard.press("Enter")
    page.page.get_by_text("“LIS upgrade” by a-operator").wait_for(state="detached")


def test_an_admin_finds_what_was_done_in_the_audit_trail(running: Running, tab: Callable[..., Watched]) -> None:
    page = signed_in(running, tab, "admin")
    page.open("/schedules/nightly").settled()
    page.page.get_by_role("button", name="Run now…").click()
    page.page.get_by_role("button", name="Run now", exact=True).click()
    page.page.get_by_text("Sent nightly").wait_for()
    page.open("/audit").settled()
    page.page.locator("tbody").get_by_text("nightly").first.wait_for()


def test_a_broker_that_goes_while_the_page_is_open_is_said_and_noticed_when_it_is_back(
    running: Running, tab: Callable[..., Watched]
) -> None:
    page = signed_in(running, tab, "viewer")
    page.expect("status of 503")
    page.open("/").settled()
    running.valkey.kill()
    page.page.get_by_text("Broker unreachable since").wait_for(timeout=LIMIT_MS)
    page.accessible()
    for path in ("/schedules", "/feeds", "/queues", "/workers"):
        page.open(path).settled()
        assert page.page.locator("tbody.row, .refusal").count(), path
    running.valkey.start()
    page.open("/")
    page.page.get_by_text("Broker unreachable since").wait_for(state="detached", timeout=LIMIT_MS)
