"""Stored messages as lines of text and as JSON; nothing of their content. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from daemon.clock import instant
from daemon.hl7listener.spool.query import Found, State, StoredMessage
from daemon.public import escaped

COLUMNS = ("NUMBER", "RECEIVED", "FEED", "TYPE", "CONTROL ID", "FROM", "SIZE", "STATE", "ACK", "PEER", "REMARK")


def found_line(found: Found) -> tuple[str, ...]:
    """Write a message in one line."""
    return (
        str(found.seq),
        instant_text(found.received_us),
        found.feed,
        kind_of(found),
        found.control_id,
        sender_of(found),
        str(found.size_bytes),
        found.state.value,
        found.code or "-",
        found.peer,
        remark_of(found),
    )


def kind_of(found: Found) -> str:
    """Write type and event as MSH-9 does."""
    return f"{found.type}^{found.event}" if found.event else found.type


def sender_of(found: Found) -> str:
    """Write who sent it."""
    return f"{found.application}/{found.facility}" if found.facility else found.application


def remark_of(found: Found) -> str:
    """Say what is special about it: why it was refused, what flags it bears, what it repeats."""
    words = [found.reason] if found.reason else []
    words += [flag.name.lower().replace("_", "-") for flag in found.flags if flag.name]
    if found.origin_seq:
        words.append(f"of {found.origin_seq}")
    return ", ".join(words)


def found_as_json(found: Found) -> dict[str, Any]:
    """Write a message for programs."""
    values = found._asdict()
    values["state"] = found.state.value
    values["flags"] = [flag.name.lower() for flag in found.flags if flag.name]
    values["received_at"] = instant_text(values.pop("received_us"))
    return values


def instant_text(at_us: int) -> str:
    """Write an instant to the millisecond."""
    return instant(at_us).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def found_lines(message: StoredMessage, copies: Sequence[int], task: Mapping[str, Any]) -> Iterator[str]:
    """Write all that is known of a message without showing it."""
    found = message.found
    yield f"message {found.seq}  {found.state.value}  feed {found.feed}"
    yield f"  received     {instant_text(found.received_us)} from {escaped(found.peer) or 'an unknown address'}"
    kind, version, control_id = (escaped(text) or "-" for text in (kind_of(found), found.version, found.control_id))
    yield f"  header       {kind}  {version}  control id {control_id}"
    yield f"  sender       {escaped(sender_of(found)) or '-'}"
    yield f"  size         {found.size_bytes} bytes{'' if message.found.is_whole else ', DAMAGED: they are not what was stored'}"
    yield f"  answered     {ack_line(message.ack)}"
    remark = remark_of(found)
    if remark:
        yield f"  remark       {remark}"
    if task:
        state = f"  {task['task_state']}" if "task_state" in task else ""
        yield f"  task         {task['task_id']}{state}"
    if copies:
        yield f"  {'messages' if found.state is State.BATCH else 'replayed as':11}  {', '.join(map(str, copies))}"


def ack_line(ack: bytes) -> str:
    """Say what an answer said: its codes, nothing else of it."""
    codes = [
        line.split(line[3:4])[1].decode("ascii", "replace")
        for line in ack.replace(b"\x0b", b"\r").split(b"\r")
        if line.startswith(b"MSA") and len(line) > len(b"MSA|AA")
    ]
    return (
        f"{escaped(' and '.join(codes))}, {len(ack)} bytes"
        if codes
        else "with nothing"
        if not ack
        else f"{len(ack)} bytes"
    )


def segment_lines(data: bytes) -> Iterator[str]:
    """Write the segments of a message, one a line; what could steer a terminal is escaped."""
    for line in data.decode("utf-8", "backslashreplace").replace("\r\n", "\r").split("\r"):
        if line:
            yield escaped(line)
