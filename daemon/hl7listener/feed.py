"""One inbound HL7 interface, as the listener works with it."""

from __future__ import annotations

from dataclasses import dataclass, field

from daemon.hl7listener.ack.answering import Answering
from daemon.hl7listener.peers.peers import Peers
from daemon.hl7listener.routes.routing import Routing
from daemon.hl7listener.text.content import Content
from daemon.hl7listener.watching import Watching
from daemon.hl7listener.wire.framing import Framing
from daemon.public import Public


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed: what is said of it, by concept."""

    name: Public
    peers: Peers
    routing: Routing
    answering: Answering = field(default_factory=Answering)
    framing: Framing = field(default_factory=Framing)
    content: Content = field(default_factory=Content)
    watching: Watching = field(default_factory=Watching)
