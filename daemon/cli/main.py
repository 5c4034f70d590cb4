"""``carillon``: finds the command, runs it, and turns what goes wrong into a sentence and an exit code (sysexits.h)."""

from __future__ import annotations

import sys
from typing import NoReturn

import click

from daemon.cli.lazy_group import LazyGroup
from daemon.errors import DaemonError, expected_cause
from daemon.public import escaped

EXIT_USAGE, EXIT_INTERRUPTED = 64, 130

_COMMANDS = {
    "run": ("daemon.cli.run:run", "Run the daemon."),
    "check": ("daemon.cli.check:check", "Say what is wrong with a site file."),
    "health": ("daemon.cli.health:health", "Is all well, and what to do if not: exit 0, 1 or 2."),
    "next": ("daemon.cli.next:next_fires", "Preview coming occurrences."),
    "shadow": ("daemon.cli.shadow:shadow", "Watch another beat, and say where it differs."),
    "entries": ("daemon.cli.entries:entries", "The schedule as it stands, and changing it."),
    "send": ("daemon.cli.send:send", "Send a task to the workers."),
    "tasks": ("daemon.cli.tasks:tasks", "What workers run, and what became of it."),
    "workers": ("daemon.cli.workers:workers", "Who takes the tasks; telling them what to do."),
    "queues": ("daemon.cli.queues:queues", "What waits; setting it aside and moving it."),
    "import": ("daemon.cli.import_beat:import_group", "Bring over what celery beat runs."),
    "feeds": ("daemon.cli.feeds:feeds", "The feeds as they run, and steering them."),
    "token": ("daemon.cli.token:token", "Who may ask over the network."),
    "audit": ("daemon.cli.audit:audit", "Who was refused, and who looked at what."),
    "hl7": ("daemon.cli.hl7:hl7", "Messages: send, probe, find, show, replay."),
    "demo": ("daemon.cli.demo:demo", "All of it in one terminal, with workers and a sender."),
}
"""Where each command is, and what the list of commands says of it without importing it."""

_EXAMPLES = (
    "\b\n"  # click keeps the lines of a paragraph that begins so
    "carillon check -c site.toml     is the site file right?\n"
    "carillon run -c site.toml       the daemon\n"
    "carillon next -c site.toml      what fires when\n"
    "carillon demo                   everything at once, in one terminal"
)


@click.group(
    cls=LazyGroup, commands_at=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EXAMPLES
)
@click.version_option(package_name="carillond", message="carillon %(version)s")
def carillon() -> None:
    """Rings every bell of a Celery installation on time."""


def main() -> NoReturn:
    """Run the command line and exit."""
    try:
        code = carillon.main(standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        sys.exit(0)
    except click.UsageError as error:
        error.show()
        sys.exit(EXIT_USAGE)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except (DaemonError, BaseExceptionGroup) as error:
        cause = expected_cause(error)
        if cause is None:
            raise
        click.echo(f"carillon: {_safe(str(cause))}", err=True)
        if cause.hint:
            click.echo(f"  {_safe(cause.hint)}", err=True)
        sys.exit(cause.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    sys.exit(code if isinstance(code, int) else 0)


def _safe(text: str) -> str:
    """Escape what could steer a terminal: a sentence may name a file, and anybody may name a file anything."""
    return "\n".join(escaped(line) for line in text.split("\n"))
