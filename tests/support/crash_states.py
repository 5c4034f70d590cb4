"""What a power cut may leave of files that were being written: rebuilt from a record of all writes and syncs."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SECTOR = 512
ACKS = "acks"
_NUMBERS = struct.Struct("<3q")


class Step(NamedTuple):
    """A recorded call: ``w`` a write, ``t`` a truncation to ``offset``, ``s`` a sync, ``d`` the end of the file."""

    kind: str
    name: str
    offset: int
    data: bytes


def read_steps(trace: Path) -> list[Step]:
    """Read what the preload library recorded."""
    content = trace.read_bytes()
    steps: list[Step] = []
    place = 0
    while place < len(content):
        kind = chr(content[place])
        name_length, offset, length = _NUMBERS.unpack_from(content, place + 1)
        place += 1 + _NUMBERS.size
        name = content[place : place + name_length].decode()
        place += name_length
        size = length if kind == "w" else 0
        steps.append(Step(kind, name, offset, content[place : place + size]))
        place += size
    return steps


def acknowledged(steps: list[Step], cut: int) -> dict[int, int]:
    """Give which messages had been acknowledged before a step, under which sequence number."""
    said = b"".join(step.data for step in steps[:cut] if step.name == ACKS).decode()
    return {int(number): int(seq) for number, seq in (line.split() for line in said.splitlines())}


def states(steps: list[Step], count: int, seed: int) -> Iterator[tuple[int, dict[str, bytes]]]:
    """Give so many cuts, and for each what may then be in the files: all that was synced, and any part of the rest."""
    dice = random.Random(seed)
    for _ in range(count):
        cut = dice.randint(1, len(steps))
        files = {
            name: _state(_life([step for step in steps[:cut] if step.name == name], dice), dice)
            for name in sorted({step.name for step in steps[:cut]} - {ACKS})
        }
        yield cut, {name: content for name, content in files.items() if content is not None}


def _life(steps: list[Step], dice: random.Random) -> list[Step]:
    """Leave out earlier files of that name; that the last one was removed may not have reached the disk yet."""
    ends = [place for place, step in enumerate(steps) if step.kind == "d"]
    if ends and ends[-1] == len(steps) - 1 and steps[-1].name.endswith("-wal") and dice.random() < 0.5:
        ends, steps = ends[:-1], steps[:-1]
    return steps[ends[-1] + 1 :] if ends else steps


def _state(steps: list[Step], dice: random.Random) -> bytes | None:
    if not steps:
        return None
    synced = max((place for place, step in enumerate(steps) if step.kind == "s"), default=-1)
    content = bytearray()
    for step in steps[: synced + 1]:
        _apply(content, step)
    loose = [step for step in steps[synced + 1 :] if step.kind != "s"]
    how = dice.choice(("all", "none", "prefix", "any", "torn"))
    if how == "prefix":
        loose = loose[: dice.randint(0, len(loose))]
    elif how in ("any", "torn"):
        loose = [step for step in loose if dice.random() < 0.5]
    elif how == "none":
        loose = []
    for step in loose:
        _apply(content, _torn(step, dice) if how == "torn" and step.kind == "w" else step)
    return bytes(content)


def _torn(step: Step, dice: random.Random) -> Step:
    """Leave out what is behind a border of sectors."""
    first = SECTOR - step.offset % SECTOR
    borders = [0, *range(first, len(step.data), SECTOR), len(step.data)]
    return step._replace(data=step.data[: dice.choice(borders)])


def _apply(content: bytearray, step: Step) -> None:
    if step.kind == "t":
        del content[step.offset :]
        content.extend(bytes(step.offset - len(content)))
    elif step.kind == "w":
        content.extend(bytes(max(step.offset - len(content), 0)))
        content[step.offset : step.offset + len(step.data)] = step.data
