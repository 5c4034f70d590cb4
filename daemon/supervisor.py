"""Runs services: opens them in order, restarts them after errors, drains them in reverse.

An error a service expects (``DaemonError``, retryable) restarts that service with a growing pause. Anything else is a bug:
it is reported, everything is drained, and the process ends, so that systemd starts a clean one. There is no half-alive
daemon.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import anyio

from daemon.clock import Clock
from daemon.errors import DaemonError
from daemon.events import ServiceCrashed, ServiceFailed, ServiceOpened
from daemon.lifecycle import Service
from daemon.ports import Emit
from daemon.public import Public, frames, reason

PAUSE_FIRST_S, PAUSE_MOST_S = 0.2, 30.0
CALM_S = 60.0
"""A service that has worked this long begins again with the shortest pause."""

SOFTWARE_ERROR = 70


class Supervisor:
    """Keeps the services of a daemon running."""

    def __init__(
        self,
        services: Sequence[Service],
        clock: Clock,
        emit: Emit,
        *,
        drain_timeout_s: float,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Keep the services, in the order in which they are opened."""
        self._services = services
        self._clock = clock
        self._emit = emit
        self._drain_timeout_s = drain_timeout_s
        self._jitter = jitter
        self._stop = anyio.Event()
        self._ended = {service.name: anyio.Event() for service in services}
        self._is_draining: set[Public] = set()
        self._exit_code = 0

    def stop(self, exit_code: int = 0) -> None:
        """Ask everything to end."""
        self._exit_code = self._exit_code or exit_code
        self._stop.set()

    async def run(self, on_ready: Callable[[], None]) -> int:
        """Open all services, run them until asked to stop, and drain them; give the exit code.

        Raises:
            DaemonError: a service could not be opened at the start.
        """
        opened: list[Service] = []
        try:
            for service in self._services:
                await service.open()
                opened.append(service)
                self._emit(ServiceOpened(service.name))
        except BaseException:
            with anyio.CancelScope(shield=True), anyio.move_on_after(self._drain_timeout_s):
                for service in reversed(opened):
                    await self._drain(service)
            raise
        async with anyio.create_task_group() as tasks:
            for service in self._services:
                tasks.start_soon(self._keep, service)
            on_ready()
            await self._stop.wait()
            await self._drain_all()
            tasks.cancel_scope.cancel()
        return self._exit_code

    async def _keep(self, service: Service) -> None:
        """Run a service, again and again if need be, until it is drained."""
        pause_s = PAUSE_FIRST_S
        is_open = True
        while service.name not in self._is_draining and (is_open or not self._stop.is_set()):
            started_s = self._clock.monotonic_s()
            try:
                if not is_open:
                    await service.open()
                    is_open = True
                    self._emit(ServiceOpened(service.name))
                    if service.name in self._is_draining:  # the stop came meanwhile, and drained what was not there yet
                        await self._drain(service)
                        break
                await service.serve()
                break
            except DaemonError as error:
                if not error.retryable:
                    self._crash(service, error)
                    break
                if self._clock.monotonic_s() - started_s > CALM_S:
                    pause_s = PAUSE_FIRST_S
                pause_s = min(pause_s * 2, PAUSE_MOST_S)
                wait_s = pause_s * (0.5 + self._jitter() / 2)
                self._emit(ServiceFailed(service.name, Public(error.code), reason(error), wait_s))
                await self._drain(service)
                is_open = False
                with anyio.move_on_after(wait_s):
                    await self._stop.wait()
            except Exception as error:  # noqa: BLE001 - the edge where a bug is reported
                self._crash(service, error)
                break
        self._ended[service.name].set()

    async def _drain(self, service: Service) -> None:
        """Drain a service; a bug in it keeps no other from being drained."""
        try:
            await service.drain()
        except Exception as error:  # noqa: BLE001 - the edge where a bug is reported
            self._crash(service, error)

    def _crash(self, service: Service, error: Exception) -> None:
        self._emit(ServiceCrashed(service.name, reason(error), frames(error)))
        code = error.exit_code if isinstance(error, DaemonError) else SOFTWARE_ERROR
        self.stop(code)

    async def _drain_all(self) -> None:
        """Drain in reverse order within the budget; whatever is late is cancelled."""
        with anyio.move_on_after(self._drain_timeout_s):
            for service in reversed(self._services):
                self._is_draining.add(service.name)
                await self._drain(service)
                await self._ended[service.name].wait()
            return
        # The budget is spent. The rest is told once more, briefly; nothing that was acknowledged depends on it.
        for service in reversed(self._services):
            if not self._ended[service.name].is_set():
                self._is_draining.add(service.name)
                with anyio.move_on_after(1.0):
                    await self._drain(service)
