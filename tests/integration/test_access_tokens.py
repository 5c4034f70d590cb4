"""Tokens shown over real HTTP: which let in, which do not, and how those who guess are slowed down."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from daemon.api.access import bounds
from daemon.api_events import RequestDenied
from daemon.deeds import Deed, DeedKind
from daemon.events import Warned
from tests.support.clock import SetClock
from tests.support.entrance import Door, Scene, front_door, known
from tests.support.tokens import add_token

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


# -- shown -------------------------------------------------------------------------------------------------------------


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


# -- guessed, or shown too often ---------------------------------------------------------------------------------------


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


async def test_many_wrong_tokens_at_once_are_not_all_looked_at(door: Door) -> None:
    found: list[int] = []

    async def ask(number: int) -> None:
        found.append((await door.ask("/seen", token=f"wrong{number}")).status)

    async with anyio.create_task_group() as tasks:
        for number in range(60):
            tasks.start_soon(ask, number)
    assert set(found) == {401, 429}
