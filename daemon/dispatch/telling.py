"""Commands to workers, by name, and what the workers said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import anyio

from shim.client import Client
from shim.control import EVERYONE, Answers, Audience, Command, matching, methods, only
from shim.errors import ShimError

METHODS = (
    "add_consumer", "autoscale", "cancel_consumer", "disable_events", "enable_events", "heartbeat", "ping", "pool_grow",
    "pool_restart", "pool_shrink", "rate_limit", "revoke", "revoke_by_stamped_headers", "shutdown", "time_limit",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Told:
    """What workers answered.

    Attributes:
        by_node: what each said.
        errors: what those said that could not do it.
        silent: workers named that did not answer.
        is_complete: whether everyone who would answer has.
    """

    by_node: Mapping[str, Any]
    errors: Mapping[str, str]
    silent: tuple[str, ...]
    is_complete: bool

    @property
    def is_done(self) -> bool:
        """Say whether somebody did it and nobody failed."""
        return bool(self.by_node) and not self.errors and not self.silent


def audience_of(names: Sequence[str] = (), pattern: str | None = None) -> Audience:
    """Mean the workers named, or those whose names match a glob, or all.

    Raises:
        RequestInvalid: both, or something malformed.
    """
    if names and pattern is not None:
        return Audience(tuple(names), pattern)
    if pattern is not None:
        return matching(pattern)
    return only(*names) if names else EVERYONE


async def tell(
    client: Client, method: str, arguments: Mapping[str, Any], audience: Audience, *, timeout_s: float
) -> Told:
    """Tell workers to do something and gather what they say; ``shutdown`` alone is not answered.

    Raises:
        RequestInvalid: arguments no worker could take.
        ShimError: the broker does not answer.
    """
    assert method in METHODS  # a command's own word
    command: Command = getattr(methods, method)(**arguments)
    if method == "shutdown":
        await client.control.cast(command, audience, timeout_s=timeout_s)
        return Told({}, {}, (), is_complete=True)
    answers = await client.control.call(command, audience, timeout_s=timeout_s)
    by_node = {node: value for node, value in answers.by_node.items() if node not in answers.errors}
    return Told(by_node, dict(answers.errors), answers.silent, answers.is_complete)


async def ask_together(
    client: Client, commands: Mapping[str, Command], audience: Audience, *, timeout_s: float
) -> dict[str, Answers]:
    """Ask workers several things at once and give the answers to each.

    Raises:
        ShimError: the broker does not answer; of several that say so, the first.
    """
    answers: dict[str, Answers] = {}
    failures: list[ShimError] = []

    async def ask(name: str, command: Command) -> None:
        try:
            answers[name] = await client.control.call(command, audience, timeout_s=timeout_s)
        except ShimError as error:
            failures.append(error)
            tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        for name, command in commands.items():
            tasks.start_soon(ask, name, command)
    if failures:
        raise failures[0]
    return answers
