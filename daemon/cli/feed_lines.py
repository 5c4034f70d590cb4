"""Feeds as lines of text. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from daemon.cli.output import ago
from daemon.clock import SECOND_US, microseconds
from daemon.public import escaped

COLUMNS = (
    "FEED", "STATE", "LISTEN", "PEERS", "LAST MESSAGE", "MSG/H", "ACK P50/P99", "ACCEPTED", "ERROR", "REJECTED",
    "RESENT", "WAITING",
)  # fmt: skip
_BARS = " ▁▂▃▄▅▆▇█"


def feed_line(row: Mapping[str, Any], now_us: int) -> tuple[str, ...]:
    """Write a feed in one line."""
    codes = row["codes"]
    return (
        row["name"],
        row["state"],
        ", ".join(row["listen"]) + (" tls" if row["is_tls"] else ""),
        str(row["connections"]),
        when(row["last_at"], now_us),
        str(row["last_hour"]),
        took(row),
        str(codes.get("AA", 0) + codes.get("CA", 0)),
        str(codes.get("AE", 0) + codes.get("CE", 0)),
        str(codes.get("AR", 0) + codes.get("CR", 0)),
        str(row["resent"]),
        f"{row['waiting']} ({ago(row['oldest_s'])})" if row["waiting"] else "0",
    )


def took(row: Mapping[str, Any]) -> str:
    """Write how long answers took."""
    if row["p50_s"] is None or row["p99_s"] is None:
        return "-"
    return f"{_ms(row['p50_s'])}/{_ms(row['p99_s'])} ms"


def at_us(text: str | None) -> int | None:
    """Read an instant of the API."""
    return None if text is None else microseconds(datetime.fromisoformat(text))


def when(text: str | None, now_us: int) -> str:
    """Write how long ago something was."""
    since_us = at_us(text)
    return "-" if since_us is None else f"{ago(max(now_us - since_us, 0) / SECOND_US)} ago"


def remarks(rows: Sequence[Mapping[str, Any]], now_us: int) -> Iterator[str]:
    """Say in words what is not as it should be."""
    for row in rows:
        pause = row["pause"]
        if pause is not None:
            until = "until it is resumed" if pause["until_at"] is None else f"until {_utc(pause['until_at'])}"
            note = f": {escaped(pause['note'])}" if pause["note"] else ""
            yield f"{row['name']} is paused by {pause['who']} since {when(pause['since_at'], now_us)}, {until}{note}"
        elif row["why"]:
            yield f"{row['name']} is {row['state']}: {row['why']}"


def detail_lines(found: Mapping[str, Any], now_us: int) -> Iterator[str]:
    """Write all that is known of a feed."""
    row = found["feed"]
    yield f"{row['name']}  {row['state']}  {', '.join(row['listen'])}{' tls' if row['is_tls'] else ''}"
    yield from (f"  {remark}" for remark in remarks([row], now_us))
    codes = "  ".join(f"{code or 'none'} {count}" for code, count in sorted(row["codes"].items())) or "none yet"
    yield f"  answers        {codes}"
    yield f"  resent         {row['resent']}"
    yield f"  answer takes   {took(row)}"
    yield f"  last message   {when(row['last_at'], now_us)}"
    yield f"  last hour      {row['last_hour']}  {sparkline(found['minutes'])}".rstrip()
    waiting = f"{row['waiting']}, the oldest for {ago(row['oldest_s'])}" if row["waiting"] else "nothing"
    yield f"  handed on      {found['enqueued']}, waiting {waiting}, parked {found['parked']}, again {found['repeated']}"
    if found["kinds"]:
        yield f"  received       {'  '.join(f'{kind} {count}' for kind, count in sorted(found['kinds'].items()))}"
    yield "  routes"
    routes = {one["name"]: one["count"] for one in found["routes"]}
    for name, count in {**routes, "filtered": found["filtered"], "unrouted": found["unrouted"]}.items():
        yield f"    {name}: {count}"
    expires_us = at_us(row["certificate_expires_at"])
    if expires_us is not None:
        left_s = (expires_us - now_us) / SECOND_US
        yield f"  certificate    {'expired' if left_s < 0 else f'good for {ago(left_s)}'}"
    for title, counts in (
        ("refused blocks", found["quarantined"]),
        ("not let in", found["refused"]),
        ("ended", found["gone"]),
    ):
        if counts:
            listed = "  ".join(f"{word} {count}" for word, count in sorted(counts.items()))
            yield f"  {title:14} {listed}"
    yield from _connections(found["connections"], now_us)
    yield from _deviations(found["deviations"], now_us)


def sparkline(counts: Sequence[int]) -> str:
    """Draw counts as a row of bars."""
    most = max(counts, default=0)
    if not most:
        return ""
    return "".join(_BARS[-(-count * (len(_BARS) - 1) // most)] for count in counts)


def _connections(connections: Sequence[Mapping[str, Any]], now_us: int) -> Iterator[str]:
    yield f"  connections    {len(connections) or 'none'}"
    for one in connections:
        who = escaped(one["label"] or one["subject"])
        yield (
            f"    {one['number']}  {one['peer']}  {one['state']}  since {when(one['since_at'], now_us)}"
            f"  {one['messages']} messages  {one['size_bytes']} bytes  last {when(one['last_at'], now_us)}"
            + (f"  {who}" if who else "")
            + (f"  strays: {', '.join(one['deviations'])}" if one["deviations"] else "")
        )


def _deviations(deviations: Sequence[Mapping[str, Any]], now_us: int) -> Iterator[str]:
    if not deviations:
        return
    yield "  senders stray from the standard:"
    for one in deviations:
        peers = ", ".join(filter(None, one["peers"]))
        yield f"    {one['kind']} x{one['count']}, last {when(one['last_at'], now_us)}{f' from {peers}' if peers else ''}"
        if one["advice"]:
            yield f"      {one['advice']}"
        if one["window"]:
            yield f"      it began: {one['window']}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.3g}"


def _utc(text: str) -> str:
    return datetime.fromisoformat(text).isoformat(timespec="seconds").replace("+00:00", "Z")
