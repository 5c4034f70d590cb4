"""Which message a reply is for. Pure.

A reply is matched by MSA-2 and by nothing else: one that comes late, or answers what was never sent, must not be taken for
the answer to the next message. A reply without MSA-2 is believed only where one message alone can be meant.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field

from daemon.sender.acknowledgement import Acknowledgement

REMEMBERED = 1024
"""Control ids that were answered before, by which a further answer is told from a stray one."""


@dataclass(slots=True, eq=False)
class Pending:
    """A message that waits for its replies.

    Attributes:
        wanted: how many replies it waits for.
        replies: what has come.
    """

    control_id: str
    members: tuple[str, ...]
    wanted: int
    replies: list[Acknowledgement] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Say whether everything it waits for is there."""
        return len(self.replies) >= self.wanted


class Matcher:
    """Keeps the messages of one connection that wait, and finds whose a reply is.

    Attributes:
        strays: replies that answer nothing that waits or waited.
        further: second and later replies to messages that had all they waited for.
    """

    def __init__(self) -> None:
        """Start with nothing that waits."""
        self._waiting: dict[str, deque[Pending]] = {}
        self._order: OrderedDict[int, Pending] = OrderedDict()
        self._answered: OrderedDict[str, None] = OrderedDict()
        self.strays = self.further = 0

    def __len__(self) -> int:
        """Count the messages that wait."""
        return len(self._order)

    def expect(self, control_id: str, wanted: int = 1, members: tuple[str, ...] = ()) -> Pending:
        """Wait for the replies to a message, or to a batch with these messages."""
        pending = Pending(control_id, members, wanted)
        self._order[id(pending)] = pending
        for name in {control_id, *members}:
            self._waiting.setdefault(name, deque()).append(pending)
        return pending

    def take(self, reply: Acknowledgement) -> Pending | None:
        """Give a reply to the message it is for; ``None`` if there is none."""
        pending = self._owner(reply.control_id)
        if pending is None:
            if reply.control_id in self._answered:
                self.further += 1
            else:
                self.strays += 1
            return None
        if pending.members and not reply.is_batch and reply.control_id in pending.members and not pending.replies:
            pending.wanted = len(pending.members)  # a listener that answers each message of the batch
        pending.replies.append(reply)
        if pending.is_complete:
            self.forget(pending)
        return pending

    def forget(self, pending: Pending) -> None:
        """Wait no longer."""
        if self._order.pop(id(pending), None) is None:
            return
        for name in {pending.control_id, *pending.members}:
            waiting = self._waiting[name]
            waiting.remove(pending)
            if not waiting:
                del self._waiting[name]
            self._answered[name] = None
            self._answered.move_to_end(name)
        while len(self._answered) > REMEMBERED:
            self._answered.popitem(last=False)

    def _owner(self, control_id: str) -> Pending | None:
        waiting = self._waiting.get(control_id)
        if waiting:
            return waiting[0]
        if not control_id and len(self._order) == 1:
            return next(iter(self._order.values()))
        return None
