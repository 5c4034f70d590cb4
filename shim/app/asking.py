"""One question to the app: what are you?"""

from __future__ import annotations

from typing import Any

from shim.app.address import AppAddress
from shim.app.conversation import Conversation, converse
from shim.app.facts import AppFacts, parse_facts

WITHIN_S = 60.0
LIMIT_BYTES = 16 * 1024 * 1024


async def ask_app(address: AppAddress, *, within_s: float = WITHIN_S, limit_bytes: int = LIMIT_BYTES) -> AppFacts:
    """Load the app in its own interpreter and have it say what it is.

    Raises:
        AppNotAnswered: it could not be started, took longer than ``within_s`` seconds, answered more than ``limit_bytes``,
            or ended first.
        AppBroken: it raised while it was loaded.
        FactsInvalid: its answer cannot be.
    """
    return parse_facts(await ask_document(address, within_s=within_s, limit_bytes=limit_bytes))


async def ask_document(address: AppAddress, *, within_s: float = WITHIN_S, limit_bytes: int = LIMIT_BYTES) -> Any:
    """Have the app answer, as ``ask_app``, and give the answer as it came.

    Raises:
        AppNotAnswered, AppBroken: as ``ask_app``.
    """

    async def talk(conversation: Conversation) -> Any:
        return await conversation.hear(within_s)

    return await converse(address, "ask", talk, line_limit_bytes=limit_bytes)
