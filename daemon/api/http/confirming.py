"""What cannot be undone, or hits many, is confirmed by typing the name of what it is done to. Pure."""

from __future__ import annotations

from daemon.desks import DeskRefused


class ConfirmationNeeded(DeskRefused):
    """The name was not typed, or not this one."""

    code = "confirmation-needed"


def confirm(typed: str, name: str) -> None:
    """Refuse unless the name was typed.

    Raises:
        ConfirmationNeeded: it was not.
    """
    if typed != name:
        message = f'this cannot be undone, or hits many: say "confirm": "{name}" too'
        raise ConfirmationNeeded(message, field="body.confirm")
