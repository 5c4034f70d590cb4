"""What is watched of a feed while it runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Watching:
    """When an alarm is due.

    Attributes:
        silence_s: nothing for so long is an alarm; ``None``: none is set.
        learns_silence: whether it is learned how long a feed is usually silent, at each hour of the week.
        refused_share: an alarm if more than this share of the last ten minutes' messages is refused.
        slow_ack_s: an alarm if more than one of a hundred answers of the last ten minutes takes longer.
        backlog_s: an alarm if the oldest message waits in the spool for longer.
    """

    silence_s: float | None = None
    learns_silence: bool = True
    refused_share: float = 0.05
    slow_ack_s: float = 1.0
    backlog_s: float = 300.0
