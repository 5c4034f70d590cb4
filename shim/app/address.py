"""Which app, and the interpreter, folder and environment it lives in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import NamedTuple

OURS = frozenset(("PYTHONPATH", "PYTHONHOME", "PYTHONSAFEPATH", "PYTHONSTARTUP", "VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT",
                  "__PYVENV_LAUNCHER__"))  # fmt: skip
"""Variables that point an interpreter at our own environment."""

PASSING = frozenset(
    (
        "_", "COLUMNS", "INVOCATION_ID", "JOURNAL_STREAM", "LINES", "LISTEN_FDS", "LISTEN_PID", "MAINPID", "NOTIFY_SOCKET",
        "OLDPWD", "PWD", "PYTEST_CURRENT_TEST", "SHLVL", "SYSTEMD_EXEC_PID", "TERM", "WATCHDOG_PID", "WATCHDOG_USEC",
        "WINDOWID",
    )
)  # fmt: skip
"""Variables that differ from start to start and say nothing to an app."""


class AppAddress(NamedTuple):
    """A Celery app, as ``celery -A`` finds it.

    Attributes:
        python: path of its interpreter.
        app: its name: a module, ``module:attribute``, or a package with a module ``celery``.
        folder: working directory.
        environment: all variables it gets; not part of the representation.
    """

    python: str
    app: str
    folder: str
    environment: Mapping[str, str]

    def __repr__(self) -> str:
        """Show which app it is; an environment holds passwords."""
        return f"AppAddress(python={self.python!r}, app={self.app!r}, folder={self.folder!r})"

    @property
    def fingerprint(self) -> str:
        """Hash of everything that decides which app answers and how, as far as an address tells."""
        lines = [self.python, self.app, self.folder]
        lines += [f"{name}={value}" for name, value in sorted(self.environment.items()) if name not in PASSING]
        return hashlib.sha256("\0".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def app_environment(inherited: Mapping[str, str], extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Make the environment of an app from ours: without what points at our own interpreter, with ``extra`` on top."""
    found = {name: value for name, value in inherited.items() if name not in OURS}
    own = inherited.get("VIRTUAL_ENV")
    if own and "PATH" in found:
        found["PATH"] = ":".join(
            part for part in found["PATH"].split(":") if part.rstrip("/") != f"{own.rstrip('/')}/bin"
        )
    return {**found, **(extra or {})}
