"""What ``carillon check`` says about a wrong site file: each problem once, where it is, in the order of the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.site_files import (
    ADDRESS_HINT,
    DURATION_HINT,
    ENTRY,
    FEED,
    HEAD,
    NAME_HINT,
    SECTIONS,
    problem_lines,
)

UNKNOWN_KEYS = {
    "a section": ("[celry]\n", 'site.toml:4 celry: unknown key; did you mean "celery"?'),
    "a key of the site": ('timezon = "UTC"\n', 'site.toml:4 site.timezon: unknown key; did you mean "timezone"?'),
    "a key in capitals": (
        '[celery]\nBROKER_URL = ""\n',
        'site.toml:5 celery.BROKER_URL: unknown key; did you mean "broker_url"?',
    ),
    "a key unlike any other": (
        "[embedded_broker]\nzzz = 1\n",
        "site.toml:5 embedded_broker.zzz: unknown key; known here: appendfsync, binary, port",
    ),
    "a section unlike any other": (
        "[zzz]\n",
        f"site.toml:4 zzz: unknown key; known here: {SECTIONS}",
    ),
    "a key of an entry unlike any other": (
        f"{ENTRY}zzz = 1\n",
        (
            "site.toml:7 schedule.x.zzz: unknown key; known here: anchor, args, at, catch_up, chain, chord, cron, dst, "
            "enabled, end, every, except, expect, group, id, jitter and 14 more"
        ),
    ),
    "a key of a route unlike any other": (
        f'{FEED}[[feed.x.route]]\ntask = "t"\nzzz = 1\n',
        (
            "site.toml:8 feed.x.route[0].zzz: unknown key; known here: also, args, default, entry, event, expires, filter, headers, "
            "kwargs, lane_by, lane_on_park, lanes, message, once_per, priority, processing_id and 12 more"
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
    "a route that is no regular expression": (
        "[celery.task_routes]\n're:app.(' = 'q'\n",
        'site.toml:4 celery.task_routes: "re:app.(" is no regular expression (missing ), unterminated subpattern at position 4)',
    ),
    "an interpreter without an application": (
        "[celery]\napp_python = '/p'\n",
        'site.toml:4 celery: app_python, app_dir, app_timeout and beat_schedule belong to app; write app = "project" as for celery -A',
    ),
    "a release of MLLP that there is not": (
        "[feed.x]\nlisten = '127.0.0.1:0'\nmllp_release = 3\nunrouted = 'park'\n",
        "site.toml:6 feed.x.mllp_release: not one of 1, 2",
    ),
    "a kind of exchange nobody knows": (
        "[celery.task_queues.q]\nexchange_type = 'headers'\n",
        "site.toml:5 celery.task_queues.q.exchange_type: not one of direct, topic, fanout",
    ),
    "a serializer workers would not read": (
        "[task.'a.b']\nserializer = 'pickle'\n",
        'site.toml:5 task."a.b".serializer: not one of json, yaml, msgpack',
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
        "site.toml:4 schedule.x: anchor belongs to every; a cron expression needs none, and a rule of RFC 5545 has start",
    ),
    "both kinds of timing": (
        f"{ENTRY}cron = '* * * * *'\n",
        'site.toml:4 schedule.x: exactly one of every, cron, at, solar, rrule and triggers is needed; write every = "15m" or cron = "0 2 * * *"',
    ),
    "no timing": (
        "[schedule.x]\ntask = 't'\n",
        'site.toml:4 schedule.x: exactly one of every, cron, at, solar, rrule and triggers is needed; write every = "15m" or cron = "0 2 * * *"',
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
        "[celery]\nbroker_url = 'redi://h'\n",
        "site.toml:5 celery.broker_url: broker_url: nobody speaks redi://; did you mean redis://?",
    ),
    "a cluster": (
        "[celery]\nbroker_url = 'rediscluster://h'\n",
        (
            "site.toml:5 celery.broker_url: Redis Cluster is not spoken: Celery's transport cannot use one; "
            "use one server, or a master and replicas watched by Sentinel: sentinel://host:26379/0"
        ),
    ),
    "a result back-end nobody speaks": (
        "[celery]\nbroker_url = 'redis://h/0'\nresult_backend = 'databse://h'\n",
        "site.toml:6 celery.result_backend: result_backend: nobody speaks databse://; did you mean database://?",
    ),
    "a broker the daemon cannot promise anything on": (
        "[celery]\nbroker_url = 'sqs://'\n[schedule.x]\ntask = 't'\nevery = 1\n",
        (
            "site.toml:5 celery.broker_url: carillon run needs Redis, Valkey or RabbitMQ; "
            "tasks can be sent to this broker with carillon send, from a site without entries and feeds"
        ),
    ),
    "results in a server that does not exist": (
        "[celery]\nbroker_url = 'redis://h/0'\nresult_backend = 'embedded'\n",
        "site.toml:6 celery.result_backend: there is no embedded server unless broker_url is embedded too",
    ),
}

MISSING_KEYS = {
    "the task of an entry": ("[schedule.x]\nevery = 1\n", "site.toml:4 schedule.x.task: is missing"),
    "the address of a feed": (
        "[feed.x]\nunrouted = 'park'\n",
        (
            "site.toml:4 feed.x: nothing says where messages come from; "
            'write listen = "127.0.0.1:2575", or connect = "HOST:PORT" to fetch them from there'
        ),
    ),
    "the task of a route": (
        f"{FEED}[[feed.x.route]]\ntype = 'ADT'\n",
        "site.toml:6 feed.x.route[0].task: is missing; write task, entry or filter = true",
    ),
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

WORDS = {
    "near a known one": ("alll", 'not one of skip, one, all; did you mean "all"?'),
    "unlike any": ("zzz", "not one of skip, one, all"),
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


@pytest.mark.parametrize(("word", "expected"), WORDS.values(), ids=WORDS)
def test_a_word_that_is_not_among_the_known_ones_is_refused(tmp_path: Path, word: str, expected: str) -> None:
    text = f"{HEAD}{ENTRY}catch_up = '{word}'\n"
    assert problem_lines(tmp_path, text) == [f"site.toml:7 schedule.x.catch_up: {expected}"]


@pytest.mark.parametrize(("address", "expected"), ADDRESSES.values(), ids=ADDRESSES)
def test_an_address_must_be_host_and_port(tmp_path: Path, address: str, expected: str) -> None:
    text = f'{HEAD}[feed.x]\nlisten = "{address}"\nunrouted = "park"\n'
    assert problem_lines(tmp_path, text) == [f"site.toml:5 feed.x.listen: {expected}"]


@pytest.mark.parametrize("address", ["0.0.0.0:8674", "10.0.0.1:80", "[::]:80", "example.org:80", "127.example.org:80"])
def test_the_api_is_refused_an_address_others_reach_unless_something_guards_the_tokens(
    tmp_path: Path, address: str
) -> None:
    [line] = problem_lines(tmp_path, f"{HEAD}[api]\nlisten = '{address}'\n")
    assert line.startswith(f"site.toml:4 api: {address} can be reached from other machines")
    [warning] = problem_lines(tmp_path, f"{HEAD}[api]\nlisten = '{address}'\ninsecure = true\n")
    assert warning.startswith("site.toml:6 api.insecure: warning: ")
    assert problem_lines(tmp_path, f"{HEAD}[api]\nlisten = '{address}'\ntrusted_proxies = ['10.0.0.1']\n") == []


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("hosts = ['a b']", "site.toml:5 api.hosts: not the name of a host"),
        ("hosts = ['https://a.example']", "site.toml:5 api.hosts: not the name of a host"),
        ("tls_key = 'key.pem'", "site.toml:4 api: tls_certificate and tls_key belong together; name both files"),
        ("trusted_proxies = ['10.0.0.1/8']", 'site.toml:5 api.trusted_proxies: "10.0.0.1/8" is not a network'),
        ("session_idle = '1s'", "site.toml:4 api: session_idle is between a minute and a week"),
        ("metrics = 'closed'", "site.toml:5 api.metrics: "),
        ("colour = 'pink'", "site.toml:5 api.colour: "),
        ("rate = 0", "site.toml:5 api.rate: "),
        ("show_tasks = ['']", "site.toml:5 api.show_tasks: not a pattern of task names"),
        ("tls_certificate = 'a'\ntls_key = 'b'", "site.toml:5 api.tls_certificate: api: "),
    ],
)
def test_a_key_of_the_api_that_cannot_be_is_refused(tmp_path: Path, key: str, expected: str) -> None:
    [line] = problem_lines(tmp_path, f"{HEAD}[api]\n{key}\n")
    assert line.startswith(expected), line


def test_proxies_that_are_half_the_world_are_warned_of(tmp_path: Path) -> None:
    [line] = problem_lines(tmp_path, f"{HEAD}[api]\ntrusted_proxies = ['0.0.0.0/0']\nmetrics = 'open'\n")
    assert line.startswith("site.toml:5 api.trusted_proxies: warning: 0.0.0.0/0 is hardly")


@pytest.mark.parametrize("address", ["127.0.0.1:8674", "127.9.9.9:1", "[::1]:80", "localhost:80"])
def test_the_api_may_listen_on_every_address_of_this_machine(tmp_path: Path, address: str) -> None:
    assert problem_lines(tmp_path, f"{HEAD}[api]\nlisten = '{address}'\n") == []


@pytest.mark.parametrize("state_dir", ["", "a\\u0000b", "a\\nb"])
def test_a_state_folder_that_is_no_path_is_refused(tmp_path: Path, state_dir: str) -> None:
    text = f'[site]\nname = "lab"\nstate_dir = "{state_dir}"\n'
    assert problem_lines(tmp_path, text) == ['site.toml:3 site.state_dir: not a path; write "/var/lib/carillon"']
