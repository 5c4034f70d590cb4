"""What ``carillon check`` says about a wrong site file: each problem once, where it is, in the order of the file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from daemon.site import check_site
from tests.support.site_files import HEAD, NOBODY, problem_lines, put_site

ENTRY = '[schedule.x]\ntask = "t"\nevery = "1m"\n'
FEED = '[feed.x]\nlisten = "127.0.0.1:2575"\n'
NAME_HINT = "1 to 64 of a-z, 0-9, dot, dash, underscore; a letter or digit first"
ADDRESS_HINT = 'write "127.0.0.1:2575", "0.0.0.0:2575" or "[::1]:2575"'
DURATION_HINT = 'write "15m", "1h30m", "250ms"; units ms s m h d w'
OPEN_FEED = "takes patient data unencrypted from the network; put a TLS terminator in front, or keep the network closed"

UNKNOWN_KEYS = {
    "a section": ("[celry]\n", 'site.toml:4 celry: unknown key; did you mean "celery"?'),
    "a key of the site": ('timezon = "UTC"\n', 'site.toml:4 site.timezon: unknown key; did you mean "timezone"?'),
    "a key in capitals": (
        '[celery]\nBROKER_URL = ""\n',
        'site.toml:5 celery.BROKER_URL: unknown key; did you mean "broker_url"?',
    ),
    "a key unlike any other": ("[api]\nzzz = 1\n", "site.toml:5 api.zzz: unknown key; known here: listen"),
    "a section unlike any other": (
        "[zzz]\n",
        "site.toml:4 zzz: unknown key; known here: api, celery, embedded_broker, feed, schedule, site, spool",
    ),
    "a key of an entry unlike any other": (
        f"{ENTRY}zzz = 1\n",
        (
            "site.toml:7 schedule.x.zzz: unknown key; known here: anchor, args, catch_up, cron, dst, enabled, every, "
            "kwargs, options, overlap, task, timezone"
        ),
    ),
    "a key of a route unlike any other": (
        f'{FEED}[[feed.x.route]]\ntask = "t"\nzzz = 1\n',
        (
            "site.toml:8 feed.x.route[0].zzz: unknown key; known here: event, expires, kwargs, priority, queue, task, type"
        ),
    ),
    "a key of an entry": (f"{ENTRY}evry = 1\n", 'site.toml:7 schedule.x.evry: unknown key; did you mean "every"?'),
    "a dotted key of an entry": (
        '[schedule]\nx.task = "t"\nx.every = 1\nx.option.queue = "q"\n',
        'site.toml:7 schedule.x.option: unknown key; did you mean "options"?',
    ),
    "an option in an inline table": (
        f"{ENTRY}options = {{ queue = 'q', prority = 3 }}\n",
        'site.toml:7 schedule.x.options.prority: unknown key; did you mean "priority"?',
    ),
    "an option in a table of its own": (
        f"{ENTRY}[schedule.x.options]\n\nexpire = 3\n",
        'site.toml:9 schedule.x.options.expire: unknown key; did you mean "expires"?',
    ),
    "a key of catch_up": (
        f"{ENTRY}catch_up = {{ policy = 'one', windw = '6h' }}\n",
        'site.toml:7 schedule.x.catch_up.windw: unknown key; did you mean "window"?',
    ),
    "a key of a feed": (
        f"{FEED}unrouted = 'park'\nconections = 4\n",
        'site.toml:7 feed.x.conections: unknown key; did you mean "connections"?',
    ),
    "a key of the second route": (
        f"{FEED}[[feed.x.route]]\ntask = 't'\n[[feed.x.route]]\ntask = 't'\nevnt = 'A01'\n",
        'site.toml:10 feed.x.route[1].evnt: unknown key; did you mean "event"?',
    ),
    "a key of an inline route": (
        f"{FEED}route = [\n  {{ task = 't' }},\n  {{ task = 't', typ = 'ADT' }},\n]\n",
        'site.toml:8 feed.x.route[1].typ: unknown key; did you mean "type"?',
    ),
    "a key of a task route": (
        "[celery.task_routes.'a.*']\nqueu = 'q'\n",
        'site.toml:5 celery.task_routes."a.*".queu: unknown key; did you mean "queue"?',
    ),
    "a key of an inline task route": (
        "[celery]\ntask_routes = { 'a.*' = { queu = 'q' } }\n",
        'site.toml:5 celery.task_routes."a.*".queu: unknown key; did you mean "queue"?',
    ),
    "a key of a task route whose pattern has brackets": (
        "[celery]\ntask_routes = { 'a.[xy]' = { queu = 'q' } }\n",
        'site.toml:5 celery.task_routes."a.[xy]".queu: unknown key; did you mean "queue"?',
    ),
    "a key of an entry named like a type": (
        "[schedule.int]\ntask = 't'\nevery = 1\nevry = 1\n",
        'site.toml:7 schedule.int.evry: unknown key; did you mean "every"?',
    ),
    "a transport option": (
        "[celery.broker_transport_options]\nglobal_keyprefx = 'p'\n",
        'site.toml:5 celery.broker_transport_options.global_keyprefx: unknown key; did you mean "global_keyprefix"?',
    ),
    "a key written with an escape": (
        f'{ENTRY}"ev\\u0072y" = 1\n',
        'site.toml:7 schedule.x.evry: unknown key; did you mean "every"?',
    ),
}

WRONG_VALUES = {
    "a number for a name": (
        "[schedule.x]\ntask = 5\nevery = 1\n",
        "site.toml:5 schedule.x.task: 1 to 255 printable characters are needed",
    ),
    "text for a number": (
        f"{ENTRY}options = {{ priority = 'high' }}\n",
        (
            "site.toml:7 schedule.x.options.priority: input should be a valid integer, unable to parse "
            "string as an integer"
        ),
    ),
    "a priority of ten": (
        f"{ENTRY}options = {{ priority = 10 }}\n",
        "site.toml:7 schedule.x.options.priority: priority is 0 to 9; 0 is served first on Redis, 9 last",
    ),
    "a word for a switch": (
        f"{ENTRY}enabled = 'perhaps'\n",
        "site.toml:7 schedule.x.enabled: input should be a valid boolean, unable to interpret input",
    ),
    "a value for a section": (
        "[celery.task_routes]\na = 5\n",
        "site.toml:5 celery.task_routes.a: a table is needed, as in [celery.task_routes.a]",
    ),
    "a value for an entry": ("[schedule]\nx = 5\n", "site.toml:5 schedule.x: a table is needed, as in [schedule.x]"),
    "a value for options": (
        f"{ENTRY}options = 5\n",
        "site.toml:7 schedule.x.options: a table is needed, as in [schedule.x.options]",
    ),
    "a list for kwargs": (
        f"{ENTRY}kwargs = [1]\n",
        "site.toml:7 schedule.x.kwargs: a table is needed, as in [schedule.x.kwargs]",
    ),
    "a table for args": (f"{ENTRY}args = {{}}\n", "site.toml:7 schedule.x.args: input should be a valid list"),
    "a number for cron": (
        "[schedule.x]\ntask = 't'\ncron = 5\n",
        "site.toml:6 schedule.x.cron: input should be a valid string",
    ),
    "an anchor without an offset": (
        f"{ENTRY}anchor = 2026-01-01T00:00:00\n",
        "site.toml:7 schedule.x.anchor: an anchor needs an offset; write 2026-01-01T00:00:00Z",
    ),
    "an anchor for cron": (
        "[schedule.x]\ntask = 't'\ncron = '* * * * *'\nanchor = 2026-01-01T00:00:00Z\n",
        "site.toml:4 schedule.x: anchor belongs to every; a cron expression needs none",
    ),
    "both kinds of timing": (
        f"{ENTRY}cron = '* * * * *'\n",
        'site.toml:4 schedule.x: exactly one of every and cron is needed; write every = "15m" or cron = "0 2 * * *"',
    ),
    "no timing": (
        "[schedule.x]\ntask = 't'\n",
        'site.toml:4 schedule.x: exactly one of every and cron is needed; write every = "15m" or cron = "0 2 * * *"',
    ),
    "a duration without a unit": (
        "[schedule.x]\ntask = 't'\nevery = '15'\n",
        f'site.toml:6 schedule.x.every: "15" is not a duration; {DURATION_HINT}',
    ),
    "a duration of nothing": (
        "[schedule.x]\ntask = 't'\nevery = 0\n",
        "site.toml:6 schedule.x.every: a duration must be above zero and at most ten years",
    ),
    "a duration that is no number": (
        "[schedule.x]\ntask = 't'\nevery = nan\n",
        "site.toml:6 schedule.x.every: a duration must be above zero and at most ten years",
    ),
    "a duration of 400 digits": (
        f"[schedule.x]\ntask = 't'\nevery = {'9' * 400}\n",
        "site.toml:6 schedule.x.every: a duration must be above zero and at most ten years",
    ),
    "an interval too short": (
        "[schedule.x]\ntask = 't'\nevery = '50ms'\n",
        "site.toml:6 schedule.x.every: every 0.05 s is shorter than 0.1 s; a worker that loops does this better",
    ),
    "a decimal size": (
        "[spool]\nsize_limit = '20GB'\n",
        'site.toml:5 spool.size_limit: not a size; write "16MiB", "20GiB", or a number of bytes',
    ),
    "a negative size": (
        "[spool]\nsize_limit = -1\n",
        'site.toml:5 spool.size_limit: not a size; write "16MiB", "20GiB", or a number of bytes',
    ),
    "a size of 5000 digits": (
        f"[spool]\nsize_limit = '{'9' * 5000}'\n",
        'site.toml:5 spool.size_limit: not a size; write "16MiB", "20GiB", or a number of bytes',
    ),
    "an integer of 5000 digits": (
        f"[spool]\n\nsize_limit = {'9' * 5000}\n",
        "site.toml:6: not TOML: a number of too many digits",
    ),
    "priority steps out of order": (
        "[celery]\nbroker_transport_options = { priority_steps = [3, 0] }\n",
        (
            "site.toml:5 celery.broker_transport_options.priority_steps: priority steps ascend within 0 to 9; "
            "Celery's default is [0, 3, 6, 9]"
        ),
    ),
    "a name with a space": (
        "[schedule.'a b']\ntask = 't'\nevery = 1\n",
        f'site.toml:4 schedule."a b": "a b" is not a name; {NAME_HINT}',
    ),
    "a name that climbs": (
        "[feed.'../x']\nlisten = '127.0.0.1:1'\nunrouted = 'park'\n",
        f'site.toml:4 feed."../x": "../x" is not a name; {NAME_HINT}',
    ),
    "a name of two lines": (
        '[schedule."a\\nb"]\ntask = "t"\nevery = 1\n',
        f'site.toml:4 schedule."a\\nb": "a\\nb" is not a name; {NAME_HINT}',
    ),
    "an empty list of types": (
        f"{FEED}[[feed.x.route]]\ntask = 't'\ntype = []\n",
        "site.toml:8 feed.x.route[0].type: at least one word is needed; leave the key out to match all",
    ),
    "NaN as an argument": (f"{ENTRY}args = [nan]\n", "site.toml:4 schedule.x: args[0]: NaN and infinity are not JSON"),
    "a header of Celery's own": (
        f"{ENTRY}options = {{ headers = {{ id = 1 }} }}\n",
        "site.toml:4 schedule.x: headers['id']: the name belongs to Celery's protocol; choose another name",
    ),
    "a scheme nobody speaks": (
        "[celery]\nbroker_url = 'amqp://h'\n",
        (
            "site.toml:5 celery.broker_url: scheme 'amqp' is not spoken; one of redis://, rediss://, "
            "unix://, redis+socket://"
        ),
    ),
    "results in a server that does not exist": (
        "[celery]\nbroker_url = 'redis://h/0'\nresult_backend = 'embedded'\n",
        "site.toml:6 celery.result_backend: there is no embedded server unless broker_url is embedded too",
    ),
}

MISSING_KEYS = {
    "the task of an entry": ("[schedule.x]\nevery = 1\n", "site.toml:4 schedule.x.task: is missing"),
    "the address of a feed": ("[feed.x]\nunrouted = 'park'\n", "site.toml:4 feed.x.listen: is missing"),
    "the task of a route": (f"{FEED}[[feed.x.route]]\ntype = 'ADT'\n", "site.toml:6 feed.x.route[0].task: is missing"),
    "the routes of a feed": (
        FEED,
        'site.toml:4 feed.x.route: no route, so every message would be rejected; add [[feed.….route]] or unrouted = "park"',
    ),
}

ZONES = {
    "misspelt": ("Europe/Londn", '"Europe/Londn" is not a known time zone; did you mean "Europe/London"?'),
    "in small letters": ("europe/london", '"europe/london" is not a known time zone; did you mean "Europe/London"?'),
    "unknown": ("Zzz/Qqq", '"Zzz/Qqq" is not a known time zone'),
    "a path": ("../../etc/passwd", '"../../etc/passwd" is not a known time zone'),
    "empty": ("", 'not a time zone; write "America/New_York" or "UTC"'),
}

IMPOSSIBLE_CRONS = ("0 0 31 2 *", "0 0 30 2 *", "0 0 31 4,6 *", "0 0 31 4,6 */2", "0 0 29 2 * 0 2027", "0 0 30 feb ?")

LATER = {
    "app": (
        "[celery]\napp = 'a'\n",
        "site.toml:5 celery.app: is not available in this version; write the entries into the site file",
    ),
    "app_python": (
        "[celery]\napp_python = '/p'\n",
        "site.toml:5 celery.app_python: is not available in this version; write the entries into the site file",
    ),
    "task_queues": (
        "[celery]\ntask_queues = []\n",
        "site.toml:5 celery.task_queues: is not available in this version; direct queues need no declaration",
    ),
    "overlap": (
        f"{ENTRY}overlap = 'skip'\n",
        'site.toml:7 schedule.x.overlap: "skip" is not available in this version; it knows allow',
    ),
    "dst": (
        f"{ENTRY}dst = 'celery'\n",
        'site.toml:7 schedule.x.dst: "celery" is not available in this version; it knows cron, instant',
    ),
    "ack_when": (
        f"{FEED}unrouted = 'park'\nack_when = 'succeeded'\n",
        'site.toml:7 feed.x.ack_when: "succeeded" is not available in this version; it knows stored',
    ),
    "tls": (
        f"{FEED}unrouted = 'park'\ntls = {{}}\n",
        (
            "site.toml:7 feed.x.tls: is not available in this version; "
            "put the listener behind a TLS terminator on the same machine"
        ),
    ),
    "lane_by": (
        f"{FEED}[[feed.x.route]]\ntask = 't'\nlane_by = 'PID-3'\n",
        (
            "site.toml:8 feed.x.route[0].lane_by: is not available in this version; "
            "messages of a feed reach their queue in order; leave it out"
        ),
    ),
}

WORDS = {
    "near a known one": ("cronn", 'not one of cron, instant; did you mean "cron"?'),
    "unlike any": ("zzz", "not one of cron, instant"),
}

ADDRESSES = {
    "no port": ("localhost", f'"localhost" has no port between 0 and 65535; {ADDRESS_HINT}'),
    "a port too large": ("127.0.0.1:65536", f'"127.0.0.1:65536" has no port between 0 and 65535; {ADDRESS_HINT}'),
    "a port of 5000 digits": (f"h:{'9' * 5000}", f'"h:{"9" * 62}" has no port between 0 and 65535; {ADDRESS_HINT}'),
    "a port of other digits": ("h:٣", f'"h:٣" has no port between 0 and 65535; {ADDRESS_HINT}'),
    "no host": (":2575", f'":2575" is not an address; {ADDRESS_HINT}'),
    "IPv6 without brackets": ("::1:2575", f'"::1:2575" is not an address; {ADDRESS_HINT}'),
    "a terminal's escape": ("\\u001b[31m:1x", f'"\\x1b[31m:1x" has no port between 0 and 65535; {ADDRESS_HINT}'),
}


@pytest.mark.parametrize(("text", "expected"), UNKNOWN_KEYS.values(), ids=UNKNOWN_KEYS)
def test_an_unknown_key_is_named_with_the_nearest_known_one_or_else_with_all(
    tmp_path: Path, text: str, expected: str
) -> None:
    assert problem_lines(tmp_path, HEAD + text) == [expected]


@pytest.mark.parametrize(("text", "expected"), WRONG_VALUES.values(), ids=WRONG_VALUES)
def test_a_wrong_value_is_located_and_explained(tmp_path: Path, text: str, expected: str) -> None:
    assert problem_lines(tmp_path, HEAD + text) == [expected]


@pytest.mark.parametrize(("text", "expected"), MISSING_KEYS.values(), ids=MISSING_KEYS)
def test_a_missing_key_is_located_at_the_table_it_is_missing_from(tmp_path: Path, text: str, expected: str) -> None:
    assert problem_lines(tmp_path, HEAD + text) == [expected]


@pytest.mark.parametrize(("zone", "expected"), ZONES.values(), ids=ZONES)
def test_an_unknown_zone_is_refused_wherever_it_stands(tmp_path: Path, zone: str, expected: str) -> None:
    text = f"{HEAD}timezone = '{zone}'\n{ENTRY}timezone = '{zone}'\n"
    assert problem_lines(tmp_path, text) == [
        f"site.toml:4 site.timezone: {expected}",
        f"site.toml:8 schedule.x.timezone: {expected}",
    ]


@pytest.mark.parametrize("cron", IMPOSSIBLE_CRONS)
def test_a_cron_that_can_never_fire_is_refused(tmp_path: Path, cron: str) -> None:
    text = f"{HEAD}[schedule.x]\ntask = 't'\ncron = '{cron}'\n"
    message = f'"{cron}" never fires; no month it names has such a day'
    assert problem_lines(tmp_path, text) == [f"site.toml:6 schedule.x.cron: {message}"]


def test_a_disabled_entry_is_checked_all_the_same(tmp_path: Path) -> None:
    text = f"{HEAD}[schedule.x]\ntask = 't'\ncron = '0 0 31 2 *'\nenabled = false\n"
    assert len(problem_lines(tmp_path, text)) == 1


@pytest.mark.parametrize(("text", "expected"), LATER.values(), ids=LATER)
def test_what_a_later_version_may_know_is_refused_by_name(tmp_path: Path, text: str, expected: str) -> None:
    assert problem_lines(tmp_path, HEAD + text) == [expected]


@pytest.mark.parametrize(("word", "expected"), WORDS.values(), ids=WORDS)
def test_a_word_that_is_not_among_the_known_ones_is_refused(tmp_path: Path, word: str, expected: str) -> None:
    assert problem_lines(tmp_path, f"{HEAD}{ENTRY}dst = '{word}'\n") == [f"site.toml:7 schedule.x.dst: {expected}"]


@pytest.mark.parametrize(("address", "expected"), ADDRESSES.values(), ids=ADDRESSES)
def test_an_address_must_be_host_and_port(tmp_path: Path, address: str, expected: str) -> None:
    text = f'{HEAD}[feed.x]\nlisten = "{address}"\nunrouted = "park"\n'
    assert problem_lines(tmp_path, text) == [f"site.toml:5 feed.x.listen: {expected}"]


@pytest.mark.parametrize("address", ["0.0.0.0:8674", "10.0.0.1:80", "[::]:80", "example.org:80", "127.example.org:80"])
def test_the_api_is_refused_any_address_but_one_of_this_machine(tmp_path: Path, address: str) -> None:
    assert problem_lines(tmp_path, f"{HEAD}[api]\nlisten = '{address}'\n") == [
        "site.toml:5 api.listen: this version has no sign-in, so the API listens on this machine only; use 127.0.0.1:8674"
    ]


@pytest.mark.parametrize("address", ["127.0.0.1:8674", "127.9.9.9:1", "[::1]:80", "localhost:80"])
def test_the_api_may_listen_on_every_address_of_this_machine(tmp_path: Path, address: str) -> None:
    assert problem_lines(tmp_path, f"{HEAD}[api]\nlisten = '{address}'\n") == []


@pytest.mark.parametrize("state_dir", ["", "a\\u0000b", "a\\nb"])
def test_a_state_folder_that_is_no_path_is_refused(tmp_path: Path, state_dir: str) -> None:
    text = f'[site]\nname = "lab"\nstate_dir = "{state_dir}"\n'
    assert problem_lines(tmp_path, text) == ['site.toml:3 site.state_dir: not a path; write "/var/lib/carillon"']


# -- what contradicts something else in the file ----------------------------------------------------------------------

COLLISIONS = {
    "the same address": ("127.0.0.1:2575", "127.0.0.1:2575"),
    "a wildcard before": ("0.0.0.0:2575", "127.0.0.1:2575"),
    "a wildcard after": ("127.0.0.1:2575", "0.0.0.0:2575"),
    "the wildcard of both families": ("[::]:2575", "127.0.0.1:2575"),
}


@pytest.mark.parametrize(("first", "second"), COLLISIONS.values(), ids=COLLISIONS)
def test_two_feeds_cannot_have_one_address(tmp_path: Path, first: str, second: str) -> None:
    text = f"{HEAD}[feed.a]\nlisten = '{first}'\nunrouted = 'park'\n[feed.b]\nlisten = '{second}'\nunrouted = 'park'\n"
    errors = [line for line in problem_lines(tmp_path, text) if ": warning: " not in line]
    assert errors == [
        f"site.toml:8 feed.b.listen: {second} is already taken by feed.a.listen; give each feed a port of its own"
    ]


def test_a_feed_cannot_have_the_address_of_the_api(tmp_path: Path) -> None:
    text = f"{HEAD}[feed.a]\nlisten = '127.0.0.1:8674'\nunrouted = 'park'\n"
    assert problem_lines(tmp_path, text) == [
        "site.toml:5 feed.a.listen: 127.0.0.1:8674 is already taken by api.listen; give each feed a port of its own"
    ]


def test_ports_the_system_chooses_never_collide(tmp_path: Path) -> None:
    feeds = "".join(f"[feed.{name}]\nlisten = '127.0.0.1:0'\nunrouted = 'park'\n" for name in "abc")
    assert problem_lines(tmp_path, f"{HEAD}[api]\nlisten = '127.0.0.1:0'\n{feeds}") == []


def test_a_feed_open_to_the_network_is_warned_of_and_runs(tmp_path: Path) -> None:
    text = f"{HEAD}[feed.a]\nlisten = '0.0.0.0:2575'\nunrouted = 'park'\n"
    assert problem_lines(tmp_path, text) == [f"site.toml:5 feed.a.listen: warning: 0.0.0.0:2575 {OPEN_FEED}"]


def test_a_soft_limit_that_never_acts_is_warned_of(tmp_path: Path) -> None:
    text = f"{HEAD}{ENTRY}options = {{ time_limit = 10, soft_time_limit = 10 }}\n"
    assert problem_lines(tmp_path, text) == [
        (
            "site.toml:7 schedule.x.options.soft_time_limit: warning: the soft limit is not below the hard one, "
            "so it never acts"
        )
    ]


def test_a_path_that_is_not_hl7_is_refused(tmp_path: Path) -> None:
    [line] = problem_lines(tmp_path, f"{HEAD}{FEED}[[feed.x.route]]\ntask = 't'\nkwargs = {{ mrn = 'PID3.1' }}\n")
    assert line.startswith('site.toml:8 feed.x.route[0].kwargs.mrn: "PID3.1" is not an HL7 path; write "PID-3"')


# -- several at once ---------------------------------------------------------------------------------------------------


def test_all_problems_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = """
[feed.adt]
listen = "127.0.0.1:2575"
conections = 3
[[feed.adt.route]]
task = "t"

[schedule.b]
task = "t"
cron = "61 * * * *"

[schedule.a]
evry = "1m"

[celery]
broker_url = "amqp://h"

[site]
name = "Lab"
state_dir = "s"

[feed.oru]
listen = "127.0.0.1:8674"
[[feed.oru.route]]
task = "t"
kwargs = { mrn = "PID" }
"""
    places = [line.partition(": ")[0] for line in problem_lines(tmp_path, text)]
    assert places == [
        "site.toml:4 feed.adt.conections",
        "site.toml:10 schedule.b.cron",
        "site.toml:12 schedule.a.task",
        "site.toml:13 schedule.a.evry",
        "site.toml:16 celery.broker_url",
        "site.toml:19 site.name",
        "site.toml:23 feed.oru.listen",
        "site.toml:26 feed.oru.route[0].kwargs.mrn",
    ]


def test_several_problems_on_one_line_are_all_told(tmp_path: Path) -> None:
    text = f"{HEAD}{ENTRY}options = {{ queue = 5, priority = 12, expires = 'soon' }}\n"
    places = [line.partition(": ")[0] for line in problem_lines(tmp_path, text)]
    assert places == [f"site.toml:7 schedule.x.options.{key}" for key in ("queue", "priority", "expires")]


def test_a_problem_in_one_key_does_not_hide_what_is_wrong_with_its_neighbours(tmp_path: Path) -> None:
    text = f'{HEAD}colour = "red"\n[celery]\nbroker_url = "redi://localhost"\ntask_routes = {{ "a.*" = {{ queu = "x" }} }}\n'
    assert [line.split(": ")[0].split()[1] for line in problem_lines(tmp_path, text)] == [
        "site.colour",
        "celery.broker_url",
        'celery.task_routes."a.*".queu',
    ]


def test_a_wrong_key_of_an_entry_or_feed_does_not_hide_what_its_other_keys_mean(tmp_path: Path) -> None:
    entry = "[schedule.x]\ntask = 't'\ncron = '0 0 31 2 *'\noverlap = 'skip'\n"
    feed = f"{FEED}charset = 'utf-16'\nconections = 3\n[[feed.x.route]]\ntask = 't'\ntyp = 'ADT'\nkwargs = {{ mrn = 'PID' }}\n"
    places = [line.partition(": ")[0] for line in problem_lines(tmp_path, HEAD + entry + feed)]
    assert places == [
        "site.toml:6 schedule.x.cron",
        "site.toml:7 schedule.x.overlap",
        "site.toml:10 feed.x.charset",
        "site.toml:11 feed.x.conections",
        "site.toml:14 feed.x.route[0].typ",
        "site.toml:15 feed.x.route[0].kwargs.mrn",
    ]


@pytest.mark.parametrize("limit", ["0", "1023", "'1B'"])
def test_a_limit_that_no_message_fits_is_refused(tmp_path: Path, limit: str) -> None:
    text = f"{HEAD}{FEED}unrouted = 'park'\nframe_limit = {limit}\n"
    assert problem_lines(tmp_path, text) == [
        'site.toml:7 feed.x.frame_limit: no message would fit; write at least "1KiB"; the default is "16MiB"'
    ]


@pytest.mark.parametrize("limit", ["'33MiB'", "'100TiB'"])
def test_a_limit_above_what_a_task_can_hold_is_refused(tmp_path: Path, limit: str) -> None:
    text = f"{HEAD}{FEED}unrouted = 'park'\nframe_limit = {limit}\n"
    assert problem_lines(tmp_path, text) == [
        'site.toml:7 feed.x.frame_limit: larger messages could be stored and not be handed on; write at most "32MiB"'
    ]


@pytest.mark.parametrize("key", ["timezone = 'Europe/London'", "dst = 'instant'", "dst = 'cron'"])
def test_what_only_cron_heeds_is_refused_beside_every(tmp_path: Path, key: str) -> None:
    assert problem_lines(tmp_path, f"{HEAD}{ENTRY}{key}\n") == [
        (
            "site.toml:4 schedule.x: timezone and dst belong to cron; "
            "an interval is counted from its anchor, whatever clocks show"
        )
    ]


def test_a_problem_in_one_entry_does_not_hide_what_is_wrong_with_another(tmp_path: Path) -> None:
    entries = "[schedule.bool]\ntask = 't'\nevery = 'x'\n[schedule.str]\ntask = 't'\ncron = '0 0 31 2 *'\n"
    places = [line.partition(": ")[0] for line in problem_lines(tmp_path, HEAD + entries)]
    assert places == ["site.toml:6 schedule.bool.every", "site.toml:9 schedule.str.cron"]


def test_each_problem_is_one_line_of_printable_characters(tmp_path: Path) -> None:
    text = f'{HEAD}[schedule."\\n\\u001b[2J\\u202e"]\ntask = "a\\nb"\ncron = "\\n\\u001b"\n["x\\r\\n"]\n'
    lines = problem_lines(tmp_path, text)
    assert lines
    assert [line for line in lines if not line.isprintable()] == []


# -- files that cannot be read at all ----------------------------------------------------------------------------------

UNREADABLE = {
    "a key given twice": (
        f"{HEAD}{ENTRY}task = 'u'\n",
        "site.toml:7: not TOML: Cannot overwrite a value (at line 7, column 11)",
    ),
    "a table given twice": (
        f"{HEAD}[celery]\n[celery]\n",
        "site.toml:5: not TOML: Cannot declare ('celery',) twice (at line 5, column 8)",
    ),
    "a bracket left open": (
        "[site\n",
        "site.toml:1: not TOML: Expected ']' at the end of a table declaration (at line 1, column 6)",
    ),
    "a string left open": (
        '[site]\nname = """a\n\n\n',
        "site.toml:5: not TOML: Unterminated string (at end of document)",
    ),
    "brackets without end": (f"{HEAD}x = {'[' * 100_000}", "site.toml:4: brackets nested deeper than 32"),
    "braces without end": (f"{HEAD}x = {'{a=' * 100_000}", "site.toml:4: brackets nested deeper than 32"),
    "a key of 20,000 parts": (f"{HEAD}{'a.' * 20_000}b = 1\n", "site.toml:4: a key of more than 16 parts"),
    "a table of 20,000 parts": (f"{HEAD}[{'a.' * 20_000}b]\n", "site.toml:4: a key of more than 16 parts"),
    "bytes that are not UTF-8": (b"# caf\xe9\n", "site.toml: not UTF-8 (byte 5)"),
    "UTF-16": ("[site]".encode("utf-16"), "site.toml: not UTF-8 (byte 0)"),
    "more than a mebibyte": (b"#" * (1024 * 1024 + 1), "site.toml: larger than 1048576 bytes"),
    "nothing": ("", "site.toml site: is missing"),
    "no site": ("[celery]\n", "site.toml:1 site: is missing"),
}


@pytest.mark.parametrize(("text", "expected"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_file_that_is_no_site_at_all_gives_one_problem(tmp_path: Path, text: str | bytes, expected: str) -> None:
    assert problem_lines(tmp_path, text) == [expected]


def test_a_file_of_exactly_a_mebibyte_is_read(tmp_path: Path) -> None:
    assert problem_lines(tmp_path, HEAD + "#" * (1024 * 1024 - len(HEAD))) == []


def test_a_missing_file_is_one_problem(tmp_path: Path) -> None:
    (tmp_path / "site.toml").symlink_to(tmp_path / "nowhere")
    assert _of_file(tmp_path) == ["site.toml: No such file or directory"]


def test_a_folder_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "site.toml").mkdir()
    assert _of_file(tmp_path) == ["site.toml: not a regular file"]


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "site.toml")
    assert _of_file(tmp_path) == ["site.toml: not a regular file"]


def test_a_device_without_end_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "site.toml").symlink_to("/dev/zero")
    assert _of_file(tmp_path) == ["site.toml: not a regular file"]


def test_a_name_that_is_no_file_name_is_one_problem() -> None:
    assert len(_lines(Path("a\0b"))) == 1


def _of_file(folder: Path) -> list[str]:
    return [line.replace(f"{folder}/", "") for line in _lines(folder / "site.toml")]


def _lines(path: Path) -> list[str]:
    checked = check_site(path, NOBODY)
    assert checked.site is None
    return [str(located) for located in checked.problems]


# -- forms that are right ----------------------------------------------------------------------------------------------


def test_a_byte_order_mark_and_windows_line_ends_change_neither_meaning_nor_lines(tmp_path: Path) -> None:
    text = f"{HEAD}{ENTRY}evry = 1\n".replace("\n", "\r\n")
    assert problem_lines(tmp_path, b"\xef\xbb\xbf" + text.encode()) == [
        'site.toml:7 schedule.x.evry: unknown key; did you mean "every"?'
    ]


def test_a_file_with_every_section_is_sound(tmp_path: Path) -> None:
    text = f"""{HEAD}timezone = "Europe/London"
require_celery = true
drain_timeout = "5s"
[celery]
broker_url = "redis://localhost/0"
result_backend = "redis://localhost/1"
task_default_queue = "default"
task_routes = {{ "apps.*" = "llm", "other" = {{ queue = "q", priority = 3 }} }}
broker_transport_options = {{ global_keyprefix = "p:", priority_steps = [0, 5], sep = ":" }}
result_backend_transport_options = {{ global_keyprefix = "r:" }}
[embedded_broker]
port = 6400
appendfsync = "always"
{ENTRY}anchor = 2026-01-01T00:00:00Z
args = [1, "two", [3.0], true]
kwargs = {{ a = {{ b = 1 }} }}
options = {{ queue = "q", expires = "1h", priority = 3, time_limit = 60, soft_time_limit = 50, headers = {{ a = 1 }} }}
catch_up = {{ policy = "all", window = "6h" }}
overlap = "allow"
[schedule.cron]
task = "t"
cron = "0 2 * * *"
timezone = "Australia/Lord_Howe"
dst = "instant"
catch_up = "skip"
enabled = false
{FEED}ack = "enhanced"
charset = "utf-8"
frame_limit = "1MiB"
connections = 2
[[feed.x.route]]
type = "ADT"
event = ["A01", "A02"]
task = "t"
kwargs = {{ mrn = "PID-3.1" }}
[spool]
retention = "1w"
size_limit = "1GiB"
[api]
listen = "[::1]:0"
"""
    assert problem_lines(tmp_path, text) == []


def test_the_example_of_the_design_names_just_what_this_version_lacks(tmp_path: Path) -> None:
    text = """[site]
name = "aegis"
timezone = "America/New_York"
state_dir = "/var/lib/carillon"

[celery]
broker_url = "redis://localhost:6379/0"        # "embedded" = a private Valkey in state_dir
result_backend = "redis://localhost:6379/0"
task_default_queue = "default"
task_routes = { "apps.hai_detection.tasks.*" = { queue = "llm" } }
app = "aegis_project"                            # optional
app_python = "/opt/aegis/venv/bin/python"        # by asking this interpreter

[schedule.monitor-mdro]
task = "apps.mdro.tasks.monitor_mdro"
every = "15m"

[schedule.nhsn-nightly-extract]
task = "apps.nhsn_reporting.tasks.nhsn_nightly_extract"
cron = "0 2 * * *"
timezone = "America/New_York"
dst = "cron"
options = { queue = "batch", expires = "1h", priority = 3 }
catch_up = { policy = "one", window = "6h" }     # skip | one | all
overlap = "skip"                                 # allow | skip | queue-one | cancel-other

[feed.adt]
listen = "0.0.0.0:2575"
ack = "msh"                                      # msh | original | enhanced | always-aa | none
ack_when = "stored"                              # stored | enqueued | succeeded
[[feed.adt.route]]
type = "ADT"
event = ["A01", "A02", "A03", "A08"]
task = "apps.surgical_prophylaxis.tasks.handle_adt"
kwargs = { mrn = "PID-3.1", location = "PV1-3.1" }   # HL7 paths
lane_by = "PID-3.1"                              # ordered lanes

[api]
listen = "127.0.0.1:8674"
"""
    assert [line for line in problem_lines(tmp_path, text) if ": warning: " not in line] == [
        "site.toml:11 celery.app: is not available in this version; write the entries into the site file",
        "site.toml:12 celery.app_python: is not available in this version; write the entries into the site file",
        'site.toml:25 schedule.nhsn-nightly-extract.overlap: "skip" is not available in this version; it knows allow',
        (
            "site.toml:36 feed.adt.route[0].lane_by: is not available in this version; "
            "messages of a feed reach their queue in order; leave it out"
        ),
    ]


def test_the_file_handed_to_the_loader_may_be_named_relative_to_the_folder_we_are_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_site(tmp_path, f"{HEAD}x = 1\n")
    monkeypatch.chdir(tmp_path)
    assert _lines(Path("site.toml")) == [
        "site.toml:4 site.x: unknown key; known here: drain_timeout, name, require_celery, state_dir, timezone"
    ]
