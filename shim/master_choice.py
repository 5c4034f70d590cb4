"""Which server is the master, decided from what several sentinels say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Sighting(NamedTuple):
    """What one sentinel says of the master.

    Attributes:
        host: host or IP address it would send clients to.
        port: its port.
        epoch: number of the fail-over that made this server the master; a higher one came later.
        is_up: whether the sentinel sees the server and takes it for a master.
        other_sentinels: how many other sentinels it knows.
    """

    host: str
    port: int
    epoch: int
    is_up: bool
    other_sentinels: int


def read_sighting(place: Sequence[bytes], described: Sequence[bytes]) -> Sighting:
    """Read the replies of ``SENTINEL GET-MASTER-ADDR-BY-NAME`` and ``SENTINEL MASTER``.

    During a fail-over the first already names the promoted replica, while the second still describes the server that is
    down; what it says of that one does not count then.

    Raises:
        ValueError: replies that do not have the form of these.
    """
    texts = [one.decode("utf-8", "replace") for one in described]
    fields = dict(zip(texts[::2], texts[1::2], strict=True))
    host, port = (one.decode("utf-8", "replace") for one in place)
    flags = fields.get("flags", "").split(",")
    is_described = (host, port) == (fields.get("ip"), fields.get("port"))
    return Sighting(
        host,
        int(port),
        int(fields.get("config-epoch", "0")),
        not is_described or ("master" in flags and not {"s_down", "o_down"} & set(flags)),
        int(fields.get("num-other-sentinels", "0")),
    )


def choose(sightings: Sequence[Sighting], *, min_other_sentinels: int = 0) -> Sighting | None:
    """Choose the master of the latest fail-over any sentinel knows of; ``None`` if nobody sees it up.

    A sentinel cut off together with an old master goes on naming it, under an older epoch. Those who know of a later epoch
    outvote it, even if the server they name is down: what the old one takes would be lost.
    """
    believed = [one for one in sightings if one.other_sentinels >= min_other_sentinels]
    latest = max((one.epoch for one in believed), default=0)
    return next((one for one in believed if one.epoch == latest and one.is_up), None)
