"""Tokens as an operator has them: made, listed and taken away by the command, beside a daemon that runs and without one."""

from __future__ import annotations

import json
import stat
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.builders import ADT_FEED, site_text, write_site
from tests.support.command_here import Done
from tests.support.command_here import carillon_here as carillon
from tests.support.process import DaemonProcess

LIMIT_S = 30.0


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_site(tmp_path_factory.mktemp("tokens"), site_text(feeds=ADT_FEED))


@pytest.fixture(scope="module")
def daemon(site: Path) -> Iterator[DaemonProcess]:
    with DaemonProcess(site) as process:
        process.ready()
        yield process


def add(site: Path, name: str, *options: str) -> Done:
    return carillon("token", "add", "-c", site, name, *options)


def asked(daemon: DaemonProcess, token: str) -> int:
    address = daemon.wait_for("api.listening")["address"]
    request = urllib.request.Request(f"http://{address}/api/tokens", headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_a_daemon_that_has_no_token_says_how_one_is_made(daemon: DaemonProcess) -> None:
    warned = daemon.wait_for("warning", code="no-token")
    assert "carillon token add" in warned["text"]


def test_a_running_daemon_heeds_tokens_that_are_made_and_removed(daemon: DaemonProcess, site: Path) -> None:
    made = add(site, "anna", "--role", "admin", "--reason", "first of all")
    text = made.stdout.strip()
    assert (made.code, text.startswith("crl_"), text in made.stderr) == (0, True, False)
    assert asked(daemon, text) == 200  # at once: a token that is not known has the file looked at
    viewer = add(site, "bert", "--role", "viewer").stdout.strip()
    assert asked(daemon, viewer) == 403
    assert carillon("token", "remove", "-c", site, "anna").code == 0
    deadline = time.monotonic() + LIMIT_S
    while asked(daemon, text) == 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    listed = carillon("audit", "list", "-c", site, "--json").stdout
    kinds = [json.loads(line) for line in listed.splitlines()]
    tokens = [(one["kind"], one["about"]) for one in kinds if one["kind"].startswith("token-")]
    assert tokens == [("token-added", "anna"), ("token-added", "bert"), ("token-removed", "anna")]
    secrets = [one.rsplit("_", 1)[1] for one in (text, viewer)]
    kept = "".join(path.read_text(errors="replace") for path in (site.parent / "state").glob("*.json"))
    for secret in secrets:
        assert secret not in "\n".join(daemon.lines) + listed + kept


def test_tokens_are_listed_without_their_secrets(site: Path) -> None:
    add(site, "grafana", "--role", "viewer", "--expires", "90d")
    add(site, "app", "--role", "nobody", "--results")
    add(site, "doctor", "--role", "operator", "--phi", "--feeds", "adt")
    found = {one["name"]: one for one in json.loads(carillon("token", "list", "-c", site, "--json").stdout)["tokens"]}
    assert found["app"]["capabilities"] == ["results"]
    assert (found["doctor"]["capabilities"], found["doctor"]["feeds"]) == (["phi"], ["adt"])
    assert found["grafana"]["expires_at"] is not None
    assert "digest" not in str(found)
    table = carillon("token", "list", "-c", site).stdout
    assert "grafana" in table
    assert "argon2" not in table
    assert stat.S_IMODE((site.parent / "state" / "tokens.json").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("x",), 64, "--role"),
        (("x", "--role", "root"), 64, "root"),
        (("x\n", "--role", "viewer"), 64, "NAME"),
        (("x", "--role", "nobody"), 64, "could do nothing"),
        (("x", "--role", "viewer", "--feeds", "adt"), 64, "phi is not given"),
        (("x", "--role", "viewer", "--phi", "--feeds", "absent"), 64, "not a feed"),
        (("x", "--role", "viewer", "--expires", "soon"), 64, "--expires"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(
    site: Path, arguments: tuple[str, ...], code: int, says: str
) -> None:
    done = add(site, *arguments)
    assert (done.code, says in done.stderr, done.stdout) == (code, True, ""), done.stderr


def test_a_name_is_given_once_and_what_is_not_there_is_not_removed(site: Path) -> None:
    assert add(site, "twice", "--role", "viewer").code == 0
    again = add(site, "twice", "--role", "viewer")
    assert (again.code, "already" in again.stderr, again.stdout) == (75, True, "")
    absent = carillon("token", "remove", "-c", site, "nobody-of-that-name")
    assert (absent.code, "no such token" in absent.stderr) == (65, True)
