"""Sessions of browsers over real HTTP: how they begin and end, and that no page but ours acts for anybody."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from daemon.deeds import Deed, DeedKind
from tests.support.clock import SetClock
from tests.support.entrance import Browser, Door, Scene, front_door, known

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
