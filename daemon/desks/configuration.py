"""What the API asks of the settings: a protocol, and settings as they are shown; no secret is among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class SettingRow:
    """A setting that counts, and where its value comes from.

    Attributes:
        value: of a secret where it lies (``file:…``, ``credential:…``), or nothing.
        source: default, file, environment, dotenv, or application.
        place: a line of the site file, or the name of a variable.
    """

    key: str
    value: Any
    source: str
    place: str
    is_secret: bool


class ConfigurationDesk(Protocol):
    """The settings of the running daemon."""

    def rows(self) -> Sequence[SettingRow]:
        """Give all of them, in the order of their keys."""
        ...

    def sections(self) -> Sequence[str]:
        """Name the sections."""
        ...
