"""What a worker is told, as a command and in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daemon.desks import WorkerAction
from shim.control import Command, methods

_WORDS: Mapping[WorkerAction, str] = {
    WorkerAction.POOL_GROW: "add {n} to the processes of {worker}",
    WorkerAction.POOL_SHRINK: "take {n} idle ones from the processes of {worker}",
    WorkerAction.AUTOSCALE: "have {worker} scale between {least} and {most} processes",
    WorkerAction.RATE_LIMIT: "have {worker} start {task} no more often than {limit}",
    WorkerAction.TIME_LIMIT: "give {task} on {worker} {soft_s} s until it is warned, and {hard_s} s until it is ended",
    WorkerAction.ADD_CONSUMER: "have {worker} take from {queue} too",
    WorkerAction.CANCEL_CONSUMER: "have {worker} take nothing more from {queue}; what it holds it finishes",
    WorkerAction.POOL_RESTART: "replace the processes of {worker}",
    WorkerAction.SHUTDOWN: "have {worker} finish what it runs, and end",
}
_LIFTED: Mapping[WorkerAction, str] = {WorkerAction.RATE_LIMIT: "have {worker} start {task} as often as it comes"}


def command_of(action: WorkerAction, arguments: Mapping[str, Any]) -> Command:
    """Make the command; ``arguments`` are those of the function of its name in ``shim.control.methods``.

    Raises:
        RequestInvalid: arguments no worker could take.
    """
    command: Command = getattr(methods, action.method)(**arguments)
    return command


def in_words(worker: str, action: WorkerAction, arguments: Mapping[str, Any]) -> str:
    """Say what a command does."""
    if action is WorkerAction.RATE_LIMIT and arguments.get("limit") is None:
        return _LIFTED[action].format(worker=worker, **arguments)
    told = {name: "unlimited" if value is None else value for name, value in arguments.items()}
    return _WORDS[action].format(worker=worker, **told)
