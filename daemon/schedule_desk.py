"""Puts together the desk at which people and programs look at a site's schedule and change it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from daemon.clock import Clock
from daemon.dispatch import CelerySide, make_runtime_store
from daemon.scheduler import Scheduler
from daemon.scheduler.desk.board import Board, Sources
from daemon.scheduler.desk.reading import ScheduleReading
from daemon.scheduler.desk.records import Records
from daemon.scheduler.desk.service import ScheduleService
from daemon.scheduler.desk.steering import ScheduleChanging
from daemon.scheduler.layers.compose import Definition
from daemon.scheduler.layers.desk import ScheduleDesk
from daemon.scheduler.layers.service import RuntimeLayer
from daemon.scheduler.model import Entry
from daemon.scheduler.runs import RunBook
from daemon.site import Site, check_entry


def make_schedule_desk(
    site: Site, side: CelerySide, scheduler: Scheduler, runtime: RuntimeLayer | None, book: RunBook, clock: Clock
) -> ScheduleService:
    """Build it; nothing is opened.

    Args:
        site: what runs.
        side: its Celery side, the address of a private broker filled in.
        scheduler: fires the entries.
        runtime: keeps them as the layers have them; ``None`` where the broker keeps no changes.
        book: the recent runs.
        clock: the daemon's.
    """
    name, zone = site.settings.site.name, site.settings.site.timezone
    store = make_runtime_store(side, name)
    definitions = {one.id: one for one in site.definitions}
    entries = {str(one.id): one for one in site.entries}

    def defined() -> Mapping[str, Definition]:
        return definitions if runtime is None else runtime.definitions

    def made() -> Mapping[str, Entry]:
        return entries if runtime is None else runtime.entries

    def changes() -> int:
        return 0 if runtime is None else runtime.changes

    board = Board(zone, Sources(defined, made, changes, scheduler.standing, book), store, clock)
    gates = None if store is None else store.gates
    reading = ScheduleReading(board, Records(site.settings.site.state_dir), gates, zone, places_of(site))
    desk = None if store is None else ScheduleDesk(site.definitions, store, zone, check=partial(check_entry, site))
    changing = ScheduleChanging(name, desk, store, board, reading, defined)
    return ScheduleService(reading, changing, store)


def places_of(site: Site) -> dict[tuple[str, str], str]:
    """Say where the fields of entries were written, by the entry's name and the field."""
    if site.places is None:
        return {}
    found: dict[tuple[str, str], str] = {}
    for path, line in site.places.lines.items():
        if path[0] == "schedule" and len(path) > 2:  # noqa: PLR2004 - schedule, the name, the key
            is_option = path[2] == "options" and len(path) > 3  # noqa: PLR2004 - and the option
            name = f"options.{path[3]}" if is_option else str(path[2])
            found.setdefault((str(path[1]), name), f"{site.places.file}:{line}")
    for path, variable in site.places.variables.items():
        if path[0] == "schedule" and len(path) > 2:  # noqa: PLR2004 - as above
            found[str(path[1]), str(path[2])] = variable
    return found
