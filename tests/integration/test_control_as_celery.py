"""Each command as Celery's own client sends it, field by field."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery

from shim.control import EVERYONE, Audience, Command, matching, methods, only
from shim.control.command import write_command
from tests.support.controlling import CHANNEL, Listener, listening
from tests.support.valkey import ValkeyServer

CASES: list[tuple[Command, Callable[[Any], Any]]] = [
    (methods.ping(), lambda control: control.ping(timeout=0.01)),
    (methods.ping(), lambda control: control.inspect(timeout=0.01).ping()),
    (methods.clock(), lambda control: control.inspect(timeout=0.01).clock()),
    (methods.active(), lambda control: control.inspect(timeout=0.01).active()),
    (methods.active(safe=True), lambda control: control.inspect(timeout=0.01).active(safe=True)),
    (methods.reserved(), lambda control: control.inspect(timeout=0.01).reserved()),
    (methods.scheduled(), lambda control: control.inspect(timeout=0.01).scheduled()),
    (methods.registered(), lambda control: control.inspect(timeout=0.01).registered()),
    (methods.registered("rate_limit", "ignore_result"), lambda control: control.inspect(timeout=0.01).registered("rate_limit", "ignore_result")),
    (methods.stats(), lambda control: control.inspect(timeout=0.01).stats()),
    (methods.conf(), lambda control: control.inspect(timeout=0.01).conf()),
    (methods.conf(with_defaults=True), lambda control: control.inspect(timeout=0.01).conf(with_defaults=True)),
    (methods.revoked(), lambda control: control.inspect(timeout=0.01).revoked()),
    (methods.active_queues(), lambda control: control.inspect(timeout=0.01).active_queues()),
    (methods.query_task("a", "b"), lambda control: control.inspect(timeout=0.01).query_task("a", "b")),
    (methods.report(), lambda control: control.inspect(timeout=0.01).report()),
    (methods.memsample(), lambda control: control.inspect(timeout=0.01).memsample()),
    (methods.memdump(5), lambda control: control.inspect(timeout=0.01).memdump(5)),
    (methods.objgraph(), lambda control: control.inspect(timeout=0.01).objgraph()),
    (methods.objgraph("dict", objects=3, max_depth=2), lambda control: control.inspect(timeout=0.01).objgraph("dict", 3, 2)),
    (methods.revoke("id"), lambda control: control.revoke("id")),
    (methods.revoke(["a", "b"], terminate=True, signal="SIGKILL"), lambda control: control.revoke(["a", "b"], terminate=True, signal="SIGKILL")),
    (methods.terminate("id"), lambda control: control.terminate("id")),
    (methods.terminate(("a", "b"), signal="USR1"), lambda control: control.terminate(["a", "b"], signal="USR1")),
    (methods.revoke_by_stamped_headers({"tenant": ["acme"]}), lambda control: control.revoke_by_stamped_headers({"tenant": ["acme"]})),
    (methods.revoke_by_stamped_headers({"tenant": "acme"}, terminate=True), lambda control: control.revoke_by_stamped_headers({"tenant": "acme"}, terminate=True)),
    (methods.rate_limit("app.add", "10/m"), lambda control: control.rate_limit("app.add", "10/m")),
    (methods.rate_limit("app.add", None), lambda control: control.rate_limit("app.add", None)),
    (methods.rate_limit("app.add", 5), lambda control: control.rate_limit("app.add", 5)),
    (methods.time_limit("app.add", soft_s=1.5, hard_s=2), lambda control: control.time_limit("app.add", soft=1.5, hard=2)),
    (methods.time_limit("app.add"), lambda control: control.time_limit("app.add")),
    (methods.add_consumer("q"), lambda control: control.add_consumer("q")),
    (methods.add_consumer("q", exchange="e", exchange_type="topic", routing_key="a.#", options={"max_priority": 9, "queue_arguments": {"x": 1}}),
     lambda control: control.add_consumer("q", exchange="e", exchange_type="topic", routing_key="a.#", options={"max_priority": 9, "queue_arguments": {"x": 1}})),
    (methods.cancel_consumer("q"), lambda control: control.cancel_consumer("q")),
    (methods.pool_grow(), lambda control: control.pool_grow()),
    (methods.pool_shrink(2), lambda control: control.pool_shrink(2)),
    (methods.pool_restart(), lambda control: control.pool_restart()),
    (methods.pool_restart(["app.tasks"], reload=True), lambda control: control.pool_restart(modules=["app.tasks"], reload=True)),
    (methods.autoscale(4, 2), lambda control: control.autoscale(max=4, min=2)),
    (methods.enable_events(), lambda control: control.enable_events()),
    (methods.disable_events(), lambda control: control.disable_events()),
    (methods.heartbeat(), lambda control: control.heartbeat()),
    (methods.shutdown(), lambda control: control.shutdown()),
]  # fmt: skip

AUDIENCES: list[tuple[Audience, dict[str, Any]]] = [
    (only("a@host", "b@host"), {"destination": ["a@host", "b@host"]}),
    (matching("w*@host"), {"pattern": "w*@host", "matcher": "glob"}),
    (matching(r"w\d+@", "pcre"), {"pattern": r"w\d+@", "matcher": "pcre"}),
]


@pytest.fixture(scope="module")
def app(shared_valkey: ValkeyServer) -> Iterator[Any]:
    with Celery("sender", broker=shared_valkey.url) as sender:
        yield sender


@pytest.fixture(scope="module")
def worker(shared_valkey: ValkeyServer) -> Iterator[Listener]:
    with listening(shared_valkey, channel=CHANNEL) as listener:
        yield listener


def opened(payload: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the envelope without its body, and the body."""
    envelope = json.loads(payload)
    body = envelope.pop("body")
    if envelope["properties"].pop("body_encoding", None) == "base64":
        body = b64decode(body)
    return envelope, json.loads(body)


def compared(theirs: bytes, command: Command, audience: Audience) -> None:
    envelope, body = opened(theirs)
    asks = "ticket" in body
    ours = write_command(
        command,
        audience,
        namespace="celery",
        clock=envelope["headers"]["clock"],
        delivery_tag=body.get("ticket") or envelope["properties"]["delivery_tag"],
        reply_to="mine" if asks else None,
    )
    our_envelope, our_body = opened(ours)
    if asks:
        # Ours are asked for through the anonymous exchange, and the ticket is the delivery tag.
        assert body.pop("reply_to").keys() == our_body.pop("reply_to").keys()
        envelope["properties"]["delivery_tag"] = body["ticket"]
    del envelope["headers"]["expires"]
    assert our_body == body
    assert our_envelope == envelope


@pytest.mark.parametrize(("command", "send"), CASES, ids=[f"{n}-{case[0].method}" for n, case in enumerate(CASES)])
def test_a_command_equals_celerys(app: Any, worker: Listener, command: Command, send: Callable[[Any], Any]) -> None:
    send(app.control)
    [(_, payload)] = worker.take(1)
    compared(payload, command, EVERYONE)


@pytest.mark.parametrize(("audience", "options"), AUDIENCES)
def test_an_audience_equals_celerys(app: Any, worker: Listener, audience: Audience, options: dict[str, Any]) -> None:
    app.control.broadcast("ping", **options)
    app.control.broadcast("ping", reply=True, timeout=0.01, **options)
    for _, payload in worker.take(2):
        compared(payload, methods.ping(), audience)


def test_every_method_a_worker_knows_has_a_builder() -> None:
    from celery.worker.control import Panel  # noqa: PLC0415 - it wants an application to be there first

    aliases = {meta.alias for meta in Panel.meta.values()}
    left_out = {"hello", "election"}  # what workers tell each other
    assert {name for name in Panel.data if name not in aliases} - left_out == {
        name
        for name, value in vars(methods).items()
        if callable(value) and getattr(value, "__module__", "") == methods.__name__
    }
