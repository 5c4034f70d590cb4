"""The socket as a service. Whoever may use it is told by the kernel: the daemon's own user, and root."""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

import anyio
import orjson
from aiohttp import web

from daemon.api.local.asking import Asked, fields_of
from daemon.api.local.peer import name_of, peer_uid
from daemon.api.local.place import SOCKET, short_path
from daemon.api.local.table import Resource
from daemon.api.problem import CONTENT_TYPE
from daemon.desks import DeskRefused
from daemon.errors import DaemonError, ListenFailed
from daemon.public import Public

BODY_LIMIT_BYTES = 256 * 1024
CLOSE_LIMIT_S = 2.0
_MODE = 0o600
_ROOT = 0


class LocalApi:
    """Answers commands of this machine."""

    name = Public("local-api")

    def __init__(self, folder: Path, resources: Sequence[Resource]) -> None:
        """Keep the collaborators; nothing is bound here."""
        self._folder = folder
        self._resources = resources
        self._runner: web.AppRunner | None = None
        self._stop = anyio.Event()

    async def open(self) -> None:
        """Begin to listen.

        A socket that is left over is replaced: the state folder is ours alone, so no other daemon can be behind it.

        Raises:
            ListenFailed: the socket cannot be made.
        """
        self._stop = anyio.Event()
        try:
            listening = self._bind()
        except OSError as error:
            message = f"{self._folder / SOCKET}: {error.strerror}"
            raise ListenFailed(message, hint="is the state folder writable?") from None
        app = web.Application(client_max_size=BODY_LIMIT_BYTES, middlewares=[_explain])
        for resource in self._resources:
            app.router.add_route(resource.method, resource.path, _answering(resource))
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSE_LIMIT_S)
        await self._runner.setup()
        await web.SockSite(self._runner, listening).start()

    async def serve(self) -> None:
        """Serve until drained."""
        await self._stop.wait()

    async def drain(self) -> None:
        """Answer what has been asked, then close and take the socket away."""
        self._stop.set()
        runner, self._runner = self._runner, None
        if runner is not None:
            with anyio.CancelScope(shield=True), anyio.move_on_after(CLOSE_LIMIT_S + 1):
                await runner.cleanup()
            (self._folder / SOCKET).unlink(missing_ok=True)

    def _bind(self) -> socket.socket:
        (self._folder / SOCKET).unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            before = os.umask(0o777 & ~_MODE)
            try:
                with short_path(self._folder) as path:
                    listening.bind(path)
            finally:
                os.umask(before)
            listening.setblocking(False)  # noqa: FBT003 - the standard library's own signature
            listening.listen()
        except OSError:
            listening.close()
            raise
        return listening


def _answering(resource: Resource) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        who = _who(request)
        if who is None:
            return _problem(HTTPStatus.FORBIDDEN, "not-permitted", "this is for the daemon's own user and root")
        try:
            fields = fields_of(await request.read())
            found = await resource.handle(Asked(who, dict(request.match_info), fields))
        except DeskRefused as refused:
            return _problem(HTTPStatus(refused.status), refused.code, str(refused), refused.hint)
        except DaemonError as error:
            return _problem(HTTPStatus.SERVICE_UNAVAILABLE, error.code, str(error), error.hint)
        return _json(found)

    return answer


def _who(request: web.Request) -> Public | None:
    transport = request.transport
    connection = None if transport is None else transport.get_extra_info("socket")
    if connection is None:  # gone already
        return None
    uid = peer_uid(connection)
    return name_of(uid) if uid in (_ROOT, os.getuid()) else None


def _json(found: Any) -> web.Response:
    options = orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS
    return web.Response(body=orjson.dumps(found, option=options, default=str), content_type="application/json")


def _problem(status: HTTPStatus, code: str, detail: str, hint: str = "") -> web.Response:
    body = {"type": "about:blank", "title": status.phrase, "status": status, "code": code, "detail": detail}
    if hint:
        body["hint"] = hint
    return web.Response(status=status, body=orjson.dumps(body), content_type=CONTENT_TYPE)


@web.middleware
async def _explain(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Answer a path or method there is not, or a body that is too long, with a problem document."""
    try:
        return await handler(request)
    except web.HTTPClientError as refused:
        status = HTTPStatus(refused.status)
        return _problem(status, status.phrase.lower().replace(" ", "-"), "nothing of the kind can be asked here")
