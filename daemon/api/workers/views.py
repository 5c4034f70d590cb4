"""Workers as they are shown: which of them, and what the caller may have them do. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from daemon.api.http.caller import Role
from daemon.api.http.page import Paged, cursor, keys_of
from daemon.desks import NodeRow, Nodes, NodeState, Unserved, WorkerAction

ROLES: Mapping[WorkerAction, Role] = {
    **dict.fromkeys(WorkerAction, Role.OPERATOR),
    WorkerAction.POOL_RESTART: Role.ADMIN,
    WorkerAction.SHUTDOWN: Role.ADMIN,
}
SUMMARIES: Mapping[WorkerAction, str] = {
    WorkerAction.POOL_GROW: "Add processes to a worker",
    WorkerAction.POOL_SHRINK: "Take idle processes from a worker",
    WorkerAction.AUTOSCALE: "Say between how many processes a worker scales",
    WorkerAction.RATE_LIMIT: "Limit how often a worker starts a task",
    WorkerAction.TIME_LIMIT: "Limit how long a task may take on a worker",
    WorkerAction.ADD_CONSUMER: "Have a worker take from a queue too",
    WorkerAction.CANCEL_CONSUMER: "Have a worker take nothing more from a queue",
    WorkerAction.POOL_RESTART: "Replace the processes of a worker",
    WorkerAction.SHUTDOWN: "End a worker",
}


class NodesQuery(Paged):
    """Which workers."""

    state: Literal["online", "silent", "offline"] | None = None
    queue: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class NodePage:
    """A page of workers.

    Attributes:
        unserved: queues this site sends to that nobody who answered takes from, and how to start a worker for each.
        is_complete: whether all workers answered in time.
        events_since_at: since when no event was missed; ``None``: events are not followed at present.
    """

    items: Sequence[NodeRow]
    next: str | None
    total: int
    asked_at: datetime
    is_complete: bool
    events_since_at: datetime | None
    unserved: Sequence[Unserved]


def shown(row: NodeRow, role: Role) -> NodeRow:
    """Say what the caller may have a worker do; one that is gone does nothing."""
    if row.state is NodeState.OFFLINE:
        return row
    return replace(row, allowed_actions=tuple(one.value for one in WorkerAction if role >= ROLES[one]))


def node_page(nodes: Nodes, query: NodesQuery, role: Role) -> NodePage:
    """Choose a page.

    Raises:
        BadRequest: a cursor that is none of ours.
    """
    after = keys_of(query.after, 1)
    text = query.text.casefold()
    rows = [
        row
        for row in nodes.rows
        if (query.state is None or row.state.value == query.state)
        and (not query.queue or query.queue in row.queues)
        and text in row.name.casefold()
    ]
    rest = [row for row in rows if after is None or row.name > str(after[0])]
    items = [shown(row, role) for row in rest[: query.limit]]
    following = cursor(items[-1].name) if len(rest) > len(items) else None
    return NodePage(
        items,
        following,
        len(rows),
        nodes.asked_at,
        nodes.is_complete,
        nodes.events_since_at,
        nodes.unserved,
    )
