"""What callers can tell of an error without reading its text."""

from __future__ import annotations

import pytest

from shim.errors import (
    BrokerRefused,
    BrokerUnavailable,
    BrokerUrlInvalid,
    PublishUncertain,
    RequestInvalid,
    ShimError,
)

TABLE = [
    (ShimError, "shim", False),
    (RequestInvalid, "request-invalid", False),
    (BrokerUrlInvalid, "broker-url-invalid", False),
    (BrokerUnavailable, "broker-unavailable", True),
    (PublishUncertain, "publish-uncertain", True),
]


@pytest.mark.parametrize(("kind", "code", "retryable"), TABLE)
def test_an_error_has_a_code_and_says_whether_trying_again_helps(
    kind: type[ShimError], code: str, *, retryable: bool
) -> None:
    error = kind("what and where", hint="what to do")
    assert isinstance(error, ShimError)
    assert (str(error), error.hint, error.code, error.retryable) == ("what and where", "what to do", code, retryable)


@pytest.mark.parametrize("kind", [kind for kind, _, _ in TABLE])
def test_a_hint_may_be_left_out(kind: type[ShimError]) -> None:
    assert kind("what").hint == ""


def test_a_refusal_by_the_server_keeps_the_servers_code() -> None:
    error = BrokerRefused("what", server_code="OOM")
    assert (error.code, error.server_code, error.retryable, error.hint) == ("broker-refused", "OOM", True, "")


@pytest.mark.parametrize("kind", [RequestInvalid, BrokerUrlInvalid])
def test_what_a_caller_wrote_wrongly_is_a_value_error_too(kind: type[ShimError]) -> None:
    assert issubclass(kind, ValueError)
