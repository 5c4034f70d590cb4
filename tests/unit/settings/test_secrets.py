"""Secrets that stand in files and credentials, and that no secret is ever shown."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from daemon.settings.secrets import SecretUnreadable, resolve_secret
from tests.support.site_files import HEAD, NOBODY, loaded, problem_lines

SECRET = "hunter2-ZZSECRET"
URL = f"redis://user:{SECRET}@localhost:6379/0"


def _broker(value: str) -> str:
    return f'{HEAD}[celery]\nbroker_url = "{value}"\n'


# -- where they stand --------------------------------------------------------------------------------------------------


def test_text_without_a_scheme_of_ours_is_the_secret_itself() -> None:
    assert resolve_secret(URL, NOBODY) == URL


@pytest.mark.parametrize("content", [URL, f"{URL}\n", f"  {URL}\r\n", f"\ufeff{URL}\n", f"\n\n{URL}\n\n"])
def test_a_file_gives_its_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "url").write_text(content, encoding="utf-8")
    assert resolve_secret(f"file:{tmp_path}/url", NOBODY) == URL


def test_a_credential_is_looked_up_where_systemd_puts_it(tmp_path: Path) -> None:
    (tmp_path / "broker").write_text(URL)
    assert resolve_secret("credential:broker", {"CREDENTIALS_DIRECTORY": str(tmp_path)}) == URL


def test_a_site_file_takes_both_addresses_from_secrets(tmp_path: Path) -> None:
    (tmp_path / "one").write_text(URL)
    (tmp_path / "two").write_text("redis://results/1")
    text = f'{HEAD}[celery]\nbroker_url = "credential:one"\nresult_backend = "file:{tmp_path}/two"\n'
    settings = loaded(tmp_path, text, {"CREDENTIALS_DIRECTORY": str(tmp_path)}).settings
    assert settings is not None
    assert (settings.celery.broker_url, settings.celery.result_backend) == (URL, "redis://results/1")


def test_a_variable_may_name_a_secret_too(tmp_path: Path) -> None:
    (tmp_path / "url").write_text(URL)
    settings = loaded(tmp_path, HEAD, {"CELERY_BROKER_URL": f"file:{tmp_path}/url"}).settings
    assert settings is not None
    assert settings.celery.broker_url == URL


def test_the_folder_of_credentials_is_not_taken_from_dotenv(tmp_path: Path) -> None:
    (tmp_path / "broker").write_text(URL)
    lines = problem_lines(tmp_path, _broker("credential:broker"), dotenv=f"CREDENTIALS_DIRECTORY={tmp_path}\n")
    assert len(lines) == 1


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("file:relative", "the path must be absolute"),
        ("file:", "the path must be absolute"),
        ("credential:", "a credential is named without a path"),
        ("credential:..", "a credential is named without a path"),
        ("credential:../broker", "a credential is named without a path"),
        ("credential:/etc/passwd", "a credential is named without a path"),
        ("credential:a/b", "a credential is named without a path"),
    ],
)
def test_a_secret_is_named_absolutely_or_by_a_bare_name(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(SecretUnreadable, match=expected):
        resolve_secret(text, {"CREDENTIALS_DIRECTORY": str(tmp_path)})


def test_a_credential_without_systemd_says_what_the_unit_needs(tmp_path: Path) -> None:
    assert problem_lines(tmp_path, _broker("credential:broker")) == [
        (
            "site.toml:5 celery.broker_url: credential:broker: CREDENTIALS_DIRECTORY is not set; "
            "use LoadCredential=broker:… in the unit"
        )
    ]


def test_a_missing_secret_is_a_problem_at_its_key(tmp_path: Path) -> None:
    assert problem_lines(tmp_path, _broker(f"file:{tmp_path}/none")) == [
        "site.toml:5 celery.broker_url: none: No such file or directory"
    ]


def test_a_secret_that_is_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "url")
    assert problem_lines(tmp_path, _broker(f"file:{tmp_path}/url")) == [
        "site.toml:5 celery.broker_url: url: not a regular file"
    ]


def test_a_secret_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "url").mkdir()
    assert problem_lines(tmp_path, _broker(f"file:{tmp_path}/url")) == [
        "site.toml:5 celery.broker_url: url: not a regular file"
    ]


def test_a_secret_without_end_is_refused(tmp_path: Path) -> None:
    assert problem_lines(tmp_path, _broker("file:/dev/zero")) == [
        "site.toml:5 celery.broker_url: /dev/zero: not a regular file"
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b"x" * (64 * 1024 + 1), "larger than 65536 bytes", id="too large"),
        pytest.param(f"{URL}\n{URL}\n".encode(), "exactly one line is needed", id="two lines"),
        pytest.param(b"", "exactly one line is needed", id="empty"),
        pytest.param(b" \n\t\n", "exactly one line is needed", id="blank"),
        pytest.param(SECRET.encode() + b"\xff", f"not UTF-8 (byte {len(SECRET)})", id="not UTF-8"),
    ],
)
def test_a_secret_is_one_line_of_text(tmp_path: Path, content: bytes, expected: str) -> None:
    (tmp_path / "url").write_bytes(content)
    assert problem_lines(tmp_path, _broker(f"file:{tmp_path}/url")) == [
        f"site.toml:5 celery.broker_url: url: {expected}"
    ]


def test_the_longest_secret_allowed_is_read(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("x" * 64 * 1024)
    assert len(resolve_secret(f"file:{tmp_path}/url", NOBODY)) == 64 * 1024


def test_an_unreadable_secret_does_not_hide_the_other_problems(tmp_path: Path) -> None:
    text = _broker("file:none") + "task_default_queue = 5\n[schedule.x]\n"
    places = [line.partition(": ")[0] for line in problem_lines(tmp_path, text)]
    assert places == [
        "site.toml:5 celery.broker_url",
        "site.toml:6 celery.task_default_queue",
        "site.toml:7 schedule.x.task",
    ]


# -- that they are never shown -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        _broker(f"rediscluster://user:{SECRET}@host"),
        _broker(f"redis://user:{SECRET}@host:port/0"),
        _broker(f"redis://user:{SECRET}@/0"),
        _broker(f"redis://user:{SECRET}@host/name"),
        f'{HEAD}[celery]\nbroker_url = ["{URL}"]\n',
        f'{HEAD}[celery]\nbroker_url = {{ url = "{URL}" }}\n',
        f'{HEAD}[celery]\nresult_backend = "mongobd://user:{SECRET}@host"\n',
        f'{HEAD}[celery]\nbroker_ulr = "{URL}"\n',
        f"{HEAD}[celery]\nbroker_url = {URL}\n",
        f'{HEAD}[celery]\nbroker_url = "{URL}\n',
        f'{HEAD}[celery]\nbroker_url = "{URL}"\nbroker_url = "{URL}"\n',
        f'{HEAD}celery = "{URL}"\n',
        f'{HEAD}[schedule]\nx = "{URL}"\n',
    ],
)
def test_no_problem_shows_the_secret(tmp_path: Path, text: str) -> None:
    lines = problem_lines(tmp_path, text)
    assert lines
    assert [line for line in lines if SECRET in line] == []


@pytest.mark.parametrize(
    "name", ["CELERY_BROKER_URL", "REDIS_URL", "CARILLON_CELERY__BROKER_URL", "CARILLON_CELERY__URL"]
)
def test_no_problem_shows_a_secret_of_the_environment(tmp_path: Path, name: str) -> None:
    lines = problem_lines(tmp_path, HEAD, {name: f"rediscluster://user:{SECRET}@host"})
    assert lines
    assert [line for line in lines if SECRET in line] == []


def test_a_secret_file_that_holds_no_address_is_not_quoted(tmp_path: Path) -> None:
    (tmp_path / "url").write_text(f"user:{SECRET}@host")
    lines = problem_lines(tmp_path, _broker(f"file:{tmp_path}/url"))
    assert lines
    assert [line for line in lines if SECRET in line] == []


def test_settings_do_not_show_addresses_in_their_representation(tmp_path: Path) -> None:
    found = loaded(tmp_path, f'{HEAD}[celery]\nbroker_url = "{URL}"\nresult_backend = "{URL}"\n')
    assert found.settings is not None
    assert SECRET not in f"{found!r}{found.settings!r}{found.settings}{found.settings.celery!r}"


def test_the_error_of_an_unreadable_secret_holds_nothing_of_it(tmp_path: Path) -> None:
    (tmp_path / "url").write_text(f"{SECRET}\n{SECRET}\n")
    with pytest.raises(SecretUnreadable) as caught:
        resolve_secret(f"file:{tmp_path}/url", NOBODY)
    assert SECRET not in f"{caught.value!r}{caught.value.__cause__!r}"
