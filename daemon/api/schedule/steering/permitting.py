"""What a change of the schedule takes. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from daemon.api.http.asked import Asked
from daemon.api.http.caller import Role
from daemon.desks import NotNow, NotPermitted
from daemon.desks.schedule import EntryRow

CONTENTS = frozenset(("args", "kwargs", "task", "chain", "group", "chord", "options"))


def allow(row: EntryRow, *actions: str) -> None:
    """Refuse what an entry does not allow as it stands.

    Raises:
        NotNow: it does not.
    """
    if not any(one in row.allowed_actions for one in actions):
        message = f"an entry that is {row.state} cannot be made to {actions[0]}"
        raise NotNow(message, hint=row.problem)


def needs_admin(asked: Asked, what: str) -> None:
    """Refuse what takes an admin.

    Raises:
        NotPermitted: the caller is none.
    """
    if not asked.caller.may(Role.ADMIN):
        message = f"{what} takes the role admin"
        raise NotPermitted(message)


def touches_contents(fields: Iterable[str]) -> bool:
    """Say whether fields say what is run with which arguments."""
    return any(name in CONTENTS or name.startswith(("options.headers", "expect")) for name in fields)
