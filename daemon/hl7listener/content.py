"""How a feed reads the content of its messages."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Content:
    """How content is read.

    Attributes:
        charset: Python codec for messages that declare none and are not UTF-8.
    """

    charset: str = "cp1252"
