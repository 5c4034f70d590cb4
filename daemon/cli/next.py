"""``carillon next``: what fires when."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import click
import orjson
from pydantic_core import PydanticCustomError

from daemon.cli.options import instant_us, load_or_exit, site_option, usage_error
from daemon.cli.output import ago, print_table
from daemon.clock import SECOND_US, SystemClock, instant
from daemon.public import Public
from daemon.scheduler.model import Entry
from daemon.scheduler.preview import Fire, preview
from daemon.scheduler.triggers import Cron, Dst
from daemon.settings.problems import did_you_mean
from daemon.settings.values import parse_zone

_COUNT_LIMIT = 10_000
_EXAMPLES = (
    "\b\n"  # click keeps the lines of a paragraph that begins so
    "carillon next -c site.toml\n"
    "carillon next -c site.toml nightly --count 3\n"
    'carillon next --cron "30 1 * * *" --timezone Europe/London --from 2026-10-24T00:00:00Z'
)


@click.command(name="next", epilog=_EXAMPLES)
@site_option(required=False)
@click.argument("entry", required=False)
@click.option("--cron", "expression", metavar="EXPR", help="Preview an expression instead of a site's entries.")
@click.option("--timezone", "zone", metavar="ZONE", default=None, help="With --cron: the wall clock it means. [UTC]")
@click.option(
    "--dst", type=click.Choice([policy.value for policy in Dst]), help="With --cron: as in a site file. [cron]"
)
@click.option("--from", "start", metavar="INSTANT", help="Begin at this instant (ISO 8601 with offset) instead of now.")
@click.option("--count", type=click.IntRange(1, _COUNT_LIMIT), default=5, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: entry, at, local, note.")
def next_fires(
    *,
    site_file: Path | None,
    entry: str | None,
    expression: str | None,
    zone: str | None,
    dst: str | None,
    start: str | None,
    count: int,
    as_json: bool,
) -> None:
    """Preview coming occurrences, with notes where the clocks change."""
    after_us = SystemClock().now_us() if start is None else instant_us(start, "--from") - 1
    if expression is None and (zone is not None or dst is not None):
        raise click.UsageError("--timezone and --dst belong to --cron; the entries of a site have their own")
    if expression is not None and entry is not None:
        raise click.UsageError(f'give an entry ("{entry}") or an expression (--cron EXPR), not both')
    if expression is not None:
        entries = [_ad_hoc(expression, zone or "UTC", Dst(dst or Dst.CRON))]
        zones = {entries[0].name: zone or "UTC"}
    elif site_file is not None:
        site = load_or_exit(site_file)
        entries = _chosen(site.entries, entry)
        zones = {
            name: section.timezone or site.settings.site.timezone for name, section in site.settings.schedule.items()
        }
    else:
        raise click.UsageError("give a site file (-c SITE) or an expression (--cron EXPR)")
    fires = [(one, fire) for one in entries for fire in islice(preview(one.trigger, zones[one.name], after_us), count)]
    if expression is None and entry is None:
        fires = sorted(fires, key=lambda pair: pair[1].at_us)[:count] if fires else fires
    if as_json:
        for one, fire in fires:
            click.echo(orjson.dumps(_as_json(one, fire)).decode())
    else:
        _print(fires, after_us)


def _print(fires: list[tuple[Entry, Fire]], after_us: int) -> None:
    if not fires:
        click.echo("nothing fires", err=True)
        return
    rows = [
        (
            str(one.name),
            f"{fire.local:%a %Y-%m-%d %H:%M:%S} {fire.local.tzname()}",
            f"in {ago((fire.at_us - after_us) / SECOND_US)}",
            _utc(fire.at_us),
            fire.note,
        )
        for one, fire in fires
    ]
    print_table(("ENTRY", "LOCAL", "IN", "UTC", "NOTE"), rows)


def _as_json(entry: Entry, fire: Fire) -> dict[str, str]:
    return {"entry": str(entry.name), "at": _utc(fire.at_us), "local": fire.local.isoformat(), "note": fire.note}


def _utc(at_us: int) -> str:
    return instant(at_us).isoformat().replace("+00:00", "Z")


def _ad_hoc(expression: str, zone: str, dst: Dst) -> Entry:
    try:
        known = parse_zone(zone)
    except PydanticCustomError as error:
        raise usage_error("--timezone", error) from None
    return Entry(Public("cron"), Public("-"), Cron(expression, known, dst))


def _chosen(entries: tuple[Entry, ...], name: str | None) -> list[Entry]:
    if name is None:
        return list(entries)
    found = [one for one in entries if one.name == name]
    if not found:
        hint = did_you_mean(name, (str(one.name) for one in entries))
        raise click.UsageError(f'no enabled entry "{name}"' + (f"; {hint}" if hint else ""))
    return found
