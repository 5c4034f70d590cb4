"""What a Redis or Valkey server says of itself, as far as it decides whether it can be trusted as a broker."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BrokerFacts:
    """A server's own description, read from the raw text of ``INFO``.

    The replication id is kept as text: redis-py's parser turns an id of digits, or of digits with one ``e``, into a
    number, and two different ids can become equal.

    Attributes:
        run_id: changes with each start of the server process.
        replication_id: changes when another history takes over (promotion, restart without persistence).
        role: ``master`` or ``slave``.
        eviction_policy: anything but ``noeviction`` may drop queues and claims when memory is short.
        append_only: whether writes are logged to disk.
        loading: whether the server is still reading its data.
        is_cluster: whether it is a node of a Redis Cluster, which no worker can use.
    """

    version: str
    run_id: str
    replication_id: str
    role: str
    eviction_policy: str
    append_only: bool
    loading: bool
    is_cluster: bool = False

    @property
    def is_evicting(self) -> bool:
        """Say whether the server may throw data away under memory pressure."""
        return self.eviction_policy not in ("noeviction", "")


def parse_info(text: str) -> BrokerFacts:
    """Read the reply of ``INFO``; a field the server does not give is empty."""
    pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line and not line.startswith("#"))
    found = {name: value.strip() for name, value in pairs}
    return BrokerFacts(
        version=found.get("valkey_version") or found.get("redis_version", ""),
        run_id=found.get("run_id", ""),
        replication_id=found.get("master_replid", ""),
        role=found.get("role", ""),
        eviction_policy=found.get("maxmemory_policy", ""),
        append_only=found.get("aof_enabled") == "1",
        loading=found.get("loading") == "1",
        is_cluster=found.get("cluster_enabled") == "1",
    )
