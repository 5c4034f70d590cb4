"""``carillon entries`` of an entry that has run as often as it may."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.builders import site_text, write_site
from tests.support.command_here import carillon_here
from tests.support.valkey import ValkeyServer

SCHEDULE = """
[schedule.twice]
task = "app.twice"
every = "1h"
max_runs = 2
"""
LEDGER = "carillon:1:testsite:entries"


def test_an_entry_that_ran_max_runs_times_is_over(tmp_path: Path, valkey: ValkeyServer) -> None:
    site = write_site(tmp_path, site_text(broker_url=valkey.url, schedule=SCHEDULE))
    for runs, state in ((1, "on"), (2, "over")):
        valkey.client.hset(LEDGER, "twice", f"abc:1780000000000000:1770000000000000:{runs}")
        [row] = json.loads(carillon_here("entries", "list", "-c", site, "--json").stdout)["entries"]
        assert (row["state"], row["next"] is None) == (state, state == "over")
    shown = carillon_here("entries", "show", "twice", "-c", site)
    assert (shown.code, shown.stderr) == (0, "nothing fires: over\n")
