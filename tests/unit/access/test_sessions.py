"""Sessions: they end by themselves, by hand, and with their token; there are never too many."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.api.access.sessions import SESSIONS_EACH, Sessions

IDLE_S, LIMIT_S = 900.0, 43_200.0


def test_a_session_ends_when_nobody_uses_it() -> None:
    sessions = Sessions(IDLE_S, LIMIT_S)
    session = sessions.open("secret", "key", "t", 0.0)
    assert sessions.find("secret", IDLE_S - 1) is session
    sessions.use(session, IDLE_S - 1)
    assert sessions.find("secret", 2 * IDLE_S - 2) is session
    assert sessions.find("secret", 2 * IDLE_S) is None
    assert sessions.of_key("key", 0.0) is None


@given(st.lists(st.floats(0, IDLE_S - 1), min_size=1, max_size=100))
def test_a_session_ends_in_any_case(pauses: list[float]) -> None:
    sessions, now_s = Sessions(IDLE_S, LIMIT_S), 0.0
    session = sessions.open("secret", "key", "t", 0.0)
    for pause in pauses:
        now_s += pause
        found = sessions.find("secret", now_s)
        assert (found is session) is (now_s < LIMIT_S)
        if found is not None:
            sessions.use(found, now_s)


def test_other_secrets_open_nothing() -> None:
    sessions = Sessions(IDLE_S, LIMIT_S)
    sessions.open("secret", "key", "t", 0.0)
    for text in ("", "secre", "secret ", "key", "\udc80"):
        assert sessions.find(text, 0.0) is None
    assert "secret" not in repr(sessions.find("secret", 0.0))


def test_sessions_end_with_their_token() -> None:
    sessions = Sessions(IDLE_S, LIMIT_S)
    sessions.open("a", "ka", "gone", 0.0)
    sessions.open("b", "kb", "there", 0.0)
    sessions.forget(1.0, lambda token_id: token_id == "there")
    assert (sessions.find("a", 1.0), len(sessions)) == (None, 1)


def test_there_are_never_too_many() -> None:
    sessions = Sessions(IDLE_S, LIMIT_S, limit=80)
    for number in range(500):
        sessions.open(f"s{number}", f"k{number}", "one", float(number) / 10)
    assert len(sessions) == SESSIONS_EACH
    for number in range(500):
        sessions.open(f"t{number}", f"l{number}", f"t{number}", 60.0)
    assert len(sessions) == 80
    assert sessions.find("t499", 60.0) is not None
