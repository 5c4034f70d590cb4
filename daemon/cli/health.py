"""``carillon health``: is the site well? For people, for probes of containers, and for scripts that look for beat."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio
import click

from daemon.cli.celery_side import json_option, side_of
from daemon.cli.daemon_side import DaemonRefused, NoDaemon, ask_daemon
from daemon.cli.json_text import json_text
from daemon.cli.options import load_or_exit, site_option
from daemon.cli.output import ago
from daemon.clock import SystemClock, instant
from daemon.desks.health import HealthCheck, HealthReport, HealthState, HealthStatus, status_of
from daemon.dispatch import open_site_client
from daemon.dispatch.celery_watch import look_at
from daemon.errors import DaemonError
from daemon.health import Outside, celery_checks, database_of, outside_checks, sent_items
from daemon.public import Public, escaped, reason
from daemon.site import Site

ASK_LIMIT_S = 15.0
BROKER_LIMIT_S = 5.0
EXIT_CODES = {HealthStatus.HEALTHY.value: 0, HealthStatus.DEGRADED.value: 1, HealthStatus.UNHEALTHY.value: 2}
_MARKS = {"healthy": "●", "degraded": "▲", "unhealthy": "✗", "ok": "●", "warning": "▲", "error": "✗"}


@click.command()
@site_option()
@click.option("-v", "--verbose", is_flag=True, help="What is well, too.")
@json_option()
def health(*, site_file: Path, verbose: bool, as_json: bool) -> None:
    """Say whether all is well: the scheduler, the spool, the broker, workers, queues, feeds, pages and the database.

    Exits with 0 if it is, with 1 if something should be looked at, with 2 if work is not being done. It answers without a
    daemon, too: then that is what is wrong.
    """
    site = load_or_exit(site_file)
    found = _asked(site)
    if as_json:
        click.echo(json_text(found))
    else:
        for line in lines(found, verbose=verbose):
            click.echo(line)
    raise click.exceptions.Exit(EXIT_CODES.get(found["status"], 2))


def lines(found: Mapping[str, Any], *, verbose: bool) -> Iterator[str]:
    """Write a report: one line for all of it, and one for each check, of those that are well only when asked to."""
    up = f"  up {ago(found['up_s'])}" if found["up_s"] else ""
    version = f"  carillon {found['version']}" if found["version"] else ""
    yield escaped(f"{_MARKS[found['status']]} {found['status']}  {found['site']}{up}{version}")
    shown = [check for check in found["checks"] if verbose or check["state"] != "ok"]
    width = max((len(check["name"]) for check in shown), default=0)
    for check in shown:
        yield escaped(f"  {_MARKS[check['state']]} {check['name']:{width}}  {check['detail']}")
        if check["hint"] and check["state"] != "ok":
            yield escaped(f"    {' ' * width}{check['hint']}")


def _asked(site: Site) -> dict[str, Any]:
    """Ask the daemon; without one, look at what it needs from here."""
    try:
        found: dict[str, Any] = ask_daemon(site, "GET", "/api/health", limit_s=ASK_LIMIT_S)
    except (NoDaemon, DaemonRefused) as error:
        dead = HealthCheck(Public("daemon"), HealthState.ERROR, Public(str(error)), Public(error.hint))
        checks = (dead, *anyio.run(_from_here, site))
        now = instant(SystemClock().now_us())
        report = HealthReport(status_of(checks), site.settings.site.name, Public(""), 0.0, now, checks)
        found = {
            "status": report.status.value,
            "site": str(report.site),
            "version": "",
            "up_s": 0.0,
            "asked_at": now.isoformat().replace("+00:00", "Z"),
            "checks": [
                {"name": str(one.name), "state": one.state.value, "detail": str(one.detail), "hint": str(one.hint)}
                for one in checks
            ],
        }
    return found


async def _from_here(site: Site) -> Sequence[HealthCheck]:
    settings = site.settings.health
    found = [*await _celery_from_here(site)]
    probes = await Outside(settings.urls, database_of(settings, os.environ), SystemClock()).look()
    return [*found, *outside_checks(probes)]


async def _celery_from_here(site: Site) -> Sequence[HealthCheck]:
    settings, name = site.settings.health, Public("broker")
    try:
        with anyio.fail_after(BROKER_LIMIT_S):
            async with open_site_client(side_of(site)) as client:
                if not client.has_control:
                    return []
                look = await look_at(client, sent_items(site), instant(SystemClock().now_us()))
    except DaemonError as error:
        return [HealthCheck(name, HealthState.ERROR, reason(error))]
    except TimeoutError:
        return [HealthCheck(name, HealthState.ERROR, Public("does not answer"))]
    checks = celery_checks(
        sorted(look.answered),
        look.queues,
        keeps_results=look.keeps_results,
        require_workers=settings.require_workers,
        require_queues=settings.require_queues,
    )
    return [HealthCheck(name, HealthState.OK, Public("answers")), *checks]
