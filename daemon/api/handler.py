"""The library's side of a connection, except for what it says of requests it cannot read: nothing of them, and not who it is."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web

from daemon.api.http.answer import written
from daemon.api.http.problem import CONTENT_TYPE, problem

HEADERS: Mapping[str, str] = {
    "Server": "carillon",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
"""On every answer that does not say otherwise."""


class Handler(web.RequestHandler):
    """Speaks HTTP over one connection."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not be read, or what the library failed at, and end the connection; see the library."""
        del message  # quotes what was sent
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self.log_exception("a request could not be handled", exc_info=exc)
        if request.writer.output_size > 0:
            text = "an answer was begun already"
            raise ConnectionError(text)
        is_bug = status >= HTTPStatus.INTERNAL_SERVER_ERROR
        code, detail = (
            ("bug", "a bug of ours") if is_bug else ("bad-request", "the request is no HTTP that is read here")
        )
        found = web.Response(
            status=status,
            body=written(problem(HTTPStatus(status), code, detail)),
            content_type=CONTENT_TYPE,
            headers=HEADERS,
        )
        found.force_close()
        return found
