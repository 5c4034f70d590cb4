"""The celery application of the foreign thread: made there, used there, closed there.

Celery is imported when the thread needs it and not before; a process that never calls never has it.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from shim.errors import BrokerUrlInvalid
from shim.foreign.errors import ForeignMissing
from shim.foreign.settings import NO_BACKEND, NO_BROKER, ForeignSettings, scheme_of
from shim.foreign.thread import QUEUE_LIMIT, ForeignThread
from shim.value import Value

DEFAULTS: dict[str, Any] = {
    # A publish that celery repeats by itself can make two messages of one. Whoever calls repeats, when it is safe.
    "task_publish_retry": False,
    # Metas are read anew each time: what is cached once is never seen to change.
    "result_cache_max": -1,
}
RPC_CACHE = 10_000
"""Results kept of a reply queue; reading one takes it off the queue, and nobody else has it."""

POOL_LIMIT = 32
"""Connections of one application. A canvas takes one more for each level of nesting, and waits for ever for one too many."""


def foreign_thread(settings: ForeignSettings, *, queue_limit: int = QUEUE_LIMIT) -> ForeignThread[Any]:
    """Make a thread whose state is a celery application with ``settings``; nothing starts before its first call.

    ``ForeignPublisher``, ``ForeignResults`` and ``ForeignCanvas`` share it. With ``rpc://`` results they must: replies go to
    the queue of the thread that sent the task.
    """
    return ForeignThread(lambda: open_app(settings), close_app, name="shim-foreign", queue_limit=queue_limit)


def open_app(settings: ForeignSettings) -> Any:
    """Make the application; runs in the thread, connects to nothing.

    Raises:
        ForeignMissing: celery is not installed.
        BrokerUrlInvalid: kombu has no such transport.
    """
    try:
        from celery import Celery  # noqa: PLC0415 - only here may it be loaded
    except ImportError:
        message = "celery is not installed, and this broker or back-end is spoken through it"
        raise ForeignMissing(
            message, hint="pip install 'carillond[celery]', and what celery needs for the address"
        ) from None
    broker, backend = settings.broker_url or NO_BROKER, settings.result_backend or NO_BACKEND

    class Foreign(Celery):  # type: ignore[misc] # celery has no types
        """Celery's application, with the addresses it was given and not those of CELERY_BROKER_URL and the like."""

        backend_cls = backend

        def connection_for_write(self, url: str | None = None, **options: Any) -> Any:
            return super().connection_for_write(url or broker, **options)

        def connection_for_read(self, url: str | None = None, **options: Any) -> Any:
            return super().connection_for_read(url or broker, **options)

        def _get_backend(self) -> Any:
            return _passive(super()._get_backend(), own_queue=backend.startswith("rpc"))

    # No fixups: Django's would import the project that DJANGO_SETTINGS_MODULE names. Current is it in this thread only;
    # signatures inside signatures look there for their application.
    app = Foreign("shim", broker=broker, backend=backend, loader="app", fixups=(), set_as_current=True)
    app.conf.update({**DEFAULTS, **settings.conf, "task_always_eager": False})
    if backend.startswith("rpc"):
        app.conf.result_cache_max = RPC_CACHE
    if app.conf.task_serializer == "auth":
        app.setup_security()
    _check_transport(app, scheme_of(broker))
    _open_pools(app)
    return app


def _check_transport(app: Any, scheme: str) -> None:
    try:
        app.connection_for_write().get_transport_cls()
    except KeyError:
        message = f"broker_url: kombu has no transport {scheme!r}"
        raise BrokerUrlInvalid(message, hint="see kombu's list of transports") from None


def close_app(app: Any) -> None:
    """Close connections and forget the application; runs in the thread."""
    _close_pools(app)
    app.close()


def drop_connections(app: Any) -> None:
    """Close the connections, so that the next call opens new ones; kombu goes on with a broken one."""
    _close_pools(app)
    _open_pools(app)


def _open_pools(app: Any) -> None:
    # Not celery's: those are shared by all applications of the process with the same address, and cannot be emptied.
    from kombu.pools import ProducerPool  # noqa: PLC0415 - only here may it be loaded

    app._pool = app.connection_for_write().Pool(limit=POOL_LIMIT)  # noqa: SLF001 - where celery looks first
    app.amqp._producer_pool = ProducerPool(app._pool, limit=POOL_LIMIT)  # type: ignore[no-untyped-call]  # noqa: SLF001


def _close_pools(app: Any) -> None:
    for pool in (app.amqp.producer_pool, app.pool):
        with suppress(Exception):  # a connection that cannot be closed is broken, and is let go
            pool.force_close_all()


def connect(app: Any, connection: Any) -> None:
    """Open a connection before anything is sent over it, so that a failure to is known to have sent nothing.

    Raises:
        Exception: of kombu.
    """
    # One more try at once; of zero tries kombu makes endlessly many.
    connection.ensure_connection(max_retries=1, interval_start=0, timeout=app.conf.broker_connection_timeout)


def _passive(backend: Any, *, own_queue: bool) -> Any:
    """Keep a back-end from following results of its own accord.

    Celery subscribes to the result of each task it sends, for a caller that waits in ``get()``. Nobody does here: in a process
    that runs for weeks the subscriptions pile up, and a reply queue would be consumed into a buffer nobody drains.
    Metas stay as they were stored: making exceptions of failures imports and calls what a message names.
    """
    backend.meta_from_decoded = _as_it_is
    if hasattr(backend, "result_consumer"):
        backend.add_pending_result = _as_it_is
        backend.add_pending_results = _as_they_are
        if not own_queue:  # there, it declares the queue replies go to
            backend.on_task_call = _no_options
    return backend


def _as_it_is(value: Any, *_: Any, **__: Any) -> Any:
    return value


def _as_they_are(values: Any, *_: Any, **__: Any) -> Any:
    return list(values)


def _no_options(*_: Any) -> dict[str, Value]:
    return {}
