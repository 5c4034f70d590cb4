"""Why connections end or are refused, beside a breach of the protocol (``deviation.py``)."""

from __future__ import annotations

from enum import Enum


class Goodbye(Enum):
    """Why a connection ended, or did not begin."""

    PEER = "peer-closed"
    RESET = "connection-lost"
    IDLE = "idle"
    SLOW_BLOCK = "block-not-completed"
    TOO_SLOW = "below-min-rate"
    NO_BLOCK = "bytes-but-never-a-block"
    NOT_READING = "peer-does-not-read"
    NOT_COMMITTED = "answer-refused-by-peer"
    MEMORY = "too-much-in-flight"
    NOT_STORED = "could-not-store"
    UNANSWERED = "answer-not-to-be-had"
    LIMIT = "too-many-connections"
    PEER_LIMIT = "too-many-connections-of-peer"
    PAUSED = "feed-paused"
    DISCONNECTED = "disconnected-by-hand"
    DRAIN = "stopping"
    BUG = "bug"


ORDINARY = frozenset((Goodbye.PEER, Goodbye.RESET, Goodbye.IDLE, Goodbye.DRAIN, Goodbye.PAUSED, Goodbye.DISCONNECTED))
"""Endings nobody needs to look into."""
