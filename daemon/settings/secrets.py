"""Secrets that stand elsewhere: ``file:/path`` and ``credential:NAME`` in place of the secret itself."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

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
            message = f"{text}: the path must be absolute"
            raise SecretUnreadable(message)
        return _read(path)
    if text.startswith("credential:"):
        folder = environment.get("CREDENTIALS_DIRECTORY")
        name = text.removeprefix("credential:")
        if not folder:
            message = f"{text}: CREDENTIALS_DIRECTORY is not set; use LoadCredential={name}:… in the unit"
            raise SecretUnreadable(message)
        if "/" in name or name in ("", ".", ".."):
            message = f"{text}: a credential is named without a path"
            raise SecretUnreadable(message)
        return _read(Path(folder) / name)
    return text


def _read(path: Path) -> str:
    try:
        # O_NONBLOCK: opening a FIFO must not wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        message = f"{path}: {error.strerror}"
        raise SecretUnreadable(message) from None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            message = f"{path}: not a regular file"
            raise SecretUnreadable(message)
        content = file.read(SECRET_LIMIT_BYTES + 1)
    if len(content) > SECRET_LIMIT_BYTES:
        message = f"{path}: larger than {SECRET_LIMIT_BYTES} bytes"
        raise SecretUnreadable(message)
    try:
        text = content.decode().strip()
    except UnicodeDecodeError:
        message = f"{path}: not UTF-8 text"
        raise SecretUnreadable(message) from None
    if not text or "\n" in text:
        message = f"{path}: exactly one line is needed"
        raise SecretUnreadable(message)
    return text
