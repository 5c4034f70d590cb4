"""What an app says of itself, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shim.app.beat import BeatEntry, parse_entry
from shim.app.errors import FactsInvalid
from shim.app.tasks import KnownTask, Parameter
from shim.request import Json

FORM = 2


@dataclass(frozen=True, slots=True)
class Sources:
    """What an answer depended on.

    Attributes:
        files: path to modification time in nanoseconds and size in bytes, of each file of the app that was loaded.
        folders: path to the names of modules and packages in it, so that a new one is noticed.
        installed: folders of installed packages and their modification times in nanoseconds.
        complete: false if there was more than is listed.
    """

    files: Mapping[str, tuple[int, int]]
    folders: Mapping[str, tuple[str, ...]]
    installed: Mapping[str, int]
    complete: bool

    @property
    def latest_ns(self) -> int:
        """When the youngest file was modified."""
        return max((stamp for stamp, _ in self.files.values()), default=0)


@dataclass(frozen=True, slots=True)
class AppFacts:
    """A Celery app's settings, tasks and schedule.

    Attributes:
        versions: of python, celery, kombu, redis and, if it is loaded, django.
        conf: Celery's settings by their new names, as JSON; input of ``routing_from_conf``. Not part of the representation,
            because some hold passwords.
        secret: names of the settings that may.
        tasks: by name.
        schedule: ``beat_schedule``, by name.
        timezone: name of the zone of ``crontab`` and of naive instants.
        enable_utc: as set.
        sources: what this depended on.
        cleans_results: whether beat adds ``celery.backend_cleanup``, because results expire and their store leaves that to others.
    """

    versions: Mapping[str, str]
    conf: Mapping[str, Json] = field(repr=False)
    secret: frozenset[str] = field(repr=False)
    tasks: Mapping[str, KnownTask] = field(repr=False)
    schedule: Mapping[str, BeatEntry] = field(repr=False)
    timezone: str
    enable_utc: bool
    sources: Sources = field(repr=False)
    cleans_results: bool = False


def parse_facts(document: Any) -> AppFacts:
    """Read the document of a probe.

    Raises:
        FactsInvalid: what a probe never writes; the message names the place.
    """
    if not isinstance(document, Mapping) or document.get("form") != FORM:
        message = f"no answer of a probe of form {FORM}"
        raise FactsInvalid(message)
    sections = {name: _mapping(document, name) for name in ("versions", "conf", "tasks", "schedule", "sources")}
    secret, zone, enable_utc = document.get("secret"), document.get("timezone"), document.get("enable_utc")
    if not isinstance(secret, list) or not isinstance(zone, str) or not isinstance(enable_utc, bool):
        message = "secret is a list, timezone a text and enable_utc a boolean"
        raise FactsInvalid(message)
    return AppFacts(
        versions={name: str(version) for name, version in sections["versions"].items()},
        conf=sections["conf"],
        secret=frozenset(map(str, secret)),
        tasks={name: _task(name, one) for name, one in sections["tasks"].items()},
        schedule={name: parse_entry(name, one) for name, one in sections["schedule"].items()},
        timezone=zone,
        enable_utc=enable_utc,
        sources=_sources(sections["sources"]),
        cleans_results=document.get("cleans_results") is True,
    )


def _task(name: str, given: object) -> KnownTask:
    try:
        options = {option: value for option, value in given.items() if value is not None}  # type: ignore[attr-defined]
        found = options.pop("parameters", None)
        parameters = None if found is None else tuple(_parameter(one) for one in found)
    except (AttributeError, TypeError, ValueError):
        message = f"tasks.{name}: not as a probe writes it"
        raise FactsInvalid(message) from None
    return KnownTask(name, options, parameters)


def _parameter(given: Any) -> Parameter:
    name, kind, has_default = given
    if not isinstance(name, str) or not isinstance(kind, str) or not isinstance(has_default, bool):
        raise TypeError
    return Parameter(name, kind, has_default)


def _sources(given: Mapping[str, Any]) -> Sources:
    try:
        return Sources(
            files={path: _stamp(one) for path, one in given["files"].items()},
            folders={path: tuple(map(str, names)) for path, names in given["folders"].items()},
            installed={path: int(one) for path, one in given["installed"].items()},
            complete=given["complete"] is True,
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        message = "sources: not as a probe writes it"
        raise FactsInvalid(message) from None


def _stamp(given: Any) -> tuple[int, int]:
    modified_ns, size_bytes = given
    return int(modified_ns), int(size_bytes)


def _mapping(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = document.get(name)
    if not isinstance(section, Mapping):
        message = f"{name}: a mapping is needed"
        raise FactsInvalid(message)
    return section
