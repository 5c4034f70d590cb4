"""Variables of the environment and of ``.env``, laid over the site file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from daemon.settings import Settings
from tests.support.site_files import HEAD, SECTIONS, loaded, problem_lines

ENTRY = '[schedule.night-run]\ntask = "t"\nevery = "1m"\n'
CELERY = '[celery]\nbroker_url = "redis://file/0"\nresult_backend = "redis://file/1"\n'


def _settings(folder: Path, text: str, environment: dict[str, str], dotenv: str | None = None) -> Settings:
    found = loaded(folder, text, environment, dotenv=dotenv)
    assert found.problems == ()
    assert found.settings is not None
    return found.settings


# -- names -------------------------------------------------------------------------------------------------------------


def test_celerys_own_variables_set_broker_and_results(tmp_path: Path) -> None:
    variables = {"CELERY_BROKER_URL": "redis://env/0", "CELERY_RESULT_BACKEND": "redis://env/1"}
    celery = _settings(tmp_path, HEAD + CELERY, variables).celery
    assert (celery.broker_url, celery.result_backend) == ("redis://env/0", "redis://env/1")


@pytest.mark.parametrize(
    ("text", "expected"), [("1", True), ("true", True), ("Yes", True), ("0", False), ("off", False)]
)
def test_require_celery_is_a_switch(tmp_path: Path, text: str, *, expected: bool) -> None:
    assert _settings(tmp_path, HEAD, {"REQUIRE_CELERY": text}).site.require_celery is expected


@pytest.mark.parametrize("name", ["CARILLON_SITE__NAME", "carillon_site__name", "Carillon_Site__Name"])
def test_the_case_of_a_variable_does_not_matter(tmp_path: Path, name: str) -> None:
    assert _settings(tmp_path, HEAD, {name: "other"}).site.name == "other"


@pytest.mark.parametrize("entry", ["night-run", "night_run", "night.run"])
def test_an_underscore_stands_for_a_dash_or_a_dot_in_a_name_of_the_file(tmp_path: Path, entry: str) -> None:
    text = f'{HEAD}[schedule."{entry}"]\ntask = "t"\nevery = "1m"\n'
    settings = _settings(tmp_path, text, {"CARILLON_SCHEDULE__NIGHT_RUN__EVERY": "5m"})
    assert {str(name): one.every for name, one in settings.schedule.items()} == {entry: 300.0}


def test_variables_can_make_a_whole_entry(tmp_path: Path) -> None:
    variables = {"CARILLON_SCHEDULE__NEW__TASK": "t", "CARILLON_SCHEDULE__NEW__CRON": "0 2 * * *"}
    assert _settings(tmp_path, HEAD, variables).schedule.keys() == {"new"}


@pytest.mark.parametrize(
    "name", ["CARILLON_SITE_FILE", "CARILLON_LOG", "CELERY_APP", "SITE__NAME", "XCARILLON_SITE__NAME"]
)
def test_other_variables_mean_nothing(tmp_path: Path, name: str) -> None:
    assert _settings(tmp_path, HEAD, {name: "x"}) == _settings(tmp_path, HEAD, {})


# -- values ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[1, 2.5]", [1, 2.5]),
        ('["a", null, true]', ["a", None, True]),
        ('[{"deep": [1]}]', [{"deep": [1]}]),
        ("[]", []),
    ],
)
def test_a_value_that_is_json_is_read_as_json(tmp_path: Path, text: str, expected: list[object]) -> None:
    settings = _settings(tmp_path, HEAD + ENTRY, {"CARILLON_SCHEDULE__NIGHT_RUN__ARGS": text})
    [entry] = settings.schedule.values()
    assert entry.args == expected


def test_a_value_that_is_not_json_is_text(tmp_path: Path) -> None:
    [entry] = _settings(tmp_path, HEAD + ENTRY, {"CARILLON_SCHEDULE__NIGHT_RUN__TASK": "[a"}).schedule.values()
    assert entry.task == "[a"


def test_an_address_is_never_read_as_json(tmp_path: Path) -> None:
    assert _settings(tmp_path, HEAD, {"CELERY_BROKER_URL": "5"}).celery.broker_url == "5"


def test_a_table_given_as_json_replaces_that_of_the_file(tmp_path: Path) -> None:
    text = f"{HEAD}{ENTRY}options = {{ queue = 'a', priority = 3 }}\n"
    settings = _settings(tmp_path, text, {"CARILLON_SCHEDULE__NIGHT_RUN__OPTIONS": '{"queue": "b"}'})
    [entry] = settings.schedule.values()
    assert (entry.options.queue, entry.options.priority) == ("b", None)


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    settings = _settings(tmp_path, HEAD + CELERY, {"CELERY_BROKER_URL": "", "REDIS_URL": ""})
    assert settings.celery.broker_url == "redis://file/0"


def test_json_nested_too_deeply_for_a_task_is_a_problem(tmp_path: Path) -> None:
    deep = '{"x": ' + "[" * 500 + "]" * 500 + "}"
    assert problem_lines(tmp_path, HEAD + ENTRY, {"CARILLON_SCHEDULE__NIGHT_RUN__KWARGS": deep}) == [
        "site.toml:4 schedule.night-run: kwargs['x']: nested deeper than 64"
    ]


# -- who wins ----------------------------------------------------------------------------------------------------------


def test_the_environment_wins_over_dotenv_and_dotenv_over_the_file(tmp_path: Path) -> None:
    text = f"{HEAD}timezone = 'Europe/Paris'\n{CELERY}"
    dotenv = "CARILLON_SITE__NAME=dot\nCARILLON_SITE__TIMEZONE=Europe/Rome\n"
    site = _settings(tmp_path, text, {"CARILLON_SITE__NAME": "env"}, dotenv).site
    assert (site.name, site.timezone) == ("env", "Europe/Rome")


@pytest.mark.parametrize(
    ("weak", "strong"),
    [
        ("carillon_celery__broker_url", "CARILLON_CELERY__BROKER_URL"),
        ("CARILLON_CELERY__BROKER_URL", "carillon_celery__broker_url"),
        ("CELERY_BROKER_URL", "CARILLON_CELERY__BROKER_URL"),
        ("CARILLON_CELERY__BROKER_URL", "CELERY_BROKER_URL"),
    ],
)
def test_the_environment_wins_over_dotenv_however_each_names_the_key(tmp_path: Path, weak: str, strong: str) -> None:
    settings = _settings(tmp_path, HEAD, {strong: "redis://env/0"}, f"{weak}=redis://dot/0\n")
    assert settings.celery.broker_url == "redis://env/0"


def test_an_empty_variable_does_not_hide_what_dotenv_says(tmp_path: Path) -> None:
    settings = _settings(tmp_path, HEAD, {"CELERY_BROKER_URL": ""}, "CELERY_BROKER_URL=redis://dot/0\n")
    assert settings.celery.broker_url == "redis://dot/0"


# -- REDIS_URL ---------------------------------------------------------------------------------------------------------


def test_redis_url_serves_for_broker_and_results_where_nothing_else_does(tmp_path: Path) -> None:
    celery = _settings(tmp_path, HEAD, {"REDIS_URL": "redis://r/0"}).celery
    assert (celery.broker_url, celery.result_backend) == ("redis://r/0", "redis://r/0")


def test_redis_url_fills_just_the_gap_the_file_leaves(tmp_path: Path) -> None:
    text = f"{HEAD}[celery]\nbroker_url = 'redis://file/0'\n"
    celery = _settings(tmp_path, text, {"REDIS_URL": "redis://r/0"}).celery
    assert (celery.broker_url, celery.result_backend) == ("redis://file/0", "redis://r/0")


def test_redis_url_of_the_environment_gives_way_to_a_named_variable_of_dotenv(tmp_path: Path) -> None:
    celery = _settings(tmp_path, HEAD, {"REDIS_URL": "redis://r/0"}, "CELERY_BROKER_URL=redis://dot/0\n").celery
    assert (celery.broker_url, celery.result_backend) == ("redis://dot/0", "redis://r/0")


def test_redis_url_of_the_environment_wins_over_that_of_dotenv(tmp_path: Path) -> None:
    celery = _settings(tmp_path, HEAD, {"REDIS_URL": "redis://env/0"}, "REDIS_URL=redis://dot/0\n").celery
    assert celery.broker_url == "redis://env/0"


def test_redis_url_adds_no_celery_section_that_is_not_a_table(tmp_path: Path) -> None:
    assert problem_lines(tmp_path, f"celery = 5\n{HEAD}", {"REDIS_URL": "redis://r/0"}) == [
        "site.toml:1 celery: a table is needed, as in [celery]"
    ]


# -- where a problem is said to be -------------------------------------------------------------------------------------

LOCATED = {
    "a named variable": (
        {"REQUIRE_CELERY": "maybe"},
        "environment REQUIRE_CELERY site.require_celery: input should be a valid boolean, unable to interpret input",
    ),
    "REDIS_URL": (
        {"REDIS_URL": "rediscluster://h", "CELERY_RESULT_BACKEND": "redis://h"},
        (
            "environment REDIS_URL "
            "celery.broker_url: Redis Cluster is not spoken: Celery's transport cannot use one; "
            "use one server, or a master and replicas watched by Sentinel: sentinel://host:26379/0"
        ),
    ),
    "a key that the file has too": (
        {"CARILLON_SCHEDULE__NIGHT_RUN__EVERY": "soon"},
        (
            "environment CARILLON_SCHEDULE__NIGHT_RUN__EVERY schedule.night-run.every: "
            '"soon" is not a duration; write "15m", "1h30m", "250ms"; units ms s m h d w'
        ),
    ),
    "deep within a JSON value": (
        {"CARILLON_SCHEDULE__NIGHT_RUN__OPTIONS": '{"queue": 5}'},
        (
            "environment CARILLON_SCHEDULE__NIGHT_RUN__OPTIONS schedule.night-run.options.queue: "
            "1 to 255 printable characters are needed"
        ),
    ),
    "a section nobody knows": (
        {"CARILLON_A__B": "1"},
        (f"environment CARILLON_A__B a: unknown key; known here: {SECTIONS}"),
    ),
    "a key nobody knows": (
        {"CARILLON_SITE__NAM": "x"},
        'environment CARILLON_SITE__NAM site.nam: unknown key; did you mean "name"?',
    ),
    "an empty word": (
        {"CARILLON_SITE__": "x"},
        (
            'environment CARILLON_SITE__ site."": unknown key; '
            "known here: drain_timeout, name, require_celery, state_dir, timezone"
        ),
    ),
    "an entry left unfinished": (
        {"CARILLON_SCHEDULE__NEW__EVERY": "5m"},
        "environment CARILLON_SCHEDULE__NEW__EVERY schedule.new.task: is missing",
    ),
    "a key below a value": (
        {"CARILLON_SITE__NAME__FIRST": "x"},
        (
            "environment CARILLON_SITE__NAME__FIRST site.name.first: cannot be set by a variable; "
            "write it into the site file"
        ),
    ),
    "an item of a list": (
        {"CARILLON_FEED__ADT__ROUTE__0__TASK": "x"},
        (
            "environment CARILLON_FEED__ADT__ROUTE__0__TASK feed.adt.route.0.task: "
            "cannot be set by a variable; write it into the site file"
        ),
    ),
    "text that is not Unicode": (
        {"CARILLON_SITE__NAME": "a\udcff"},
        "environment CARILLON_SITE__NAME site.name: not UTF-8",
    ),
    "a name that is not Unicode": (
        {"CARILLON_SITE__\udcff": "a"},
        'environment CARILLON_SITE__\\udcff site."\\udcff": not UTF-8',
    ),
}


@pytest.mark.parametrize(("variables", "expected"), LOCATED.values(), ids=LOCATED)
def test_a_problem_names_the_variable_it_came_from(tmp_path: Path, variables: dict[str, str], expected: str) -> None:
    feed = '[feed.adt]\nlisten = "127.0.0.1:0"\n[[feed.adt.route]]\ntask = "t"\n'
    text = f"{HEAD}{ENTRY}options = {{ queue = 'q' }}\n{feed}"
    assert problem_lines(tmp_path, text, variables) == [expected]


def test_what_a_variable_did_not_touch_is_located_in_the_file(tmp_path: Path) -> None:
    text = f"{HEAD}{ENTRY}options = {{ queue = 5 }}\n"
    assert problem_lines(tmp_path, text, {"CARILLON_SCHEDULE__NIGHT_RUN__OPTIONS__PRIORITY": "3"}) == [
        "site.toml:7 schedule.night-run.options.queue: 1 to 255 printable characters are needed"
    ]


# -- .env --------------------------------------------------------------------------------------------------------------


def test_dotenv_is_looked_for_beside_the_site_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / ".env").write_text("CARILLON_SITE__NAME=wrong\n")
    monkeypatch.chdir(elsewhere)
    assert _settings(tmp_path, HEAD, {}, "CARILLON_SITE__NAME=right\n").site.name == "right"


@pytest.mark.parametrize("form", ["{}", "export {}", "{} # a remark", "  {}  ", "\ufeff{}", "{}\r"])
def test_dotenv_is_understood_in_its_usual_forms(tmp_path: Path, form: str) -> None:
    dotenv = form.format("CARILLON_SITE__NAME='dot'") + "\n"
    assert _settings(tmp_path, HEAD, {}, dotenv).site.name == "dot"


@pytest.mark.parametrize(
    "value", ["$(touch {})", "`touch {}`", "'; touch {}; '", "x && touch {}", "${{X:=$(touch {})}}"]
)
def test_shell_code_in_dotenv_is_text_and_nothing_runs(tmp_path: Path, value: str) -> None:
    witness = tmp_path / "witness"
    dotenv = f"CARILLON_SCHEDULE__NIGHT_RUN__TASK={value.format(witness)}\n"
    found = loaded(tmp_path, HEAD + ENTRY, dotenv=dotenv)
    assert found.settings is not None
    assert not witness.exists()


def test_references_to_other_variables_in_dotenv_are_not_filled_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRIVATE", "leaked")
    dotenv = "CARILLON_SCHEDULE__NIGHT_RUN__TASK=${PRIVATE}\n"
    [entry] = _settings(tmp_path, HEAD + ENTRY, {}, dotenv).schedule.values()
    assert entry.task == "${PRIVATE}"


def test_dotenv_does_not_change_the_environment_of_the_process(tmp_path: Path) -> None:
    before = dict(os.environ)
    loaded(tmp_path, HEAD, dotenv="CARILLON_TEST_ONLY=1\nREQUIRE_CELERY=1\n")
    assert dict(os.environ) == before


def test_a_name_without_a_value_in_dotenv_sets_nothing(tmp_path: Path) -> None:
    assert _settings(tmp_path, HEAD, {}, "CARILLON_SITE__NAME\n").site.name == "lab"


def test_a_folder_called_dotenv_is_somebodys_virtual_environment(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    assert problem_lines(tmp_path, HEAD) == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b"A=\xff\n", "not UTF-8 (byte 2)", id="not UTF-8"),
        pytest.param(b"#" * (1024 * 1024 + 1), "larger than 1048576 bytes", id="too large"),
    ],
)
def test_a_dotenv_that_cannot_be_read_is_a_problem_beside_the_others(
    tmp_path: Path, content: bytes, expected: str
) -> None:
    assert problem_lines(tmp_path, f"{HEAD}x = 1\n", dotenv=content) == [
        f"site.toml:1: .env: {expected}",
        "site.toml:4 site.x: unknown key; known here: drain_timeout, name, require_celery, state_dir, timezone",
    ]


def test_a_line_of_dotenv_that_cannot_be_read_is_a_problem_and_the_others_count(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dotenv = "REQUIRE_CELERY=1\n\nthis is = nothing\nCARILLON_SITE__NAME=Wrong\n=\n"
    assert [line.partition('; "')[0].partition("; 1")[0] for line in problem_lines(tmp_path, HEAD, dotenv=dotenv)] == [
        '.env CARILLON_SITE__NAME site.name: "Wrong" is not a name',
        "site.toml:1: .env: line 3 cannot be read; write NAME=value",
        "site.toml:1: .env: line 5 cannot be read; write NAME=value",
    ]
    assert caplog.records == []


def test_a_problem_names_dotenv_where_the_environment_says_nothing(tmp_path: Path) -> None:
    dotenv = "REQUIRE_CELERY=maybe\nREDIS_URL=rediscluster://h\n"
    environment = {"REQUIRE_CELERY": "", "CELERY_BROKER_URL": "redis://h"}
    assert [line.partition(": ")[0] for line in problem_lines(tmp_path, HEAD, environment, dotenv=dotenv)] == [
        ".env REDIS_URL celery.result_backend",
        ".env REQUIRE_CELERY site.require_celery",
    ]


def test_a_dotenv_that_is_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".env")
    assert problem_lines(tmp_path, HEAD) == ["site.toml:1: .env: not a regular file"]
