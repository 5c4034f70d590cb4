"""Secrets that stand elsewhere: ``file:/path`` and ``credential:NAME`` in place of the secret itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from daemon.settings.files import FileUnusable, read_text

SECRET_LIMIT_BYTES = 64 * 1024


class SecretUnreadable(ValueError):
    """A secret cannot be read; the text says why and never holds the secret."""


def resolve_secret(text: str, environment: Mapping[str, str]) -> str:
    """Give the secret ``text`` stands for; text without a known scheme is the secret itself.

    ``credential:NAME`` is looked up in ``$CREDENTIALS_DIRECTORY``, where systemd puts what ``LoadCredential=`` names.

    Raises:
        SecretUnreadable: missing, not a regular file, too large, not text, or more than one line.
    """
    if text.startswith("file:"):
        path = Path(text.removeprefix("file:"))
        if not path.is_absolute():
            raise SecretUnreadable(f"{text}: the path must be absolute")
        return _read(path)
    if text.startswith("credential:"):
        return _read(_credential(text, environment))
    return text


def resolve_file(text: str, folder: Path, environment: Mapping[str, str]) -> str:
    """Give the path of the file ``text`` names: ``credential:NAME``, ``file:/path`` or a path, from ``folder`` on.

    Raises:
        SecretUnreadable: there can be no such credential.
    """
    if text.startswith("credential:"):
        return str(_credential(text, environment))
    path = text.removeprefix("file:")
    return str((folder / path).absolute()) if path else path


def _credential(text: str, environment: Mapping[str, str]) -> Path:
    folder = environment.get("CREDENTIALS_DIRECTORY")
    name = text.removeprefix("credential:")
    if not folder:
        raise SecretUnreadable(f"{text}: CREDENTIALS_DIRECTORY is not set; use LoadCredential={name}:… in the unit")
    if "/" in name or name in ("", ".", ".."):
        raise SecretUnreadable(f"{text}: a credential is named without a path")
    return Path(folder) / name


def _read(path: Path) -> str:
    try:
        text = read_text(path, SECRET_LIMIT_BYTES).strip()
    except FileUnusable as error:
        raise SecretUnreadable(f"{path}: {error}") from None
    if not text or "\n" in text:
        raise SecretUnreadable(f"{path}: exactly one line is needed")
    return text
