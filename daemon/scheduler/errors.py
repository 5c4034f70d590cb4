"""What can be wrong with an entry."""

from __future__ import annotations

from daemon.errors import SettingsInvalid


class TriggerInvalid(SettingsInvalid):
    """An expression that cannot be read, or that can never fire."""

    code = "trigger-invalid"
