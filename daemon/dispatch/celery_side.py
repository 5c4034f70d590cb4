"""What a site knows of its Celery side: settings, tasks, and the application they were asked of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from daemon.scheduler.catalog import read_limit
from daemon.scheduler.model import Limit
from daemon.settings import Settings
from shim.app import AppAddress, AppFacts, DeclaredTask, KnownTask, declared_tasks, task_options
from shim.routing import Router, routing_from_conf

EMBEDDED = "embedded"
"""Stands for a private Valkey in the state folder."""

_TABLES = ("broker_transport_options", "result_backend_transport_options")


@dataclass(frozen=True, slots=True)
class CelerySide:
    """The Celery side of a site.

    Attributes:
        conf: settings in Celery's lower-case names; some hold passwords, and none is shown.
        tasks: those that are known, from the application or declared in the site file, by name.
        app: the application that was asked, if there is one.
        limits: of queues that have some, by name.
    """

    conf: Mapping[str, Any] = field(repr=False)
    tasks: Mapping[str, KnownTask] = field(default_factory=dict, repr=False)
    app: AppAddress | None = None
    limits: Mapping[str, Limit] = field(default_factory=dict)

    @property
    def is_embedded(self) -> bool:
        """Say whether the broker is the private one of the state folder."""
        return bool(self.conf.get("broker_url") == EMBEDDED)

    def beside(self, embedded_url: str | None) -> CelerySide:
        """Give the same with the address of the private broker filled in; it serves for results too, if nothing else does."""
        conf = dict(self.conf)
        if self.is_embedded:
            conf["broker_url"] = embedded_url
            conf["result_backend"] = conf.get("result_backend") or EMBEDDED
        if conf.get("result_backend") == EMBEDDED:
            conf["result_backend"] = embedded_url
        return replace(self, conf=conf)

    def options_of(self, task: str) -> dict[str, Any]:
        """Give the options that the task's class has, in Celery's names; none of a task nobody knows."""
        return task_options(self.tasks, task)

    def router(self) -> Router:
        """Make the router.

        Raises:
            RequestInvalid: a setting Celery could not work with.
        """
        return routing_from_conf(self.conf, default_priority=self.conf.get("task_default_priority") or 0)


def celery_side(settings: Settings, facts: AppFacts | None = None, app: AppAddress | None = None) -> CelerySide:
    """Lay what the site file says over what the application says; where neither speaks, Celery's defaults count."""
    asked = dict(facts.conf) if facts is not None else {}
    given = settings.celery.given()
    conf: dict[str, Any] = {**asked, **given}
    for table in _TABLES:
        theirs, ours = asked.get(table), given.get(table)
        if isinstance(theirs, Mapping) and isinstance(ours, Mapping):
            conf[table] = {**theirs, **ours}
    if not (conf.get("broker_url") or conf.get("broker_write_url")):
        conf["broker_url"] = EMBEDDED
    elif "broker_url" in given:
        conf.pop("broker_write_url", None)  # the application's; the site file means this one
    # Not the application's to say: its beat is what this daemon stands in for.
    conf["beat_enable_remote_control"] = settings.celery.beat_enable_remote_control
    tasks = dict(facts.tasks) if facts is not None else {}
    by_hand = {str(name): task.given() for name, task in settings.task.items()}
    for name, options in declared_tasks([DeclaredTask(name, **by_hand[name]) for name in by_hand], conf).items():
        known = tasks.get(name)
        tasks[name] = (
            options if known is None else KnownTask(name, {**known.options, **by_hand[name]}, known.parameters)
        )
    limits = {str(queue): read_limit(section) for queue, section in settings.queue.items()}
    return CelerySide(conf, tasks, app, limits)
