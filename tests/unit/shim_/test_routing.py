"""Which queue and priority a task gets."""

from __future__ import annotations

import pytest

from shim.errors import RequestInvalid
from shim.routing import Route, Router, Target
from shim.routing import router as module

ROUTES = {
    "app.exact": Route("exact", 3),
    "app.*": Route("app"),
    "app.late.*": Route("never reached"),
    "*.urgent": Route(priority=9),
    "mail.[ab]*": Route("mail"),
    "odd.?": Route("odd"),
    "odd.[xy]": Route("odd"),
    "none.*": Route(),
    "*.none": Route("after none"),
}


@pytest.fixture
def router() -> Router:
    return Router(ROUTES, default_queue="default", default_priority=2)


@pytest.mark.parametrize(
    ("task", "target"),
    [
        ("app.exact", Target("exact", 3)),
        ("app.other", Target("app", 2)),
        ("app.late.x", Target("app", 2)),
        ("app.line\nfeed", Target("app", 2)),
        ("other.urgent", Target("default", 9)),
        ("mail.a1", Target("mail", 2)),
        ("mail.c1", Target("default", 2)),
        ("unknown", Target("default", 2)),
        ("App.other", Target("default", 2)),
        ("an app.other", Target("default", 2)),
    ],
)
def test_an_exact_name_wins_then_the_first_pattern_then_the_default(router: Router, task: str, target: Target) -> None:
    assert router.resolve(task) == target


@pytest.mark.parametrize("task", ["odd.1", "odd.x"])
def test_a_name_without_a_star_is_no_pattern_for_celery_takes_it_as_it_stands(router: Router, task: str) -> None:
    assert router.resolve(task) == Target("default", 2)


@pytest.mark.parametrize("task", ["odd.?", "odd.[xy]"])
def test_a_name_with_other_glob_marks_matches_itself(router: Router, task: str) -> None:
    assert router.resolve(task) == Target("odd", 2)


def test_a_pattern_that_says_nothing_ends_the_search(router: Router) -> None:
    assert router.resolve("none.none") == Target("default", 2)


def test_the_queue_of_the_call_wins_and_the_routes_priority_remains(router: Router) -> None:
    assert router.resolve("app.exact", queue="mine") == Target("mine", 3)


def test_the_priority_of_the_call_wins_and_the_routes_queue_remains(router: Router) -> None:
    assert router.resolve("app.exact", priority=0) == Target("exact", 0)


def test_without_routes_everything_goes_to_celerys_default_queue_at_the_first_priority() -> None:
    assert Router({}).resolve("any") == Target("celery", 0)


@pytest.mark.parametrize("queue", ["", "a\nb", "\ud800", "x" * 256])
def test_a_queue_name_that_is_empty_too_long_or_not_printable_is_refused(router: Router, queue: str) -> None:
    with pytest.raises(RequestInvalid, match="1 to 255 printable characters"):
        router.resolve("any", queue=queue)
    with pytest.raises(RequestInvalid, match="1 to 255 printable characters"):
        Router({"any": Route(queue or None)}, default_queue=queue).resolve("any")


@pytest.mark.parametrize("queue", ["x", "ward 7/Größe", "x" * 255])
def test_a_printable_queue_name_is_taken(router: Router, queue: str) -> None:
    assert router.resolve("any", queue=queue).queue == queue


@pytest.mark.parametrize("priority", [-1, 10])
def test_a_priority_redis_does_not_know_is_refused(router: Router, priority: int) -> None:
    with pytest.raises(RequestInvalid, match=f"priority {priority}") as caught:
        router.resolve("any", priority=priority)
    assert "0 is served first" in caught.value.hint
    with pytest.raises(RequestInvalid):
        Router({"any": Route(priority=priority)}).resolve("any")


@pytest.mark.parametrize("priority", [0, 9])
def test_the_first_and_the_last_priority_are_taken(router: Router, priority: int) -> None:
    assert router.resolve("any", priority=priority).priority == priority


def test_a_resolved_target_is_remembered_with_what_was_asked(router: Router) -> None:
    first = router.resolve("app.other")
    assert router.resolve("app.other") is first
    assert router.resolve("app.other", queue="mine") == Target("mine", 2)
    assert router.resolve("app.other", priority=5) == Target("app", 5)


def test_what_is_remembered_is_bounded(router: Router, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CACHE_LIMIT", 10)
    for number in range(25):
        assert router.resolve(f"app.{number}") == Target("app", 2)
        assert len(router._resolved) <= 10
