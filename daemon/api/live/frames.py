"""What is sent to those who follow: frames, numbered and kept for a while, the same bytes for all who see the same. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

import orjson

FRAMES_LIMIT = 4096
FRAMES_LIMIT_BYTES = 8 * 1024 * 1024
ROWS_LIMIT = 1000
_WORDS = 3


class Cursor(NamedTuple):
    """A place in what was told: of which daemon, to whom, and how far."""

    epoch: str
    role: str
    seq: int

    def __str__(self) -> str:
        """Write it as readers keep it."""
        return f"{self.epoch}.{self.role}.{self.seq}"


def parse_cursor(text: str) -> Cursor | None:
    """Read a cursor; ``None`` if it is none."""
    words = text.split(".")
    if len(words) != _WORDS or not (words[2].isascii() and words[2].isdecimal()) or len(words[2]) > 18:  # noqa: PLR2004
        return None
    return Cursor(words[0], words[1], int(words[2]))


class Frame(NamedTuple):
    """What was told of a topic."""

    seq: int
    topic: str
    text: bytes


class Story(NamedTuple):
    """What a topic holds: its rows as they were told last, and since when that is known."""

    rows: dict[str, bytes]
    first_seq: int


class Telling:
    """What is told to all of one role.

    Attributes:
        seq: number of the last frame.
    """

    def __init__(self, epoch: str, role: str) -> None:
        """Begin with nothing told."""
        self._epoch, self._role = epoch, role
        self._frames: deque[Frame] = deque()
        self._size_bytes = 0
        self._stories: dict[str, Story] = {}
        self.seq = 0

    @property
    def cursor(self) -> Cursor:
        """Say how far it is."""
        return Cursor(self._epoch, self._role, self.seq)

    def knows(self, topic: str) -> bool:
        """Say whether rows of a topic were told before."""
        return topic in self._stories

    def take(self, topic: str, rows: Mapping[str, bytes], *, is_window: bool) -> bool:
        """Take the rows of a topic as they are now; say whether there is something to tell."""
        story = self._stories.get(topic)
        if story is None:
            self._stories[topic] = Story(dict(rows), self.seq)
            return False
        changed = [row for key, row in rows.items() if story.rows.get(key) != row]
        removed = [] if is_window else [key for key in story.rows if key not in rows]
        self._stories[topic] = story._replace(rows=dict(rows))
        if not changed and not removed:
            return False
        data = b'{"changed":[%b],"removed":%b}' % (b",".join(changed), orjson.dumps(removed))
        self.seq += 1
        self._keep(Frame(self.seq, topic, self._text("event", topic, data)))
        return True

    def snapshot(self, topic: str) -> bytes:
        """Write all rows of a topic."""
        return self._text("snapshot", topic, b'{"items":[%b]}' % b",".join(self._stories[topic].rows.values()))

    def gap(self, topic: str) -> bytes:
        """Write that something was missed."""
        return self._text("gap", topic, b"null")

    def after(self, seq: int, topics: Collection[str]) -> Iterator[Frame] | None:
        """Give what was told of topics after a frame; ``None`` if some of it is forgotten."""
        if seq < self._oldest - 1 or seq > self.seq:
            return None
        later: list[Frame] = []
        for frame in reversed(self._frames):
            if frame.seq <= seq:
                break
            if frame.topic in topics:
                later.append(frame)
        return reversed(later)

    def resumes(self, topic: str, cursor: Cursor | None) -> bool:
        """Say whether somebody who has followed a topic up to a cursor can go on from there."""
        story = self._stories.get(topic)
        return (
            cursor is not None
            and story is not None
            and (cursor.epoch, cursor.role) == (self._epoch, self._role)
            and story.first_seq <= cursor.seq <= self.seq
            and cursor.seq >= self._oldest - 1
        )

    @property
    def _oldest(self) -> int:
        return self._frames[0].seq if self._frames else self.seq + 1

    def _keep(self, frame: Frame) -> None:
        self._frames.append(frame)
        self._size_bytes += len(frame.text)
        while len(self._frames) > FRAMES_LIMIT or (self._size_bytes > FRAMES_LIMIT_BYTES and len(self._frames) > 1):
            self._size_bytes -= len(self._frames.popleft().text)

    def _text(self, kind: str, topic: str, data: bytes) -> bytes:
        return b'{"type":"%b","topic":"%b","seq":%d,"cursor":"%b","data":%b}' % (
            kind.encode(),
            topic.encode(),
            self.seq,
            str(self.cursor).encode(),
            data,
        )
