"""Stock Celery as the judge of a message: it is received, decoded and run in this process, without a broker.

What runs is Celery's own code from the list element on: kombu's message, the worker's strategy and request, the tracer of
its pool processes. Only the consumer and the pool around them are plain values.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from celery import Celery, _state
from celery.worker import state
from celery.worker.request import Request
from celery.worker.strategy import default as receive_by
from kombu.serialization import prepare_accept_content
from kombu.utils.json import dumps, loads

read: Callable[[Any], Any] = loads
"""Reads JSON as kombu's transports do."""

write: Callable[[Any], str] = dumps
"""Writes JSON as kombu's transports do."""
accepted: Callable[[list[str]], Any] = prepare_accept_content
"""Names the content types of serializers."""


class Choked(AssertionError):
    """The worker did not run the message, and not because it had expired."""


@dataclass(frozen=True)
class Received:
    """What a worker made of a message.

    ``context`` is the task's ``self.request``; it, ``args`` and ``kwargs`` are ``None`` if the message had expired.
    ``held_until`` is the time stamp its timer was set to, if the message has an ETA.
    ``sent`` are the messages the worker sent because of it: links, the next step of a chain; each has its ``element``.
    """

    request: Any
    context: Any
    args: tuple[Any, ...] | None
    kwargs: dict[str, Any] | None
    held_until: float | None
    limits: dict[str, Any]
    sent: list[Any]


class StockWorker:
    """A worker that takes one message at a time and runs it under whatever name it asks for."""

    def __init__(self) -> None:
        self.app = Celery("stock", broker="memory://", backend="cache+memory://", set_as_current=False)
        self.app.conf.accept_content = ["json", "yaml", "msgpack"]
        self._accept = accepted(self.app.conf.accept_content)
        self._channel = self.app.connection_for_read().channel()
        self._fails = False
        self._ran: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = []
        ran = self._ran

        def any_task(self: Any, /, *args: Any, **kwargs: Any) -> None:
            ran.append((self.request, args, kwargs))
            if worker._fails:
                message = "as asked"
                raise ValueError(message)

        worker = self
        self._task = self.app.task(bind=True, name="stock.any_task", shared=False)(any_task)
        self.app.finalize()

    def message(self, payload: bytes) -> Any:
        """Read one list element as kombu hands it to a consumer."""
        message = self._channel.Message(read(payload), channel=self._channel)
        message.accept = self._accept
        return message

    def receive(self, payload: bytes, *, fails: bool = False) -> Received:
        """Receive one list element and run it; whatever a real worker raises comes through.

        Raises:
            Choked: the message was rejected, or failed before or after the task's own code.
        """
        self._ran.clear()
        self._fails = fails
        state.revoked.clear()  # shared by all workers of a process; an expired id would stay in it
        message = self.message(payload)
        name = message.headers["task"]
        self.app.tasks[name] = self._task
        before = _state._tls.current_app
        self.app.set_current()  # as in a worker's process: canvases look for it
        try:
            taken, timers = self._take(message)
            limits = self._run(taken) if taken is not None else {}
        finally:
            _state._set_current_app(before)
            if name != self._task.name:
                del self.app.tasks[name]
        context, args, kwargs = self._ran[0] if self._ran else (None, None, None)
        request = Request(message, app=self.app, task=self._task)
        return Received(request, context, args, kwargs, timers[0] if timers else None, limits, self._sent())

    def _sent(self) -> list[Any]:
        found = []
        for queue in self._channel.queues.values():
            while not queue.empty():
                raw = queue.get()
                message = self._channel.Message(raw, channel=self._channel)
                message.accept, message.element = self._accept, write(raw).encode()
                found.append(message)
        return found

    def _take(self, message: Any) -> tuple[Any, list[float]]:
        taken: list[Any] = []
        timers: list[float] = []
        rejected: list[Any] = []

        def call_at(at: float, call: Callable[..., Any], args: tuple[Any, ...], **_: Any) -> None:
            timers.append(at)
            call(*args)

        consumer = SimpleNamespace(
            hostname="stock@test",
            connection_errors=(),
            event_dispatcher=None,
            timer=SimpleNamespace(call_at=call_at),
            apply_eta_task=taken.append,
            disable_rate_limits=True,
            task_buckets={},
            on_task_request=taken.append,
            _limit_task=None,
            _limit_post_eta=None,
            qos=SimpleNamespace(increment_eventually=int),
            pool=SimpleNamespace(apply_async=self._apply),
            controller=SimpleNamespace(state=state),
        )
        handler: Callable[..., Any] = receive_by(self._task, self.app, consumer)
        handler(message, None, lambda *_: None, lambda *why: rejected.append(why), [])
        if rejected:
            raise Choked(rejected)
        return (taken[0] if taken else None), timers

    def _run(self, request: Any) -> dict[str, Any]:
        self._limits: dict[str, Any] = {}
        request.execute_using_pool(None)
        return self._limits

    def _apply(self, trace: Callable[..., Any], args: tuple[Any, ...], **options: Any) -> None:
        self._limits = {name: options[name] for name in ("timeout", "soft_timeout")}
        failed, result, _ = trace(*args, app=self.app)
        if failed and not self._fails:
            raise Choked(result)
