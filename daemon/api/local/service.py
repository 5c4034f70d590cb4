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
from daemon.clock import Clock
from daemon.desks import DeskRefused
from daemon.errors import DaemonError, ListenFailed
from daemon.events import RequestCrashed
from daemon.ports import Emit
from daemon.public import Public, frames, reason

BODY_LIMIT_BYTES = 256 * 1024
BODY_LIMIT_S = 10.0
IDLE_LIMIT_S = 15.0
"""How long a connection may be open without a whole request."""

REQUESTS_LIMIT = 32
"""How many requests are answered at once; more are sent away."""

CLOSE_LIMIT_S = 2.0
_MODE = 0o600
_ROOT = 0


class LocalApi:
    """Answers commands of this machine."""

    name = Public("local-api")

    def __init__(self, folder: Path, resources: Sequence[Resource], clock: Clock, emit: Emit) -> None:
        """Keep the collaborators; nothing is bound here."""
        self._folder = folder
        self._resources = resources
        self._clock = clock
        self._emit = emit
        self._busy: set[Any] = set()
        self._idle_since_s: dict[Any, float] = {}
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
            app.router.add_route(resource.method, resource.path, self._answering(resource))
        self._runner = web.AppRunner(
            app, access_log=None, keepalive_timeout=IDLE_LIMIT_S, shutdown_timeout=CLOSE_LIMIT_S
        )
        await self._runner.setup()
        await web.SockSite(self._runner, listening).start()

    async def serve(self) -> None:
        """Serve until drained; close connections over which nothing is asked."""
        while not self._stop.is_set():
            with anyio.move_on_after(IDLE_LIMIT_S / 4):
                await self._stop.wait()
            self._close_idle()

    async def drain(self) -> None:
        """Answer what has been asked, then close and take the socket away."""
        self._stop.set()
        runner, self._runner = self._runner, None
        if runner is not None:
            with anyio.CancelScope(shield=True), anyio.move_on_after(CLOSE_LIMIT_S + 1):
                await runner.cleanup()
            (self._folder / SOCKET).unlink(missing_ok=True)

    def _answering(self, resource: Resource) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def answer(request: web.Request) -> web.StreamResponse:
            if len(self._busy) >= REQUESTS_LIMIT:
                return _problem(HTTPStatus.SERVICE_UNAVAILABLE, "too-many-requests", "too much is asked at once")
            self._busy.add(request.protocol)
            try:
                return await _answer(resource, request)
            except web.HTTPException:
                raise
            except Exception as error:  # noqa: BLE001 - a bug of ours ends this request alone
                asked = Public(f"{resource.method} {resource.path}")
                self._emit(RequestCrashed(asked, reason(error), frames(error)))
                detail = "a bug of ours; the daemon's log says where"
                return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, "bug", detail)
            finally:
                self._busy.discard(request.protocol)

        return answer

    def _close_idle(self) -> None:
        """Close connections that have been without a request for too long; the library waits for the first one for ever."""
        server = None if self._runner is None else self._runner.server
        if server is None:
            return
        now_s, before = self._clock.monotonic_s(), self._idle_since_s
        idle = [one for one in server.connections if one not in self._busy]
        self._idle_since_s = {one: before.get(one, now_s) for one in idle}
        for one, since_s in self._idle_since_s.items():
            if now_s - since_s >= IDLE_LIMIT_S:
                one.force_close()

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


async def _answer(resource: Resource, request: web.Request) -> web.StreamResponse:
    who = _who(request)
    if who is None:
        return _problem(HTTPStatus.FORBIDDEN, "not-permitted", "this is for the daemon's own user and root")
    try:
        with anyio.fail_after(BODY_LIMIT_S):
            body = await request.read()
    except TimeoutError:
        late = _problem(HTTPStatus.REQUEST_TIMEOUT, "body-not-completed", "the body did not come in time")
        late.force_close()
        return late
    try:
        found = await resource.handle(Asked(who, dict(request.match_info), fields_of(body)))
    except DeskRefused as refused:
        return _problem(HTTPStatus(refused.status), refused.code, str(refused), refused.hint)
    except DaemonError as error:
        return _problem(HTTPStatus.SERVICE_UNAVAILABLE, error.code, str(error), error.hint)
    return _json(found)


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
        detail = "nothing of the kind can be asked here"
        if status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            detail = f"a body has at most {BODY_LIMIT_BYTES} bytes"
        return _problem(status, status.phrase.lower().replace(" ", "-"), detail)
