"""Clients of any broker as tests open them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio

from shim.client import Client, open_client
from tests.support.rabbitmq_publishing import LIMIT_S


@asynccontextmanager
async def opened(url: str, **conf: Any) -> AsyncIterator[Client]:
    with anyio.fail_after(LIMIT_S):
        async with open_client({"broker_url": url, **conf}) as client:
            yield client
