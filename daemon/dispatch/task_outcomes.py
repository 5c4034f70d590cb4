"""How tasks end, as the result back-end of a site tells it."""

from __future__ import annotations

import anyio

from daemon.dispatch.celery_side import CelerySide
from daemon.errors import BrokerDown
from shim.client import Client, open_client
from shim.errors import ShimError

RETRY_S = 0.5
_SUCCESS = "SUCCESS"


class CeleryOutcomes:
    """Waits for results of one site; while the back-end is away it asks again."""

    def __init__(self, side: CelerySide) -> None:
        """Keep the addresses; nothing is opened."""
        self._side = side
        self._client: Client | None = None
        self._opened = anyio.Event()

    async def run(self) -> None:
        """Listen until cancelled."""
        try:
            async with open_client(self._side.conf, client_name="carillon-answers") as client:
                self._client = client
                self._opened.set()
                await anyio.sleep_forever()
        except ShimError as error:
            raise BrokerDown(str(error), hint=error.hint) from None
        finally:
            self._client = None
            self._opened = anyio.Event()

    async def succeeded(self, task_id: str, within_s: float) -> bool | None:
        """Wait for the end of a task and say whether it succeeded; ``None`` if that is not known in time."""
        with anyio.move_on_after(within_s):
            while True:
                await self._opened.wait()
                if self._client is not None:
                    try:
                        meta = await self._client.wait(task_id, timeout_s=within_s)
                    except ShimError:
                        meta = None
                    if meta is not None:
                        return meta.state == _SUCCESS
                await anyio.sleep(RETRY_S)
        return None
