"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.support.valkey import ValkeyServer

# Machines are slow and noisy: no test is judged by how long it took.
settings.register_profile("carillon", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("carillon")


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="module")
def shared_valkey() -> Iterator[ValkeyServer]:
    """A server for tests that only read and write."""
    with ValkeyServer() as server:
        yield server


@pytest.fixture
def valkey(shared_valkey: ValkeyServer) -> ValkeyServer:
    """The module's server, emptied."""
    shared_valkey.client.flushall()
    return shared_valkey
