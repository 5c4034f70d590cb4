"""Signing in with tokens and sessions over real HTTP: who gets in, who does not, and what is kept of it."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import pytest

from daemon.api.access import bounds
from daemon.api.access.sessions import CONFIRMED_S
from daemon.api.http.asked import Asked
from daemon.api.http.caller import Capability, Role
from daemon.api.http.resource import Channel, Line, Resource
from daemon.api_events import RequestDenied
from daemon.deeds import Deed, DeedKind
from daemon.events import Warned
from daemon.settings.api_section import ApiSection
from tests.support.clock import SetClock
from tests.support.entrance import Browser, Door, front_door
from tests.support.tokens import add_token

pytestmark = pytest.mark.anyio
PHI = frozenset((Capability.PHI,))


class Scene:
    """Resources of each kind, which count."""

    def __init__(self) -> None:
        self.changed = 0

    async def show(self, asked: Asked) -> Any:
        return {"who": asked.caller.who, "adt": asked.caller.may_see("adt"), "lab": asked.caller.may_see("lab")}

    async def change(self, asked: Asked) -> Any:
        del asked
        self.changed += 1
        return {}

    async def talk(self, asked: Asked, line: Line, found: Any) -> None:
        del asked, found
        await line.send(b'"open"')
        while await line.receive() is not None:
            pass

    @property
    def resources(self) -> tuple[Resource, ...]:
        return (
            Resource("GET", "/open", self.show, "o", "t", Role.NOBODY),
            Resource("GET", "/seen", self.show, "s", "t"),
            Resource("GET", "/contents", self.show, "c", "t", needs=PHI),
            Resource("POST", "/changed", self.change, "c", "t", Role.OPERATOR),
            Resource("POST", "/read", self.show, "r", "t", is_reading=True),
            Resource("GET", "/metrics", self.show, "m", "t", Role.NOBODY),
        )

    @property
    def channels(self) -> tuple[Channel, ...]:
        return (Channel("/ws", self.talk, "t", "t"),)


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


async def known(door: Door, name: str = "anna", role: str = "operator", **more: Any) -> str:
    """Add a token that the daemon has noticed."""
    text = add_token(door.state_dir, name, role, **more)
    await door.noticed()
    return text


# -- tokens ------------------------------------------------------------------------------------------------------------


async def test_who_shows_no_token_is_told_to_and_where_none_is_needed_is_let_in(door: Door) -> None:
    refused = await door.ask("/seen")
    assert (refused.status, refused.code) == (401, "not-signed-in")
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    assert (await door.ask("/open")).status == 200


async def test_a_token_made_while_the_daemon_runs_lets_in_and_one_removed_no_longer(door: Door) -> None:
    text = await known(door)
    assert (await door.ask("/seen", token=text)).body["who"] == "anna"
    assert (await door.ask("/changed", "POST", token=text)).status == 200
    door.entrance.store._file.remove("anna")
    await door.noticed()
    assert (await door.ask("/seen", token=text)).status == 401


async def test_a_token_is_good_the_moment_it_is_made(door: Door) -> None:
    text = await known(door)
    for name in ("bert", "carla", "dora"):
        fresh = add_token(door.state_dir, name, "operator")
        assert (await door.ask("/seen", token=fresh)).body["who"] == name
    assert (await door.ask("/seen", token=text)).body["who"] == "anna"


async def test_a_token_also_comes_as_the_password_of_basic_authentication(door: Door) -> None:
    text = await known(door)
    word = base64.b64encode(f"anyone:{text}".encode()).decode()
    assert (await door.ask("/seen", headers={"Authorization": f"Basic {word}"})).status == 200
    assert (await door.ask("/seen", headers={"Authorization": f"bearer {text}"})).status == 200


async def test_whatever_is_wrong_with_a_token_the_answer_is_the_same(door: Door, clock: SetClock) -> None:
    """Item 41: none, wrong, expired, removed, truncated, doubled; in the query it is not looked for at all."""
    text = await known(door)
    expired = await known(door, "old", expires_us=clock.now_us() + 1)
    clock.advance(1.0)
    other = text[:-1] + ("A" if text[-1] != "A" else "B")
    unknown = f"crl_{'a' * 12}_{text.rsplit('_', 1)[1]}"
    found = set()
    for wrong in (other, unknown, expired, text[:-1], text.upper(), text + text, "x", "\u20ac" * 20, "a" * 5000):
        clock.advance(bounds.LONGEST_WAIT_S + bounds.FORGET_S)
        reply = await door.ask("/open", token=wrong)
        assert text not in reply.text
        found.add((reply.status, reply.text, reply.headers["WWW-Authenticate"]))
    async with door.http.get(f"{door.url}/seen", headers=[("Authorization", f"Bearer {text}")] * 2) as response:
        found.add((response.status, await response.text(), response.headers["WWW-Authenticate"]))
    assert len(found) == 1
    assert {status for status, _, _ in found} == {401}
    assert (await door.ask(f"/open?token={text}")).status == 422
    assert (await door.ask(f"/seen?auth_token={text}")).status == 401
    reasons = {one.reason for one in door.told if isinstance(one, Deed) and one.kind is DeedKind.SIGN_IN_REFUSED}
    assert reasons == {"wrong", "expired"}


async def test_who_goes_on_being_wrong_waits_longer_and_longer_and_others_do_not(door: Door, clock: SetClock) -> None:
    """Item 43."""
    right = await known(door)
    assert (await door.ask("/seen", token=right)).status == 200
    statuses = [(await door.ask("/seen", token=f"wrong{number}")).status for number in range(100)]
    assert statuses[:5] == [401] * 5
    assert set(statuses[5:]) == {429}
    refused = await door.ask("/seen", token="wrong")
    assert (refused.code, refused.headers["Retry-After"]) == ("locked-out", "2")
    assert (await door.ask("/seen", token=right)).status == 200
    assert (await door.ask("/api/session", "POST", json={"token": "wrong"})).status == 429
    clock.advance(2.0)
    assert (await door.ask("/seen", token="wrong")).status == 401
    denied = [one for one in door.told if isinstance(one, RequestDenied) and one.code == "locked-out"]
    assert {one.address for one in denied} == {"127.0.0.1"}


async def test_who_asks_too_often_is_told_when_to_come_back(tmp_path: Path, scene: Scene, clock: SetClock) -> None:
    async with front_door(tmp_path, scene.resources, clock=clock, rate=5) as door:
        text, other = await known(door), await known(door, "bert")
        statuses = [(await door.ask("/seen", token=text)).status for _ in range(12)]
        assert statuses == [200] * 10 + [429] * 2
        assert (await door.ask("/seen", token=other)).status == 200
        clock.advance(1.0)
        assert (await door.ask("/seen", token=text)).status == 200


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


async def test_a_daemon_without_a_token_says_once_how_one_is_made(tmp_path: Path) -> None:
    async with front_door(tmp_path) as door:
        [warned] = [one for one in door.told if isinstance(one, Warned)]
        assert "carillon token add" in warned.text
    add_token(tmp_path, "anna")
    async with front_door(tmp_path) as door:
        assert not [one for one in door.told if isinstance(one, Warned)]


async def test_a_file_of_tokens_that_cannot_be_trusted_lets_nobody_in_until_it_can(door: Door) -> None:
    text = await known(door)
    path = door.state_dir / "tokens.json"
    assert (await door.ask("/seen", token=text)).status == 200
    path.chmod(0o666)
    await door.noticed()
    assert (await door.ask("/seen", token=text)).status == 401
    assert [one.code for one in door.told if isinstance(one, Warned) and one.code != "no-token"] == ["tokens-failed"]
    path.chmod(0o600)
    await door.noticed()
    assert (await door.ask("/seen", token=text)).status == 200


# -- sessions ----------------------------------------------------------------------------------------------------------


async def test_a_browser_signs_in_works_and_signs_out(door: Door, scene: Scene) -> None:
    text = await known(door)
    first = await door.ask("/api/session")
    assert (first.status, first.body["role"], first.body["site"], first.body["version"]) == (
        200,
        "nobody",
        "clinic",
        "",
    )
    browser = await door.sign_in(text)
    session = (await browser.ask("/api/session")).body
    assert (session["who"], session["role"], session["means"], session["key"]) == (
        "anna",
        "operator",
        "session",
        browser.key,
    )
    assert (await browser.ask("/seen")).body["who"] == "anna"
    assert (await browser.ask("/changed", "POST")).status == 200
    gone = await browser.ask("/api/session", "DELETE")
    assert (gone.status, "Max-Age=0" in gone.headers["Set-Cookie"]) == (204, True)
    assert (await browser.ask("/seen")).status == 401
    assert scene.changed == 1
    kinds = [one.kind for one in door.told if isinstance(one, Deed)]
    assert kinds == [DeedKind.SIGNED_IN, DeedKind.SIGNED_OUT]


async def test_the_cookie_is_kept_from_scripts_and_from_other_sites(door: Door) -> None:
    reply = await door.ask("/api/session", "POST", json={"token": await known(door)})
    words = reply.headers["Set-Cookie"].split("; ")
    assert words[0].startswith("carillon_session=")
    assert words[1:] == ["Path=/", "HttpOnly", "SameSite=Strict"]
    assert reply.headers["Cache-Control"] == "no-store"


async def test_signing_in_again_ends_the_session_before(door: Door) -> None:
    text = await known(door)
    browser = await door.sign_in(text)
    again = await browser.ask("/api/session", "POST", json={"token": text})
    assert again.status == 200
    assert (await browser.ask("/seen")).status == 401


@pytest.mark.parametrize(
    ("headers", "is_let_in"),
    [
        ({}, True),
        ({"Origin": ""}, True),  # the browser says where it comes from in the other header
        ({"Origin": "", "Sec-Fetch-Site": ""}, False),
        ({"Sec-Fetch-Site": ""}, True),
        ({"Origin": "null"}, False),
        ({"Origin": "http://evil.example"}, False),
        ({"Origin": "http://127.0.0.1.evil.example"}, False),
        ({"Origin": "http://127.0.0.1:1"}, False),
        ({"Origin": "", "Sec-Fetch-Site": "cross-site"}, False),
        ({"Origin": "", "Sec-Fetch-Site": "same-site"}, False),
        ({"Origin": "", "Sec-Fetch-Site": "none"}, False),
        ({"X-Carillon-Key": ""}, False),
        ({"X-Carillon-Key": "wrong"}, False),
    ],
)
async def test_only_our_own_page_may_change_something(
    door: Door, scene: Scene, headers: dict[str, str], *, is_let_in: bool
) -> None:
    """Item 44: a page of somebody else's has the cookie sent, and nothing more."""
    browser = await door.sign_in(await known(door))
    reply = await browser.ask("/changed", "POST", headers=headers)
    assert (reply.status, scene.changed) == ((200, 1) if is_let_in else (403, 0))
    assert is_let_in or reply.code == "not-our-page"


async def test_a_page_elsewhere_cannot_sign_a_browser_in(door: Door) -> None:
    text = await known(door)
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        reply = await door.ask("/api/session", "POST", json={"token": text}, headers=headers)
        assert (reply.status, "Set-Cookie" in reply.headers) == (403, False)


async def test_a_token_with_a_foreign_origin_is_refused_and_one_without_is_not(door: Door) -> None:
    text = await known(door)
    assert (await door.ask("/changed", "POST", token=text)).status == 200
    assert (await door.ask("/changed", "POST", token=text, headers={"Origin": door.url})).status == 200
    assert (await door.ask("/changed", "POST", token=text, headers={"Origin": "http://evil.example"})).status == 403
    assert (await door.ask("/seen", token=text, headers={"Origin": "http://evil.example"})).status == 403


async def test_a_session_ends_when_idle_and_what_the_page_does_by_itself_does_not_count(
    door: Door, clock: SetClock
) -> None:
    browser = await door.sign_in(await known(door))
    for _ in range(3):
        clock.advance(800)
        assert (await browser.ask("/seen")).status == 200
    clock.advance(800)
    assert (await browser.ask("/seen", headers={"X-Carillon-Background": "1"})).status == 200
    clock.advance(101)
    assert (await browser.ask("/seen")).status == 401


async def test_a_session_ends_after_half_a_day_however_busy(door: Door, clock: SetClock) -> None:
    browser = await door.sign_in(await known(door))
    for _ in range(53):
        clock.advance(800)
        assert (await browser.ask("/seen")).status == 200
    clock.advance(800)
    assert (await browser.ask("/seen")).status == 401


async def test_sessions_and_sockets_end_with_their_token(door: Door) -> None:
    browser = await door.sign_in(await known(door))
    async with door.http.ws_connect(f"{door.url}/ws", headers=browser.headers) as socket:
        assert await socket.receive_str() == '"open"'
        door.entrance.store._file.remove("anna")
        await door.noticed()
        door.api.look()
        message = await socket.receive()
        assert (message.type, socket.close_code) == (aiohttp.WSMsgType.CLOSE, 4401)
    assert (await browser.ask("/seen")).status == 401


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "", "Sec-Fetch-Site": "cross-site"}],
)
async def test_a_socket_is_not_opened_for_another_page(door: Door, headers: dict[str, str]) -> None:
    """Item 45."""
    browser = await door.sign_in(await known(door))
    sent = {name: value for name, value in {**browser.headers, **headers}.items() if value}
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with door.http.ws_connect(f"{door.url}/ws", headers=sent):
            pass
    assert refused.value.status == 403


async def test_a_session_has_a_bounded_number_of_sockets(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.api.http.serving.SESSION_LINES_LIMIT", 3)
    browser = await door.sign_in(await known(door))
    open_ = [await door.http.ws_connect(f"{door.url}/ws", headers=browser.headers) for _ in range(3)]
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await door.http.ws_connect(f"{door.url}/ws", headers=browser.headers)
    assert refused.value.status == 429
    for socket in open_:
        await socket.close()


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


# -- tokens over HTTP --------------------------------------------------------------------------------------------------


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


async def test_many_wrong_tokens_at_once_are_not_all_looked_at(door: Door) -> None:
    found: list[int] = []

    async def ask(number: int) -> None:
        found.append((await door.ask("/seen", token=f"wrong{number}")).status)

    async with anyio.create_task_group() as tasks:
        for number in range(60):
            tasks.start_soon(ask, number)
    assert set(found) == {401, 429}


async def test_behind_a_proxy_the_address_is_the_one_it_says(tmp_path: Path, scene: Scene) -> None:
    async with front_door(
        tmp_path, scene.resources, trusted_proxies=["127.0.0.1"], hosts=["carillon.example.org"]
    ) as door:
        through = {
            "X-Forwarded-For": "6.6.6.6, 198.51.100.4",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Host": "carillon.example.org",
        }
        text = await known(door)
        for _ in range(5):
            assert (await door.ask("/seen", token="wrong", headers=through)).status == 401
        assert (await door.ask("/seen", token="wrong", headers=through)).status == 429
        elsewhere = {**through, "X-Forwarded-For": "198.51.100.5"}
        reply = await door.ask("/api/session", "POST", json={"token": text}, headers=elsewhere)
        assert reply.headers["Set-Cookie"].endswith("; Secure")
        browser = Browser(door, reply.body["key"], reply.headers["Set-Cookie"].partition(";")[0])
        browser.more = {**elsewhere, "Origin": "https://carillon.example.org"}
        assert (await browser.ask("/changed", "POST")).status == 200
        browser.more["Origin"] = "http://carillon.example.org"
        assert (await browser.ask("/changed", "POST")).status == 403
        refused = [one.address for one in door.told if isinstance(one, Deed) and one.kind is DeedKind.SIGN_IN_REFUSED]
        assert set(refused) == {"198.51.100.4"}
