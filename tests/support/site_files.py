"""Site files for tests of loading: written into a folder, checked, and the problems given as lines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from daemon.settings.load import Loaded, load_settings
from daemon.settings.sections import Settings
from daemon.site import check_site

SECTIONS = ", ".join(sorted(Settings.model_fields))
"""All that a site file may have, as a hint lists it."""

NOBODY: Mapping[str, str] = {}
"""An environment without variables."""

HEAD = '[site]\nname = "lab"\nstate_dir = "state"\n'
"""The first three lines of a sound site file; what a test adds begins on line 4."""

ENTRY = '[schedule.x]\ntask = "t"\nevery = "1m"\n'
FEED = '[feed.x]\nlisten = "127.0.0.1:2575"\n'
NAME_HINT = "1 to 64 of a-z, 0-9, dot, dash, underscore; a letter or digit first"
ADDRESS_HINT = 'write "127.0.0.1:2575", "0.0.0.0:2575" or "[::1]:2575"'
DURATION_HINT = 'write "15m", "1h30m", "250ms"; units ms s m h d w'
OPEN_FEED = (
    "takes patient data unencrypted from the network; "
    'write [feed.….tls], put a TLS terminator in front, or say plaintext = "accepted"'
)


def put_site(folder: Path, text: str | bytes, *, dotenv: str | bytes | None = None) -> Path:
    """Write ``site.toml``, and ``.env`` beside it."""
    path = folder / "site.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    if dotenv is not None:
        (folder / ".env").write_bytes(dotenv if isinstance(dotenv, bytes) else dotenv.encode())
    return path


def problem_lines(
    folder: Path,
    text: str | bytes,
    environment: Mapping[str, str] = NOBODY,
    *,
    dotenv: str | bytes | None = None,
) -> list[str]:
    """Check a site file and give its problems as an operator reads them, without the folder's name."""
    checked = check_site(put_site(folder, text, dotenv=dotenv), environment)
    lines = [str(located).replace(f"{folder}/", "") for located in checked.problems]
    assert (checked.site is None) == any(": warning: " not in line for line in lines)
    return lines


def loaded(
    folder: Path,
    text: str = HEAD,
    environment: Mapping[str, str] = NOBODY,
    *,
    dotenv: str | bytes | None = None,
) -> Loaded:
    """Load a site file and what lies over it."""
    return load_settings(put_site(folder, text, dotenv=dotenv), environment)


def lines_of(path: Path) -> list[str]:
    """Check a site file that is wrong and give its problems as they are printed."""
    checked = check_site(path, NOBODY)
    assert checked.site is None
    return [str(located) for located in checked.problems]
