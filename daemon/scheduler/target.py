"""What an entry runs if it is more than one task: a chain, group or chord as data. Pure.

    {"kind": "chain", "tasks": [TASK, ...]}    {"kind": "group", "tasks": [TASK, ...]}
    {"kind": "chord", "header": [TASK, ...], "body": TASK}

A TASK is ``{"task": name, "args": [...], "kwargs": {...}, "options": {...}, "immutable": bool}``; only the first key is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daemon.public import Public
from daemon.scheduler.model import Entry, OverlapPolicy
from daemon.settings import Problem
from daemon.settings.problems import KeyPath

TASKS_LIMIT = 1000
"""Tasks of one target; all of its messages are pushed in one step."""

_AS_A_CHORD = "make it a chord: its body ends last"


def tasks_of(entry: Entry) -> list[tuple[KeyPath, Public]]:
    """Name every task of an entry, with its place below ``[schedule.NAME]``."""
    if entry.canvas is None:
        return [(("task",), entry.task)]
    return [((*path, "task"), Public(part["task"])) for path, part in parts_of(entry.canvas)]


def parts_of(canvas: Mapping[str, Any]) -> list[tuple[KeyPath, Mapping[str, Any]]]:
    """Give the tasks of a target in the order they run, each with its place below ``[schedule.NAME]``."""
    kind = canvas["kind"]
    if kind == "chord":
        header = [(("chord", "header", place), part) for place, part in enumerate(canvas["header"])]
        return [*header, (("chord", "body"), canvas["body"])]
    return [((kind, place), part) for place, part in enumerate(canvas["tasks"])]


def check_target(entry: Entry) -> list[Problem]:
    """Find what a target cannot have: a group has no last task, so nobody could say when it is over."""
    if entry.canvas is None:
        return []
    path: KeyPath = ("schedule", str(entry.name))
    problems = []
    count = len(parts_of(entry.canvas))
    kind = str(entry.canvas["kind"])
    if not 0 < count <= TASKS_LIMIT:
        problems.append(Problem((*path, kind), f"1 to {TASKS_LIMIT} tasks are needed"))
    if kind != "group":
        return problems
    if entry.overlap.policy is not OverlapPolicy.ALLOW:
        problems.append(Problem((*path, "overlap"), "nobody can say when a group is over", _AS_A_CHORD))
    if entry.limit.concurrency is not None:
        problems.append(Problem((*path, "limit", "concurrency"), "nobody can say when a group is over", _AS_A_CHORD))
    for key, value in (
        ("start_within", entry.expect.start_within_us),
        ("finish_within", entry.expect.finish_within_us),
        ("ping", entry.expect.ping),
    ):
        if value is not None:
            problems.append(Problem((*path, "expect", key), "nobody can say how far a group has come", _AS_A_CHORD))
    return problems
