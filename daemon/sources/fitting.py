"""From the form of a site file to the scheduler's entries, for entries that do not stand in one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from daemon.public import Public
from daemon.scheduler.catalog import make_entry
from daemon.scheduler.errors import TriggerInvalid
from daemon.scheduler.model import Entry
from daemon.settings.entry_section import EntrySection
from daemon.settings.load import problems_of
from daemon.settings.problems import show_path
from daemon.sources.sourced import Sourced, SourcedEntry, Uncarried, Unfit


def fitted(name: Public, data: Mapping[str, Any], zone: Public) -> Entry:
    """Make the entry that keys as in a site file describe.

    Args:
        name: of the entry.
        data: its keys.
        zone: of the site.

    Raises:
        Unfit: it can never fire, or says what a site file may not.
    """
    try:
        return make_entry(name, EntrySection.model_validate(data), zone)
    except ValidationError as error:
        first = problems_of(error, (), data)[0]
        text = f"{show_path(first.path)}: {first.message}" if first.path else first.message
        raise Unfit(f"{text}; {first.hint}" if first.hint else text) from None
    except TriggerInvalid as error:
        raise Unfit(f"{error}; {error.hint}" if error.hint else str(error)) from None


def only_fitting(sourced: Sourced, zone: Public) -> Sourced:
    """Leave behind what could never fire or is not understood here, with the reason."""
    entries: list[SourcedEntry] = []
    left = list(sourced.left)
    for one in sourced.entries:
        try:
            fitted(one.name, one.data, zone)
        except Unfit as error:
            left.append(Uncarried(one.original, error.reason))
        else:
            entries.append(one)
    return Sourced(tuple(entries), tuple(left))
