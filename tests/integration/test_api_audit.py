"""The audit trail and the settings over HTTP: what is kept, in pieces, as a sheet; where each setting comes from."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from daemon.api.audit import audit_resources
from daemon.api.settings import settings_resources
from daemon.audit import Trail
from daemon.audit.desk import make_trail_desk
from daemon.clock import SystemClock
from daemon.configuration import Configuration
from daemon.deeds import Deed, DeedKind
from daemon.public import Public
from daemon.site import Site, check_site
from tests.support.api_serving import OPERATOR, VIEWER, Asking, asking
from tests.support.builders import site_text, write_site

pytestmark = pytest.mark.anyio

SMALL_FILES = "[audit]\nfile_limit = '64KiB'\nfiles = 50\n"
SECRET = "ZZPASSWORD"


def site_of(folder: Path, more: str = "", environment: dict[str, str] | None = None) -> Site:
    text = site_text(broker_url=f"redis://ann:{SECRET}@broker.example:6380/3", more=more)
    found = check_site(write_site(folder, text), environment or {})
    assert found.site is not None, [str(one) for one in found.problems]
    Path(found.site.settings.site.state_dir).mkdir(exist_ok=True)
    return found.site


@asynccontextmanager
async def trailing(site: Site) -> AsyncIterator[tuple[Asking, Trail]]:
    clock = SystemClock()
    trail = Trail(site.settings.site.state_dir, site.settings.site.name, site.settings.audit, clock, lambda _: None)
    async with asking((*audit_resources(make_trail_desk(site.settings, clock)),)) as api:
        yield api, trail


def deed(number: int, who: str = "ada", kind: DeedKind = DeedKind.ENTRY_PAUSED) -> Deed:
    return Deed(kind, Public(who), Public(f"entry-{number}"), note=Public(f"=note {number}"), before=Public("on"))


async def test_records_are_given_the_newest_first_in_pieces_over_several_files(tmp_path: Path) -> None:
    async with trailing(site_of(tmp_path, SMALL_FILES)) as (api, trail):
        for number in range(1, 401):
            await trail.record(deed(number))
        assert len(list((tmp_path / "state").glob("audit-*.log"))) >= 1
        found: list[int] = []
        after: str | None = ""
        while after is not None:
            page = (await api.ask(f"/api/audit?limit=90&after={after}")).body
            found += [row["n"] for row in page["items"]]
            after = page["next"]
        assert found == list(range(400, 0, -1))
        status = (await api.ask("/api/audit/status")).body
        assert (status["is_whole"], status["records"], status["flaws"]) == (True, 400, [])
        assert status["head"].startswith("400:")


async def test_records_are_chosen_by_time_person_kind_and_text(tmp_path: Path) -> None:
    async with trailing(site_of(tmp_path)) as (api, trail):
        await trail.record(deed(1))
        await trail.record(deed(2, "bob"))
        await trail.record(deed(3, kind=DeedKind.ENTRY_RESUMED))
        rows = (await api.ask("/api/audit")).body["items"]
        assert [row["n"] for row in rows] == [3, 2, 1]
        assert (rows[0]["who"], rows[0]["before"], rows[0]["outcome"]) == ("ada", "on", "done")
        assert rows[0]["at"].endswith("Z")
        for query, expected in (
            ("who=bob", [2]),
            ("kind=entry-paused", [2, 1]),
            ("kind=entry-paused&kind=entry-resumed", [3, 2, 1]),
            ("about=ENTRY-3", [3]),
            ("text=note%202", [2]),
            (f"since={rows[0]['at']}", [3]),
            (f"until={rows[0]['at']}", [2, 1]),
        ):
            found = (await api.ask(f"/api/audit?{query}")).body["items"]
            assert [row["n"] for row in found] == expected, query
        for query in ("kind=nothing", "since=yesterday", "since=2026-01-01T00:00:00", "after=x%00", "limit=0"):
            assert (await api.ask(f"/api/audit?{query}")).status in (400, 422), query


async def test_a_sheet_reckons_with_nothing(tmp_path: Path) -> None:
    async with trailing(site_of(tmp_path)) as (api, trail):
        await trail.record(deed(1))
        reply = await api.ask("/api/audit?format=csv")
        assert reply.headers["Content-Type"] == "text/csv; charset=utf-8"
        [row] = csv.DictReader(io.StringIO(reply.text))
        assert (row["n"], row["who"], row["note"]) == ("1", "ada", "'=note 1")


async def test_a_record_that_was_changed_shows(tmp_path: Path) -> None:
    async with trailing(site_of(tmp_path)) as (api, trail):
        for number in range(1, 4):
            await trail.record(deed(number))
        path = tmp_path / "state" / "audit.log"
        path.write_bytes(path.read_bytes().replace(b"entry-2", b"entry-9"))
        status = (await api.ask("/api/audit/status")).body
        assert not status["is_whole"]
        assert status["flaws"][0]["line"] == 2


async def test_the_trail_is_for_admins(tmp_path: Path) -> None:
    async with trailing(site_of(tmp_path)) as (api, _):
        assert (await api.ask("/api/audit", caller=OPERATOR)).status == 403
        assert (await api.ask("/api/audit/status", caller=OPERATOR)).status == 403
        assert (await api.ask("/api/audit", caller="")).status == 401
        assert (await api.ask("/api/audit")).body["items"] == []


# -- settings ----------------------------------------------------------------------------------------------------------


async def test_settings_say_where_they_come_from_and_hold_no_secret(tmp_path: Path) -> None:
    (tmp_path / "hook").write_text(f"https://example.com/{SECRET}\n")
    more = f'[watch]\nwebhook = "file:{tmp_path}/hook"\n'
    site = site_of(tmp_path, more, {"CARILLON_SITE__TIMEZONE": "Europe/Berlin"})
    async with asking(settings_resources(Configuration(site))) as api:
        reply = await api.ask("/api/settings?limit=200", caller=VIEWER)
        assert SECRET not in reply.text
        rows = {row["key"]: row for row in reply.body["items"]}
        assert {"site", "celery", "watch", "api"} <= set(reply.body["sections"])
        assert (rows["site.timezone"]["value"], rows["site.timezone"]["source"], rows["site.timezone"]["place"]) == (
            "Europe/Berlin", "environment", "CARILLON_SITE__TIMEZONE",
        )  # fmt: skip
        name = rows["site.name"]
        assert (name["value"], name["source"]) == ("testsite", "file")
        line = int(name["place"].rpartition(":")[2])
        assert (tmp_path / "site.toml").read_text().splitlines()[line - 1] == 'name = "testsite"'
        assert rows["site.drain_timeout"]["source"] == "default"
        assert (rows["celery.broker_url"]["value"], rows["celery.broker_url"]["is_secret"]) == (
            "redis://broker.example:6380/3", True,
        )  # fmt: skip
        assert rows["watch.webhook"]["value"] == f"file:{tmp_path}/hook"
        given = (await api.ask("/api/settings?given=true&section=site")).body
        assert {row["key"] for row in given["items"]} == {"site.name", "site.state_dir", "site.timezone"}


async def test_settings_come_in_pieces(tmp_path: Path) -> None:
    async with asking(settings_resources(Configuration(site_of(tmp_path)))) as api:
        whole = [row["key"] for row in (await api.ask("/api/settings?limit=200")).body["items"]]
        found: list[str] = []
        after: str | None = ""
        page: dict[str, Any] = {}
        while after is not None:
            page = (await api.ask(f"/api/settings?limit=7&after={after}")).body
            found += [row["key"] for row in page["items"]]
            after = page["next"]
        assert found[: len(whole)] == whole
        assert page["total"] == len(found)
