"""``[watch]``, and what a check says of templates and of targets of several tasks."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.site import check_site
from tests.support.site_files import HEAD, NOBODY, loaded, problem_lines, put_site

SECRET = "hunter2-ZZSECRET"
WATCH = f"""{HEAD}
[watch]
task = "app.alert"
queue = "alerts"
webhook = "https://chat.example.org/hook/{SECRET}"
webhook_secret = "{SECRET}"
email = {{ to = ["a@lab", "b@lab"], from = "carillon@lab", server = "mail.lab:587", user = "u", password = "{SECRET}" }}
again = "30m"
ping = "https://hc-ping.com/{SECRET}"
ping_every = "30s"
"""


def test_all_of_it_is_read(tmp_path: Path) -> None:
    settings = loaded(tmp_path, WATCH).settings
    assert settings is not None
    watch = settings.watch
    assert (watch.task, watch.queue, watch.again, watch.ping_every) == ("app.alert", "alerts", 1800.0, 30.0)
    assert watch.email is not None
    assert (watch.email.to, watch.email.sender, str(watch.email.server)) == (
        ("a@lab", "b@lab"),
        "carillon@lab",
        "mail.lab:587",
    )
    assert watch.email.starttls
    assert SECRET not in repr(settings)


def test_nothing_of_it_is_needed(tmp_path: Path) -> None:
    settings = loaded(tmp_path, HEAD).settings
    assert settings is not None
    assert (settings.watch.webhook, settings.watch.again, settings.watch.ping_every) == (None, 3600.0, 60.0)


def test_secrets_may_stand_in_files(tmp_path: Path) -> None:
    (tmp_path / "hook").write_text(f"https://chat.example.org/{SECRET}\n")
    (tmp_path / "word").write_text(f"{SECRET}\n")
    text = f"""{HEAD}
[watch]
webhook = "file:{tmp_path}/hook"
webhook_secret = "credential:word"
ping = "file:{tmp_path}/hook"
email = {{ to = "a@lab", from = "c@lab", server = "mail", user = "u", password = "file:{tmp_path}/word" }}
[schedule.x]
task = "t"
every = "1m"
expect = {{ ping = "file:{tmp_path}/hook" }}
"""
    settings = loaded(tmp_path, text, {"CREDENTIALS_DIRECTORY": str(tmp_path)}).settings
    assert settings is not None
    watch = settings.watch
    assert watch.webhook == watch.ping == f"https://chat.example.org/{SECRET}"
    assert (watch.webhook_secret, watch.email and watch.email.password) == (SECRET, SECRET)
    expect = next(iter(settings.schedule.values())).expect
    assert expect is not None
    assert expect.ping == watch.ping


def test_a_secret_that_cannot_be_read_is_one_problem_at_its_key(tmp_path: Path) -> None:
    text = WATCH.replace(f'password = "{SECRET}"', 'password = "file:/nowhere/at/all"')
    [line] = problem_lines(tmp_path, text)
    assert "watch.email.password: " in line
    [line] = problem_lines(tmp_path, WATCH.replace(f'"https://hc-ping.com/{SECRET}"', '"file:/nowhere/at/all"'))
    assert "watch.ping: " in line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('webhook = "chat.example.org"', "watch.webhook: not an address of the web"),
        (f'webhook = "ftp://{SECRET}@host/"', "watch.webhook: not an address of the web"),
        ('ping = "https:///x"', "watch.ping: not an address of the web"),
        ("ping = 7", "watch.ping: not an address"),
        ('queue = "alerts"', "watch: queue belongs to task"),
        ('webhook_secret = "x"', "watch: webhook_secret belongs to webhook"),
        ('webhook = "https://x/"\nwebhook_secret = "ü"', "a secret of printable ASCII is needed"),
        ('email = { to = "a@lab", from = "c@lab" }', "watch.email.server: is missing"),
        ('email = { to = "nobody", from = "c@lab", server = "m" }', "watch.email.to: not an e-mail address"),
        ('email = { to = "a@lab", from = "c@lab", server = "m", user = "u" }', "user and password belong together"),
        ('mail = "x"', 'watch.mail: unknown key; did you mean "email"?'),
    ],
)
def test_what_cannot_be_is_refused_and_no_secret_is_quoted(tmp_path: Path, text: str, expected: str) -> None:
    lines = problem_lines(tmp_path, f"{HEAD}[watch]\n{text}\n")
    assert expected in "\n".join(lines)
    assert SECRET not in "\n".join(lines)


# -- what a check says of entries --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (
            'task = "t"\nkwargs = { since = "{{ occurence }}" }',
            'schedule.x.kwargs.since: "occurence" is not the name of a template; did you mean "occurrence"?',
        ),
        ('task = "t"\nargs = ["{{ entry"]', "schedule.x.args[0]: a template has no end"),
        (
            'chain = [{ task = "a" }, { task = "b", args = ["{{ nobody }}"] }]',
            'schedule.x.chain[1].args[0]: "nobody" is not the name of a template',
        ),
        (
            'group = [{ task = "a" }]\noverlap = "skip"',
            "schedule.x.overlap: nobody can say when a group is over; make it a chord",
        ),
        (
            'group = [{ task = "a" }]\nexpect = { finish_within = "1h" }',
            "schedule.x.expect.finish_within: nobody can say how far a group has come",
        ),
        (
            'chord = { header = [{ task = "a" }], body = { task = "b" } }',
            "schedule.x: chord of 'chord': cannot be sent from here: a chord without a Redis result back-end",
        ),
    ],
)
def test_a_check_finds_it_before_it_is_due(tmp_path: Path, entry: str, expected: str) -> None:
    broker = '[celery]\nbroker_url = "redis://localhost:1/0"\n'
    lines = problem_lines(tmp_path, f'{HEAD}{broker}[schedule.x]\nevery = "1h"\n{entry}\n')
    assert expected in "\n".join(lines)


def test_a_sound_target_becomes_an_entry(tmp_path: Path) -> None:
    text = f"""{HEAD}
[schedule.x]
every = "1h"
chord.header = [{{ task = "a", args = ["{{{{ occurrence_date }}}}"] }}, {{ task = "b", options.queue = "q" }}]
chord.body = {{ task = "c", immutable = true }}
"""
    checked = check_site(put_site(tmp_path, text), NOBODY)
    assert [str(one) for one in checked.problems] == []
    assert checked.site is not None
    [entry] = checked.site.entries
    assert entry.canvas == {
        "kind": "chord",
        "header": [
            {"task": "a", "args": ["{{ occurrence_date }}"]},
            {"task": "b", "options": {"queue": "q"}},
        ],
        "body": {"task": "c", "immutable": True},
    }
