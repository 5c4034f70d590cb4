"""The Celery side for commands: a client of a site, and its errors in the daemon's terms."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from daemon.dispatch.celery_side import CelerySide
from daemon.errors import BrokerDown, DaemonError, SettingsInvalid, TaskRefused, unwrapped
from shim.client import Client, open_client
from shim.errors import BrokerUrlInvalid, RequestInvalid, ShimError


@asynccontextmanager
async def open_site_client(side: CelerySide) -> AsyncIterator[Client]:
    """Open a client for the Celery side of a site; the address of a private broker is filled in already.

    Raises:
        DaemonError: what a call inside meets: ``TaskRefused``, ``SettingsInvalid``, ``BrokerDown``.
    """
    try:
        async with open_client(
            side.conf, client_name="carillon-command", task_options=side.options_of, app=side.app
        ) as client:
            yield client
    except (ShimError, BaseExceptionGroup) as error:
        cause = _only_ours(error)
        raise (as_daemon_error(cause) if isinstance(cause, ShimError) else cause) from None


def _only_ours(error: BaseException) -> BaseException:
    """Give the first of several failures if all of them are expected: a broker that is away fails whatever is under way."""
    leaves = list(_leaves(error))
    return leaves[0] if all(isinstance(one, (ShimError, DaemonError)) for one in leaves) else unwrapped(error)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _leaves(one)
    else:
        yield error


def as_daemon_error(error: ShimError) -> DaemonError:
    """Say whose fault it is: the caller's, the operator's, or the broker's."""
    if isinstance(error, RequestInvalid):
        return TaskRefused(str(error), hint=error.hint)
    if isinstance(error, BrokerUrlInvalid):
        return SettingsInvalid(str(error), hint=error.hint)
    return BrokerDown(str(error), hint=error.hint)
