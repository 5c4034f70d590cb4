"""What tests need to know of ``answer_tasks``, which only a worker can import; and waiting until something is there."""

from __future__ import annotations

import time
from collections.abc import Callable

SECRET = "ZZWHY it failed"
LIMIT_S = 30.0


def wait_for_list(find: Callable[[], object]) -> None:
    """Wait until something is found."""
    end_s = time.monotonic() + LIMIT_S
    while not find():
        assert time.monotonic() < end_s, "it never came"
        time.sleep(0.01)
