"""A server of python-hl7 that acknowledges everything, as its users write it. Prints its port."""

from __future__ import annotations

import asyncio
from typing import Any

import hl7.mllp


async def acknowledge(reader: Any, writer: Any) -> None:
    try:
        while not writer.is_closing():
            message = await reader.readmessage()
            writer.writemessage(message.create_ack())
            await writer.drain()
    except asyncio.IncompleteReadError:
        writer.close()
        await writer.wait_closed()


async def main() -> None:
    async with await hl7.mllp.start_hl7_server(acknowledge, host="127.0.0.1", port=0) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


asyncio.run(main())
