"""Asks a Celery app what it is. Run by the app's own interpreter: Python 3.8, Celery 5.3, nothing of ours.

    python probe.py ask|serve FD APP

The answer is one line of JSON on the socket ``FD``; whatever the app prints goes elsewhere. ``serve`` first says that it is
ready and then answers one line with one line, until the socket is closed: where would the app's routers send this task?
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import socket
import sys
import traceback
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TOLD = 4000


def main() -> None:
    """Find the app, answer, and leave without the app's farewells."""
    mode, number, name = sys.argv[1:4]
    channel = socket.socket(fileno=int(number))
    channel.set_inheritable(False)
    if sys.path and Path(sys.path[0]).resolve() == HERE:
        del sys.path[0]  # our folder: none of its names may stand in the app's way
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    status = 1
    try:
        values = load_values()
        app = find(name)
        if mode == "serve":
            serve(app, channel, values)
        else:
            send(channel, values.described(app))
        status = 0
    except BaseException as error:  # noqa: BLE001 - SystemExit of an app is an answer too
        send(channel, {"error": told(error)})
    finally:
        sys.stderr.flush()
        os._exit(status)


def load_values() -> Any:
    """Load the other half of this script, under a name no app has."""
    spec = importlib.util.spec_from_file_location("_carillon_probe_values", HERE / "probe_values.py")
    if spec is None or spec.loader is None:
        raise ImportError("probe_values.py")
    values = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(values)
    return values


def find(name: str) -> Any:
    """Find the app as ``celery -A`` does, and register all its tasks."""
    os.environ.setdefault("CELERY_SKIP_CHECKS", "true")  # Django's system checks may ask its database
    from celery.app.utils import find_app  # noqa: PLC0415 - what it imports may read the variable

    app = find_app(name)
    app.set_current()
    app.loader.import_default_modules()
    app.finalize()
    return app


def serve(app: Any, channel: socket.socket, values: Any) -> None:
    """Answer questions until nobody asks any more."""
    loads = importlib.import_module("kombu.utils.json").loads
    send(channel, {"ready": True})
    with channel.makefile("rb") as questions:
        for line in questions:
            try:
                send(channel, {"route": route(app, loads(line.decode("utf-8")), values)})
            except Exception as error:  # noqa: BLE001 - user code; its text may hold arguments, so only its class is told
                send(channel, {"failed": values.path_of(type(error))})


def route(app: Any, question: Any, values: Any) -> Any:
    """Ask the app's routers, in the way ``Router.route`` of ``celery/app/routes.py`` does."""
    router = app.amqp.router
    options = router.expand_destination(dict(question["options"]))
    name = question["task"]
    found = router.lookup_route(name, question["args"], question["kwargs"], options, app.tasks.get(name))
    return values.route_of(found)


def told(error: BaseException) -> dict[str, str]:
    """Say what went wrong in the app."""
    lines = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return {"type": type(error).__name__, "message": str(error)[:TOLD], "traceback": lines[-TOLD:]}


def send(channel: socket.socket, document: object) -> None:
    """Write one line."""
    channel.sendall(json.dumps(document).encode("ascii") + b"\n")


if __name__ == "__main__":
    main()
