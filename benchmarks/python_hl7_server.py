"""What one would write with python-hl7 and Celery: ``python -m benchmarks.python_hl7_server PORT BROKER_URL``.

Each message is parsed, handed to Celery with ``send_task``, and then acknowledged.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from celery import Celery
from hl7.mllp import start_hl7_server

APP = Celery("bench", broker=sys.argv[2], backend=sys.argv[2])


async def process(reader: Any, writer: Any) -> None:
    try:
        while not writer.is_closing():
            message = await reader.readmessage()
            APP.send_task("app.movement", kwargs={"message": str(message)}, queue="theirs")
            writer.writemessage(message.create_ack())
            await writer.drain()
    except asyncio.IncompleteReadError:
        writer.close()


async def main() -> None:
    async with await start_hl7_server(process, host="127.0.0.1", port=int(sys.argv[1]), encoding="utf-8") as server:
        await server.serve_forever()


asyncio.run(main())
