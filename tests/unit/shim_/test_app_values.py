"""Addresses, tasks and facts of an app: pure values, beside Celery's own merging of options."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shim.app import (
    AppAddress,
    Clocked,
    Crontab,
    DeclaredTask,
    FactsInvalid,
    Interval,
    KnownTask,
    OtherSchedule,
    Rule,
    Solar,
    app_environment,
    declared_tasks,
    parse_facts,
    task_options,
)
from shim.app.probe_values import conf_of, task_of
from shim.routing import routing_from_conf
from tests.support.celery_oracle import applied, make_app, queues_reached, sent

# -- options of a task, its route and a call ---------------------------------------------------------------------------

values = {
    "queue": st.sampled_from(("q1", "q2")),
    "priority": st.integers(0, 9),
    "routing_key": st.sampled_from(("a", "b")),
    "delivery_mode": st.sampled_from((1, 2)),
    "time_limit": st.integers(10, 20),
    "soft_time_limit": st.integers(1, 5),
    "expires": st.integers(100, 200),
    "compression": st.sampled_from(("zlib", "bzip2")),
}
some = st.fixed_dictionaries({}, optional=dict(values))
cleared = st.fixed_dictionaries({}, optional={name: st.none() | value for name, value in values.items()})
routed = st.fixed_dictionaries({}, optional={name: values[name] for name in ("queue", "priority", "delivery_mode")})
usual = st.fixed_dictionaries(
    {}, optional={"task_default_priority": st.integers(0, 9), "task_time_limit": st.integers(30, 40)}
)


def _nothing() -> None: ...


@pytest.mark.filterwarnings(
    "ignore::celery.exceptions.CDeprecationWarning"
)  # a queue of the class, which Celery 6 will not heed
@given(some, routed, cleared, usual)
def test_class_route_and_call_merge_as_in_apply_async_and_send_task(
    of_class: dict[str, Any], route: dict[str, Any], call: dict[str, Any], conf: dict[str, Any]
) -> None:
    app = make_app(task_routes={"t": route}, **conf)
    app.task(name="t", shared=False, **of_class)(_nothing)
    told = conf_of(app)
    known = {"t": KnownTask("t", {name: value for name, value in task_of(app.tasks["t"]).items() if value is not None})}
    declared = declared_tasks([DeclaredTask("t", **of_class)], told)
    for publish in (applied, sent):
        published = publish(app, "t", **call)
        for tasks in (known, declared):
            found = routing_from_conf(told).route("t", task_options(tasks, "t", call))
            assert {target.queue for target in found.targets} == queues_reached(app, published)
            assert found.targets[0].priority == (published.get("priority") or 0)
            assert found.delivery_mode == published["delivery_mode"]
            limits = [found.options.get("time_limit"), found.options.get("soft_time_limit")]
            assert limits == published["headers"]["timelimit"]
            assert found.options.get("expires") == published.get("expiration")
            assert found.options.get("compression") == published["compression"]


def test_ignore_result_goes_along_only_if_it_is_true() -> None:
    tasks = declared_tasks([DeclaredTask("yes", ignore_result=True), DeclaredTask("no", ignore_result=False)])
    assert task_options(tasks, "yes") == {"ignore_result": True}
    assert task_options(tasks, "yes", {"ignore_result": False}) == {"ignore_result": False}
    assert task_options(tasks, "no") == {}


def test_a_task_nobody_knows_has_the_options_of_the_call() -> None:
    assert task_options({}, "t", {"queue": "q"}) == {"queue": "q"}


def test_options_of_workers_do_not_go_along() -> None:
    assert task_options({"t": KnownTask("t", {"acks_late": True, "rate_limit": "1/s", "queue": "q"})}, "t") == {
        "queue": "q"
    }


# -- addresses ---------------------------------------------------------------------------------------------------------


def test_an_app_gets_none_of_the_variables_that_lead_to_our_interpreter() -> None:
    inherited = {
        "PYTHONPATH": "/ours", "VIRTUAL_ENV": "/ours/venv", "PYTHONHOME": "/x", "PYTHONSAFEPATH": "1", "HOME": "/root",
        "PATH": "/ours/venv/bin:/usr/bin:/ours/venv/bin/",
    }  # fmt: skip
    assert app_environment(inherited, {"PYTHONPATH": "/theirs"}) == {
        "HOME": "/root", "PATH": "/usr/bin", "PYTHONPATH": "/theirs",
    }  # fmt: skip


def test_a_fingerprint_changes_with_all_that_counts_and_nothing_else() -> None:
    address = AppAddress("python", "app", "/srv", {"A": "1", "PWD": "/a"})
    same = address._replace(environment={"PWD": "/b", "A": "1", "SHLVL": "3"})
    assert same.fingerprint == address.fingerprint
    others = [
        address._replace(python="python3"), address._replace(app="other"), address._replace(folder="/"),
        address._replace(environment={"A": "2"}), address._replace(environment={"A": "1", "B": ""}),
    ]  # fmt: skip
    assert len({one.fingerprint for one in (address, *others)}) == 6


def test_an_address_does_not_show_its_environment() -> None:
    assert "secret" not in repr(AppAddress("python", "app", "/srv", {"BROKER": "secret"}))


# -- facts -------------------------------------------------------------------------------------------------------------

DOCUMENT: dict[str, Any] = {
    "form": 2,
    "versions": {"celery": "5.7.0"},
    "conf": {"broker_url": "redis://:secret@h/0", "task_routes": []},
    "secret": ["broker_url"],
    "tasks": {"t": {"queue": "q", "priority": None, "parameters": [["a", "KEYWORD_ONLY", True]]}, "u": {"parameters": None}},
    "schedule": {
        "c": {"task": "t", "schedule": {"type": "crontab", "minute": "*/5", "hour": 3, "day_of_week": [1, 2],
                                        "day_of_month": "*", "month_of_year": "*"}, "args": ["Müller"]},
        "i": {"task": "t", "schedule": {"type": "interval", "seconds": 30, "relative": True}},
        "s": {"task": "t", "schedule": {"type": "solar", "event": "sunset", "lat": 1, "lon": 2.5}},
        "o": {"task": "t", "schedule": {"type": "other", "class": "app.Moon"}},
        "z": {"task": "t", "schedule": {"type": "crontab", "minute": 0, "hour": 3, "day_of_week": "*", "day_of_month": "*",
                                        "month_of_year": "*", "timezone": "Europe/Berlin"}, "unsaid": ["app.Lazy"]},
        "l": {"task": "t", "schedule": {"type": "clocked", "at": "2026-01-01T00:00:00+00:00"}},
        "r": {"task": "t", "schedule": {"type": "rrule", "freq": 3}},
    },
    "timezone": "Europe/Berlin",
    "enable_utc": True,
    "sources": {"files": {"/a.py": [5, 6]}, "folders": {"/": ["a.py"]}, "installed": {"/lib": 7}, "complete": True},
}  # fmt: skip


def test_facts_are_read() -> None:
    facts = parse_facts(DOCUMENT)
    assert [entry.schedule for entry in facts.schedule.values()] == [
        Crontab("*/5", 3, (1, 2), "*", "*"),
        Interval(30.0, relative=True),
        Solar("sunset", 1.0, 2.5),
        OtherSchedule("app.Moon"),
        Crontab(0, 3, "*", "*", "*", "Europe/Berlin"),
        Clocked("2026-01-01T00:00:00+00:00"),
        Rule({"freq": 3}),
    ]
    assert facts.schedule["z"].unsaid == ("app.Lazy",)
    assert not facts.cleans_results
    assert parse_facts({**DOCUMENT, "cleans_results": True}).cleans_results
    assert facts.tasks["t"].options == {"queue": "q"}
    assert [parameter.name for parameter in facts.tasks["t"].parameters or ()] == ["a"]
    assert facts.tasks["u"].parameters is None
    assert facts.sources.latest_ns == 5


def test_facts_show_neither_passwords_nor_arguments() -> None:
    facts = parse_facts(DOCUMENT)
    assert "secret" not in repr(facts)
    assert "Müller" not in f"{facts!r}{facts.schedule!r}"


@pytest.mark.parametrize(
    ("place", "value", "named"),
    [
        ("form", 3, "form 2"),
        ("versions", [], "versions"),
        ("conf", None, "conf"),
        ("secret", {}, "secret"),
        ("timezone", None, "timezone"),
        ("enable_utc", "yes", "enable_utc"),
        ("tasks", {"t": 5}, "tasks.t"),
        ("tasks", {"t": {"parameters": [["a"]]}}, "tasks.t"),
        ("tasks", {"t": {"parameters": [[1, "K", True]]}}, "tasks.t"),
        ("schedule", {"e": 5}, "schedule.e"),
        ("schedule", {"e": {"task": "t", "schedule": {"type": "moon"}}}, "schedule.e"),
        (
            "schedule",
            {"e": {"task": "t", "schedule": {"type": "interval", "seconds": "x", "relative": True}}},
            "schedule.e",
        ),
        ("schedule", {"e": {"task": "t", "schedule": {"type": "other", "class": "x"}, "args": "Müller"}}, "schedule.e"),
        ("sources", {"files": {}}, "sources"),
        ("sources", {"files": {"a": [1]}, "folders": {}, "installed": {}, "complete": True}, "sources"),
    ],
)
def test_what_no_probe_writes_is_refused_by_its_place(place: str, value: Any, named: str) -> None:
    document = copy.deepcopy(DOCUMENT)
    document[place] = value
    with pytest.raises(FactsInvalid) as caught:
        parse_facts(document)
    assert named in str(caught.value)
    assert "Müller" not in str(caught.value)


@pytest.mark.parametrize("document", [None, [], "text", {}, {"error": {}}])
def test_what_is_no_document_is_refused(document: Any) -> None:
    with pytest.raises(FactsInvalid):
        parse_facts(document)
