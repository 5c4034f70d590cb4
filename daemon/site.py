"""A whole site: settings, entries and feeds, checked together, with every problem located."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from daemon.clock import SystemClock
from daemon.dispatch import (
    CelerySide,
    ask_application,
    celery_side,
    check_addresses,
    check_answers,
    check_gates,
    check_items,
    check_runs,
)
from daemon.dispatch.application import Asked
from daemon.dispatch.beat_schedule import beat_entries
from daemon.errors import SourceDown
from daemon.hl7listener.catalog import read_feeds
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.tls.checking import check_certificates
from daemon.ports import WorkItem
from daemon.public import Public
from daemon.scheduler.catalog import read_entries
from daemon.scheduler.layers.compose import Definition
from daemon.scheduler.model import Entry, Limit, OverlapPolicy
from daemon.scheduler.target import check_target, parts_of, tasks_of
from daemon.scheduler.template import check
from daemon.settings import Problem, Settings, Severity
from daemon.settings.load import Places, load_settings
from daemon.settings.problems import KeyPath, Located, did_you_mean
from daemon.sources.app_layer import AppLayer
from daemon.sources.opening import open_store
from daemon.sources.sourced import site_name

ONE_TASK_HINT = "leave it out: RabbitMQ takes one task of a message, and no runs of entries by request"


@dataclass(frozen=True, slots=True)
class Site:
    """What a daemon is built from.

    Attributes:
        definitions: what application and site file say of each entry, disabled ones included.
        places: where each key of the settings was written; ``None`` if they were not loaded from a file.
        references: of secrets that stand elsewhere: where.
    """

    settings: Settings
    celery: CelerySide
    entries: tuple[Entry, ...]
    feeds: tuple[Feed, ...]
    definitions: tuple[Definition, ...] = ()
    places: Places | None = None
    references: Mapping[KeyPath, str] = field(default_factory=dict)


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
    with _collector_at_rest():
        return _check(path, environment)


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Keep Python from looking for cycles: nearly all that is read stays, and walking it again and again takes half the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _check(path: Path, environment: Mapping[str, str]) -> Checked:
    loaded = load_settings(path, environment)
    asked = Asked(None, None)
    layer = AppLayer()
    if loaded.settings is not None:
        asked = ask_application(loaded.settings, path.parent, environment)
        if asked.facts is not None and loaded.settings.celery.beat_schedule:
            layer = AppLayer.of(beat_entries(asked.facts), loaded.settings.site.timezone, loaded.schedule[0])
            if layer.entries:
                below = f"beat_schedule of {loaded.settings.celery.app}"
                loaded = load_settings(path, environment, over=layer.under, below=below)
    problems = [*loaded.problems, *_left_behind(layer)]
    site: Site | None = None
    if loaded.settings is not None:
        entries, in_schedule = read_entries(loaded.settings)
        feeds, in_feeds = read_feeds(loaded.settings)
        side = celery_side(loaded.settings, asked.facts, asked.address)
        problems += [*in_schedule, *in_feeds, *asked.problems, *check_addresses(side.conf)]
        problems += [problem for entry in entries for problem in _odd_entry(entry)]
        problems += _unreachable(loaded.settings)
        problems += check_certificates(feeds, SystemClock().now_us())
        problems += _open_doors(loaded.settings)
        problems += check_answers(loaded.settings, side)
        problems += check_runs(side.conf, has_work=bool(entries or feeds or loaded.settings.django_beat))
        problems += check_gates(side.conf, _counted(loaded.settings, entries))
        problems += check_gates(side.conf, _not_for_rabbitmq(loaded.settings), ONE_TASK_HINT)
        trials = [*_trial_items(entries), *_trial_routes(feeds)]
        found = dict(reversed(check_items(side, trials)))  # of many lanes, the first that cannot be
        problems += [Problem(path, text) for path, text in found.items()]
        if asked.facts is not None:
            problems += _unknown_tasks(side, entries, feeds, loaded.settings.watch.task)
        definitions = layer.definitions(*loaded.schedule, loaded.settings.schedule)
        problems += _unknown_entries(feeds, definitions)
        sourced = _sourced(entries, definitions)
        site = Site(loaded.settings, side, sourced, feeds, definitions, loaded.places, loaded.references)
    located = sorted((loaded.places.locate(problem) for problem in problems), key=_line)
    has_errors = any(one.problem.severity is Severity.ERROR for one in located)
    return Checked(None if has_errors else site, tuple(located))


def _counted(settings: Settings, entries: Sequence[Entry]) -> list[KeyPath]:
    """Name the keys that ask for counting what runs or what was sent."""
    found: list[KeyPath] = []
    for entry in entries:
        if entry.overlap.policy is not OverlapPolicy.ALLOW:
            found.append(("schedule", str(entry.name), "overlap"))
        if entry.limit != Limit():
            found.append(("schedule", str(entry.name), "limit"))
    for name, limit in settings.queue.items():
        found += [("queue", name, key) for key in ("concurrency", "rate") if getattr(limit, key) is not None]
    return found


def _unreachable(settings: Settings) -> list[Problem]:
    """Say if the tables of django-celery-beat could not even be asked for; that they answer is not checked."""
    if settings.django_beat is None:
        return []
    try:
        open_store(settings.django_beat.url)
    except SourceDown as error:
        return [Problem(("django_beat", "url"), str(error), error.hint)]
    return []


def _open_doors(settings: Settings) -> list[Problem]:
    """Find what is unsafe about the API. One that this machine alone reaches needs no look, and no HTTP library."""
    api = settings.api
    if api.listen.is_loopback and not api.is_encrypted:
        return []
    from daemon.api.access.checking import check_api  # noqa: PLC0415

    return list(check_api(api))


def _left_behind(layer: AppLayer) -> list[Problem]:
    return [
        Problem(
            ("celery", "app"),
            f'the entry "{one.original}" of its beat_schedule stays behind: {one.reason}',
            f"write [schedule.{site_name(one.original, ())}], or beat_schedule = false",
            Severity.WARNING,
        )
        for one in layer.left
    ]


def _sourced(entries: Sequence[Entry], definitions: Sequence[Definition]) -> tuple[Entry, ...]:
    sources = {one.name: one.source for one in definitions}
    return tuple(
        entry if entry.source == sources[entry.name] else replace(entry, source=sources[entry.name])
        for entry in entries
    )


def check_entry(site: Site, entry: Entry) -> list[Problem]:
    """Check an entry that is to join a site at run time as those of its file are checked."""
    items = check_items(site.celery, _trial_items((entry,)))
    problems = [*_odd_entry(entry), *(Problem(path, text) for path, text in items)]
    return problems + (_unknown_tasks(site.celery, (entry,), ()) if site.celery.app is not None else [])


def _unknown_tasks(
    side: CelerySide, entries: Sequence[Entry], feeds: Sequence[Feed], alert: Public | None = None
) -> list[Problem]:
    """Find the tasks that the application does not know: a worker would answer each run with an error."""
    used: list[tuple[KeyPath, str]] = [
        (("schedule", str(entry.name), *path), task) for entry in entries for path, task in tasks_of(entry)
    ]
    used += [
        (("feed", str(feed.name), "route", route.number, "task"), route.task)
        for feed in feeds
        for route in feed.routing.routes
        if route.task is not None
    ]
    used += [(("watch", "task"), alert)] if alert is not None else []
    return [
        Problem(path, f'"{task}" is not a task of the application', _near(task, side))
        for path, task in used
        if task not in side.tasks
    ]


def _unknown_entries(feeds: Sequence[Feed], definitions: Sequence[Definition]) -> list[Problem]:
    """Find the entries that routes ring and that are not there."""
    names = [str(one.name) for one in definitions]
    return [
        Problem(
            ("feed", str(feed.name), "route", route.number, "entry"),
            f'"{route.entry}" is not an entry of the site file or the application',
            did_you_mean(route.entry, names) or f"write [schedule.{route.entry}]",
        )
        for feed in feeds
        for route in feed.routing.routes
        if route.entry is not None and str(route.entry) not in names
    ]


def _not_for_rabbitmq(settings: Settings) -> list[KeyPath]:
    """Name the keys of routes that ask for what RabbitMQ cannot do: runs by request, and several tasks in one step."""
    found: list[KeyPath] = []
    for name, feed in settings.feed.items():
        path: KeyPath = ("feed", str(name))
        found += [(*path, "route", number, "entry") for number, one in enumerate(feed.route) if one.entry is not None]
        found += [(*path, "route", number, "also") for number, one in enumerate(feed.route) if one.also]
        found += [(*path, "match")] if feed.match == "all" and len(feed.route) > 1 else []
    return found


def _odd_entry(entry: Entry) -> list[Problem]:
    """Find templates that cannot be filled in, and what a target of several tasks cannot have."""
    path: KeyPath = ("schedule", str(entry.name))
    problems = [*check(entry.args, (*path, "args")), *check(entry.kwargs, (*path, "kwargs"))]
    for place, part in parts_of(entry.canvas) if entry.canvas is not None else ():
        for key in ("args", "kwargs"):
            problems += check(part.get(key), (*path, *place, key))
    return [*problems, *check_target(entry)]


def _near(task: str, side: CelerySide) -> str:
    return did_you_mean(task, side.tasks) or f'declare what another application runs: [task."{task}"]'


def _trial_routes(feeds: Sequence[Feed]) -> Iterator[tuple[KeyPath, WorkItem]]:
    """Write a message of each route, one for each of its lanes."""
    for feed in feeds:
        for route in feed.routing.routes:
            for queue in route.queues:
                item = WorkItem(
                    route.task or Public(""), "check", queue=queue, priority=route.priority, headers=route.headers
                )
                yield ("feed", str(feed.name), "route", route.number), item


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
                canvas=entry.canvas,
            ),
        )
        for entry in entries
    ]


def _line(located: Located) -> tuple[str, int]:
    file, _, line = located.place.rpartition(":")
    return (file, int(line)) if line.isdigit() else (located.place, 0)
