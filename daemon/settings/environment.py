"""Environment variables and ``.env`` laid over the tree of a site file.

    CELERY_BROKER_URL      celery.broker_url
    CELERY_RESULT_BACKEND  celery.result_backend
    REQUIRE_CELERY         site.require_celery
    REDIS_URL              both of the first two, where neither the site file nor the variables above say anything
    CARILLON_A__B__C       a.b.c; case does not matter and an underscore also stands for a dash or dot in a name

The environment wins over ``.env``, and both over the site file. An empty variable counts as not set. A value is read as
JSON where it is JSON (numbers, booleans, lists, objects), as text otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from daemon.settings.problems import KeyPath, Problem

PREFIX = "CARILLON_"
_NAMED: Mapping[str, KeyPath] = {
    "CELERY_BROKER_URL": ("celery", "broker_url"),
    "CELERY_RESULT_BACKEND": ("celery", "result_backend"),
    "REQUIRE_CELERY": ("site", "require_celery"),
}
_REDIS_URL = "REDIS_URL"
_TEXT_KEYS = frozenset(("broker_url", "result_backend"))
_SWITCHES = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


@dataclass(frozen=True, slots=True)
class Laid:
    """What was laid over a tree.

    Attributes:
        variables: which variable set which key, and which first needed which table.
        replaced: the keys whose whole value came from a variable.
        problems: variables that name a place where nothing can be set.
    """

    variables: dict[KeyPath, str] = field(default_factory=dict)
    replaced: set[KeyPath] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, path: KeyPath, name: str, problem: Problem) -> None:
        """Note that a variable cannot be laid."""
        self.variables[path] = name
        self.problems.append(problem)

    def hides(self, path: KeyPath) -> bool:
        """Say whether what the file has at ``path`` no longer counts."""
        return any(path[:end] in self.replaced for end in range(1, len(path) + 1))


def overlay(tree: dict[str, Any], layers: Sequence[Mapping[str, str]]) -> Laid:
    """Change ``tree`` in place as the variables of each layer say, the strongest last."""
    laid = Laid()
    for variables in layers:
        for name, text in sorted(variables.items()):
            path = _path(tree, name)
            if path and text and _is_unicode(name + text):
                _put(tree, path, name, _value(text, str(path[-1])), laid)
            elif path and text:
                laid.refuse(path, name, Problem(path, "not UTF-8"))
    celery = tree.get("celery", {})
    redis_url = next((layer[_REDIS_URL] for layer in reversed(layers) if layer.get(_REDIS_URL)), None)
    if redis_url is not None and isinstance(celery, dict):
        for key in ("broker_url", "result_backend"):
            if key not in celery:
                _put(tree, ("celery", key), _REDIS_URL, redis_url, laid)
    return laid


def _path(tree: Mapping[str, Any], name: str) -> KeyPath:
    """Find what a variable sets: the existing key that each of its words stands for, else the word in lower case."""
    if name in _NAMED or not name.upper().startswith(PREFIX) or "__" not in name:
        return _NAMED.get(name, ())
    path: list[str] = []
    here: Any = tree
    for word in name[len(PREFIX) :].split("__"):
        keys = here if isinstance(here, dict) else {}
        key = next((key for key in keys if _folded(key) == _folded(word)), word.lower())
        path.append(key)
        here = keys.get(key)
    return tuple(path)


def _is_unicode(text: str) -> bool:
    # The environment is bytes; those that are not UTF-8 arrive as lone surrogates, which most of Python refuses.
    return not any("\ud800" <= mark <= "\udfff" for mark in text)


def _folded(word: str) -> str:
    return word.lower().replace("-", "_").replace(".", "_")


def _put(tree: dict[str, Any], path: KeyPath, name: str, value: Any, laid: Laid) -> None:
    here = tree
    for end, part in enumerate(path[:-1], 1):
        if part not in here:
            here[str(part)] = {}
            laid.variables[path[:end]] = name
        here = here[str(part)]
        if not isinstance(here, dict):
            laid.refuse(path, name, Problem(path, "cannot be set by a variable", "write it into the site file"))
            return
    here[str(path[-1])] = value
    laid.variables[path] = name
    laid.replaced.add(path)


def _value(text: str, key: str) -> Any:
    if key in _TEXT_KEYS:
        return text
    try:
        return orjson.loads(text)
    except ValueError:
        return _SWITCHES.get(text.lower(), text)
