"""Asks the application of a site what it is: its settings, tasks and routes."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import anyio

from daemon.settings import Problem, Settings
from shim.app import AppAddress, AppError, AppFacts, AppSource, app_environment

STDERR_LINES = 4
"""Of what a failing application printed so many lines are shown; a problem stands on one line."""

FOLDER = "application"
"""Where the last answer is kept, in the state folder."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of asking: the facts, or why there are none."""

    facts: AppFacts | None
    address: AppAddress | None
    problems: tuple[Problem, ...] = ()


def ask_application(settings: Settings, site_folder: Path, environment: Mapping[str, str]) -> Asked:
    """Ask the application that ``celery.app`` names; without one there is nothing to ask.

    It runs in an interpreter of its own, which is started here and waited for. The answer is kept in the state folder until a
    source file of the application changes.

    Args:
        settings: the site.
        site_folder: where the site file lies; the application is imported from there unless ``celery.app_dir`` says otherwise.
        environment: of this process.
    """
    celery = settings.celery
    if celery.app is None:
        return Asked(None, None)
    python = Path(sys.executable) if celery.app_python is None else celery.app_python
    problem = _unfit(python)
    if problem is not None:
        return Asked(None, None, (problem,))
    folder = str(celery.app_dir or site_folder.absolute())
    address = AppAddress(str(python), str(celery.app), folder, app_environment(environment))
    with tempfile.TemporaryDirectory(prefix="carillon-") as passing:
        kept = _own_folder(settings.site.state_dir) or Path(passing)
        try:
            facts = anyio.run(AppSource(address, kept, within_s=celery.app_timeout).load)
        except AppError as error:
            return Asked(None, address, (Problem(("celery", "app"), _said(error), error.hint),))
    return Asked(facts, address)


def _said(error: AppError) -> str:
    """Write what went wrong and the end of what the application printed, for one line."""
    message, _, rest = str(error).partition("\n")
    lines = [line.strip() for line in rest.splitlines() if line.strip(" ^~\t")]
    return " | ".join([message, *(line for line in lines[-STDERR_LINES:] if line not in message)])


def _unfit(python: Path) -> Problem | None:
    """Say why an interpreter may not be started: whoever can change it can act as this user."""
    path = ("celery", "app_python")
    if not python.is_absolute():
        return Problem(path, f'"{python}" is not an absolute path')
    try:
        found = python.stat()
    except OSError as error:
        return Problem(path, f"{python}: {error.strerror}")
    if not stat.S_ISREG(found.st_mode) or not os.access(python, os.X_OK):
        return Problem(path, f"{python} is not a program")
    if found.st_uid not in (0, os.geteuid()):
        return Problem(path, f"{python} belongs to another user", "it must be root's or this user's")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return Problem(path, f"{python} can be written by others than its owner", f"chmod go-w {python}")
    return None


def _own_folder(state_dir: Path) -> Path | None:
    """Give the folder for the answer if the state folder is there and ours; another user's check leaves nothing in it."""
    try:
        is_ours = state_dir.stat().st_uid == os.geteuid()
    except OSError:
        return None
    return state_dir / FOLDER if is_ours else None
