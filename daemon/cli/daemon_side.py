"""What commands share that ask the running daemon of a site, over the socket in its state folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import anyio
import orjson

from daemon.api.local.place import SOCKET, short_path
from daemon.errors import DaemonError
from daemon.site import Site

ANSWER_LIMIT_S = 30.0


class NoDaemon(DaemonError):
    """No daemon of the site runs on this machine, or it does not answer."""

    code = "no-daemon"
    exit_code = 69


class DaemonRefused(DaemonError):
    """The daemon answered that it cannot be done."""

    code = "refused"
    exit_code = 65


_LOOK = "look at its log"
_EXIT_CODES = {400: 65, 403: 77, 404: 65, 409: 75, 412: 75, 413: 65, 422: 65, 429: 75, 500: 70, 501: 69, 503: 75}


def ask_daemon(
    site: Site, method: str, path: str, fields: dict[str, Any] | None = None, *, limit_s: float = ANSWER_LIMIT_S
) -> Any:
    """Ask the daemon of a site, and give its answer.

    Raises:
        NoDaemon: none runs here, or it does not answer.
        DaemonRefused: it cannot be done; ``exit_code`` says whose fault that is.
    """
    return anyio.run(_ask, site.settings.site.state_dir, method, path, fields, limit_s)


async def _ask(folder: Path, method: str, path: str, fields: dict[str, Any] | None, limit_s: float) -> Any:
    body = None if fields is None else orjson.dumps(fields)
    limit = aiohttp.ClientTimeout(total=limit_s)
    try:
        with short_path(folder) as place:
            async with (
                aiohttp.ClientSession(connector=aiohttp.UnixConnector(place), timeout=limit) as session,
                session.request(method, f"http://carillon{path}", data=body) as response,
            ):
                status, answer = response.status, await response.read()
    except (FileNotFoundError, NotADirectoryError, aiohttp.ClientConnectorError) as error:
        raise _absent(folder, error) from None
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        message = f"the daemon behind {folder / SOCKET} does not answer ({type(error).__name__})"
        raise NoDaemon(message, hint=_LOOK) from None
    found = _read(answer)
    if status >= 400 or found is None:  # noqa: PLR2004 - what HTTP calls an error
        raise _refused(status, found)
    return found


def _read(body: bytes) -> Any:
    """Read an answer; ``None`` if it is none of ours: the daemon met a bug, and its log says which."""
    try:
        return orjson.loads(body)
    except ValueError:
        return None


def _absent(folder: Path, error: OSError) -> NoDaemon:
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, PermissionError):
        message = f"{folder / SOCKET} is for the daemon's own user and root"
        return NoDaemon(message, hint="run this as that user, or as root")
    message = f"no daemon of this site runs here ({folder / SOCKET} is not there, or nobody answers)"
    return NoDaemon(message, hint="start it: carillon run -c SITE")


def _refused(status: int, problem: Any) -> DaemonRefused:
    detail, hint = (problem.get("detail", ""), problem.get("hint", "")) if isinstance(problem, dict) else ("", "")
    refused = DaemonRefused(detail or f"the daemon failed at it ({status})", hint=hint or _LOOK)
    refused.exit_code = _EXIT_CODES.get(status, DaemonRefused.exit_code)
    return refused
