"""``carillon next``: what fires when, of one entry or of a whole site."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import click
import orjson
from pydantic_core import PydanticCustomError

from daemon.cli.live_rows import load_with_rows
from daemon.cli.options import instant_us, site_option, usage_error
from daemon.cli.output import ago, print_table
from daemon.clock import SECOND_US, SystemClock, instant
from daemon.public import Public
from daemon.scheduler.dry_run import Share, Survey, fires, survey
from daemon.scheduler.model import Entry
from daemon.scheduler.preview import Fire
from daemon.scheduler.triggers import Cron, Crontab, CrontabMode, parse_dst
from daemon.scheduler.triggers.dst import RELEASES, dst_names
from daemon.settings.problems import did_you_mean
from daemon.settings.values import parse_zone

_COUNT = 5
_COUNT_LIMIT = 10_000
SURVEY_LIMIT = 5_000_000
"""Occurrences counted by ``--summary``; that takes about half a minute."""
_EXAMPLES = (
    "\b\n"  # click keeps the lines of a paragraph that begins so
    "carillon next -c site.toml\n"
    "carillon next -c site.toml nightly --count 3\n"
    "carillon next -c site.toml --from 2026-12-01T00:00:00Z --until 2027-01-01T00:00:00Z --summary\n"
    'carillon next --cron "30 1 * * *" --timezone Europe/London --from 2026-10-24T00:00:00Z'
)


@click.command(name="next", epilog=_EXAMPLES)
@site_option(required=False)
@click.argument("entry", required=False)
@click.option("--cron", "expression", metavar="EXPR", help="Preview an expression instead of a site's entries.")
@click.option("--timezone", "zone", metavar="ZONE", default=None, help="With --cron: the wall clock it means. [UTC]")
@click.option("--dst", type=click.Choice((*dst_names(), *RELEASES)), help="With --cron: as in a site file. [cron]")
@click.option("--from", "start", metavar="INSTANT", help="Begin at this instant (ISO 8601 with offset) instead of now.")
@click.option("--until", "end", metavar="INSTANT", help="Everything before this instant, 10,000 occurrences at most.")
@click.option(
    "--count", type=click.IntRange(1, _COUNT_LIMIT), help=f"How many. [{_COUNT}; with --until as many as there are]"
)
@click.option(
    "--summary", "is_summary", is_flag=True, help="With --until: how much each entry fires, and when most is."
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="One JSON object a line: entry, at, local, note; of a summary entry, count, first, last, and the total.",
)
def next_fires(
    *,
    site_file: Path | None,
    entry: str | None,
    expression: str | None,
    zone: str | None,
    dst: str | None,
    start: str | None,
    end: str | None,
    count: int | None,
    is_summary: bool,
    as_json: bool,
) -> None:
    """Preview coming occurrences, with notes where the clocks change.

    Entries count as new at the beginning: one that is counted from its first start is shown from there.
    """
    from_us = SystemClock().now_us() if start is None else instant_us(start, "--from")
    until_us = None if end is None else instant_us(end, "--until")
    if until_us is not None and until_us <= from_us:
        raise click.UsageError(f"--until {end} is not after the beginning")
    if is_summary and (until_us is None or count is not None):
        raise click.UsageError("--summary counts everything before an instant: it needs --until and takes no --count")
    if expression is None and (zone is not None or dst is not None):
        raise click.UsageError("--timezone and --dst belong to --cron; the entries of a site have their own")
    if expression is not None and entry is not None:
        raise click.UsageError(f'give an entry ("{entry}") or an expression (--cron EXPR), not both')
    if expression is not None:
        entries = [_ad_hoc(expression, zone or "UTC", dst or "cron")]
    elif site_file is not None:
        entries = _chosen(load_with_rows(site_file).entries, entry)
    else:
        raise click.UsageError("give a site file (-c SITE) or an expression (--cron EXPR)")
    if is_summary and until_us is not None:
        _print_survey(survey(entries, from_us, until_us, SURVEY_LIMIT), as_json=as_json)
        return
    limit = count or (_COUNT if until_us is None else _COUNT_LIMIT)
    found = list(islice(fires(entries, from_us, until_us), limit + 1))
    _print(found[:limit], from_us, as_json=as_json)
    if count is None and len(found) > limit > _COUNT:
        click.echo(f"cut after {limit:,} occurrences; --summary counts them all", err=True)


# -- occurrences -------------------------------------------------------------------------------------------------------


def _print(found: Sequence[tuple[Entry, Fire]], from_us: int, *, as_json: bool) -> None:
    if as_json:
        for one, fire in found:
            click.echo(orjson.dumps(_as_json(one, fire)).decode())
        return
    if not found:
        click.echo("nothing fires", err=True)
        return
    rows = [
        (
            str(one.name),
            f"{fire.local:%a %Y-%m-%d %H:%M:%S} {fire.local.tzname()}",
            f"in {ago((fire.at_us - from_us) / SECOND_US)}",
            _utc(fire.at_us),
            fire.note,
        )
        for one, fire in found
    ]
    print_table(("ENTRY", "LOCAL", "IN", "UTC", "NOTE"), rows)


def _as_json(entry: Entry, fire: Fire) -> dict[str, str]:
    return {"entry": str(entry.name), "at": _utc(fire.at_us), "local": fire.local.isoformat(), "note": fire.note}


# -- summary -----------------------------------------------------------------------------------------------------------


def _print_survey(found: Survey, *, as_json: bool) -> None:
    busiest = None if found.busiest_us is None else _utc(found.busiest_us)
    if as_json:
        for name, share in found.shares.items():
            click.echo(orjson.dumps({"entry": str(name), **_share(share)}).decode())
        total = {"total": found.total, "busiest_minute": busiest, "busiest_count": found.busiest_count}
        click.echo(orjson.dumps({**total, "complete": found.is_complete}).decode())
        return
    rows = [
        (str(name), f"{share.count:,}", *(value or "-" for value in (_share(share)["first"], _share(share)["last"])))
        for name, share in found.shares.items()
    ]
    print_table(("ENTRY", "COUNT", "FIRST", "LAST"), rows)
    most = f"; most in the minute of {busiest}: {found.busiest_count:,}" if busiest else ""
    click.echo(f"{found.total:,} in all{most}", err=True)
    if not found.is_complete:
        click.echo(f"cut after {found.total:,} occurrences; a nearer --until tells the rest", err=True)


def _share(share: Share) -> dict[str, Any]:
    first, last = (None if at_us is None else _utc(at_us) for at_us in (share.first_us, share.last_us))
    return {"count": share.count, "first": first, "last": last}


def _utc(at_us: int) -> str:
    return instant(at_us).isoformat().replace("+00:00", "Z")


# -- entries -----------------------------------------------------------------------------------------------------------


def _ad_hoc(expression: str, zone: str, dst: str) -> Entry:
    try:
        known = parse_zone(zone)
    except PydanticCustomError as error:
        raise usage_error("--timezone", error) from None
    policy = parse_dst(dst)
    trigger = Crontab(expression, known, policy) if isinstance(policy, CrontabMode) else Cron(expression, known, policy)
    return Entry(Public("cron"), Public("-"), trigger, zone=known)


def _chosen(entries: tuple[Entry, ...], name: str | None) -> list[Entry]:
    if name is None:
        return list(entries)
    found = [one for one in entries if one.name == name]
    if not found:
        hint = did_you_mean(name, (str(one.name) for one in entries))
        raise click.UsageError(f'no enabled entry "{name}"' + (f"; {hint}" if hint else ""))
    return found
