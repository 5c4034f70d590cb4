"""The files of the page: read once, named by a hash of all of them, so that a browser may keep each for ever. Reads files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable

MEDIA_TYPES: Mapping[str, str] = {
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".LICENSE": "text/plain; charset=utf-8",
    ".toml": "text/plain; charset=utf-8",
}
"""By the end of the name; what ends otherwise is not served."""

INDEX = "index.html"
HASH_LENGTH = 16
_BASE = b"{base}"
_MODULES = b"<!-- modules -->"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the page."""

    body: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Assets:
    """All of them.

    Attributes:
        version: hash of all files; part of the path of each.
        files: by their paths below ``/web/<version>/``.
    """

    version: str
    index: bytes
    files: Mapping[str, Asset]


def media_type(name: str) -> str:
    """Say what kind of file that is; empty if it is none of the page's."""
    return next((kind for end, kind in MEDIA_TYPES.items() if name.endswith(end)), "")


def read_assets() -> Assets:
    """Read what the distribution brought along."""
    found = dict(_walk(files("daemon.api") / "web", ""))
    return assets_of(found)


def assets_of(found: Mapping[str, bytes]) -> Assets:
    """Name files by what is in them, and write that name into the page."""
    version = hash_of(found)
    served = {name: Asset(body, media_type(name)) for name, body in found.items() if media_type(name)}
    base = f"/web/{version}".encode()
    # Named in the page, all modules are fetched at once instead of one after the other as their imports are met.
    modules = sorted(name for name in served if name.startswith("app/") or name.endswith(".mjs"))
    links = b"\n".join(b'  <link rel="modulepreload" href="%b/%b">' % (base, name.encode()) for name in modules)
    index = found[INDEX].replace(_MODULES, links.strip()).replace(_BASE, base)
    return Assets(version, index, served)


def hash_of(found: Mapping[str, bytes]) -> str:
    """Hash names and contents."""
    whole = sha256()
    for name in sorted(found):
        whole.update(b"%d %b %d " % (len(name), name.encode(), len(found[name])))
        whole.update(found[name])
    return whole.hexdigest()[:HASH_LENGTH]


def _walk(folder: Traversable, path: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for one in sorted(folder.iterdir(), key=lambda each: each.name):
        if one.is_dir():
            found += _walk(one, f"{path}{one.name}/")
        elif media_type(one.name) or f"{path}{one.name}" == INDEX:
            found.append((f"{path}{one.name}", one.read_bytes()))
    return found
