"""From the site file's ``[feed.*]`` to feeds, naming every problem."""

from __future__ import annotations

from daemon.hl7listener.catalog.answering import read_answering
from daemon.hl7listener.catalog.content import read_content
from daemon.hl7listener.catalog.framing import read_framing
from daemon.hl7listener.catalog.peers import collisions, read_peers
from daemon.hl7listener.catalog.routing import read_routing
from daemon.hl7listener.catalog.watching import read_watching
from daemon.hl7listener.feed import Feed
from daemon.public import Public
from daemon.settings import Problem, Settings
from daemon.settings.feed import FeedSection


def read_feeds(settings: Settings) -> tuple[tuple[Feed, ...], tuple[Problem, ...]]:
    """Turn the feeds of a site into what the listener works with."""
    feeds, problems = [], []
    for name, section in settings.feed.items():
        feed, found = _feed(name, section)
        feeds.append(feed)
        problems += found
    return tuple(feeds), (*problems, *collisions(settings))


def _feed(name: Public, section: FeedSection) -> tuple[Feed, list[Problem]]:
    path = ("feed", str(name))
    peers, in_peers = read_peers(path, section)
    routing, in_routing = read_routing(path, section)
    answering, in_answering = read_answering(path, section)
    framing, in_framing = read_framing(path, section)
    content, in_content = read_content(path, section)
    watching, in_watching = read_watching(path, section)
    feed = Feed(name, peers, routing, answering, framing, content, watching)
    return feed, [*in_content, *in_routing, *in_peers, *in_answering, *in_framing, *in_watching]
