"""Keys of ``[feed.NAME]`` about acknowledgements: what is accepted, and how and when it is answered."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from daemon.settings.section import Section
from daemon.settings.values import Duration


class AnsweringKeys(Section):
    """What is accepted, and how and when it is answered."""

    ack: Literal["msh", "original", "enhanced", "always-aa", "none"] = "msh"
    ack_type: Literal["auto", "ACK", "ACK^event", "full"] = "auto"
    ack_when: Literal["stored", "enqueued", "succeeded"] = "stored"
    ack_deadline: Duration = 30.0
    ack_fallback: Literal["accept", "error", "close"] = "accept"
    ack_pending: int = Field(default=1000, ge=1, le=10_000)
    processing_id: list[str] | None = None
    versions: list[str] | None = None
    control_id: Literal["required", "made"] = "required"
    same_id: Literal["accept", "refuse"] = "accept"
    no_header: Literal["answer", "silence", "close"] = "answer"
    disk_full: Literal["withhold", "reject"] = "withhold"
    sequence: bool = False
    shared: bool = False
