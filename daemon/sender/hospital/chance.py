"""Chance that is handed its seed: the same seed gives the same choices on every machine."""

from __future__ import annotations

from random import Random as Chance

__all__ = ["Chance", "seeded"]


def seeded(seed: int) -> Chance:
    """Make a source of choices."""
    return Chance(seed)  # noqa: S311 - synthetic patients, not secrets
