"""Renews daemon/api/web/vendor/ with npm: run by a maintainer, never while Carillon is installed or built.

python tools/vendor.py            # takes the versions vendor.toml names
python tools/vendor.py htm=3.1.1  # takes another one and writes it down
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import tomli_w

VENDOR = Path(__file__).parents[1] / "daemon" / "api" / "web" / "vendor"
LIMIT_S = 120
HEADER = (
    "# What of the page others wrote, as tools/vendor.py took it from npm. sha256 is of the file that lies here;\n"
    "# integrity is npm's own word for the package it came from.\n\n"
)
BARE = re.compile(rb'(from\s*)"preact"')
SOURCE_MAP = re.compile(rb"\n?//# sourceMappingURL=\S+\n?$")


def package(name: str, version: str) -> tuple[dict[str, bytes], str]:
    """Have npm bring a package, and take it apart; its bytes must be what npm says they are."""
    with tempfile.TemporaryDirectory(prefix="carillon-vendor-") as folder:
        command = ["npm", "pack", "--json", "--ignore-scripts", "--pack-destination", folder, f"{name}@{version}"]
        done = subprocess.run(command, check=True, capture_output=True, timeout=LIMIT_S)  # noqa: S603 - our own words
        about = json.loads(done.stdout)[0]
        packed, integrity = (Path(folder) / about["filename"]).read_bytes(), str(about["integrity"])
    method, _, wanted = integrity.partition("-")
    if base64.b64encode(hashlib.new(method, packed).digest()).decode() != wanted:
        raise SystemExit(f"{name} {version}: the package is not what npm says it is")
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        members = [one for one in archive.getmembers() if one.isfile()]
        found = {one.name.partition("/")[2]: archive.extractfile(one) for one in members}
        return {path: stream.read() for path, stream in found.items() if stream is not None}, integrity


def as_served(text: bytes) -> bytes:
    """Make a module loadable without an import map, and leave out the source map that is not shipped."""
    return SOURCE_MAP.sub(b"\n", BARE.sub(rb'\1"./preact.mjs"', text))


def renew(listed: dict[str, Any]) -> None:
    """Write the files of one package, and what they are."""
    files, listed["integrity"] = package(listed["name"], listed["version"])
    for one in listed["files"]:
        text = as_served(files[one["source"]])
        (VENDOR / one["file"]).write_bytes(text)
        one["sha256"] = hashlib.sha256(text).hexdigest()


def main() -> None:
    """Renew everything vendor.toml names."""
    path = VENDOR / "vendor.toml"
    table = tomllib.loads(path.read_text())
    wanted = dict(one.split("=", 1) for one in sys.argv[1:])
    for listed in table["package"]:
        listed["version"] = wanted.pop(listed["name"], listed["version"])
        renew(listed)
    if wanted:
        raise SystemExit(f"vendor.toml names no {', '.join(sorted(wanted))}")
    path.write_text(HEADER + tomli_w.dumps(table, multiline_strings=False))


if __name__ == "__main__":
    main()
