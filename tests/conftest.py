"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.support.valkey import ValkeyServer

# Machines are slow and noisy: no test is judged by how long it took. What is tried is the same each time, so that a change is
# judged by itself; whoever looks for more runs pytest --hypothesis-profile=thorough.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("carillon", _PATIENT, derandomize=True)
settings.register_profile("thorough", _PATIENT, max_examples=3000)
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
