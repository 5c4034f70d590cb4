"""How a stream of bytes strays from MLLP: what is understood all the same, and what ends a connection."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from daemon.public import Public


class Deviation(Enum):
    """How a sender strays from the standard and is understood all the same by a lenient feed."""

    NOISE = "noise-between-blocks"
    NUL = "nul-between-blocks"
    LINE_END = "line-end-between-blocks"
    NO_START = "no-vt"
    LF_END = "lf-after-fs"
    NO_CR = "no-cr-after-fs"
    LATE_CR = "cr-late-after-fs"
    FS_IN_DATA = "fs-in-data"
    VT_IN_DATA = "vt-in-data"
    DOUBLE_START = "double-start"
    RESTARTED = "block-begun-anew"
    HLLP = "hybrid-lower-layer-protocol"
    COMMIT = "commit-block-from-sender"
    UNCOMMITTED = "answer-not-committed"
    CONDITION = "unknown-ack-condition"
    NO_TRAILER = "batch-without-trailer"
    SEVERAL = "several-messages-in-block"
    CHARSET = "bytes-not-in-charset"


class Breach(Enum):
    """Why a connection cannot go on."""

    TLS = "tls-on-plain-port"
    HTTP = "http-on-mllp-port"
    PROXY = "proxy-header"
    SSH = "ssh-on-mllp-port"
    DICOM = "dicom-on-mllp-port"
    TELNET = "telnet-on-mllp-port"
    X328 = "x3.28-or-astm"
    UTF16 = "utf-16-text"
    NOISE = "noise-without-blocks"
    ENDLESS = "endless-block"


OUTSIDE = frozenset(
    (Deviation.NOISE, Deviation.NUL, Deviation.LINE_END, Deviation.NO_START, Deviation.LATE_CR, Deviation.COMMIT)
)
"""Deviations that belong to no block. A strict feed closes at them; a block that strays itself it refuses with AR."""

ADVICE: Mapping[Enum, Public] = {
    Deviation.NOISE: Public("Send nothing between FS CR and the next VT; what stands there is passed over, a message included."),
    Deviation.NUL: Public("Send no NUL bytes between blocks; a buffer is probably sent at its full length."),
    Deviation.LINE_END: Public("End a block with FS CR and nothing more; the line end after it belongs to no block."),
    Deviation.NO_START: Public("Begin each block with VT (0x0B) before MSH."),
    Deviation.LF_END: Public("End a block with FS CR (0x1C 0x0D), not with FS LF."),
    Deviation.NO_CR: Public("Send CR (0x0D) after FS; without it each answer waits for the feed's frame_grace at first."),
    Deviation.LATE_CR: Public("Send FS and CR in one piece; the CR comes so late that the block was taken as ended without."),
    Deviation.FS_IN_DATA: Public("Keep FS (0x1C) out of the data; it marks the end of a block."),
    Deviation.VT_IN_DATA: Public("Keep VT (0x0B) out of the data; it marks the start of a block."),
    Deviation.DOUBLE_START: Public("Send VT once at the start of a block."),
    Deviation.RESTARTED: Public("End a block with FS CR before the next begins; one that is broken off is dropped without an answer."),
    Deviation.HLLP: Public("Switch off the hybrid lower layer protocol (block type, length, checksum) and send MLLP."),
    Deviation.COMMIT: Public("Switch off MLLP release 2 at the sender, or set mllp_release = 2 for this feed."),
    Deviation.UNCOMMITTED: Public("MLLP release 2: send a commit block for each answer before the next message."),
    Deviation.CONDITION: Public("Say AL, NE, SU or ER in MSH-15 and MSH-16, or nothing; any other word is taken as AL."),
    Deviation.CHARSET: Public("Write what MSH-18 declares, or declare what is written; bytes that are neither are shown as escapes."),
    Deviation.SEVERAL: Public("Put each message into a block of its own, or put BHS and BTS around them."),
    Deviation.NO_TRAILER: Public("End a batch with BTS, and a file with FTS, each with its count, so that a lost end is noticed."),
    Breach.TLS: Public("The sender speaks TLS and this feed does not: give the feed a [tls] section or switch TLS off at the sender."),
    Breach.HTTP: Public("The sender speaks HTTP: it must send MLLP over TCP, or a health check must only connect."),
    Breach.PROXY: Public("A load balancer adds the PROXY header: switch it off for this port."),
    Breach.SSH: Public("The other side speaks SSH: the port is wrong."),
    Breach.DICOM: Public("The other side speaks DICOM: the port is wrong."),
    Breach.TELNET: Public("The other side speaks telnet: the port is wrong, or someone tries by hand."),
    Breach.X328: Public("The sender speaks ANSI X3.28 or ASTM (ENQ, STX): set it to MLLP."),
    Breach.UTF16: Public("The sender writes UTF-16, which cannot travel in MLLP: set it to UTF-8."),
    Breach.NOISE: Public("Bytes come and never a VT (0x0B): the sender does not frame its messages, or is no HL7 sender."),
    Breach.ENDLESS: Public("A block has no FS CR within twice frame_limit: the sender does not end its blocks, or they are too large."),
}  # fmt: skip
"""What to tell the sender's engineer, a sentence each."""

_HTTP = (b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"PATCH ", b"OPTIONS ", b"CONNECT ", b"TRACE ", b"PRI * HT")

OPENINGS: tuple[tuple[bytes, Breach], ...] = (
    (b"\x16\x03", Breach.TLS),
    *((method, Breach.HTTP) for method in _HTTP),
    (b"PROXY ", Breach.PROXY),
    (b"\r\n\r\n\x00\r\nQ", Breach.PROXY),
    (b"SSH-", Breach.SSH),
    (b"\x01\x00\x00\x00", Breach.DICOM),
    (b"\xff\xfb", Breach.TELNET),
    (b"\xff\xfc", Breach.TELNET),
    (b"\xff\xfd", Breach.TELNET),
    (b"\xff\xfe\xff", Breach.TELNET),
    (b"\xff\xfe\x0b", Breach.UTF16),
    (b"\xfe\xff", Breach.UTF16),
    (b"\x05", Breach.X328),
    (b"\x02", Breach.X328),
)
"""What other protocols begin with. The first bytes of a connection are compared, nothing later."""

UTF16_OPENING = b"\x00M\x00S\x00H"
"""What follows VT when a message is sent as UTF-16, of either byte order."""
