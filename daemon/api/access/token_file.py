"""The tokens of a site: ``tokens.json`` in its state folder, changed by the command and by the daemon, under a lock."""

from __future__ import annotations

import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import orjson

from daemon.api.access.token import TOKENS_LIMIT, Token, TokensUnreadable, read_tokens, write_tokens
from daemon.desks import NotNow, NotThere
from daemon.errors import DaemonError
from daemon.whole_file import write_whole

TOKENS = "tokens.json"
USED = "tokens-used.json"
_LOCK = "tokens.lock"
LOCK_LIMIT_S = 5.0
FILE_LIMIT_BYTES = 4 * 1024 * 1024


class TokensFailed(DaemonError):
    """The tokens cannot be read or written; nobody is let in by them."""

    code = "tokens-failed"
    exit_code = 74
    retryable = True


class Stamp(NamedTuple):
    """What tells one state of the file from another."""

    inode: int
    size_bytes: int
    written_ns: int
    changed_ns: int


class TokenFile:
    """The tokens of one state folder."""

    def __init__(self, folder: Path) -> None:
        """Open nothing yet."""
        self._folder = folder
        self.path = folder / TOKENS

    def stamp(self) -> Stamp | None:
        """Look at the file; ``None`` if there is none."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return Stamp(found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    def read(self) -> tuple[Token, ...]:
        """Give all tokens; none if there is no file.

        Raises:
            TokensFailed: it cannot be read, is not ours alone, or is no file of tokens.
        """
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise self._failed(error.strerror) from None
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            owners = (0, os.geteuid(), self._folder.stat().st_uid)
            if not stat.S_ISREG(found.st_mode) or found.st_mode & 0o022 or found.st_uid not in owners:
                raise self._failed("others may write it", hint="chmod 600 it, and make it the daemon's user's")
            content = file.read(FILE_LIMIT_BYTES + 1)
        if len(content) > FILE_LIMIT_BYTES:
            raise self._failed(f"larger than {FILE_LIMIT_BYTES} bytes")
        try:
            return read_tokens(content)
        except TokensUnreadable as error:
            raise self._failed(str(error)) from None

    def add(self, token: Token, before: Callable[[], None] | None = None) -> None:
        """Add a token; ``before`` is called once it is known that it can be.

        Raises:
            NotNow: its name is taken, or there are too many.
            TokensFailed: it cannot be written; there is no such token.
        """
        with self._locked():
            tokens = self.read()
            if any(one.name == token.name for one in tokens):
                message = f'there is a token "{token.name}" already'
                raise NotNow(message, hint="remove it first, or choose another name", field="name")
            if len(tokens) >= TOKENS_LIMIT:
                message = f"there are {TOKENS_LIMIT} tokens already"
                raise NotNow(message, hint="remove those nobody uses")
            if before is not None:
                before()
            self._write((*tokens, token))

    def remove(self, wanted: str, before: Callable[[Token], None] | None = None) -> Token:
        """Take out the token of an id or name; ``before`` is called with it first.

        Raises:
            NotThere: there is none of that id or name.
            TokensFailed: it cannot be written; the token stands.
        """
        with self._locked():
            tokens = self.read()
            found = next((one for one in tokens if wanted in (one.id, one.name)), None)
            if found is None:
                message = "there is no such token"
                raise NotThere(message, hint="carillon token list shows those there are")
            if before is not None:
                before(found)
            self._write(tuple(one for one in tokens if one.id != found.id))
        return found

    # -- when they were used last --------------------------------------------------------------------------------------

    def used(self) -> dict[str, int]:
        """Give by id when each was used last, in microseconds since the epoch; what cannot be read is not known."""
        try:
            with (self._folder / USED).open("rb") as file:
                found = orjson.loads(file.read(FILE_LIMIT_BYTES))
        except (OSError, ValueError):
            return {}
        return {key: value for key, value in found.items() if type(value) is int} if isinstance(found, dict) else {}

    def write_used(self, used: Mapping[str, int]) -> None:
        """Note when each was used last. That it cannot be written stops nobody."""
        try:
            write_whole(self._folder / USED, orjson.dumps(dict(sorted(used.items()))))
        except OSError:
            return

    # -- within --------------------------------------------------------------------------------------------------------

    def _write(self, tokens: tuple[Token, ...]) -> None:
        try:
            write_whole(self.path, write_tokens(tokens))
        except OSError as error:
            raise self._failed(error.strerror) from None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._failed(error.strerror) from None
        try:
            until_s = time.monotonic() + LOCK_LIMIT_S
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > until_s:
                        raise self._failed("another program holds tokens.lock") from None
                    time.sleep(0.005)
            yield
        finally:
            os.close(descriptor)

    def _failed(self, what: str | None, hint: str = "may this user read and write the state folder?") -> TokensFailed:
        return TokensFailed(f"{self.path}: {what or 'cannot be used'}", hint=hint)
