"""Arguments of commands: what is let through means to a worker what it says, the rest is refused with the reason."""

from __future__ import annotations

import math
import signal
from collections.abc import Callable
from typing import Any

import pytest
from celery.platforms import signals
from celery.utils import time as celery_time
from hypothesis import given
from hypothesis import strategies as st
from kombu import entity

from shim.control import arguments, methods
from shim.control.command import Command
from shim.errors import RequestInvalid

celery_rate: Any = celery_time.rate
signum: Any = signals.signum

WRONG: list[tuple[Callable[[], Command], str]] = [
    (lambda: methods.revoke(""), "task_ids"),
    (lambda: methods.revoke([]), "no id"),
    (lambda: methods.revoke(["a", ""]), "task_ids"),
    (lambda: methods.revoke(["a"] * 10_001), "task_ids"),
    (lambda: methods.revoke(5), "task_ids"),  # type: ignore[arg-type]
    (lambda: methods.revoke("a", terminate="no"), "terminate"),  # type: ignore[arg-type]
    (lambda: methods.revoke("a", terminate=True, signal="sigterm"), "signal"),
    (lambda: methods.revoke("a", terminate=True, signal="SIG_IGN"), "signal"),
    (lambda: methods.revoke("a", terminate=True, signal=9), "signal"),  # type: ignore[arg-type]
    (lambda: methods.terminate("a", signal=""), "signal"),
    (methods.query_task, "no id"),
    (lambda: methods.query_task("\n"), "task_ids"),
    (lambda: methods.revoke_by_stamped_headers({}), "stamp"),
    (lambda: methods.revoke_by_stamped_headers({"": "a"}), "headers"),
    (lambda: methods.revoke_by_stamped_headers({"tenant": []}), "tenant"),
    (lambda: methods.revoke_by_stamped_headers(["tenant=acme"]), "stamp"),  # type: ignore[arg-type]
    (lambda: methods.rate_limit("", "1/s"), "task"),
    (lambda: methods.rate_limit("a", "1/d"), "rate"),
    (lambda: methods.rate_limit("a", "often"), "rate"),
    (lambda: methods.rate_limit("a", "inf"), "rate"),
    (lambda: methods.rate_limit("a", "-1/m"), "rate"),
    (lambda: methods.rate_limit("a", ""), "rate"),
    (lambda: methods.rate_limit("a", "1/s "), "rate"),
    (lambda: methods.rate_limit("a", -1), "rate"),
    (lambda: methods.rate_limit("a", math.nan), "rate"),
    (lambda: methods.rate_limit("a", math.inf), "rate"),
    (lambda: methods.rate_limit("a", limit=True), "rate"),
    (lambda: methods.time_limit("a", soft_s=0), "soft_s"),
    (lambda: methods.time_limit("a", hard_s=-1), "hard_s"),
    (lambda: methods.time_limit("a", hard_s=math.nan), "hard_s"),
    (lambda: methods.time_limit("a", soft_s=3, hard_s=2), "soft_s"),
    (lambda: methods.time_limit("a", soft_s="3"), "soft_s"),  # type: ignore[arg-type]
    (lambda: methods.add_consumer(""), "queue"),
    (lambda: methods.add_consumer("a\x06\x16b"), "queue"),
    (lambda: methods.add_consumer("a", exchange_type="headers"), "exchange_type"),
    (lambda: methods.add_consumer("a", exchange=""), "exchange"),
    (lambda: methods.add_consumer("a", routing_key="\x00"), "routing_key"),
    (lambda: methods.add_consumer("a", options={"queue": "b"}), "no option"),
    (lambda: methods.add_consumer("a", options={"durable": "yes"}), "durable"),
    (lambda: methods.add_consumer("a", options={"expires": "soon"}), "expires"),
    (lambda: methods.add_consumer("a", options={"max_priority": 0}), "max_priority"),
    (lambda: methods.add_consumer("a", options={"max_priority": 256}), "max_priority"),
    (lambda: methods.add_consumer("a", options={"queue_arguments": []}), "queue_arguments"),
    (lambda: methods.add_consumer("a", options={"queue_arguments": {"x": math.inf}}), "queue_arguments"),
    (lambda: methods.cancel_consumer(" \n"), "queue"),
    (lambda: methods.pool_grow(0), "n:"),
    (lambda: methods.pool_grow(1001), "n:"),
    (lambda: methods.pool_shrink(-1), "n:"),
    (lambda: methods.pool_shrink(n=True), "n:"),
    (lambda: methods.pool_restart("os"), "modules"),
    (lambda: methods.pool_restart(["os; x"]), "modules"),
    (lambda: methods.pool_restart(reload=1), "reload"),  # type: ignore[arg-type]
    (lambda: methods.autoscale(0), "most"),
    (lambda: methods.autoscale(2, 3), "least"),
    (lambda: methods.autoscale(2, -1), "least"),
    (lambda: methods.registered(""), "attributes"),
    (lambda: methods.active(safe="yes"), "safe"),  # type: ignore[arg-type]
    (lambda: methods.conf(with_defaults=1), "with_defaults"),  # type: ignore[arg-type]
    (lambda: methods.memdump(0), "samples"),
    (lambda: methods.objgraph(objects=0), "objects"),
    (lambda: methods.objgraph(max_depth=0), "max_depth"),
    (lambda: methods.objgraph(""), "type_name"),
]


@pytest.mark.parametrize(("build", "told"), WRONG, ids=range(len(WRONG)))
def test_a_wrong_argument_is_refused_with_the_reason(build: Callable[[], Command], told: str) -> None:
    with pytest.raises(RequestInvalid, match=told):
        build()


def test_no_refusal_repeats_what_it_refuses() -> None:
    builders: list[Callable[[], Command]] = [
        lambda: methods.revoke("4711\n"),
        lambda: methods.revoke_by_stamped_headers({"tenant": "4711\n"}),
        lambda: methods.rate_limit("a", "4711/x"),
        lambda: methods.revoke("a", signal="4711"),
    ]
    for build in builders:
        with pytest.raises(RequestInvalid) as caught:
            build()
        assert "4711" not in f"{caught.value}{caught.value.hint}"


@given(
    st.one_of(
        st.from_regex(r"[0-9.]{1,6}(/[a-z]?)?", fullmatch=True),
        st.text("0123456789./smhd -+einfa_", max_size=6),
        st.floats(),
        st.integers(-10, 10**10),
    )
)
def test_every_rate_let_through_is_a_finite_rate_to_celery(value: Any) -> None:
    try:
        limit = arguments.rate(value)
    except RequestInvalid:
        return
    assert 0 <= celery_rate(limit) < math.inf


@pytest.mark.parametrize("value", ["1", "10/m", "0.5/s", "100/h", "007/m", 5, 0, 0.25, "0", None])
def test_rates_that_celery_documents_are_let_through(value: Any) -> None:
    assert arguments.rate(value) == value


def test_every_signal_let_through_is_one_to_celery_and_none_is_missing() -> None:
    for name in arguments.SIGNALS:
        assert arguments.signal_name(name) == name
        assert signum(name) == signum(arguments.signal_name(f"SIG{name}")) == getattr(signal, f"SIG{name}")
    here = {name.name.removeprefix("SIG") for name in signal.Signals} - {"CLD", "POLL", "RTMIN", "RTMAX"}
    assert here <= arguments.SIGNALS | {"IOT"}


def test_options_of_a_queue_are_those_kombu_reads() -> None:
    queue: Any = entity.Queue
    known = {name for name, _ in queue.attrs} | {
        f"{owner}_{name}" for owner in ("exchange", "queue") for name in ("durable", "auto_delete", "arguments")
    }
    assert known >= arguments.QUEUE_OPTIONS
