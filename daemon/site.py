"""A whole site: settings, entries and feeds, checked together, with every problem located."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from daemon.dispatch import CelerySide, ask_application, celery_side, check_addresses, check_items, check_runs
from daemon.hl7listener.catalog import read_feeds
from daemon.hl7listener.feed import Feed
from daemon.ports import WorkItem
from daemon.scheduler.catalog import read_entries
from daemon.scheduler.model import Entry
from daemon.settings import Problem, Settings, Severity
from daemon.settings.load import load_settings
from daemon.settings.problems import KeyPath, Located, did_you_mean


@dataclass(frozen=True, slots=True)
class Site:
    """What a daemon is built from."""

    settings: Settings
    celery: CelerySide
    entries: tuple[Entry, ...]
    feeds: tuple[Feed, ...]


@dataclass(frozen=True, slots=True)
class Checked:
    """A site file read: the site, unless there are errors, and everything that is wrong, in the order of the file."""

    site: Site | None
    problems: tuple[Located, ...]

    @property
    def errors(self) -> int:
        """Count the problems that keep the daemon from starting."""
        return sum(located.problem.severity is Severity.ERROR for located in self.problems)


def check_site(path: Path, environment: Mapping[str, str]) -> Checked:
    """Read and check a site file. Never raises for what an operator wrote."""
    loaded = load_settings(path, environment)
    problems = list(loaded.problems)
    site: Site | None = None
    if loaded.settings is not None:
        entries, in_schedule = read_entries(loaded.settings)
        feeds, in_feeds = read_feeds(loaded.settings)
        asked = ask_application(loaded.settings, path.parent, environment)
        side = celery_side(loaded.settings, asked.facts, asked.address)
        problems += [*in_schedule, *in_feeds, *asked.problems, *check_addresses(side.conf)]
        problems += check_runs(side.conf, has_work=bool(entries or feeds))
        problems += [Problem(path, text) for path, text in check_items(side, _trial_items(entries))]
        if asked.facts is not None:
            problems += _unknown_tasks(side, entries, feeds)
        site = Site(loaded.settings, side, entries, feeds)
    located = sorted((loaded.places.locate(problem) for problem in problems), key=_line)
    has_errors = any(one.problem.severity is Severity.ERROR for one in located)
    return Checked(None if has_errors else site, tuple(located))


def _unknown_tasks(side: CelerySide, entries: Sequence[Entry], feeds: Sequence[Feed]) -> list[Problem]:
    """Find the tasks that the application does not know: a worker would answer each run with an error."""
    used: list[tuple[KeyPath, str]] = [(("schedule", str(entry.name), "task"), entry.task) for entry in entries]
    used += [
        (("feed", str(feed.name), "route", number, "task"), route.task)
        for feed in feeds
        for number, route in enumerate(feed.routes)
    ]
    return [
        Problem(path, f'"{task}" is not a task of the application', _near(task, side))
        for path, task in used
        if task not in side.tasks
    ]


def _near(task: str, side: CelerySide) -> str:
    return did_you_mean(task, side.tasks) or f'declare what another application runs: [task."{task}"]'


def _trial_items(entries: tuple[Entry, ...]) -> list[tuple[KeyPath, WorkItem]]:
    """Write each entry's message once, so that what no worker could take is found before it is due."""
    return [
        (
            ("schedule", str(entry.name)),
            WorkItem(
                task=entry.task,
                task_id="check",
                args=entry.args,
                kwargs=entry.kwargs,
                queue=entry.queue,
                priority=entry.priority,
                time_limit_s=entry.time_limit_s,
                soft_time_limit_s=entry.soft_time_limit_s,
                headers=entry.headers,
            ),
        )
        for entry in entries
    ]


def _line(located: Located) -> tuple[str, int]:
    file, _, line = located.place.rpartition(":")
    return (file, int(line)) if line.isdigit() else (located.place, 0)
