"""What a command does or shows on its own, past the daemon, is kept in the audit trail of this machine first."""

from __future__ import annotations

from typing import Any

from daemon.audit import append_deed
from daemon.clock import SystemClock
from daemon.deeds import Deed, DeedKind
from daemon.public import Public, escaped
from daemon.site import Site
from daemon.state_dir import hand_over

TEXT_LIMIT = 255
ROLE = Public("command")
"""Stands for the role in the record: who may run the command with the site file may do what it does."""


def deed(kind: DeedKind, about: object, who: str, reason: str = "", after: object = "") -> Deed:
    """Write down what a command is about to do; names and settings, never arguments or contents."""
    return Deed(kind, shown(who), shown(about), note=shown(reason), role=ROLE, after=shown(after))


def keep(site: Site, one: Deed, *, may_lack: bool = False) -> None:
    """Keep a deed on disk, before it is done.

    Where no daemon of the site has ever run there is no trail; with ``may_lack`` a change then bears its author alone.

    Raises:
        AuditFailed: it is not written; then nothing may be done or shown.
    """
    settings = site.settings
    folder = settings.site.state_dir
    if may_lack and not folder.is_dir():
        return
    append_deed(folder, settings.site.name, one, SystemClock().now_us(), settings.audit)
    hand_over(folder, "audit.log", "audit.lock")


def shown(value: Any) -> Public:
    """Make text of a command's caller fit for the record: cut, and without what would be a line of its own."""
    return Public(escaped(str(value)[:TEXT_LIMIT]))
