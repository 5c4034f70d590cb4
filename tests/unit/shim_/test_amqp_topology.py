"""Declarations and delays, against kombu."""

from __future__ import annotations

from typing import Any

import kombu
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.transport.base import to_rabbitmq_queue_arguments
from kombu.transport.native_delayed_delivery import calculate_routing_key

from shim.amqp.delay import DELAY_MAX_S, ENTRY, delayed, delayed_routing_key, ladder, takes_delays, way_back
from shim.amqp.topology import (
    BindExchange,
    BindQueue,
    DeclareExchange,
    DeclareQueue,
    QueueDeclaration,
    missing_queue,
    read_queue,
)
from shim.amqp.wire import AmqpMessage
from shim.errors import RequestInvalid

Exchange: Any = kombu.Exchange  # type: ignore[attr-defined]
Queue: Any = kombu.Queue  # type: ignore[attr-defined]

WORDS = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=12)
KEYS = st.lists(WORDS, min_size=1, max_size=4).map(".".join)
TOPIC = QueueDeclaration("lab", DeclareExchange("results", "topic"), "lab.#", arguments={"x-queue-type": "quorum"})

QUEUES = [
    Queue("plain"),
    Queue("bound", Exchange("ex", type="topic"), routing_key="a.#"),
    Queue(
        "short", Exchange("ex", durable=False, auto_delete=True), "k", durable=False, exclusive=True, auto_delete=True
    ),
    Queue(
        "options", Exchange("ex"), "k", expires=1.5, message_ttl=60, max_length=9, max_length_bytes=99, max_priority=10
    ),
    Queue(
        "arguments",
        Exchange("ex"),
        "k",
        queue_arguments={"x-queue-type": "quorum", "x-max-priority": 5},
        max_priority=7,
    ),
    Queue("fanout", Exchange("f", type="fanout")),
]


@pytest.mark.parametrize("queue", QUEUES, ids=lambda queue: queue.name)
def test_a_queue_of_kombu_is_declared_as_kombu_declares_it(queue: Any) -> None:
    options = {
        name: getattr(queue, name)
        for name in ("expires", "message_ttl", "max_length", "max_length_bytes", "max_priority")
    }
    arguments = to_rabbitmq_queue_arguments(queue.queue_arguments or {}, **options)
    steps: list[Any] = [DeclareQueue(queue.name, queue.durable, queue.exclusive, queue.auto_delete, arguments)]
    exchange = queue.exchange
    if exchange and exchange.name:
        steps.insert(0, DeclareExchange(exchange.name, exchange.type, exchange.durable, exchange.auto_delete))
        steps.append(BindQueue(queue.name, exchange.name, queue.routing_key))
    assert read_queue(queue.as_dict(recurse=True)).steps() == tuple(steps)


def test_a_queue_nobody_named_is_bound_to_an_exchange_of_its_own_name() -> None:
    assert missing_queue("q").steps() == (
        DeclareExchange("q", "direct"),
        DeclareQueue("q", arguments={}),
        BindQueue("q", "q", "q"),
    )


@pytest.mark.parametrize(
    ("given_type", "arguments"), [(None, {}), ("classic", {}), ("quorum", {"x-queue-type": "quorum"})]
)
def test_the_type_of_a_missing_queue_is_an_argument_only_if_it_is_quorum(
    given_type: str | None, arguments: dict[str, str]
) -> None:
    assert missing_queue("q", queue_type=given_type).arguments == arguments
    assert missing_queue("q", queue_type=given_type, max_priority=9).arguments == {**arguments, "x-max-priority": 9}


def test_another_queue_type_is_refused() -> None:
    with pytest.raises(RequestInvalid, match="'stream'"):
        missing_queue("q", queue_type="stream")


# -- delays ------------------------------------------------------------------------------------------------------------


@given(st.integers(1, DELAY_MAX_S), KEYS)
def test_a_delay_is_written_into_the_routing_key_as_kombu_does(delay_s: int, key: str) -> None:
    assert delayed_routing_key(delay_s, key) == calculate_routing_key(delay_s, key)


@given(st.integers(1, DELAY_MAX_S), st.integers(1, DELAY_MAX_S), KEYS)
def test_a_later_delay_replaces_an_earlier_one(first_s: int, second_s: int, key: str) -> None:
    once = delayed_routing_key(first_s, key)
    assert (
        delayed_routing_key(second_s, once)
        == calculate_routing_key(second_s, once)
        == delayed_routing_key(second_s, key)
    )


@pytest.mark.parametrize(("delay_s", "key"), [(0, "k"), (-1, "k"), (DELAY_MAX_S + 1, "k"), (1, ""), (1, "x" * 200)])
def test_a_delay_that_has_no_key_is_refused(delay_s: int, key: str) -> None:
    with pytest.raises(RequestInvalid):
        delayed_routing_key(delay_s, key)


def message(exchange: str = "results", key: str = "lab.blood") -> AmqpMessage:
    return AmqpMessage("id", "m", exchange, key, "lab", b"", b"")


def test_only_a_quorum_queue_behind_a_topic_or_fanout_takes_delays() -> None:
    quorum = {"x-queue-type": "quorum"}
    assert takes_delays(TOPIC)
    assert takes_delays(QueueDeclaration("q", DeclareExchange("f", "fanout"), "k", arguments=quorum))
    assert not takes_delays(QueueDeclaration("q", DeclareExchange("d", "direct"), "q", arguments=quorum))
    assert not takes_delays(QueueDeclaration("q", arguments=quorum))
    assert not takes_delays(QueueDeclaration("q", DeclareExchange("t", "topic"), "q"))


def test_a_delayed_message_climbs_the_ladder_and_nothing_else_changes() -> None:
    sent = delayed(message(), TOPIC, 90.7)
    assert sent == message(ENTRY, calculate_routing_key(90, "lab.blood"))


@pytest.mark.parametrize("declaration", [None, missing_queue("lab", queue_type="quorum"), missing_queue("lab")])
def test_what_the_ladder_cannot_give_back_is_sent_straight(declaration: QueueDeclaration | None) -> None:
    assert delayed(message(), declaration, 90) == message()


@pytest.mark.parametrize("delay_s", [0.99, 0, -5])
def test_what_is_due_within_a_second_is_sent_straight(delay_s: float) -> None:
    assert delayed(message(), TOPIC, delay_s) == message()


def test_every_delay_finds_its_way_down_the_ladder() -> None:
    """The ladder is walked as the broker walks it, on keys of every single bit and of several."""
    steps = ladder()
    queues = {step.name: step.arguments for step in steps if isinstance(step, DeclareQueue)}
    assert len(queues) == 28
    for delay_s in (1, 2, 3, 90, 4097, DELAY_MAX_S, *(2**bit for bit in range(28))):
        words = delayed_routing_key(delay_s, "lab.blood").split(".")
        at, waited_s = ENTRY, 0
        while at != "celery_delayed_delivery":
            waits = [
                step
                for step in steps
                if isinstance(step, BindQueue) and step.exchange == at and matches(step.routing_key, words)
            ]
            passes = [
                step
                for step in steps
                if isinstance(step, BindExchange) and step.source == at and matches(step.routing_key, words)
            ]
            assert len(waits) + len(passes) == 1
            if waits:
                waited_s += queues[waits[0].queue]["x-message-ttl"] // 1000
                at = queues[waits[0].queue]["x-dead-letter-exchange"]
            else:
                at = passes[0].destination
        assert waited_s == delay_s


def matches(pattern: str, words: list[str]) -> bool:
    """Match a topic that ends in ``.#``."""
    parts = pattern.split(".")
    assert parts.pop() == "#"
    return len(words) >= len(parts) and all(part in ("*", word) for part, word in zip(parts, words, strict=False))


def test_the_end_of_the_ladder_is_bound_to_the_queues_exchange() -> None:
    assert way_back(TOPIC) == (
        BindExchange("results", "celery_delayed_delivery", "#.lab.#"),
        BindQueue("lab", "results", "#.lab.#"),
    )
    assert way_back(missing_queue("lab")) == ()
