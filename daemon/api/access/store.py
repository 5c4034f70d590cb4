"""The tokens as the running daemon knows them: read at the start, and again whenever the file changes."""

from __future__ import annotations

from functools import partial

import anyio
from anyio import to_thread

from daemon.api.access.sessions import Sessions
from daemon.api.access.token import Token
from daemon.api.access.token_file import Stamp, TokenFile, TokensFailed
from daemon.clock import Clock
from daemon.events import Warned
from daemon.ports import Emit
from daemon.public import Public, reason

LOOK_EVERY_S = 1.0
NOTE_EVERY_S = 60.0
_ADD = "carillon token add NAME --role admin makes one"


class TokenStore:
    """A service that keeps up with the file, ends sessions whose token is gone, and notes when tokens were used.

    Attributes:
        tokens: by id. None if the file cannot be read: then nobody is let in.
        looks: how often the file was looked at.
    """

    name = Public("access")

    def __init__(self, file: TokenFile, sessions: Sessions, site: Public, clock: Clock, emit: Emit) -> None:
        """Read nothing yet."""
        self._file = file
        self._sessions = sessions
        self._site = site
        self._clock = clock
        self._emit = emit
        self.tokens: dict[str, Token] = {}
        self._used: dict[str, int] = {}
        self._is_noted = True
        self._stamp: Stamp | None = None
        self.looks = 0
        self._stop = anyio.Event()
        self._asked = anyio.Event()
        self._reading = anyio.Lock()

    async def open(self) -> None:
        """Read the file, and say so if there is nobody in it. One that cannot be read stops nothing."""
        self._stop = anyio.Event()
        await self.reload()
        self._used = {**await to_thread.run_sync(self._file.used), **self._used}
        if not self.tokens and self._stamp is None:
            self._emit(Warned(Public("no-token"), self._site, Public(f"nobody can sign in: there is no token; {_ADD}")))

    async def serve(self) -> None:
        """Look at the file every second, and when asked to, until drained."""
        noted_s = self._clock.monotonic_s()
        while not self._stop.is_set():
            with anyio.move_on_after(LOOK_EVERY_S):
                await self._asked.wait()
            self._asked = anyio.Event()
            await self.catch_up()
            self._sessions.forget(self._clock.monotonic_s(), self.is_good)
            if self._clock.monotonic_s() - noted_s >= NOTE_EVERY_S:
                noted_s = self._clock.monotonic_s()
                await self._note()
            self.looks += 1

    async def drain(self) -> None:
        """Note what was used."""
        self._stop.set()
        self._asked.set()
        await self._note()

    def look(self) -> None:
        """Have the file looked at now."""
        self._asked.set()

    async def catch_up(self) -> None:
        """Read the file if it has changed: whoever comes with a token that was made just now is not turned away."""
        async with self._reading:
            if await to_thread.run_sync(self._file.stamp) != self._stamp:
                await self._read()

    async def reload(self) -> None:
        """Read the file."""
        async with self._reading:
            await self._read()

    async def _read(self) -> None:
        self._stamp = await to_thread.run_sync(self._file.stamp)
        try:
            tokens = await to_thread.run_sync(self._file.read)
        except TokensFailed as error:
            self.tokens = {}
            self._emit(Warned(Public(error.code), self._site, Public(f"nobody is let in: {reason(error)}")))
        else:
            self.tokens = {one.id: one for one in tokens}

    def is_good(self, token_id: str) -> bool:
        """Say whether a token is there and has not expired."""
        token = self.tokens.get(token_id)
        return token is not None and token.is_good(self._clock.now_us())

    def use(self, token_id: str, now_us: int) -> None:
        """Note that a token was used."""
        self._used[token_id] = now_us
        self._is_noted = False

    def used_us(self, token_id: str) -> int | None:
        """Say when a token was used last."""
        return self._used.get(token_id)

    async def _note(self) -> None:
        if self._is_noted:
            return
        self._is_noted = True
        used = {token_id: at_us for token_id, at_us in self._used.items() if token_id in self.tokens}
        self._used = dict(used)
        await to_thread.run_sync(partial(self._file.write_used, used))
