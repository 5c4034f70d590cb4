"""Addresses, settings and requests as celery is told them; nothing is sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import Celery
from celery.app.backends import BACKEND_ALIASES
from kombu.transport import TRANSPORT_ALIASES

from shim.errors import BrokerUrlInvalid, RequestInvalid
from shim.foreign import ForeignCall, ForeignSettings
from shim.foreign.app import open_app
from shim.foreign.call import check_call, send_options
from shim.foreign.settings import BACKENDS, BROKERS, check_scheme
from shim.request import TaskRequest
from shim.routing import Target
from shim.signature import Signature

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "url",
    [
        "rediscluster://h:6379",
        "redisclusters://h",
        "redis+cluster://h:6379/0",
        "rediss+cluster://h",
        "redis-cluster://h;redis-cluster://g",
        "sentinel://h;RedisCluster://g",
    ],
)
@pytest.mark.parametrize("label", ["broker_url", "result_backend"])
def test_a_redis_cluster_is_refused_with_a_sentence(url: str, label: str) -> None:
    with pytest.raises(BrokerUrlInvalid, match=f"{label}: Redis Cluster is not spoken; .*slots") as caught:
        ForeignSettings(**{label: url})  # type: ignore[arg-type]
    assert "Sentinel" in caught.value.hint


@pytest.mark.parametrize("url", ["", "redis", "localhost:6379"])
def test_an_address_needs_a_scheme(url: str) -> None:
    with pytest.raises(BrokerUrlInvalid, match="no scheme"):
        ForeignSettings(url)


@pytest.mark.parametrize(
    "url",
    ["sqs://", "cache+memcached://a:1;b:2/", "sentinel://a:1;sentinel://b:2/0", "db+sqlite:///x.db", "amqp://u:p@h//"],
)
def test_what_kombu_and_celery_take_is_taken(url: str) -> None:
    assert ForeignSettings(url, url).broker_url == url


def test_no_password_is_shown() -> None:
    settings = ForeignSettings("amqp://user:secret@h//", "db+postgresql://user:secret@h/x", {"security_key": "secret"})
    assert repr(settings) == "ForeignSettings(broker='amqp', results='db+postgresql')"


@pytest.mark.parametrize("name", ["broker_url", "result_backend", "task_always_eager", "include"])
def test_settings_that_are_decided_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(RequestInvalid, match=name):
        ForeignSettings("memory://", conf={name: "x"})


@pytest.fixture
def app() -> Any:
    return open_app(ForeignSettings("memory://"))


def test_the_environment_does_not_change_the_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CELERY_BROKER_URL", "CELERY_BROKER_WRITE_URL", "CELERY_BROKER_READ_URL", "CELERY_RESULT_BACKEND"):
        monkeypatch.setenv(name, "redis://elsewhere:1/0")
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "nowhere.settings")
    app = open_app(ForeignSettings("memory://"))
    assert app.connection_for_write().transport_cls == app.connection_for_read().transport_cls == "memory"
    assert type(app.backend).__name__ == "DisabledBackend"
    assert app.pool.connection.transport_cls == "memory"


def test_no_task_is_ever_run_here() -> None:
    app = open_app(ForeignSettings("memory://", conf={"timezone": "Europe/Berlin"}))
    assert app.conf.task_always_eager is False
    assert app.conf.timezone == "Europe/Berlin"
    assert app.conf.task_publish_retry is False


def test_a_transport_kombu_does_not_have_is_refused() -> None:
    with pytest.raises(BrokerUrlInvalid, match="kombu has no transport 'nosuch'"):
        open_app(ForeignSettings("nosuch://user:secret@h"))


# -- requests ----------------------------------------------------------------------------------------------------------

FULL = TaskRequest(
    "app.task",
    "an id",
    [1, "two"],
    {"three": 3.5},
    eta_at=NOW + timedelta(hours=1),
    expires_at=NOW + timedelta(hours=2),
    time_limit_s=9,
    soft_time_limit_s=8,
    ignore_result=False,
    shadow="shade",
    root_id="root",
    parent_id="parent",
    headers={"mine": {"a": [1]}},
    argsrepr="(shown)",
    kwargsrepr="{shown}",
    retries=2,
    serializer="yaml",
    compression="gzip",
    links=[Signature("link", (1,))],
    error_links=[Signature("error")],
    chain=[Signature("second"), Signature("third")],
    chord=Signature("body"),
    group_id="group",
    group_index=3,
    stamps={"tenant": "acme"},
    reply_to="replies",
    delivery_mode=1,
    replaced_task_nesting=4,
)


def sent(app: Celery, call: ForeignCall) -> tuple[Any, dict[str, Any]]:
    """Give Celery's message of a call, and the options it would be published with."""
    caught: list[tuple[Any, dict[str, Any]]] = []
    app.amqp.send_task_message = lambda _, __, message, **options: caught.append((message, options))
    app.send_task(**send_options(call))
    return caught[0]


def test_every_field_of_a_request_reaches_celerys_message(app: Any) -> None:
    assert all(value != default for value, default in zip(FULL[2:], TaskRequest("", "")[2:], strict=True))
    message, options = sent(app, ForeignCall(FULL, Target("q", 5)))
    signature: dict[str, Any] = {"args": [], "kwargs": {}, "options": {}, "subtask_type": None, "immutable": False}
    args, kwargs, embed = message.body
    assert (list(args), kwargs) == ([1, "two"], {"three": 3.5})
    assert embed == {
        "callbacks": [{**signature, "task": "link", "args": [1]}],
        "errbacks": [{**signature, "task": "error"}],
        "chain": [{**signature, "task": "third"}, {**signature, "task": "second"}],
        "chord": {**signature, "task": "body"},
    }
    assert message.headers | {"origin": ""} == {
        "lang": "py", "task": "app.task", "id": "an id", "shadow": "shade", "eta": "2026-11-22T13:00:00+00:00",
        "expires": "2026-11-22T14:00:00+00:00", "group": "group", "group_index": 3, "retries": 2, "timelimit": [9, 8],
        "root_id": "root", "parent_id": "parent", "argsrepr": "(shown)", "kwargsrepr": "{shown}", "origin": "",
        "ignore_result": False, "replaced_task_nesting": 4, "stamped_headers": ["tenant"], "stamps": {"tenant": "acme"},
    }  # fmt: skip
    assert message.properties == {"correlation_id": "an id", "reply_to": "replies"}
    queue = options.pop("queue")
    assert queue.name == "q"
    assert {key: options[key] for key in ("priority", "headers", "serializer", "compression", "delivery_mode")} == {
        "priority": 5, "headers": {"mine": {"a": [1]}}, "serializer": "yaml", "compression": "gzip", "delivery_mode": 1,
    }  # fmt: skip


def test_what_a_request_does_not_say_is_left_to_the_settings(app: Any) -> None:
    app.conf.task_routes = {"app.*": {"queue": "routed", "priority": 7}}
    message, options = sent(app, ForeignCall(TaskRequest("app.task", "an id")))
    assert (options["queue"].name, options["priority"]) == ("routed", 7)
    assert "serializer" not in options
    assert message.headers["ignore_result"] is None
    assert message.headers["argsrepr"] == "<not shown>"


def test_a_request_no_worker_could_take_is_refused() -> None:
    check_call(ForeignCall(FULL))
    with pytest.raises(RequestInvalid, match="task_id"):
        check_call(ForeignCall(TaskRequest("app.task", "")))
    with pytest.raises(RequestInvalid, match="args"):
        check_call(ForeignCall(TaskRequest("app.task", "an id", [object()])))  # type: ignore[list-item]


def test_every_broker_and_back_end_of_celery_is_known_by_its_scheme() -> None:
    assert {name.lower() for name in TRANSPORT_ALIASES} == BROKERS
    assert BACKEND_ALIASES.keys() | {"socket"} == BACKENDS


@pytest.mark.parametrize(
    ("label", "url", "near"),
    [("broker_url", "redi://h", "redis"), ("result_backend", "databse://h", "database"), ("broker_url", "db://h", "")],
)
def test_a_scheme_celery_does_not_know_is_refused_with_the_nearest(label: str, url: str, near: str) -> None:
    with pytest.raises(BrokerUrlInvalid, match="nobody speaks") as caught:
        check_scheme(url, label)
    assert near in caught.value.hint


def test_a_class_of_somebodys_own_may_be_a_broker() -> None:
    check_scheme("my.transport.Transport://h", "broker_url")
