"""Tasks held until their time: by the schedule, not by a worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import click

from daemon.cli.celery_side import side_of
from daemon.cli.runtime_side import author_or_user, say_heard
from daemon.clock import SECOND_US, instant, microseconds
from daemon.dispatch import make_runtime_store, open_runtime_store
from daemon.errors import BrokerDown
from daemon.scheduler.layers.added import HELD, Added
from daemon.scheduler.layers.desk import ScheduleDesk
from daemon.scheduler.layers.ports import Table
from daemon.scheduler.model import How
from daemon.site import Site, check_entry

KEPT = frozenset(("queue", "priority", "expires", "time_limit", "soft_time_limit", "headers"))
"""Options that can be kept with a task."""

_WHEN = frozenset(("countdown", "eta"))


def is_to_be_held(site: Site, options: Mapping[str, Any], *, direct: bool) -> bool:
    """Say whether a task is to be held until its time.

    Raises:
        click.UsageError: it has options that cannot be kept with it.
    """
    if direct or not _WHEN & options.keys() or make_runtime_store(side_of(site), site.settings.site.name) is None:
        return False
    for name in sorted(options.keys() - KEPT - _WHEN):
        option = (
            f"--{name.replace('_', '-').removesuffix('s') if name in ('headers', 'stamps') else name.replace('_', '-')}"
        )
        message = f"{option} cannot be kept with a task that is held; --direct-eta leaves it to a worker"
        raise click.UsageError(message)
    return True


async def hold_task(
    site: Site, task: str, args: Sequence[Any], kwargs: Mapping[str, Any], *, task_id: str, options: Mapping[str, Any]
) -> datetime:
    """Have a task held until its time, and give that.

    Raises:
        EntryRefused: no worker could take it, or one of its id is held already.
        BrokerDown: it is not known whether it is held.
    """
    async with open_runtime_store(side_of(site), site.settings.site.name) as store:
        desk = ScheduleDesk(site.definitions, store, site.settings.site.timezone, check=partial(check_entry, site))
        now_us = await desk.now_us()
        due_us = _due_us(options, now_us)
        kept = {name: value for name, value in options.items() if name in KEPT}
        if "expires" in kept:
            kept["expires"] -= (due_us - now_us) / SECOND_US
            if kept["expires"] <= 0:
                message = "--expires is before it is due: it would never run"
                raise click.UsageError(message)
        data = {"task": task, "args": list(args), "kwargs": dict(kwargs), "options": kept, "at": _written(due_us)}
        one = Added(f"{HELD}{task_id}", task, data, author_or_user(None), now_us, begins_us=due_us - 1, how=How.HELD,
                    is_once=True, task_id=task_id)  # fmt: skip
        try:
            edited = await desk.add([one])
        except BrokerDown as error:
            message = f"it is not known whether the task is held: {error}"
            raise BrokerDown(message, hint=f"send it again with --id {task_id}: it is held once") from None
    say_heard(edited)
    return instant(due_us)


async def cancel_held(site: Site, task_ids: Sequence[str]) -> frozenset[str]:
    """Take tasks that are held out of the schedule; give the ids of those there were.

    Raises:
        BrokerDown: the broker does not answer.
    """
    store = make_runtime_store(side_of(site), site.settings.site.name)
    if store is None:
        return frozenset()
    async with open_runtime_store(side_of(site), site.settings.site.name) as store:
        desk = ScheduleDesk((), store, site.settings.site.timezone)
        gone = await desk.remove([f"{HELD}{one}" for one in task_ids])
    return frozenset(one.removeprefix(HELD) for one in gone.ids)


async def among_held(site: Site, task_ids: Sequence[str]) -> frozenset[str]:
    """Say which of these tasks the schedule holds.

    Raises:
        BrokerDown: the broker does not answer.
    """
    if not task_ids or make_runtime_store(side_of(site), site.settings.site.name) is None:
        return frozenset()
    async with open_runtime_store(side_of(site), site.settings.site.name) as store:
        there = await store.read(Table.ADDED, [f"{HELD}{one}" for one in task_ids])
    return frozenset(one.removeprefix(HELD) for one in there)


def _due_us(options: Mapping[str, Any], now_us: int) -> int:
    if "eta" in options:
        return max(microseconds(options["eta"]), now_us)
    countdown_s: float = options["countdown"]
    return now_us + round(countdown_s * SECOND_US)


def _written(at_us: int) -> str:
    return instant(at_us).isoformat(timespec="microseconds")
