"""An app's facts, kept in a file as long as nothing they came from has changed."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import anyio.to_thread

from shim.app.address import AppAddress
from shim.app.asking import WITHIN_S, ask_document
from shim.app.errors import FactsInvalid
from shim.app.facts import AppFacts, Sources, parse_facts
from shim.app.probe_values import names_in

GRANULARITY_NS = 20_000_000
"""A file system's clock stands still for some milliseconds; a file that young may change again without looking changed."""

KEPT_LIMIT_BYTES = 64 * 1024 * 1024


class AppSource:
    """Where an app's facts come from: the file of the last answer, or the app."""

    def __init__(self, address: AppAddress, folder: Path, *, within_s: float = WITHIN_S) -> None:
        """Keep the address, and the folder of the file; no I/O happens here."""
        self._address = address
        self._path = folder / f"app-{address.fingerprint[:16]}.json"
        self._within_s = within_s
        self.problem = ""
        """Why the last answer could not be kept; empty if it was."""

    @property
    def path(self) -> Path:
        """The file; it holds passwords and is readable by its owner alone."""
        return self._path

    async def load(self, *, fresh: bool = False) -> AppFacts:
        """Give the kept facts if nothing has changed, or ask the app. A damaged file counts as none.

        Args:
            fresh: ask in any case.

        Raises:
            AppNotAnswered, AppBroken, FactsInvalid: as ``ask_app``.
        """
        if not fresh:
            kept = await anyio.to_thread.run_sync(self._kept)
            if kept is not None:
                return kept
        try:
            draft: Path | None = await anyio.to_thread.run_sync(self._begin)
            self.problem = ""
        except OSError as error:
            draft, self.problem = None, f"{self._path.parent}: {error.strerror}"
        try:
            document = await ask_document(self._address, within_s=self._within_s)
            facts = parse_facts(document)
            if draft is not None:
                await anyio.to_thread.run_sync(self._keep, draft, document, facts.sources)
        finally:
            if draft is not None:
                draft.unlink(missing_ok=True)
        return facts

    def _begin(self) -> Path:
        # Made before the app is asked: its time tells which files were young then, by the clock of the file system.
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(prefix=".app-", dir=self._path.parent)  # readable by us alone
        os.close(handle)
        return Path(name)

    def _keep(self, draft: Path, document: Any, sources: Sources) -> None:
        if not sources.complete:
            self.problem = "the app has more source files than are watched"
            return
        if sources.latest_ns > draft.stat().st_mtime_ns - GRANULARITY_NS:
            self.problem = "a source file was changed while the app was asked"
            return
        try:
            with draft.open("w", encoding="utf-8") as file:
                json.dump({"address": self._address.fingerprint, "document": document}, file)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path)
        except OSError as error:
            self.problem = f"{self._path}: {error.strerror}"

    def _kept(self) -> AppFacts | None:
        with contextlib.suppress(OSError, ValueError, RecursionError, FactsInvalid):
            if self._path.stat().st_size > KEPT_LIMIT_BYTES:
                return None
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            if not isinstance(kept, dict) or kept.get("address") != self._address.fingerprint:
                return None
            facts = parse_facts(kept.get("document"))
            return facts if _unchanged(facts.sources) else None
        return None


def _unchanged(sources: Sources) -> bool:
    for path, stamp in sources.files.items():
        seen = Path(path).stat()
        if (seen.st_mtime_ns, seen.st_size) != stamp:
            return False
    if any(tuple(names_in(folder)) != names for folder, names in sources.folders.items()):
        return False
    return all(Path(folder).stat().st_mtime_ns == stamp for folder, stamp in sources.installed.items())
