"""``carillon entries remove`` where the site file has gained an entry of the name of one that was added."""

from __future__ import annotations

from pathlib import Path

from tests.support.builders import site_text, write_site
from tests.support.command_here import carillon_here
from tests.support.valkey import ValkeyServer

SCHEDULE = """
[schedule.nightly]
task = "app.nightly"
cron = "30 1 * * *"
"""
ADDED = "carillon:1:testsite:added"


def test_an_added_entry_that_the_site_hides_can_be_removed(tmp_path: Path, valkey: ValkeyServer) -> None:
    site = write_site(tmp_path, site_text(broker_url=valkey.url, schedule=SCHEDULE))
    valkey.client.hset(ADDED, "nightly", '{"name":"nightly","data":{"task":"app.other","every":"1h"}}')
    removed = carillon_here("entries", "remove", "-c", site, "nightly")
    assert (removed.code, removed.stderr.splitlines()[0]) == (0, "1 entry removed")
    assert valkey.client.hlen(ADDED) == 0
    assert "nightly" in carillon_here("entries", "list", "-c", site).stdout
    again = carillon_here("entries", "remove", "-c", site, "nightly")
    assert (again.code, '"nightly" was not added' in again.stderr) == (65, True)
