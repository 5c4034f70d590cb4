"""How odd senders send: what the standard forbids and listeners meet all the same. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from daemon.hl7listener.wire.framer import END, START, frame
from daemon.sender.hospital.chance import Chance
from daemon.sender.outgoing import Outgoing

ODDITIES = {
    "lf-ends": "segments end in LF",
    "crlf-ends": "segments end in CR LF",
    "no-cr": "a block ends in FS alone, and the next one follows",
    "lf-after-fs": "a block ends in FS LF",
    "noise": "line ends and a stray byte before a block",
    "double-start": "a block begins with VT VT",
    "split": "a block comes in several packets",
    "resend": "the answer is lost: the same message again over a new connection",
}
_SHARE = 0.25
_PACKETS = 5


def strayed(
    messages: Iterable[Outgoing], oddities: frozenset[str], chance: Chance, count: int | None
) -> Iterator[Outgoing]:
    """Send every fourth message or so in one of the odd ways.

    Args:
        messages: what to send.
        oddities: names of ``ODDITIES``; none of them leaves everything as it is.
        chance: decides which message and which way.
        count: how many messages there are, if that is known: the last one is complete.
    """
    ways = sorted(oddities)
    lacks_cr = False
    for number, one in enumerate(messages, 1):
        if not ways or chance.random() >= _SHARE:
            yield one
            lacks_cr = False
            continue
        way = chance.choice(ways)
        if way == "no-cr" and (lacks_cr or number == count):
            way = ""
        lacks_cr = way == "no-cr"
        yield _written(one, way, chance)
        if way == "resend":
            yield one._replace(is_resend=True)


def _written(one: Outgoing, way: str, chance: Chance) -> Outgoing:
    data = one.data
    match way:
        case "lf-ends":
            return one._replace(data=data.replace(b"\r", b"\n"))
        case "crlf-ends":
            return one._replace(data=data.replace(b"\r", b"\r\n"))
        case "no-cr":
            block = START + data + END[:1]
        case "lf-after-fs":
            block = START + data + END[:1] + b"\n"
        case "noise":
            block = b"\r\n\x00" + frame(data)
        case "double-start":
            block = START + frame(data)
        case "split":
            return one._replace(packets=_cut(frame(data), chance))
        case _:
            block = frame(data)
    return one._replace(packets=(block,))


def _cut(block: bytes, chance: Chance) -> tuple[bytes, ...]:
    """Cut a block anywhere, also between FS and CR."""
    places = sorted({chance.randint(1, len(block) - 1) for _ in range(_PACKETS - 1)} | {len(block) - 1})
    return tuple(block[begin:end] for begin, end in zip((0, *places), (*places, len(block)), strict=True))
