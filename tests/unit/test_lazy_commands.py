"""Commands that are imported when they are wanted: each is where its group says, under its name."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from daemon.cli.lazy_group import LazyGroup
from daemon.cli.main import carillon


def named(group: click.Group, *words: str) -> Iterator[tuple[tuple[str, ...], click.Command | None]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield (*words, name), command
        if isinstance(command, LazyGroup):
            yield from named(command, *words, name)


@pytest.mark.parametrize(
    ("words", "command"), [*named(carillon)], ids=lambda found: " ".join(found) if isinstance(found, tuple) else ""
)
def test_a_command_is_where_its_group_says(words: tuple[str, ...], command: click.Command | None) -> None:
    assert command is not None
    assert command.name == words[-1]
    assert command.help
