"""Keys of ``[feed.NAME]`` about acknowledgements: what is accepted, and how and when it is answered."""

from __future__ import annotations

from typing import Literal

from daemon.settings.section import Section


class AnsweringKeys(Section):
    """What is accepted, and how and when it is answered."""

    ack: Literal["msh", "original", "enhanced", "always-aa", "none"] = "msh"
    ack_when: Literal["stored"] = "stored"
