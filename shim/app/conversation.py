"""Runs the probe in the app's own interpreter and talks with it over a socket, within limits.

The process has a session of its own, and whatever it started in it is killed with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import anyio
from anyio.abc import ByteReceiveStream, Process

from shim.app.address import AppAddress
from shim.app.errors import AppBroken, AppEnded, AppError, AppNotAnswered

PROBE = Path(__file__).with_name("probe.py")
STDERR_LIMIT_BYTES = 4096
FAREWELL_S = 2.0
"""How long the end of a killed process is waited for."""

Result = TypeVar("Result")


class _Stopped(Exception):
    """The conversation is over; what the app wrote is added before anyone hears of it."""

    def __init__(self, kind: type[AppError], message: str, hint: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.hint = hint


class Conversation:
    """Lines of JSON, one document each."""

    def __init__(self, process: Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Keep both ends."""
        self._process = process
        self._reader = reader
        self._writer = writer

    async def hear(self, within_s: float) -> Any:
        """Wait for the next line; an exception of the app is raised as ``AppBroken``."""
        line = b""
        with anyio.move_on_after(within_s):
            line = await self._line()
        if not line:
            message = f"the app did not answer within {within_s:g} s"
            raise _Stopped(AppNotAnswered, message, "is it waiting for something while it is imported?")
        try:
            document = json.loads(line)
        except ValueError:
            raise _Stopped(AppNotAnswered, "the app answered what is no JSON") from None
        if isinstance(document, dict) and "error" in document:
            raise _Stopped(AppBroken, _told(document["error"]), "does celery -A find it in that folder?")
        return document

    async def say(self, line: bytes) -> None:
        """Send one line."""
        try:
            self._writer.write(line + b"\n")
            await self._writer.drain()
        except OSError:
            raise _Stopped(AppEnded, "the app's process has ended") from None

    async def _line(self) -> bytes:
        try:
            return await self._reader.readuntil(b"\n")
        except asyncio.LimitOverrunError:
            raise _Stopped(AppNotAnswered, "the app's answer is too large") from None
        except (asyncio.IncompleteReadError, OSError):
            pass
        with anyio.move_on_after(FAREWELL_S):
            await self._process.wait()
        message = f"the app's process ended without an answer (status {self._process.returncode})"
        raise _Stopped(AppEnded, message)


class _Tail:
    """The last of what a stream gave."""

    def __init__(self) -> None:
        self._kept = bytearray()

    async def drain(self, stream: ByteReceiveStream) -> None:
        async for piece in stream:
            self._kept += piece
            del self._kept[:-STDERR_LIMIT_BYTES]

    def __str__(self) -> str:
        return self._kept.decode("utf-8", "replace").strip()


async def converse(
    address: AppAddress, mode: str, talk: Callable[[Conversation], Awaitable[Result]], *, line_limit_bytes: int
) -> Result:
    """Start the probe, ``talk`` with it, and end it.

    Args:
        address: of the app.
        mode: ``ask`` or ``serve``.
        talk: the conversation; its result is handed on.
        line_limit_bytes: longest line that is heard.

    Raises:
        AppNotAnswered: as the conversation says, or the interpreter could not be started.
        AppBroken: the app raised while it was loaded.
    """
    ours, theirs = socket.socketpair()
    try:
        process = await _start(address, mode, theirs)
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    tail, results, stopped = _Tail(), [], None
    async with anyio.create_task_group() as tasks:
        writer: asyncio.StreamWriter | None = None
        drained = anyio.Event()

        async def drain() -> None:
            try:
                if process.stderr is not None:
                    await tail.drain(process.stderr)
            finally:
                drained.set()  # cancelled too: then there is nothing to wait for

        tasks.start_soon(drain)
        try:
            reader, writer = await asyncio.open_unix_connection(sock=ours, limit=line_limit_bytes)
            results.append(await talk(Conversation(process, reader, writer)))
        except _Stopped as error:
            stopped = error
        finally:
            _kill(process)
            if writer is not None:
                writer.close()
            with anyio.move_on_after(FAREWELL_S, shield=True):
                await process.wait()
                await drained.wait()
            tasks.cancel_scope.cancel()
    with anyio.CancelScope(shield=True):
        await process.aclose()
    if stopped is not None:
        message = f"app {address.app!r} ({address.python} in {address.folder}): {stopped}"
        raise stopped.kind(message, hint=stopped.hint, stderr=str(tail))
    return results[0]


async def _start(address: AppAddress, mode: str, theirs: socket.socket) -> Process:
    command = [address.python, str(PROBE), mode, str(theirs.fileno()), address.app]
    try:
        return await anyio.open_process(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=address.folder,
            env=address.environment,
            start_new_session=True,
            pass_fds=(theirs.fileno(),),
        )
    except OSError as error:
        message = f"app {address.app!r}: {address.python} could not be started in {address.folder} ({error.strerror})"
        raise AppNotAnswered(message, hint="app_python is the interpreter the workers run") from None


def _kill(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _told(error: Any) -> str:
    if not isinstance(error, dict):
        return "the app could not be loaded"
    kind, message, trace = (str(error.get(name, "")) for name in ("type", "message", "traceback"))
    return f"the app could not be loaded: {kind}: {message}\n{trace}".rstrip()
