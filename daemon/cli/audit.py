"""``carillon audit``: what the audit trail holds, and whether it is whole."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import orjson

from daemon.audit import TrailFile
from daemon.audit.record import Head, Verified
from daemon.audit.trail_file import here
from daemon.cli.options import instant_us, load_or_exit, site_option
from daemon.cli.output import print_table
from daemon.clock import instant
from daemon.deeds import DeedKind
from daemon.errors import AuditFailed
from daemon.plural import counted
from daemon.public import escaped

_COLUMNS = ("N", "AT", "KIND", "ABOUT", "ADDRESS", "WHO", "REASON", "COUNT", "NOTE")
_DIGEST_LENGTH = 64


@click.group()
def audit() -> None:
    """Read the audit trail: refused nodes, and who looked at, replayed or paused what."""


@audit.command("list")
@site_option()
@click.option("--kind", type=click.Choice([kind.value for kind in DeedKind]), help="Only these.")
@click.option("--address", default="", help="Only from this address.")
@click.option("--since", default="", metavar="INSTANT", help="Only from then on; ISO 8601 with offset.")
@click.option("-n", "--limit", type=click.IntRange(1, 1_000_000), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, as it is in the file.")
def list_records(*, site_file: Path, kind: str | None, address: str, since: str, limit: int, as_json: bool) -> None:
    """Show the last records, the newest last."""
    trail = _trail(site_file)
    begin = instant(instant_us(since, "--since")).isoformat() if since else ""
    wanted = deque(_chosen(trail, kind, address, begin), maxlen=limit)
    if as_json:
        for record in wanted:
            click.echo(orjson.dumps(record).decode())
    elif wanted:
        print_table(_COLUMNS, [_row(record) for record in wanted])
    else:
        click.echo("no such record", err=True)


@audit.command()
@site_option()
@click.option("--head", "wanted", default="", metavar="N:HASH", help="A head of before, as the log says it.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def verify(*, site_file: Path, wanted: str, as_json: bool) -> None:
    """Follow the chain of hashes. Exits with 1 if a record was changed, taken out or slipped in.

    That the last records were cut off shows only against a head kept elsewhere: the log has one at each start and each
    day (audit.head).
    """
    found = _trail(site_file).verify(_head(wanted) if wanted else None)
    if as_json:
        click.echo(orjson.dumps(_as_data(found)).decode())
    else:
        for flaw in found.flaws:
            click.echo(f"{flaw.file}:{flaw.line}: {flaw.what}")
        if not found.met:
            click.echo(f"the head {wanted} is not in the trail")
        whole = "whole" if not found.flaws and found.met else "not whole"
        click.echo(f"{counted(found.records, 'record')} from {found.first} on, {whole}")
        click.echo(f"head {found.head.number}:{found.head.digest}")
    if found.flaws or not found.met:
        raise click.exceptions.Exit(1)


def _trail(site_file: Path) -> TrailFile:
    settings = load_or_exit(site_file).settings
    return TrailFile(settings.site.state_dir, here(settings.site.name), settings.audit)


def _chosen(trail: TrailFile, kind: str | None, address: str, begin: str) -> Iterator[dict[str, Any]]:
    try:
        for record in trail.records():
            fits = (kind is None or record.get("kind") == kind) and (not address or record.get("address") == address)
            if fits and str(record.get("at", "")) >= begin:
                yield record
    except OSError as error:
        raise AuditFailed(
            f"the trail cannot be read: {error.strerror}", hint="who may read the state folder?"
        ) from None


def _row(record: dict[str, Any]) -> tuple[str, ...]:
    names = ("n", "at", "kind", "about", "address", "who", "reason", "count", "note")
    return tuple(escaped(str(record.get(name, ""))) for name in names)


def _head(text: str) -> Head:
    number, _, digest = text.partition(":")
    if not number.isdecimal() or len(digest) != _DIGEST_LENGTH:
        raise click.UsageError(f'--head "{text}" is not a head; write NUMBER:HASH, as verify and the log show it')
    return Head(int(number), digest)


def _as_data(found: Verified) -> dict[str, Any]:
    return {
        "ok": not found.flaws and found.met,
        "records": found.records,
        "first": found.first,
        "head": {"number": found.head.number, "digest": found.head.digest},
        "head_met": found.met,
        "flaws": [{"file": flaw.file, "line": flaw.line, "what": flaw.what} for flaw in found.flaws],
    }
