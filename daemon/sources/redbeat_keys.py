"""RedBeat's keys, read once from its Redis."""

from __future__ import annotations

from typing import Any

import anyio
from redis.asyncio import Redis
from redis.exceptions import RedisError

from daemon.errors import SourceDown
from daemon.sources.redbeat_entry import RedbeatHash

PREFIX = "redbeat:"
READ_LIMIT = 500
ENTRIES_LIMIT = 200_000
ANSWER_LIMIT_S = 15.0


async def read_redbeat(url: str, prefix: str = PREFIX) -> list[RedbeatHash]:
    """Read every entry of the schedule, and those defined in code.

    Args:
        url: of the Redis, ``redis://…`` or ``rediss://…``.
        prefix: ``redbeat_key_prefix`` of the application.

    Raises:
        SourceDown: it cannot be read.
    """
    try:
        client: Any = Redis.from_url(url, decode_responses=True, encoding_errors="replace")
    except ValueError as error:
        message = "the address of RedBeat's Redis cannot be read"
        raise SourceDown(message, hint=str(error).partition(":")[0]) from None
    try:
        async with client:
            keys = await _asked(client.zrange(f"{prefix}:schedule", 0, ENTRIES_LIMIT - 1))
            names = await _asked(client.smembers(f"{prefix}:statics"))
            wanted = sorted({*keys, *(f"{prefix}{name}" for name in names)})
            found: list[RedbeatHash] = []
            for start in range(0, len(wanted), READ_LIMIT):
                part = wanted[start : start + READ_LIMIT]
                async with client.pipeline(transaction=False) as pipe:
                    for key in part:
                        pipe.hmget(key, "definition", "meta")
                    texts = await _asked(pipe.execute())
                found += [RedbeatHash(key.removeprefix(prefix), *pair) for key, pair in zip(part, texts, strict=True)]
    except (RedisError, OSError, TimeoutError) as error:
        message = f"RedBeat's Redis cannot be read: {type(error).__name__}"
        raise SourceDown(message) from None
    return found


async def _asked(question: Any) -> Any:
    with anyio.fail_after(ANSWER_LIMIT_S):
        return await question
