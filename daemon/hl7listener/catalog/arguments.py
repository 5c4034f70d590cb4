"""From a route's ``args``, ``kwargs`` and ``message`` to what its task is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daemon.hl7listener.errors import PathInvalid
from daemon.hl7listener.routes.arguments import WHOLE, Argument, Arguments, Constant, Form, Pick
from daemon.hl7listener.text.path import Hl7Path, parse_path
from daemon.settings import Problem
from daemon.settings.feed import RouteSection
from daemon.settings.problems import KeyPath, did_you_mean

_DOCUMENT = "message"
_PICK_KEYS = ("path", "default", "all", "as")
_NOWHERE = Constant(None)
_HINT = 'write "PID-3.1", "=text", { value = … } or { path = "PID-3.1", default = …, all = true, as = "int" }'


def read_arguments(path: KeyPath, section: RouteSection) -> tuple[Arguments, list[Problem]]:
    """Read what the task of the route at ``path`` is given; without a word of it, the whole document."""
    if section.args is None and section.kwargs is None and section.message is None:
        return WHOLE, []
    problems: list[Problem] = []
    args = [_argument((*path, "args", number), one, problems) for number, one in enumerate(section.args or ())]
    kwargs = {name: _argument((*path, "kwargs", name), one, problems) for name, one in (section.kwargs or {}).items()}
    if section.message and _DOCUMENT in kwargs:
        text = "there is an argument of that name in kwargs"
        problems.append(Problem((*path, _DOCUMENT), text, "give that one another name"))
    return Arguments(tuple(args), kwargs, _DOCUMENT if section.message else ""), problems


def read_path(path: KeyPath, text: str, problems: list[Problem]) -> Hl7Path | None:
    """Read the HL7 path that stands at ``path``; ``None``, with a problem more, if it is none."""
    try:
        return parse_path(text)
    except PathInvalid as error:
        problems.append(Problem(path, str(error), error.hint))
        return None


def _argument(path: KeyPath, given: Any, problems: list[Problem]) -> Argument:
    if isinstance(given, str):
        if given.startswith("="):
            return Constant(given[1:])
        found = read_path(path, given, problems)
        return _NOWHERE if found is None else Pick(found, is_list=found.is_many)
    if not isinstance(given, Mapping):
        problems.append(Problem(path, "neither a path nor a table", _HINT))
        return _NOWHERE
    if set(given) == {"value"}:
        return Constant(given["value"])
    return _pick(path, given, problems)


def _pick(path: KeyPath, given: Mapping[str, Any], problems: list[Problem]) -> Argument:
    unknown = [key for key in given if key not in _PICK_KEYS]
    problems += [Problem((*path, key), "unknown key", did_you_mean(key, _PICK_KEYS) or _HINT) for key in unknown]
    text = given.get("path")
    if not isinstance(text, str):
        problems.append(Problem((*path, "path"), "an HL7 path is needed", _HINT))
        return _NOWHERE
    forms = [form.value for form in Form]
    form = given.get("as", Form.TEXT.value)
    if form not in forms:
        problems.append(Problem((*path, "as"), "not a form", f"write one of {', '.join(forms)}"))
        form = Form.TEXT.value
    is_list = given.get("all", False)
    if not isinstance(is_list, bool):
        problems.append(Problem((*path, "all"), "neither true nor false"))
        is_list = False
    found = read_path((*path, "path"), text, problems)
    if found is None:
        return _NOWHERE
    return Pick(_every(found) if is_list else found, Form(form), given.get("default"), is_list or found.is_many)


def _every(path: Hl7Path) -> Hl7Path:
    """Make a path to one place one to all repetitions of its field."""
    if path.is_many:
        return path
    return Hl7Path(path.segment, path.occurrence, path.field, 0, path.component, path.subcomponent)
