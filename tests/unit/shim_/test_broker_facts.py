"""Reading a server's own description."""

from __future__ import annotations

import pytest

from shim.broker_facts import BrokerFacts, parse_info

INFO = """# Server\r
redis_version:7.2.4\r
server_name:valkey\r
valkey_version:9.1.2\r
run_id:{run_id}\r
executable:/usr/bin/valkey-server\r
config_file:C:\\odd:path\r
\r
# Memory\r
maxmemory_policy:allkeys-lru\r
\r
# Persistence\r
loading:1\r
aof_enabled:1\r
\r
# Replication\r
role:slave\r
master_replid:{replication_id}\r
"""
RUN_ID = "1e00000000000000000000000000000000000000"
REPLICATION_ID = "0" * 40


def test_every_fact_is_read_from_the_text_of_info() -> None:
    text = INFO.format(run_id=RUN_ID, replication_id=REPLICATION_ID)
    assert parse_info(text) == BrokerFacts(
        version="9.1.2",
        run_id=RUN_ID,
        replication_id=REPLICATION_ID,
        role="slave",
        eviction_policy="allkeys-lru",
        append_only=True,
        loading=True,
    )


def test_ids_that_look_like_numbers_stay_text_and_so_stay_different() -> None:
    ids = ("0" * 40, "0" * 39 + "e", f"{'0' * 20}e{'0' * 19}", "1" * 40)
    read = [parse_info(f"master_replid:{one}\r\nrun_id:{one}\r\n") for one in ids]
    assert [facts.replication_id for facts in read] == list(ids)
    assert [facts.run_id for facts in read] == list(ids)


def test_a_server_that_is_no_valkey_gives_its_redis_version() -> None:
    assert parse_info("redis_version:7.0.15\r\n").version == "7.0.15"


def test_a_field_the_server_does_not_give_is_empty() -> None:
    assert parse_info("") == BrokerFacts("", "", "", "", "", append_only=False, loading=False)


def test_a_server_at_rest_is_neither_loading_nor_logging() -> None:
    facts = parse_info("loading:0\r\naof_enabled:0\r\nrole:master\r\n")
    assert (facts.loading, facts.append_only, facts.role) == (False, False, "master")


def test_comments_blank_lines_and_lines_without_a_colon_are_passed_over() -> None:
    assert parse_info("# role:slave\r\n\r\nnonsense\r\nrole:master\r\n").role == "master"


@pytest.mark.parametrize(
    ("policy", "evicting"),
    [("noeviction", False), ("", False), ("allkeys-lru", True), ("volatile-ttl", True), ("allkeys-random", True)],
)
def test_every_policy_but_noeviction_may_throw_data_away(policy: str, *, evicting: bool) -> None:
    assert parse_info(f"maxmemory_policy:{policy}\r\n").is_evicting is evicting
