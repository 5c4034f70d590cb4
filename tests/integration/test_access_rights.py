"""What those who are let in may see, do and give to others over real HTTP, and what the site permits nobody."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from daemon.api.access.sessions import CONFIRMED_S
from daemon.deeds import Deed, DeedKind
from daemon.settings.api_section import ApiSection
from tests.support.clock import SetClock
from tests.support.entrance import Door, Scene, front_door, known

pytestmark = pytest.mark.anyio


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
async def door(tmp_path: Path, scene: Scene, clock: SetClock) -> AsyncIterator[Door]:
    async with front_door(tmp_path, scene.resources, scene.channels, clock=clock, reveal=True) as found:
        yield found


# -- by role and by site -----------------------------------------------------------------------------------------------


async def test_a_refusal_to_somebody_known_is_kept(door: Door) -> None:
    """Item 42."""
    text = await known(door, role="viewer")
    assert (await door.ask("/changed", "POST", token=text)).status == 403
    [deed] = [one for one in door.told if isinstance(one, Deed) and one.kind is DeedKind.ACCESS_REFUSED]
    assert (deed.who, deed.about, deed.reason, deed.address, deed.role) == (
        "anna", "/changed", "not-permitted", "127.0.0.1", "viewer",
    )  # fmt: skip


async def test_contents_are_for_phi_alone_and_for_the_feeds_that_were_given(door: Door) -> None:
    plain, some = await known(door, role="admin"), await known(door, "bert", "viewer", phi=True, feeds=["adt"])
    assert (await door.ask("/contents", token=plain)).status == 403
    reply = await door.ask("/contents", token=some)
    assert (reply.status, reply.body) == (200, {"who": "bert", "adt": True, "lab": False})


async def test_a_site_that_does_not_reveal_shows_contents_to_nobody(tmp_path: Path, scene: Scene) -> None:
    async with front_door(tmp_path, scene.resources) as door:
        text = await known(door, phi=True)
        assert (await door.ask("/contents", token=text)).status == 403
        assert (await door.ask("/seen", token=text)).body["adt"] is False
        session = (await (await door.sign_in(text)).ask("/api/session")).body
        assert (session["may_reveal"], session["capabilities"]) == (False, [])


async def test_where_nothing_may_be_changed_only_reading_is_permitted(tmp_path: Path, scene: Scene) -> None:
    async with front_door(tmp_path, scene.resources, read_only=True) as door:
        text = await known(door, role="admin")
        refused = await door.ask("/changed", "POST", token=text)
        assert (refused.status, refused.code, scene.changed) == (403, "read-only", 0)
        assert (await door.ask("/api/tokens", "POST", token=text, json={"name": "x", "role": "viewer"})).status == 403
        assert (await door.ask("/read", "POST", token=text)).status == 200
        browser = await door.sign_in(text)
        assert (await browser.ask("/api/session")).body["is_read_only"] is True
        assert (await browser.ask("/api/session", "DELETE")).status == 204


@pytest.mark.parametrize(("word", "status"), [("open", 200), ("token", 401), (None, 200)])
async def test_metrics_are_open_or_for_viewers(tmp_path: Path, scene: Scene, word: str | None, status: int) -> None:
    async with front_door(tmp_path, scene.resources, metrics=word) as door:
        assert (await door.ask("/metrics")).status == status
        assert (await door.ask("/metrics", token=await known(door, role="viewer"))).status == 200


def test_metrics_are_open_by_default_where_this_machine_alone_reaches_them() -> None:
    assert ApiSection().has_open_metrics
    assert not ApiSection.model_validate({"trusted_proxies": ["10.0.0.1"]}).has_open_metrics
    assert not ApiSection.model_validate({"listen": "0.0.0.0:1", "insecure": True}).has_open_metrics


# -- looking at contents -----------------------------------------------------------------------------------------------


async def test_a_session_shows_its_token_again_before_it_sees_contents_and_that_is_kept_first(
    door: Door, clock: SetClock
) -> None:
    text = await known(door, phi=True)
    browser = await door.sign_in(text)
    refused = await browser.ask("/contents")
    assert (refused.status, refused.code) == (403, "confirm-first")
    assert (await browser.ask("/seen")).body["adt"] is False
    session = (await browser.ask("/api/session")).body
    assert (session["may_reveal"], session["capabilities"], session["confirmed_until_at"]) == (True, ["phi"], None)
    confirmed = await browser.ask("/api/session/confirm", "POST", json={"token": text})
    assert confirmed.body["confirmed_until_at"] is not None
    assert [(one.kind, one.who) for one in door.audit.deeds] == [(DeedKind.SIGNED_IN, "anna")]
    assert (await browser.ask("/contents")).status == 200
    clock.advance(CONFIRMED_S)
    assert (await browser.ask("/contents")).status == 403


async def test_contents_stay_hidden_where_nothing_can_be_kept_or_the_token_is_anothers(door: Door) -> None:
    text, other = await known(door, phi=True), await known(door, "bert", phi=True)
    browser = await door.sign_in(text)
    assert (await browser.ask("/api/session/confirm", "POST", json={"token": other})).status == 401
    assert (await browser.ask("/api/session/confirm", "POST", json={"token": "x"})).status == 401
    door.audit.is_full = True
    assert (await browser.ask("/api/session/confirm", "POST", json={"token": text})).status == 503
    assert (await browser.ask("/contents")).status == 403
    assert (await door.ask("/api/session/confirm", "POST", token=text, json={"token": text})).status == 403


# -- tokens given to others --------------------------------------------------------------------------------------------


async def test_an_admin_makes_sees_and_removes_tokens_and_each_is_kept_first(door: Door) -> None:
    text = await known(door, role="admin")
    made = await door.ask(
        "/api/tokens",
        "POST",
        token=text,
        json={"name": "grafana", "role": "viewer", "expires_in_s": 3600, "reason": "graphs"},
    )
    assert made.status == 201
    assert (await door.ask("/seen", token=made.body["token"])).body["who"] == "grafana"
    rows = (await door.ask("/api/tokens", token=text)).body
    assert [(row["name"], row["is_own"], row["used_at"] is not None) for row in rows["items"]] == [
        ("anna", True, True),
        ("grafana", False, True),
    ]
    assert made.body["token"] not in str(rows)
    assert (await door.ask("/api/tokens?limit=1", token=text)).body["next"] is not None
    assert (await door.ask(f"/api/tokens/{made.body['row']['id']}", "DELETE", token=text)).status == 204
    assert (await door.ask("/seen", token=made.body["token"])).status == 401
    assert (await door.ask("/api/tokens/nothing", "DELETE", token=text)).status == 404
    assert [(one.kind, one.about, one.note, one.after, one.before) for one in door.audit.deeds] == [
        (DeedKind.TOKEN_ADDED, "grafana", "graphs", "viewer", ""),
        (DeedKind.TOKEN_REMOVED, "grafana", "", "", "viewer"),
    ]


async def test_nobody_gives_more_than_they_have(door: Door) -> None:
    plain, some = await known(door, role="admin"), await known(door, "bert", "admin", phi=True, feeds=["adt"])
    body = {"name": "x", "role": "viewer", "capabilities": ["phi"]}
    assert (await door.ask("/api/tokens", "POST", token=plain, json=body)).status == 403
    assert (await door.ask("/api/tokens", "POST", token=some, json=body)).status == 403
    assert (await door.ask("/api/tokens", "POST", token=some, json={**body, "feeds": ["lab"]})).status == 403
    assert (await door.ask("/api/tokens", "POST", token=some, json={**body, "feeds": ["adt"]})).status == 201
    browser = await door.sign_in(some)
    refused = await browser.ask("/api/tokens", "POST", json={**body, "name": "y", "feeds": ["adt"]})
    assert refused.code == "confirm-first"


async def test_a_token_is_not_made_that_cannot_be_kept_or_means_nothing(door: Door) -> None:
    text = await known(door, role="admin")
    for body, status in (
        ({"name": "anna", "role": "viewer"}, 409),
        ({"name": "x", "role": "nobody"}, 400),
        ({"name": "x", "role": "viewer", "feeds": ["adt"]}, 400),
        ({"name": "x\n", "role": "viewer"}, 422),
        ({"name": "x", "role": "root"}, 422),
        ({"name": "x", "role": "viewer", "expires_in_s": -1}, 422),
    ):
        assert (await door.ask("/api/tokens", "POST", token=text, json=body)).status == status, body
    door.audit.is_full = True
    assert (await door.ask("/api/tokens", "POST", token=text, json={"name": "x", "role": "viewer"})).status == 503
    assert [one.name for one in door.entrance.store.tokens.values()] == ["anna"]


async def test_when_tokens_were_used_outlives_the_daemon(tmp_path: Path, scene: Scene) -> None:
    async with front_door(tmp_path, scene.resources) as door:
        text = await known(door, role="admin")
        assert (await door.ask("/seen", token=text)).status == 200
    async with front_door(tmp_path, scene.resources) as door:
        [row] = (await door.ask("/api/tokens", token=text)).body["items"]
        assert row["used_at"] is not None
