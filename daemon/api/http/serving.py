"""Makes handlers of the HTTP library out of resources: who asks, may they, what do they ask, what is answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Any, TypeAlias

import anyio
from aiohttp import HttpVersion11, web

from daemon.api.http.access import ADDRESS, Access, permit
from daemon.api.http.answer import Answer, is_one_of, written
from daemon.api.http.asked import Asked
from daemon.api.http.caller import Caller, Means
from daemon.api.http.idempotency import KEY_LIMIT, Idempotency
from daemon.api.http.line import HEARTBEAT_S, MESSAGE_LIMIT_BYTES, SIGNED_OUT, TOO_SLOW, WebSocketLine
from daemon.api.http.problem import CONTENT_TYPE, problem, word_of
from daemon.api.http.reading import FieldsRefused, read_body, read_query
from daemon.api.http.resource import Channel, LineGone, Resource
from daemon.api_events import LineClosed, LineOpened, RequestAnswered, RequestDenied
from daemon.clock import Clock
from daemon.deeds import Deed, DeedKind, Outcome
from daemon.desks import BadRequest, DeskRefused, NotSignedIn, TooMuch, Unavailable
from daemon.errors import DaemonError
from daemon.events import RequestCrashed
from daemon.ports import Emit
from daemon.public import Public, frames, reason

BODY_LIMIT_S = 10.0
REQUESTS_LIMIT = 256
"""How many requests are answered at once; more are sent away."""

LINES_LIMIT = 10_000
SESSION_LINES_LIMIT = 32
"""How many WebSockets a session may have open: tabs of one browser."""

HandlerOf: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


class BodyLate(DeskRefused):
    """The body did not come in time."""

    code = "body-not-completed"
    status = 408


class BodyTooLong(DeskRefused):
    """The body is longer than is taken."""

    code = "body-too-long"
    status = 413


class Crowded(Unavailable):
    """As many requests as are answered at once are under way."""

    code = "too-many-requests"


class Serving:
    """What all handlers of one listener share."""

    def __init__(self, access: Access, clock: Clock, emit: Emit, *, requests_limit: int = REQUESTS_LIMIT) -> None:
        """Keep the collaborators."""
        self._access = access
        self._clock = clock
        self._emit = emit
        self._requests_limit = requests_limit
        self._idempotency = Idempotency()
        self._lines = 0
        self._closing: dict[WebSocketLine, Caller] = {}
        self.busy: set[Any] = set()
        self.talking_on: set[Any] = set()

    def route(self, app: web.Application, resources: tuple[Resource, ...], channels: tuple[Channel, ...] = ()) -> None:
        """Add a route for each."""
        for resource in resources:
            handler = self.answering(resource)
            app.router.add_route(resource.method, resource.path, handler, expect_handler=expecting)
            if resource.method == "GET":
                app.router.add_route("HEAD", resource.path, handler, expect_handler=expecting)
        for channel in channels:
            app.router.add_route("GET", channel.path, self.talking(channel), expect_handler=expecting)

    # -- requests ------------------------------------------------------------------------------------------------------

    def answering(self, resource: Resource) -> HandlerOf:
        """Make the handler of a resource."""
        method, route = Public(resource.method), Public(resource.path)

        async def answer(request: web.Request) -> web.StreamResponse:
            began_s = self._clock.monotonic_s()
            if len(self.busy) >= self._requests_limit:
                found: web.StreamResponse = refusal(Crowded("too much is asked at once"))
            else:
                self.busy.add(request.protocol)
                try:
                    found = await self._answered(resource, request, route)
                finally:
                    self.busy.discard(request.protocol)
            self._emit(RequestAnswered(method, route, found.status, self._clock.monotonic_s() - began_s))
            return found

        return answer

    async def _answered(self, resource: Resource, request: web.Request, route: Public) -> web.StreamResponse:
        try:
            caller = await self._admitted(resource, request, route)
            asked = await read_asked(resource, request, caller)
            return response(await self._handled(resource, request, asked), request)
        except web.HTTPException:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is ends this request alone
            return self._explained(error, Public(f"{resource.method} {resource.path}"))

    def _explained(self, error: Exception, asked_for: Public) -> web.Response:
        """Tell a caller what became of a request: refused, not to be had now, or a bug of ours."""
        if isinstance(error, DeskRefused):
            return refusal(error)
        if isinstance(error, DaemonError):
            return _problem(HTTPStatus.SERVICE_UNAVAILABLE, error.code, str(error), error.hint)
        self._emit(RequestCrashed(asked_for, reason(error), frames(error)))
        return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, "bug", "a bug of ours; the daemon's log says where")

    async def _admitted(self, wanted: Resource | Channel, request: web.Request, route: Public) -> Caller:
        is_safe = isinstance(wanted, Channel) or wanted.is_safe
        try:
            caller = await self._access.admit(request, is_safe=is_safe)
        except DeskRefused as refused:
            self._emit(RequestDenied(Public(refused.code), route, _address_of(request)))
            raise
        try:
            permit(caller, wanted)
        except DeskRefused as refused:
            self._emit(RequestDenied(Public(refused.code), route, _address_of(request)))
            if caller.means is not Means.NONE:
                self._emit(_refused_to(caller, route, refused.code))
            raise
        return caller

    async def _handled(self, resource: Resource, request: web.Request, asked: Asked) -> Answer:
        key = asked.idempotency_key if resource.is_creation else ""
        if not key:
            return answered(resource, await resource.handle(asked))
        who = f"{asked.caller.means.value} {asked.caller.credential or asked.caller.who}"
        print_ = b"%b %b\0%b" % (request.method.encode(), request.raw_path.encode(), asked.raw_body)
        kept = self._idempotency.begin(who, key, print_, self._clock.monotonic_s())
        if kept is not None:
            return replace(kept, headers={**kept.headers, "Idempotency-Replayed": "true"})
        found: Answer | None = None
        try:
            fresh = answered(resource, await resource.handle(asked))
            is_written = isinstance(fresh.body, bytes)
            found = fresh if is_written else replace(fresh, body=written(fresh.body))  # its size is known then
        finally:
            self._idempotency.end(who, key, found)
        return found

    # -- WebSockets ----------------------------------------------------------------------------------------------------

    def talking(self, channel: Channel) -> HandlerOf:
        """Make the handler of a channel. What is refused is refused before the upgrade, with a problem document."""
        route = Public(channel.path)

        async def talk(request: web.Request) -> web.StreamResponse:
            try:
                caller = await self._admitted(channel, request, route)
                self._has_room(caller)
                query = read_query(channel.query, request.query.items())
                asked = Asked(caller, dict(request.match_info), query)
                found = await channel.check(asked) if channel.check is not None else None
            except Exception as error:  # noqa: BLE001 - whatever it is ends this request alone
                return self._explained(error, Public(f"WS {channel.path}"))
            return await self._talked(channel, request, asked, found)

        return talk

    async def _talked(self, channel: Channel, request: web.Request, asked: Asked, found: Any) -> web.StreamResponse:
        socket = web.WebSocketResponse(
            heartbeat=HEARTBEAT_S, max_msg_size=MESSAGE_LIMIT_BYTES, compress=False, timeout=1.0
        )
        if not socket.can_prepare(request).ok:
            message = "this is a WebSocket"
            return refusal(BadRequest(message, hint="ask with Upgrade: websocket"))
        await socket.prepare(request)
        line, route = WebSocketLine(socket), Public(channel.path)
        self._lines += 1
        self._closing[line] = asked.caller
        self.talking_on.add(request.protocol)
        self._emit(LineOpened(route, self._lines))
        try:
            await channel.talk(asked, line, found)
        except LineGone:
            pass
        except Exception as error:  # noqa: BLE001 - a bug of ours ends this line alone
            self._emit(RequestCrashed(Public(f"WS {channel.path}"), reason(error), frames(error)))
            await line.close(1011, "a bug of ours")
        finally:
            self._lines -= 1
            del self._closing[line]
            self.talking_on.discard(request.protocol)
            self._emit(LineClosed(route, self._lines, line.was_slow))
        await line.close(TOO_SLOW if line.was_slow else 1000)
        return socket

    def _has_room(self, caller: Caller) -> None:
        is_full = self._lines >= LINES_LIMIT
        if not is_full and caller.session_key and self._lines >= SESSION_LINES_LIMIT:
            own = sum(one.session_key == caller.session_key for one in self._closing.values())
            is_full = own >= SESSION_LINES_LIMIT
        if is_full:
            message = "too many WebSockets are open already"
            raise TooMuch(message)

    async def close_ended(self) -> None:
        """Close the lines of those who are no longer signed in."""
        ended = [line for line, caller in self._closing.items() if not self._access.holds(caller)]
        async with anyio.create_task_group() as tasks:
            for line in ended:
                tasks.start_soon(line.close, SIGNED_OUT, "signed out")

    async def close_lines(self) -> None:
        """Tell every reader that the service restarts (RFC 6455: 1012)."""
        async with anyio.create_task_group() as tasks:
            for line in list(self._closing):
                tasks.start_soon(line.close, 1012, "the daemon ends")


def _refused_to(caller: Caller, route: Public, code: str) -> Deed:
    role, address = caller.role.word, caller.address
    kind, outcome = DeedKind.ACCESS_REFUSED, Outcome.REFUSED
    return Deed(kind, caller.who, route, outcome, Public(code), address=address, role=role)


def _address_of(request: web.Request) -> Public:
    found: Public = request.get(ADDRESS, Public(request.remote or ""))
    return found


async def expecting(request: web.Request) -> None:
    """Say that the body may come to whoever waits for that; other expectations are passed over (RFC 9110 section 10.1.1)."""
    if request.version == HttpVersion11 and request.headers.get("Expect", "").strip().lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # it is no part of the answer


async def read_asked(resource: Resource, request: web.Request, caller: Caller) -> Asked:
    """Read a request as its resource wants it.

    Raises:
        BadRequest, FieldsRefused, BodyLate, BodyTooLong: it cannot be read.
    """
    raw = await _body(resource, request) if request.body_exists else b""
    key = request.headers.get("Idempotency-Key", "").strip().strip('"')
    if len(key) > KEY_LIMIT or not key.isprintable():
        message = f"Idempotency-Key: at most {KEY_LIMIT} printable characters"
        raise BadRequest(message)
    return Asked(
        caller,
        dict(request.match_info),
        None if resource.is_raw else read_query(resource.query, request.query.items()),
        None if resource.is_raw else read_body(resource.body, raw),
        tuple(request.query.items()),
        raw,
        request.headers.get("If-Match", ""),
        key,
        request.content_type,
    )


async def _body(resource: Resource, request: web.Request) -> bytes:
    limit = resource.body_limit_bytes
    if request.content_length is not None and request.content_length > limit:
        raise _too_long(limit)
    taken = bytearray()
    try:
        with anyio.fail_after(BODY_LIMIT_S):
            async for part in request.content.iter_any():
                taken += part
                if len(taken) > limit:
                    raise _too_long(limit)
    except TimeoutError:
        message = "the body did not come in time"
        raise BodyLate(message) from None
    return bytes(taken)


def _too_long(limit: int) -> BodyTooLong:
    return BodyTooLong(f"a body has at most {limit} bytes here")


def answered(resource: Resource, found: Any) -> Answer:
    """Make an answer of what a handler gave."""
    if isinstance(found, Answer):
        return found
    return Answer(found, resource.status, media_type=resource.media_type)


def response(answer: Answer, request: web.Request) -> web.Response:
    """Write an answer; one whose tag the caller has already has no body (RFC 9110 section 13.1.2)."""
    headers = dict(answer.headers)
    if answer.etag:
        headers["ETag"] = f'"{answer.etag}"'
        known = request.headers.get("If-None-Match", "")
        if known and request.method in ("GET", "HEAD") and is_one_of(answer.etag, known):
            return web.Response(status=304, headers=headers)
    if answer.status == HTTPStatus.NO_CONTENT:
        return web.Response(status=answer.status, headers=headers)
    body = answer.body if isinstance(answer.body, bytes) else written(answer.body)
    headers["Content-Type"] = answer.media_type
    return web.Response(status=answer.status, body=body, headers=headers)


def refusal(refused: DeskRefused) -> web.Response:
    """Write a refusal."""
    errors = refused.errors if isinstance(refused, FieldsRefused) else ()
    found = _problem(HTTPStatus(refused.status), refused.code, str(refused), refused.hint, errors)
    if isinstance(refused, TooMuch):
        found.headers["Retry-After"] = str(refused.retry_after_s)
    if isinstance(refused, NotSignedIn):
        found.headers["WWW-Authenticate"] = 'Bearer realm="carillon"'
    if isinstance(refused, (BodyLate, BodyTooLong)):
        found.force_close()
    return found


def _problem(status: HTTPStatus, code: str, detail: str, hint: str = "", errors: Any = ()) -> web.Response:
    body = problem(status, code, detail, hint=hint, errors=errors)
    return web.Response(status=status, body=written(body), content_type=CONTENT_TYPE)


@web.middleware
async def explain(request: web.Request, handler: HandlerOf) -> web.StreamResponse:
    """Answer a path or method there is not with a problem document."""
    try:
        return await handler(request)
    except web.HTTPClientError as refused:
        status = HTTPStatus(refused.status)
        detail = "nothing of the kind can be asked here"
        hint = "GET /api/openapi.json lists what can be" if status is HTTPStatus.NOT_FOUND else ""
        found = _problem(status, word_of(status), detail, hint)
        if "Allow" in refused.headers:
            found.headers["Allow"] = refused.headers["Allow"]
        return found
