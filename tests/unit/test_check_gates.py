"""What counts runs is refused where the broker cannot count, key by key."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.dispatch import EMBEDDED, check_gates
from daemon.dispatch.gating import Gating
from daemon.ports import Gate, RateCap, Slot
from daemon.public import Public
from tests.support.site_files import ENTRY, HEAD, problem_lines

COUNTED = [("schedule", "report", "overlap"), ("queue", "bulk", "rate")]
COUNTING = f"""\
{HEAD}
[celery]
broker_url = "%s"
[queue.bulk]
concurrency = 3
rate = "10/m"
[schedule.a]
task = "t"
every = "1m"
overlap = "skip"
[schedule.b]
task = "t"
every = "1m"
limit = {{ rate = "1/h" }}
"""


@pytest.mark.parametrize("url", ["redis://h/0", "sentinel://h", EMBEDDED, "nonsense", "sqs://"])
def test_where_the_broker_counts_or_is_refused_anyway_nothing_is_said(url: str) -> None:
    assert check_gates({"broker_url": url}, COUNTED) == []


def test_on_rabbitmq_each_key_that_counts_is_named() -> None:
    problems = check_gates({"broker_url": "amqp://h//"}, COUNTED)
    assert [(problem.path, problem.message) for problem in problems] == [
        (("schedule", "report", "overlap"), "overlap needs Redis or Valkey as the broker"),
        (("queue", "bulk", "rate"), "rate needs Redis or Valkey as the broker"),
    ]
    assert check_gates({"broker_url": "amqp://h//"}, []) == []


def test_check_refuses_a_site_on_rabbitmq_that_counts(tmp_path: Path) -> None:
    lines = problem_lines(tmp_path, COUNTING % "amqp://h//")
    assert [line.split(": ")[0].split(" ")[1] for line in lines] == [
        "queue.bulk.concurrency", "queue.bulk.rate", "schedule.a.overlap", "schedule.b.limit"
    ]  # fmt: skip
    assert problem_lines(tmp_path, COUNTING % "redis://h/0") == []


def test_a_site_on_rabbitmq_that_counts_nothing_is_sound(tmp_path: Path) -> None:
    assert problem_lines(tmp_path, f'{HEAD}[celery]\nbroker_url = "amqp://h//"\n{ENTRY}overlap = "allow"\n') == []


def test_a_gate_becomes_a_guard_with_the_names_of_its_site() -> None:
    gating = Gating(Public("lab"), "p:")
    guard = gating.guard(Gate("id", (Slot("overlap:a", 1, 7, ("old",)),), (RateCap("entry:a", 2, 9),)))
    assert guard is not None
    assert (guard.holder, guard.running_key, guard.hold_key) == (
        "id",
        "p:carillon:1:lab:running",
        "p:carillon:1:lab:hold",
    )
    assert guard.slots == (("p:carillon:1:lab:slots:overlap:a", "overlap:a", 1, 7, ("old",)),)
    assert guard.rates == (("p:carillon:1:lab:rate:entry:a", 2, 9),)


def test_what_no_gate_asks_for_is_not_looked_at() -> None:
    gating = Gating(Public("lab"), "")
    assert gating.guard(None) is None
    heedless = gating.guard(Gate(heeds_hold=False))
    assert heedless is not None
    assert heedless.hold_key is None


@pytest.mark.parametrize(
    ("text", "told"), [(None, []), ("", []), ("a", ["a"]), ("a\nb", ["a", "b"]), ("\na\n\n", ["a"])]
)
def test_each_line_of_a_record_is_one_of_the_stream(text: str | None, told: list[str]) -> None:
    records = Gating(Public("lab"), "").records(text)
    assert [record.text for record in records] == told
    assert {record.key for record in records} <= {"carillon:1:lab:history"}
