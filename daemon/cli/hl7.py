"""``carillon hl7``: the HL7 side by hand. Each command is in a file of its own, imported when it is wanted."""

from __future__ import annotations

import click

from daemon.cli.lazy_group import LazyGroup

_COMMANDS = {
    "send": ("daemon.cli.hl7_send:send", "Send the messages of files, one after the other."),
    "simulate": ("daemon.cli.hl7_simulate:simulate", "Be a hospital that does not exist."),
    "probe": ("daemon.cli.hl7_probe:probe", "Send a listener what senders send, right and wrong."),
    "listen": ("daemon.cli.hl7_listen:listen", "Receive, answer, and say how senders stray."),
    "list": ("daemon.cli.hl7_list:list_messages", "Stored messages, the newest first."),
    "show": ("daemon.cli.hl7_show:show", "One message: how it was answered, what became of it."),
    "quarantine": ("daemon.cli.hl7_list:quarantine", "Blocks that were refused and kept, with the reasons."),
    "replay": ("daemon.cli.hl7_replay:replay", "Hand stored messages on once more."),
    "release": ("daemon.cli.hl7_replay:release", "Hand parked messages on once more."),
    "export": ("daemon.cli.hl7_export:export", "Write stored messages into a new file."),
}


@click.group(cls=LazyGroup, commands_at=_COMMANDS)
def hl7() -> None:
    """Messages: send, simulate, probe, receive; find, show and replay what was stored."""
