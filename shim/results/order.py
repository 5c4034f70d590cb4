"""Which of two results of a task is the later one. They may arrive twice, late, and in any order."""

from __future__ import annotations

from shim.results.meta import TaskMeta


def supersedes(known: TaskMeta | None, found: TaskMeta, *, is_stale: bool) -> bool:
    """Say whether ``found`` takes the place of ``known``.

    A final state never goes back to another one, and the first final state stays. Among others the one that came later wins, unless
    it ``is_stale``: read before the known one was published, and answered after.
    """
    if known is None:
        return True
    if known.is_ready:
        return False
    return found.is_ready or not is_stale
