"""The application's entries under those of the site file: which table results, and where each field comes from. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from daemon.public import Public
from daemon.scheduler.layers import APP, SITE, Layer, merge
from daemon.scheduler.layers.compose import Definition
from daemon.scheduler.layers.layer import fields_of
from daemon.sources.fitting import only_fitting
from daemon.sources.sourced import Sourced, Uncarried, site_name


@dataclass(frozen=True, slots=True)
class AppLayer:
    """Entries of the application, by the names they have in a site file. What is sent is not shown.

    Attributes:
        left: those that stay behind.
    """

    entries: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    left: tuple[Uncarried, ...] = ()

    @classmethod
    def of(cls, sourced: Sourced, zone: Public, written: Any) -> AppLayer:
        """Make the layer of what was brought over.

        Args:
            sourced: the application's entries.
            zone: of the site.
            written: tables of the site file; what one of them names is laid under it even if it could not run by itself.
        """
        names = written.keys() if isinstance(written, Mapping) else frozenset[str]()
        mended = [one for one in sourced.entries if one.name in names]
        checked = only_fitting(Sourced(tuple(one for one in sourced.entries if one.name not in names)), zone)
        left = [one for one in sourced.left if site_name(one.original, ()) not in names]
        return cls({str(one.name): one.data for one in (*mended, *checked.entries)}, (*left, *checked.left))

    def under(self, schedule: Any) -> Any:
        """Lay the tables of a site file (``schedule``) over the application's; what is no table is left for others to refuse."""
        if not self.entries or not isinstance(schedule, Mapping):
            return schedule
        names = [*self.entries, *(name for name in schedule if name not in self.entries)]
        return {name: self._entry(name, schedule.get(name)) for name in names}

    def _entry(self, name: str, own: Any) -> Any:
        below = self.entries.get(name)
        if below is None or (own is not None and not isinstance(own, Mapping)):
            return own
        return deepcopy(
            merge([Layer.of(APP, below), Layer.of(SITE, own or {})]).data
        )  # variables are laid over it in place

    def definitions(self, written: Any, final: Any, names: Iterable[Public]) -> tuple[Definition, ...]:
        """Say of each entry what its layers are, the lowest first.

        Args:
            written: tables of the site file.
            final: the tables that resulted, with the environment over them, which counts as the site's.
            names: of the entries that are sound.
        """
        own = written if isinstance(written, Mapping) else {}
        return tuple(Definition(name, self._layers(str(name), own.get(name), final[name])) for name in names)

    def _layers(self, name: str, written: Any, final: Mapping[str, Any]) -> tuple[Layer, ...]:
        below = self.entries.get(name)
        if below is None:
            return (Layer.of(SITE, final),)
        before = fields_of(self._entry(name, written))
        own = fields_of(written) if isinstance(written, Mapping) else {}
        site = {key: value for key, value in fields_of(final).items() if key in own or before.get(key, self) != value}
        app = Layer.of(APP, below)
        return (app, Layer.of(SITE, _table(site))) if site else (app,)


def _table(fields: Mapping[str, Any]) -> dict[str, Any]:
    options = {key.removeprefix("options."): value for key, value in fields.items() if key.startswith("options.")}
    plain = {key: value for key, value in fields.items() if not key.startswith("options.")}
    return {**plain, "options": options} if options else plain
