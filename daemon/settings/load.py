"""From a site file to typed sections and the whole list of what is wrong."""

from __future__ import annotations

import io
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args, get_origin

from dotenv.parser import parse_stream
from pydantic import ValidationError

from daemon.settings.environment import overlay
from daemon.settings.files import FileUnusable, read_text
from daemon.settings.problems import KeyPath, Located, Problem, did_you_mean, known_keys, show_path
from daemon.settings.secrets import SecretUnreadable, resolve_file, resolve_secret
from daemon.settings.section import Section, keys_of
from daemon.settings.sections import Settings
from daemon.settings.toml_lines import TooDeep, key_lines

FILE_LIMIT_BYTES = 16 * 1024 * 1024
DOTENV_LIMIT_BYTES = 1024 * 1024
SECRETS: Mapping[tuple[str, ...], str] = {
    ("celery", "broker_url"): "embedded",
    ("celery", "result_backend"): "embedded",
    ("django_beat", "url"): "sqlite+aiosqlite:////nonexistent",
    ("schedule", "*", "expect", "ping"): "https://nowhere.invalid/",
    ("watch", "webhook"): "https://nowhere.invalid/",
    ("watch", "webhook_secret"): "unreadable",
    ("watch", "ping"): "https://nowhere.invalid/",
    ("watch", "email", "password"): "unreadable",
    ("health", "database"): "",
    ("tracing", "authorization"): "unreadable",
}
"""Keys whose value may stand elsewhere, and what takes its place while the rest is checked if it cannot be read."""

_PATHS = (("site", "state_dir"), ("celery", "app_dir"))
_FILES = (
    (("feed", "*", "tls"), ("certificate", "key", "client_ca", "ca", "crl")),
    (("audit",), ("syslog_ca",)),
    (("api",), ("tls_certificate", "tls_key")),
)
"""Keys that name files, which may be credentials."""

_NOT_YET = "is not available in this version"
_MANY_DIGITS = re.compile(r"[0-9_]{4000}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a site file gave.

    Attributes:
        settings: the sections; of a file with problems, those that are sound, so that the rest can be checked too.
        problems: everything found so far.
        places: maps a key path to where it was written.
        schedule: the entries' tables, as they are in the file and with the environment over them.
        references: of secrets that stand elsewhere: where (``file:/path``, ``credential:NAME``).
    """

    settings: Settings | None
    problems: tuple[Problem, ...]
    places: Places
    schedule: tuple[Any, Any] = field(default=(None, None), repr=False)
    references: Mapping[KeyPath, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Places:
    """Knows where each key was written: on a line of the file, or in a variable (``environment NAME``, ``.env NAME``)."""

    file: str
    lines: Mapping[KeyPath, int]
    variables: Mapping[KeyPath, str]

    def locate(self, problem: Problem) -> Located:
        """Attach the nearest place to a problem: its own key's line, or that of the table around it."""
        path = problem.path
        while path:
            if path in self.variables:
                return Located(self.variables[path], problem)
            if path in self.lines:
                return Located(f"{self.file}:{self.lines[path]}", problem)
            path = path[:-1]
        return Located(f"{self.file}:1" if self.lines else self.file, problem)


def load_settings(
    path: Path, environment: Mapping[str, str], *, over: Callable[[Any], Any] | None = None, below: str = ""
) -> Loaded:
    """Read ``path``, the ``.env`` beside it and ``environment``; never raises for what an operator wrote.

    Args:
        path: the site file.
        environment: variables.
        over: lays the entries' tables over those of a lower layer, and gives what results; leaves its argument as it is.
        below: what to call that layer as the place where an entry was written.
    """
    try:
        text = read_text(path, FILE_LIMIT_BYTES)
    except FileUnusable as error:
        return _unusable(str(path), str(error))
    try:
        lines = key_lines(text)
        tree = tomllib.loads(text)
    except TooDeep as error:
        return _unusable(f"{path}:{error.line}", str(error))
    except tomllib.TOMLDecodeError as error:
        return _unusable(f"{path}:{_line_named(str(error), text)}", f"not TOML: {error}")
    except RecursionError:
        return _unusable(f"{path}:1", "nested too deeply")
    except ValueError:  # from int(), which reads no more than some thousand digits
        digits = _MANY_DIGITS.search(text)
        line = text.count("\n", 0, digits.start() if digits else 0) + 1
        return _unusable(f"{path}:{line}", "not TOML: a number of too many digits")
    written = tree.get("schedule")
    if over is not None:
        tree["schedule"] = over(tree.get("schedule", {}))
    dotenv, problems = _dotenv(path.parent / ".env")
    laid = overlay(tree, (dotenv, environment))
    named = {
        key: f"{'environment' if environment.get(name) else '.env'} {name}" for key, name in laid.variables.items()
    }
    places = Places(
        str(path),
        {key: line for key, line in lines.items() if not laid.hides(key)} if laid.replaced else lines,
        {**_unwritten(written, tree.get("schedule"), below), **named},
    )
    references: dict[KeyPath, str] = {}
    problems += [*laid.problems, *_secrets(tree, environment, references)]
    _anchor_paths(tree, path.parent)
    problems += _files(tree, path.parent, environment)
    final = tree.get("schedule")
    settings, found = _validate(tree)
    return Loaded(settings, (*problems, *found), places, (written, final), references)


def _unwritten(written: Any, schedule: Any, below: str) -> dict[KeyPath, str]:
    """Say of entries that are not in the file where they are."""
    if not below or not isinstance(schedule, dict):
        return {}
    return {("schedule", name): below for name in schedule if not isinstance(written, dict) or name not in written}


def _unusable(place: str, message: str) -> Loaded:
    return Loaded(None, (Problem((), message),), Places(place, {}, {}))


def _line_named(message: str, text: str) -> int:
    line = re.search(r"at line (\d+)", message)
    return int(line[1]) if line else text.count("\n") + 1  # "at end of document"


def _dotenv(path: Path) -> tuple[dict[str, str], list[Problem]]:
    """Read ``.env``; a folder of that name is somebody's virtual environment."""
    if not path.exists() or path.is_dir():
        return {}, []
    try:
        text = read_text(path, DOTENV_LIMIT_BYTES)
    except FileUnusable as error:
        return {}, [Problem((), f"{path}: {error}")]
    # Values are taken as written: nothing is executed and nothing is interpolated.
    found, problems = {}, []
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            written = binding.original.string
            line = binding.original.line + written[: len(written) - len(written.lstrip())].count("\n")
            problems.append(Problem((), f"{path}: line {line} cannot be read", "write NAME=value"))
        elif binding.key is not None and binding.value is not None:
            found[binding.key] = binding.value
    return found, problems


def _anchor_paths(tree: dict[str, Any], folder: Path) -> None:
    for section, key in _PATHS:
        table = tree.get(section)
        if isinstance(table, dict) and isinstance(table.get(key), str) and table[key]:
            table[key] = str((folder / table[key]).absolute())


def _secrets(tree: dict[str, Any], environment: Mapping[str, str], references: dict[KeyPath, str]) -> list[Problem]:
    problems = []
    for pattern, stand_in in SECRETS.items():
        for path in _tables(tree, pattern[:-1]):
            table, key = _at(tree, path), pattern[-1]
            if isinstance(table.get(key), str):
                if table[key].startswith(("file:", "credential:")):
                    references[(*path, key)] = table[key]
                try:
                    table[key] = resolve_secret(table[key], environment)
                except SecretUnreadable as error:
                    problems.append(Problem((*path, key), str(error)))
                    table[key] = stand_in
    return problems


def _files(tree: dict[str, Any], folder: Path, environment: Mapping[str, str]) -> list[Problem]:
    problems = []
    for pattern, keys in _FILES:
        for path in _tables(tree, pattern):
            table = _at(tree, path)
            for key in keys:
                if isinstance(table.get(key), str):
                    try:
                        table[key] = resolve_file(table[key], folder, environment)
                    except SecretUnreadable as error:
                        problems.append(Problem((*path, key), str(error)))
    return problems


def _tables(tree: Any, pattern: Sequence[str], path: KeyPath = ()) -> Iterator[KeyPath]:
    """Find the tables at the places a pattern names; a star stands for any key."""
    if not isinstance(tree, dict):
        return
    if not pattern:
        yield path
        return
    for key in list(tree) if pattern[0] == "*" else [pattern[0]]:
        yield from _tables(tree.get(key), pattern[1:], (*path, key))


def _validate(tree: dict[str, Any]) -> tuple[Settings | None, list[Problem]]:
    try:
        return Settings.model_validate(tree), []
    except ValidationError as error:
        problems = [_explain(dict(detail), tree) for detail in error.errors(include_url=False)]
    # What is unsound is taken out, so that the rest can be checked in the same run: the keys alone, and where that does
    # not do, as where a needed one is gone with them, the whole entry, feed or setting.
    unsound = [problem.path for problem in problems]
    for parts in (None, 2):
        _prune(tree, [path[:parts] for path in unsound])
        try:
            return Settings.model_validate(tree), problems
        except ValidationError as error:
            unsound = [_explain(dict(detail), tree).path for detail in error.errors(include_url=False)]
    return None, problems


def problems_of(error: ValidationError, path: KeyPath, value: Any) -> list[Problem]:
    """Say what is wrong with a part of a site file that is given by itself, as if it stood at ``path``."""
    tree: Any = value
    for part in reversed(path):
        tree = {part: tree}
    return [_explain({**detail, "loc": (*path, *detail["loc"])}, tree) for detail in error.errors(include_url=False)]


def _prune(tree: dict[str, Any], paths: list[KeyPath]) -> None:
    for path in paths:
        table = _at(tree, path[:-1])
        if path and isinstance(table, dict):
            table.pop(path[-1], None)
    site = tree.setdefault("site", {})
    for key, value in (("name", "unnamed"), ("state_dir", "/nonexistent")):
        site.setdefault(key, value)


def _explain(detail: dict[str, Any], tree: dict[str, Any]) -> Problem:
    path = detail["loc"]
    if path[-1:] == ("[key]",):  # pydantic's way to say that the key itself is wrong
        path = path[:-1]
    if path and isinstance(_at(tree, path[:-1]), str):  # a bare word that stands for a table
        path = path[:-1]
    kind, context = detail["type"], detail.get("ctx") or {}
    if kind == "missing":
        return Problem(path, "is missing")
    if kind == "extra_forbidden":
        section, key = _section_at(path[:-1]) or Section, str(path[-1])
        if key in section.NOT_YET:
            return Problem(path, _NOT_YET, section.NOT_YET[key])
        known = keys_of(section)
        return Problem(path, "unknown key", did_you_mean(key, known) or known_keys(known))
    if kind == "literal_error":
        return _explain_word(path, context["expected"], _at(tree, path))
    if kind == "value":
        return Problem(path, detail["msg"], str(context.get("hint", "")))
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        return Problem(path, f"a table is needed, as in [{show_path(path)}]")
    message = detail["msg"]
    return Problem(path, message[:1].lower() + message[1:])


def _explain_word(path: KeyPath, expected: str, given: Any) -> Problem:
    words = re.findall(r"'([^']*)'", expected) or re.findall(r"\d+", expected)
    near = did_you_mean(given, words) if isinstance(given, str) else ""
    return Problem(path, f"not one of {', '.join(words)}", near)


def _section_at(path: KeyPath) -> type[Section] | None:
    """Find the section that describes the table at ``path``."""
    section: type[Section] | None = Settings
    named = False  # the next part is a name in a table of tables, not a key
    for part in path:
        if section is None or isinstance(part, int):
            continue
        if named:
            named = False
            continue
        field = keys_of(section).get(part)
        annotation: Any = field.annotation if field else None
        named = get_origin(annotation) is dict
        section = next((one for one in _types_in(annotation) if issubclass(one, Section)), None)
    return section


def _types_in(annotation: Any) -> list[type]:
    if isinstance(annotation, type) and not get_args(annotation):
        return [annotation]
    return [one for argument in get_args(annotation) for one in _types_in(argument)]


def _at(tree: Any, path: KeyPath) -> Any:
    for part in path:
        if isinstance(tree, dict):
            tree = tree.get(part)
        elif isinstance(tree, list) and isinstance(part, int) and part < len(tree):
            tree = tree[part]
        else:
            return None
    return tree
