"""Flower's search, beside Flower's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from flower.utils.search import QuerySyntaxError, TaskSearchEngine  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from daemon.api.flower.search import SearchInvalid, search
from daemon.desks import FlowerTask

WORDS = ("add", "fail", "reports.nightly", "w1@ward", "SUCCESS", "FAILURE", "B-12", "bed", "(1, 2)", "111")


@dataclass
class Theirs:
    """A task as Celery keeps it, as far as the search reads it."""

    uuid: str
    name: str | None
    state: str
    worker: str | None
    args: str | None
    kwargs: str | None
    result: None = None


def task(their: Theirs) -> FlowerTask:
    nothing: dict[str, Any] = dict.fromkeys(FlowerTask._fields)
    return FlowerTask(**{**nothing, **vars_of(their), "clock": 0, "children": ()})


def vars_of(their: Theirs) -> dict[str, Any]:
    return {name: value for name, value in vars(their).items() if name != "result"}


names = st.sampled_from(["tasks.add", "tasks.fail", "apps.reports.nightly", None])
texts = st.sampled_from(["(1, 2)", "()", "(111, 'x')", None])
maps = st.sampled_from(["{'bed': 'B-12'}", "{'bed': 12, 'day': None}", "{}", "{'cut': ...", None])
tasks = st.builds(
    Theirs,
    st.uuids().map(str),
    names,
    st.sampled_from(["SUCCESS", "FAILURE", "PENDING"]),
    st.sampled_from(["w1@ward", "w2@ward", None]),
    texts,
    maps,
)
terms = st.one_of(
    st.sampled_from(WORDS),
    st.builds("{}:{}".format, st.sampled_from(["name", "STATE", "worker", "args", "kwargs", "result", "colour"]),
              st.sampled_from([*WORDS, "bed=b-12", "day=none", "success", "ab", ""])),
    st.sampled_from(["AND", "OR", "NOT", "(", ")", '"two words"', '"', '"AND"', "-add", "ab", '\\"', '"a\\"b c"', "x:"]),
)  # fmt: skip
queries = st.lists(terms, max_size=8).map(" ".join) | st.text(alphabet='ab():"\\ -ANDOR=', max_size=20)


@given(queries, st.lists(tasks, max_size=6))
def test_it_finds_what_flower_finds(query: str, known: list[Theirs]) -> None:
    engine = TaskSearchEngine()
    engine.rebuild([(one.uuid, one) for one in known])
    why, theirs = "", set[str]()
    try:
        theirs = set(engine.matching_ids(query))
    except QuerySyntaxError as error:
        why = str(error)
    if why:
        with pytest.raises(SearchInvalid) as refused:
            search(query, lambda _: True)
        assert str(refused.value) == why
        return
    test = search(query, lambda _: True)
    assert {one.uuid for one in known if test is None or test(task(one))} == theirs


@given(queries, tasks)
def test_nothing_of_contents_decides_for_those_who_may_not_see_them(query: str, one: Theirs) -> None:
    try:
        test = search(query, lambda _: False)
    except SearchInvalid:
        return
    if test is not None:
        bare = Theirs(one.uuid, one.name, one.state, one.worker, None, None)
        assert test(task(one)) == test(task(bare))


def test_long_queries_are_refused() -> None:
    for query in ("x" * 3000, "word " * 200, "((((((((word))))))))"):
        with pytest.raises(SearchInvalid):
            search(query, lambda _: True)
