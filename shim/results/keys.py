"""Names of what lies in a Redis result database (``celery/backends/base.py``, ``get_key_for_task``, ``get_key_for_group``).

A task's result is stored under its key and published, whole, on a channel of the same name. Keys belong to one database; channels
belong to the whole server. So two applications with different result databases on one server hear each other's results, and only
task ids, which are random, keep them apart.
"""

from __future__ import annotations

from dataclasses import dataclass

from shim.errors import RequestInvalid

TASK_PREFIX = "celery-task-meta-"
GROUP_PREFIX = "celery-taskset-meta-"
CHORD_SIZE, CHORD_RETURNED, CHORD_ADDED, CHORD_CALLBACK = ".s", ".j", ".t", ".c"
"""What stands behind a group's key: size, results by index, correction of the size, claim of the callback (5.7).

5.7 also has ``.d``, the ids it has counted; the results by index tell the same.
"""


@dataclass(frozen=True, slots=True)
class ResultKeys:
    """The names under one prefix; the prefix as Celery joins it (``result_key_prefix``)."""

    prefix: str = ""

    def task(self, task_id: str) -> str:
        """Name the key and the channel of a task's result.

        Raises:
            RequestInvalid: an id that is empty or not Unicode.
        """
        return f"{self.prefix}{TASK_PREFIX}{_checked(task_id)}"

    def group(self, group_id: str, part: str = "") -> str:
        """Name the key of a saved group, or of one part of a chord's state.

        Raises:
            RequestInvalid: as ``task``.
        """
        return f"{self.prefix}{GROUP_PREFIX}{_checked(group_id)}{part}"


def result_key_prefix(global_keyprefix: str) -> str:
    """Join ``result_backend_transport_options.global_keyprefix`` the way Celery does.

    An underscore is added unless the prefix ends in a separator (``celery/backends/base.py``, ``_add_global_keyprefix``). The
    broker's option of the same name knows no such rule.
    """
    if not global_keyprefix or global_keyprefix[-1] in ":_-.":
        return global_keyprefix
    return f"{global_keyprefix}_"


def _checked(name: str) -> str:
    if not name:
        message = "a task or group id is empty"
        raise RequestInvalid(message)
    if not name.isascii():
        try:
            name.encode()
        except UnicodeEncodeError:
            message = "a task or group id with lone surrogates is not Unicode"
            raise RequestInvalid(message) from None
    return name
