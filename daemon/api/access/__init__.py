"""Who may ask: tokens and their file, sessions of the page, and what keeps others out."""

from daemon.api.access.entrance import Entrance
from daemon.api.access.token_file import TokenFile

__all__ = ["Entrance", "TokenFile"]
