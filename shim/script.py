"""Lua scripts that lie beside the code, run by their digest."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib import resources

from shim.link import Link, Reply, ScriptMissing


class Script:
    """A script of the package; the server keeps it after the first run."""

    def __init__(self, package: str, name: str) -> None:
        """Read ``name`` from ``package``."""
        self.text = resources.files(package).joinpath(name).read_text(encoding="utf-8")
        self.digest = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    async def run(self, link: Link, keys: Sequence[str], arguments: Sequence[str | bytes | float] = ()) -> Reply:
        """Run it once.

        Raises:
            ShimError: as ``Link.call``.
        """
        try:
            return await link.call("EVALSHA", self.digest, len(keys), *keys, *arguments)
        except ScriptMissing:
            # Nothing ran: the server was restarted or its scripts were flushed.
            return await link.call("EVAL", self.text, len(keys), *keys, *arguments)
