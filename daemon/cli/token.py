"""``carillon token``: who may ask over the network."""

from __future__ import annotations

from pathlib import Path

import click
import orjson

from daemon.cli.options import duration_s, load_or_exit, site_option
from daemon.cli.output import ago, print_table
from daemon.cli.recording import keep
from daemon.cli.runtime_side import author_or_user, utc
from daemon.clock import SECOND_US, SystemClock
from daemon.deeds import Deed, DeedKind
from daemon.public import Public, escaped
from daemon.site import Site
from daemon.state_dir import hand_over

ROLES = ("nobody", "viewer", "operator", "admin")
_COLUMNS = ("NAME", "ID", "ROLE", "CAPABILITIES", "FEEDS", "CREATED", "BY", "EXPIRES", "USED")


@click.group()
def token() -> None:
    """Tokens: for people who sign in to the dashboard, and for programs.

    They are kept in the state folder, as hashes. A daemon that runs heeds a change within a second.
    """


@token.command()
@site_option()
@click.argument("name")
@click.option(
    "--role", type=click.Choice(ROLES), required=True,
    help="viewer sees all but contents, operator steers, admin does what cannot be undone; nobody is for --results alone.",
)  # fmt: skip
@click.option("--phi", is_flag=True, help="May look at messages, arguments and results; each look is on the record.")
@click.option("--feeds", default="", metavar="A,B", help="With --phi: messages of these feeds alone.")
@click.option("--results", is_flag=True, help="An application: sends tasks, and sees what became of those it sent.")
@click.option("--expires", default="", metavar="SPAN", help="When it ends (90d). [never]")
@click.option("--reason", default="", metavar="TEXT", help="Why.")
def add(
    *, site_file: Path, name: str, role: str, phi: bool, feeds: str, results: bool, expires: str, reason: str
) -> None:
    """Make a token and print it, this once.

    Names tell people and programs apart in the audit trail: give each its own.
    """
    from daemon.api.access.hashing import draw  # noqa: PLC0415 - argon2 takes a while
    from daemon.api.access.token import Token, is_name  # noqa: PLC0415
    from daemon.api.access.token_file import TokenFile  # noqa: PLC0415
    from daemon.api.access.views import check_rights, rights_of  # noqa: PLC0415
    from daemon.api.http.caller import Capability, Role  # noqa: PLC0415

    site, clock = load_or_exit(site_file), SystemClock()
    if not is_name(name):
        message = "NAME: 1 to 64 letters, digits, blanks and @ . _ + -, a letter or digit first"
        raise click.UsageError(message)
    words = frozenset([Capability.PHI.value] * phi + [Capability.RESULTS.value] * results)
    chosen = _feeds(site, feeds)
    check_rights(role, words, chosen)
    now_us = clock.now_us()
    expires_us = now_us + round(duration_s(expires, "--expires") * SECOND_US) if expires else None
    by = Public(escaped(author_or_user(None)))
    token_id, text, digest = draw()
    capabilities = frozenset(map(Capability, words))
    made = Token(token_id, Public(name), Role[role.upper()], digest, now_us, by, capabilities, chosen, expires_us)
    rights = rights_of(role, words, chosen)
    deed = Deed(DeedKind.TOKEN_ADDED, by, made.name, note=Public(escaped(reason[:255])), after=rights)
    TokenFile(site.settings.site.state_dir).add(made, before=lambda: keep(site, deed))
    _hand_over(site)
    click.echo(text)
    click.echo("this is shown once; keep it where secrets are kept", err=True)
    if phi and not site.settings.api.reveal:
        click.echo("reveal is not set under [api]: over the network it shows no contents yet", err=True)


@token.command("list")
@site_option()
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def list_tokens(*, site_file: Path, as_json: bool) -> None:
    """Show the tokens there are, without their secrets."""
    from daemon.api.access.token_file import TokenFile  # noqa: PLC0415

    file = TokenFile(load_or_exit(site_file).settings.site.state_dir)
    tokens, used = sorted(file.read(), key=lambda one: one.name), file.used()
    now_us = SystemClock().now_us()
    if as_json:
        rows = [
            {
                "id": one.id,
                "name": one.name,
                "role": one.role.word,
                "capabilities": sorted(capability.value for capability in one.capabilities),
                "feeds": None if one.feeds is None else sorted(one.feeds),
                "created_at": utc(one.created_us),
                "created_by": one.created_by,
                "expires_at": None if one.expires_us is None else utc(one.expires_us),
                "used_at": utc(used[one.id]) if one.id in used else None,
                "is_expired": not one.is_good(now_us),
            }
            for one in tokens
        ]
        click.echo(orjson.dumps({"tokens": rows}).decode())
    elif tokens:
        cells = [
            (
                one.name,
                one.id,
                one.role.word,
                ",".join(sorted(capability.value for capability in one.capabilities)) or "-",
                "-" if one.feeds is None else ",".join(sorted(one.feeds)),
                utc(one.created_us)[:19] + "Z",
                one.created_by,
                "-"
                if one.expires_us is None
                else utc(one.expires_us)[:19] + "Z" + " (over)" * (not one.is_good(now_us)),
                f"{ago((now_us - used[one.id]) / SECOND_US)} ago" if one.id in used else "-",
            )
            for one in tokens
        ]
        print_table(_COLUMNS, cells)
    else:
        click.echo("there is no token; carillon token add NAME --role admin makes one", err=True)


@token.command()
@site_option()
@click.argument("name")
@click.option("--reason", default="", metavar="TEXT", help="Why.")
def remove(*, site_file: Path, name: str, reason: str) -> None:
    """Take a token away, by its name or id. Who is signed in with it is signed out."""
    from daemon.api.access.token import Token  # noqa: PLC0415
    from daemon.api.access.token_file import TokenFile  # noqa: PLC0415
    from daemon.api.access.views import rights_of  # noqa: PLC0415

    site = load_or_exit(site_file)
    by, note = Public(escaped(author_or_user(None))), Public(escaped(reason[:255]))

    def before(one: Token) -> None:
        rights = rights_of(one.role.word, frozenset(capability.value for capability in one.capabilities), one.feeds)
        keep(site, Deed(DeedKind.TOKEN_REMOVED, by, one.name, note=note, before=rights))

    found = TokenFile(site.settings.site.state_dir).remove(name, before=before)
    _hand_over(site)
    click.echo(f"removed {found.name}", err=True)


def _feeds(site: Site, text: str) -> frozenset[str] | None:
    if not text:
        return None
    chosen = frozenset(one.strip() for one in text.split(",") if one.strip())
    known = {str(feed.name) for feed in site.feeds}
    for one in sorted(chosen - known):
        raise click.UsageError(f'--feeds: "{one}" is not a feed of the site file')
    return chosen


def _hand_over(site: Site) -> None:
    hand_over(site.settings.site.state_dir, "tokens.json", "tokens.lock")
