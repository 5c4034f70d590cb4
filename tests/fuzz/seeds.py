"""Where the fuzzer begins: messages and streams that reach far into the code. Generated; nothing of anybody."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.fuzz.targets import KWARGS, TARGETS
from tests.support.builders import adt, framed
from tests.support.corpus import FOLDER

FOUND = Path(__file__).parent / "seeds"
"""Inputs that were found to be of interest: ``seeds/TARGET/NAME``, small and made up."""

REAL = 60

_MESSAGES = (
    adt("M1"),
    adt("M2", end="\n"),
    adt("M3", end="\r\n", version="2.3"),
    adt("M4", version="2.7", accept="AL", application="ER"),
    adt("M5", accept="SU", application="NE"),
    b"MSH$%~\\@$A%1.2.3%ISO$B$C$D$20261122$$ADT%A04%ADT_A01$ODD-1$P%A$2.6$$$$$$UNICODE UTF-8\rPID$1\r",
    b"MSH|^~\\&|A|B|C|D|20261122||ACK^A01|6|P|2.5\rMSA|AA|1\r",
    b"MSH|^~\\&#|A|B|C|D|20261122||ORU^R01^ORU_R01|7|P|2.8||||||8859/1~ISO IR87\rOBX|1|TX|||\\F\\\\X41\\\\.br\\\\H\\a\\N\\|\r",
    b"\xef\xbb\xbfMSH|^~\\&|||||||SIU^S12|8|T|2.4\nPID|1||1~2^a&b~3||x\\S\\y\\T\\\nNTE|1||\n\nNTE|2||a\nNTE|3||b",
    b"FHS|^~\\&|A|B\rBHS|^~\\&|A|B\rMSH|^~\\&|||||||ADT^A08|9|P|2.5\rPID|1\rBTS|1\rFTS|1\r",
    b"MSH|^~\\&|||||||ADT|10|P",
    b"MSH|^~\\&",
    b"",
)
_BATCHES = (
    b"FHS|^~\\&|A|B|C|D|20261122||F1\rBHS|^~\\&|A|B|C|D|20261122||||B1\r" + adt("M1") + adt("M2") + b"BTS|2\rFTS|1\r",
    b"BHS|^~\\&|A\r" + adt("M1") + b"BTS|7\r",
    b"BHS|^~\\&|A\r" + adt("M1") + b"BHS|^~\\&|B\r" + adt("M2"),
    b"FHS|^~\\&\rFTS|0\r",
    b"BHS$%~\\@$A\rMSH$%~\\@$$$$$$$ADT%A01$1$P$2.5\rBTS$1",
)
_CHARSETS = (
    "",
    "ASCII",
    "8859/1",
    "8859/15",
    "UNICODE UTF-8",
    "ISO IR14",
    "ISO IR87",
    "GB 18030-2000",
    "BIG-5",
    "KS X 1001",
    "X",
)
_WORDS = ("Große", "日本|語", "漢字^", "é")
_TIMES = (
    "2026",
    "202611",
    "20261122",
    "202611220405",
    "20261122040506.1234+0100",
    "00000000",
    "99991399",
    "20261122040506-9959",
)


def seeds(name: str) -> list[bytes]:
    """Give what the fuzzer of a target begins with."""
    messages = [*_MESSAGES, *_real()]
    found: Mapping[str, Sequence[bytes]] = {
        "framer": _streams(),
        "flushing": _streams(),
        "header": messages,
        "judged": messages,
        "answers": [message[9:] for message in messages],
        "batches": [*_BATCHES, *(b"BHS|^~\\&|A\r" + message + b"BTS|1\r" for message in messages)],
        "charset": [f"{charset}\0".encode() + word.encode("utf-8") for charset in _CHARSETS for word in _WORDS],
        "path": [
            f"{place}\0".encode() + message for message in messages for place in ("PID-3[2].1.2", *KWARGS.values())
        ],
        "stamp": [text.encode() for text in _TIMES],
        "glob": [b"A*\0ADT", b"O?U\0ORU", b"[AB]*\0A", b"*a*a*a*b\0aaaaaaaa"],
        "files": [*messages, *_streams()],
        "replies": messages,
    }
    kept = [file.read_bytes() for file in sorted((FOUND / name).glob("*"))]
    return [*found[name], *kept]


def _streams() -> list[bytes]:
    one, two = framed(adt("M1"))[:80] + b"\x1c\r", framed(b"MSH|^~\\&|")
    odd = [one[:-1] + b"\n", one[:-1], b"\x0b" + one, b"noise" + one, b"\x0bMSH|x" + one, one[:40] + b"\x1c" + one[40:]]
    strange = [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\xc8", b"PROXY TCP4 ", b"\x0b" + b"x" * 500 + b"\x1c\r"]
    return [b"\x00\x01" + stream for stream in (one + two, *odd, *(piece + two for piece in odd), *strange)]


def _real() -> list[bytes]:
    files = sorted((FOLDER / "messages").glob("*.hl7"))[::13] if FOLDER.is_dir() else []
    return [file.read_bytes()[:2000] for file in files[:REAL]]


def write_seeds(folder: Path, name: str | None = None) -> None:
    """Write the seeds of a target as files; without a name, those of all, as ``targets.each`` takes them."""
    names = tuple(TARGETS)
    folder.mkdir(parents=True, exist_ok=True)
    for number, target in enumerate(names):
        lead = bytes((number,)) if name is None else b""
        for seed in seeds(target) if name in (None, target) else ():
            content = lead + seed
            (folder / hashlib.sha256(content).hexdigest()[:16]).write_bytes(content)
