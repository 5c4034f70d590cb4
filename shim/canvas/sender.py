"""Sends planned workflows: first what their chords count by, then all their messages at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from anyio.lowlevel import checkpoint

from shim.canvas.plan import CanvasPlan
from shim.canvas.store import ChordSize, StoreWrite
from shim.claim import Claim, Outcome, Write, WriteResult
from shim.envelope import Envelope, build_envelope
from shim.errors import RequestInvalid
from shim.link import Link
from shim.publisher import Publisher

MESSAGES_PER_TURN = 200
"""Messages built before others get a turn of the event loop; a few milliseconds."""

BYTES_LIMIT = 128 * 1024 * 1024
"""Payload bytes of one workflow; it is pushed in one call."""


class CanvasSender:
    """Sends plans through a publisher, whose ``run`` must be running.

    The order is that of Celery: a chord's size is stored before any task of its header can end. Nothing is pushed unless all
    of it was stored, and all messages are pushed in one call or none of them is. If it stops in between, a key of a chord that
    never began is left in the result database and expires there; nothing runs, and the caller is told.
    """

    def __init__(
        self, publisher: Publisher, results: Link | None = None, *, origin: str, new_tag: Callable[[], str]
    ) -> None:
        """Keep the collaborators; no I/O happens here.

        Args:
            publisher: the way into the broker.
            results: link to the result database; only chords and saved groups need it.
            origin: who sends, free text such as ``carillon@host``.
            new_tag: makes delivery tags, each unique.
        """
        self._publisher = publisher
        self._results = results
        self._origin = origin
        self._new_tag = new_tag

    async def send(self, plan: CanvasPlan, *, at: datetime, claim: Claim | None = None) -> WriteResult:
        """Store what must be stored and push the messages; a plan without messages is ``WRITTEN`` at once.

        The same plan may be sent again after ``NOT_WRITTEN`` or an error, and with a claim also after ``UNCERTAIN``: what counts the
        header is only stored if it is not there, so that a chord which is already running is not disturbed.

        Args:
            plan: from ``plan_canvas``.
            at: now, aware; for the ``expiration`` property.
            claim: what must hold in the broker for the push to happen.

        Returns:
            The outcome of the push, as ``Publisher.write``. With any other than ``WRITTEN``, ``ALREADY`` and ``UNCERTAIN``, nothing runs.

        Raises:
            RequestInvalid: a message no worker could take, or more than 128 MB in all; nothing was stored or pushed.
            ShimError: as ``Link.call`` and ``Publisher.write``; nothing was pushed.
        """
        envelopes = await self._envelopes(plan, at)
        await store_writes(self._results, plan.store)
        if not envelopes and claim is None:
            return WriteResult(Outcome.WRITTEN)
        [result] = await self._publisher.write([Write(claim, envelopes)])
        return result

    async def _envelopes(self, plan: CanvasPlan, at: datetime) -> tuple[Envelope, ...]:
        built: list[Envelope] = []
        size_bytes = 0
        for request, targets in plan.messages:
            for target in targets:
                envelope = build_envelope(request, target, delivery_tag=self._new_tag(), at=at, origin=self._origin)
                built.append(envelope)
                size_bytes += len(envelope.payload)
                if size_bytes > BYTES_LIMIT:
                    message = f"canvas: more than {BYTES_LIMIT} bytes of messages"
                    raise RequestInvalid(message, hint="store the data elsewhere and send references")
                if len(built) % MESSAGES_PER_TURN == 0:
                    await checkpoint()
        return tuple(built)


async def store_writes(results: Link | None, writes: Sequence[StoreWrite]) -> None:
    """Store what workflows need before their messages are pushed; again is safe.

    Raises:
        RequestInvalid: there is no link to the result database.
        ShimError: as ``Link.call``.
    """
    if writes and results is None:
        message = "canvas: a chord or a saved group needs a link to the result database"
        raise RequestInvalid(message, hint="give CanvasSender one, or plan with rules that have no result_keys")
    for write in writes:
        assert results is not None  # for the type checker: refused above
        expiry = ("EX", write.expires_s) if write.expires_s else ()
        if isinstance(write, ChordSize):
            # Found there already, it is of an earlier try that may be running: its claim of the callback must stay.
            if await results.call("SET", write.key, write.size, "NX", *expiry) is not None:
                await results.call("DEL", write.claim_key)
        else:
            await results.call("SET", write.key, write.value, *expiry)
