"""Keys of ``[feed.NAME]`` about the other side: where it connects, or is connected to, and who it must be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from daemon.settings.section import Section
from daemon.settings.values import ListenAddress


class PeerKeys(Section):
    """Where senders come from, and who they must be."""

    NOT_YET: ClassVar[Mapping[str, str]] = {"tls": "put the listener behind a TLS terminator on the same machine"}

    listen: ListenAddress
