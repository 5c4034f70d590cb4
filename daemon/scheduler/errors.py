"""What can be wrong with an entry."""

from __future__ import annotations

from daemon.errors import BrokerDown, DaemonError, SettingsInvalid


class TriggerInvalid(SettingsInvalid):
    """An expression that cannot be read, or that can never fire."""

    code = "trigger-invalid"


class EntryRefused(DaemonError):
    """A change of the schedule that cannot be made."""

    code = "entry-refused"
    exit_code = 65


class EntryOvertaken(EntryRefused):
    """Somebody else changed the entry since it was read."""

    code = "entry-overtaken"


class StoreRefused(BrokerDown):
    """The broker does not let this user read or change what is kept of a schedule at run time."""

    code = "store-refused"
