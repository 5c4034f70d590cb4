"""Lets the thread that writes have the interpreter, from an event loop that is never idle.

CPython hands the interpreter over when a thread has waited for the switch interval and nobody gave it up meanwhile (``take_gil`` in
``Python/ceval_gil.h``). A busy event loop gives it up for a few microseconds each time it looks at its sockets, takes it back before the
waiting thread has woken, and with that begins the interval anew: a commit of a millisecond takes tens then.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

MOMENT_S = 1e-6
"""The shortest sleep there is: some 50 microseconds on Linux, enough for a thread to wake."""

IDLE_S = 30e-6
"""Where no more than this has passed since the last moment, nothing else had a turn: the interpreter is free without us."""

LOOK_AGAIN_S = 0.001


class StepAside:
    """Gives the interpreter up for a moment in each turn of a busy event loop, for as long as it is wanted."""

    def __init__(self, is_wanted: Callable[[], bool]) -> None:
        """Keep who says whether the thread has something to do."""
        self._is_wanted = is_wanted
        self._is_at_it = False
        self._stepped_at_s = 0.0

    def begin(self) -> None:
        """Step aside from the next turn of the running event loop on."""
        if not self._is_at_it:
            self._is_at_it = True
            asyncio.get_running_loop().call_soon(self._step)

    def _step(self) -> None:
        if not self._is_wanted():
            self._is_at_it = False
            return
        loop = asyncio.get_running_loop()
        if time.perf_counter() - self._stepped_at_s < IDLE_S:
            loop.call_later(LOOK_AGAIN_S, self._step)
            return
        time.sleep(MOMENT_S)
        self._stepped_at_s = time.perf_counter()
        loop.call_soon(self._step)
