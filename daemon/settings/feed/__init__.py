"""``[feed.NAME]``: one inbound HL7 interface, its keys by concept."""

from daemon.settings.feed.answering import AnsweringKeys
from daemon.settings.feed.content import ContentKeys
from daemon.settings.feed.framing import FramingKeys
from daemon.settings.feed.peers import PeerKeys
from daemon.settings.feed.routing import RouteSection, RoutingKeys
from daemon.settings.feed.watching import WatchingKeys

__all__ = ["FeedSection", "RouteSection"]


class FeedSection(WatchingKeys, RoutingKeys, ContentKeys, AnsweringKeys, FramingKeys, PeerKeys):
    """``[feed.NAME]``: one inbound HL7 interface."""
