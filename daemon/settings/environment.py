"""Environment variables and ``.env`` laid over the tree of a site file.

    CELERY_BROKER_URL      celery.broker_url
    CELERY_RESULT_BACKEND  celery.result_backend
    REQUIRE_CELERY         site.require_celery
    REDIS_URL              both of the first two, where neither the site file nor the variables above say anything
    CARILLON_A__B__C       a.b.c; case does not matter and an underscore also stands for a dash or dot in a name

The environment wins over ``.env``, and both over the site file. A value is read as JSON where it is JSON (numbers,
booleans, lists, objects), as text otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from daemon.settings.problems import KeyPath

PREFIX = "CARILLON_"
_NAMED: Mapping[str, KeyPath] = {
    "CELERY_BROKER_URL": ("celery", "broker_url"),
    "CELERY_RESULT_BACKEND": ("celery", "result_backend"),
    "REQUIRE_CELERY": ("site", "require_celery"),
}
_TEXT_KEYS = frozenset(("broker_url", "result_backend"))


def overlay(tree: dict[str, Any], variables: Mapping[str, str]) -> dict[KeyPath, str]:
    """Change ``tree`` in place as ``variables`` say; return which variable set which key."""
    placed: dict[KeyPath, str] = {}
    for name, text in sorted(variables.items()):
        if name in _NAMED:
            path = _NAMED[name]
        elif name.upper().startswith(PREFIX) and "__" in name:
            path = _path(tree, name[len(PREFIX) :].split("__"))
        else:
            continue
        if text != "" and _put(tree, path, _value(text, str(path[-1]))):
            placed[path] = name
    redis_url = variables.get("REDIS_URL")
    celery = tree.setdefault("celery", {}) if redis_url else {}
    if redis_url and isinstance(celery, dict):
        for key in ("broker_url", "result_backend"):
            if key not in celery:
                celery[key] = redis_url
                placed["celery", key] = "REDIS_URL"
    return placed


def _path(tree: Mapping[str, Any], words: list[str]) -> KeyPath:
    """Follow the words through the tree, taking the existing key a word stands for, else the word in lower case."""
    path: list[str] = []
    here: Any = tree
    for word in words:
        keys = here if isinstance(here, dict) else {}
        key = next((key for key in keys if _folded(key) == _folded(word)), word.lower())
        path.append(key)
        here = keys.get(key)
    return tuple(path)


def _folded(word: str) -> str:
    return word.lower().replace("-", "_").replace(".", "_")


def _put(tree: dict[str, Any], path: KeyPath, value: Any) -> bool:
    here = tree
    for part in path[:-1]:
        nested = here.setdefault(str(part), {})
        if not isinstance(nested, dict):
            return False
        here = nested
    here[str(path[-1])] = value
    return True


def _value(text: str, key: str) -> Any:
    if key in _TEXT_KEYS:
        return text
    try:
        return orjson.loads(text)
    except ValueError:
        return {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}.get(
            text.lower(), text
        )
