"""What commands about stored messages share: which of them are meant, and finding those."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, NamedTuple, TypeVar

import click

from daemon.cli.options import duration_s, instant_us
from daemon.cli.recording import shown
from daemon.cli.runtime_side import author_or_user
from daemon.clock import SECOND_US, SystemClock
from daemon.errors import SpoolFailed
from daemon.hl7listener.spool.opening import FILE
from daemon.hl7listener.spool.query import Found, Query, State
from daemon.hl7listener.spool.rows import Flag
from daemon.hl7listener.spool.search import Search, open_search
from daemon.public import Public
from daemon.site import Site

F = TypeVar("F", bound=Callable[..., Any])
PAGE_ROWS = 500


class Filters(NamedTuple):
    """Which messages are meant: by their numbers, or by what is known of them."""

    sequences: tuple[int, ...]
    query: Query

    @property
    def is_open(self) -> bool:
        """Say whether nothing narrows it down."""
        return not self.sequences and self.query == Query()

    @property
    def names_a_patient(self) -> bool:
        """Say whether it asks for a patient."""
        return bool(self.query.patient)


_OPTIONS = (
    click.option("--feed", metavar="NAME", default="", help="Of this feed."),
    click.option("--type", "kind", metavar="TYPE[^EVENT]", default="", help="ADT, or ADT^A01."),
    click.option("--control-id", metavar="ID", default="", help="MSH-10, exactly."),
    click.option("--sender", metavar="APP[/FACILITY]", default="", help="MSH-3, and MSH-4."),
    click.option("--state", type=click.Choice([state.value for state in State]), help="What became of them."),
    click.option("--ack", "code", metavar="CODE", default="", help="How they were answered: AA, AE, AR, CA …"),
    click.option("--peer", metavar="ADDRESS", default="", help="From this address."),
    click.option("--patient", metavar="ID", default="", help="With this PID-3.1; goes on the record."),
    click.option("--since", metavar="WHEN", help="From then on: an instant, or a span back (2h)."),
    click.option("--until", metavar="WHEN", help="Before then: an instant, or a span back."),
)


def selection_options(command: F) -> F:
    """Add the options by which messages are chosen; the command gets ``filters``, without numbers."""

    @wraps(command)
    def with_filters(
        *,
        feed: str,
        kind: str,
        control_id: str,
        sender: str,
        state: str | None,
        code: str,
        peer: str,
        patient: str,
        since: str | None,
        until: str | None,
        **others: Any,
    ) -> Any:
        message_type, _, event = kind.partition("^")
        application, _, facility = sender.partition("/")
        query = Query(
            feed=feed,
            type=message_type,
            event=event,
            control_id=control_id,
            application=application,
            facility=facility,
            code=code.upper(),
            peer=peer,
            patient=patient,
            state=None if state is None else State(state),
            since_us=_when(since, "--since"),
            until_us=_when(until, "--until"),
        )
        return command(filters=Filters(tuple(others.pop("sequences", ())), query), **others)

    for option in reversed(_OPTIONS):
        with_filters = option(with_filters)
    return with_filters  # type: ignore[return-value]  # click replaces the command anyway


def _when(text: str | None, option: str) -> int | None:
    if text is None:
        return None
    if text[:4].isdecimal() and "-" in text:
        return instant_us(text, option)
    return SystemClock().now_us() - round(duration_s(text, option) * SECOND_US)


@contextmanager
def searching(site: Site) -> Iterator[Search]:
    """Open the spool of a site for reading; the daemon may run meanwhile or not.

    Raises:
        SpoolFailed: there is none, or it cannot be read.
    """
    folder = site.settings.site.state_dir
    if not (folder / FILE).exists():
        message = f"{folder / FILE}: no message has been stored yet"
        raise SpoolFailed(message, hint="is site.state_dir the one the daemon runs with?")
    with open_search(folder) as search:
        yield search


def chosen(search: Search, filters: Filters, *, most: int) -> list[Found]:
    """Find the messages that are meant, the oldest first, at most ``most``.

    Unless it is asked for by its number, the block of a batch is left out, for its messages stand apart, and so is what a replay
    has made of another one that is meant.

    Raises:
        click.UsageError: a number is that of no message.
    """
    if filters.sequences:
        found = [(number, search.show(number)) for number in dict.fromkeys(filters.sequences)]
        for number, one in found:
            if one is None:
                message = f"there is no message {number}; hl7 list shows which there are"
                raise click.UsageError(message)
        return sorted((one for _, one in found if one is not None), key=lambda one: one.seq)[:most]
    gathered: list[Found] = []
    before: int | None = None
    while len(gathered) < most:
        page = search.find(filters.query, before_seq=before, limit=min(PAGE_ROWS, most - len(gathered)))
        gathered += page.found
        before = page.next_before
        if before is None:
            break
    meant = {one.seq for one in gathered}
    return [
        one
        for one in reversed(gathered)
        if one.state is not State.BATCH and not (Flag.REPLAY in one.flags and one.origin_seq in meant)
    ]


def whoever(author: str | None) -> Public:
    """Give who runs the command, for the record."""
    return shown(author_or_user(author))
