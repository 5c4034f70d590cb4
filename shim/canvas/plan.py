"""A workflow to the messages that start it, decided purely; only what runs first is a message, the rest travels in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from shim.call_options import DESTINATION, request_of
from shim.canvas.parts import Chain, Chord, Group, Part, as_signature, linked, with_options
from shim.canvas.simple import are_tasks, simplify
from shim.canvas.store import EXPIRES_S, StoreWrite, chord_size, saved_group
from shim.errors import RequestInvalid
from shim.request import TaskRequest
from shim.results.keys import ResultKeys
from shim.routing import Routed, Target
from shim.signature import Signature, check_chord_part

MESSAGES_LIMIT = 10_000
"""Messages of one workflow: they go out in one call, and a script blocks the whole server."""

RouteOf: TypeAlias = Callable[[str, Mapping[str, Any]], Routed]
"""``Router.route``, or something that asks the app's own router first."""


class CanvasRules(NamedTuple):
    """What the sender knows of the application.

    Attributes:
        result_keys: names of keys in the Redis result database; ``None`` if results are elsewhere or nowhere. Chords go through
            celery then.
        expires_s: ``result_expires``; 0 for never.
        chord_expires_s: ``result_chord_expires``; ``None`` for the same as ``expires_s``.
        signed: whether messages must be signed; everything goes through celery then.
        save_groups: whether the members of a group are stored, so that its id alone finds its results.
    """

    result_keys: ResultKeys | None = None
    expires_s: int = EXPIRES_S
    chord_expires_s: int | None = None
    signed: bool = False
    save_groups: bool = False


class Step(NamedTuple):
    """A task of a workflow, whether its message is sent now or by a worker later.

    Attributes:
        parent_ids: the tasks of which one will be its parent: the one before in a chain, any of the header for a body. It has
            none of its own if it runs first.
    """

    task: str
    task_id: str
    parent_ids: tuple[str, ...] = ()


class PlannedMessage(NamedTuple):
    """A request and the places it goes to, one message each."""

    request: TaskRequest
    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True)
class CanvasPlan:
    """A workflow ready to be sent.

    Attributes:
        messages: what is pushed, in order, all at once.
        steps: every task, each after those it waits for.
        result_id: task id of the last result; ``None`` if that is a group's, or nothing runs.
        group_id: of the group, or of the header of a chord.
        root_id: first task of a chain. Members of a group are each a root of their own, so it is ``None`` there unless given.
        store: what must stand in the result database before anything is pushed.
    """

    messages: tuple[PlannedMessage, ...]
    steps: tuple[Step, ...]
    result_id: str | None = None
    group_id: str | None = None
    root_id: str | None = None
    store: tuple[StoreWrite, ...] = ()

    @property
    def task_ids(self) -> tuple[str, ...]:
        """Name every task."""
        return tuple(step.task_id for step in self.steps)


@dataclass(frozen=True, slots=True)
class NestedCanvas:
    """A workflow that celery itself must send (``ForeignCanvas``), and why."""

    signature: Signature = field(repr=False)
    reason: str


def plan_canvas(
    part: Part,
    *,
    route: RouteOf,
    new_id: Callable[[], str],
    at: datetime,
    rules: CanvasRules | None = None,
    root_id: str | None = None,
    parent_id: str | None = None,
) -> CanvasPlan | NestedCanvas:
    """Decide what a workflow is made of.

    Sent natively: a signature, a chain of signatures, a group of them, a chord of a header of them and a body that is one or a chain
    of them; and what comes to the same, such as a chain that begins with a group. An empty chain or group is a plan without
    messages; of a chord with an empty header the body runs at once with an empty list.

    Args:
        part: the workflow. Task ids its signatures have are kept, the others are given one.
        route: finds the places of the messages; later steps are routed by the worker that sends them, unless their options
            name a queue.
        new_id: makes task and group ids.
        at: now, aware.
        rules: what is known of the application.
        root_id: of the task on whose behalf this is sent, if there is one.
        parent_id: of that task itself.

    Raises:
        RequestInvalid: an option no worker could take, a task of a header that ignores its result, or too many messages.
    """
    rules = rules or CanvasRules()
    whole = as_signature(part)
    whole.as_json()  # the whole of it is checked; what is left for a worker to find out kills a task whose work is done
    if rules.signed:
        return NestedCanvas(whole, "messages are signed")
    common = {name: value for name, value in (("root_id", root_id), ("parent_id", parent_id)) if value is not None}
    return _plan(simplify(part), whole, _Planning(route, new_id, at, rules, common))


def _plan(part: Part, whole: Signature, planning: _Planning) -> CanvasPlan | NestedCanvas:
    chain = Chain((part,)) if isinstance(part, Signature) else part
    if isinstance(chain, Chain) and are_tasks(chain.steps):
        return planning.chain(chain)
    if isinstance(part, Group) and are_tasks(part.members):
        return planning.group(part)
    body = _body(part)
    if isinstance(part, Chord) and body is not None and are_tasks(part.header):
        if planning.rules.result_keys is None and part.header:
            return NestedCanvas(whole, "a chord without a Redis result back-end")
        return planning.chord(part.header, body)
    return NestedCanvas(whole, "workflows inside workflows")


def _body(part: Part) -> Chain | None:
    """Give the body of a chord as a chain of tasks, if it is one."""
    body = part.body if isinstance(part, Chord) else None
    chain = body if isinstance(body, Chain) else None if body is None else Chain((body,))
    return chain if chain is not None and chain.steps and are_tasks(chain.steps) else None


class _Planning(NamedTuple):
    route: RouteOf
    new_id: Callable[[], str]
    at: datetime
    rules: CanvasRules
    common: Mapping[str, Any]

    def chain(self, chain: Chain) -> CanvasPlan:
        """Plan a chain."""
        if not chain.steps:
            return CanvasPlan((), ())
        steps = [linked(self.identified(step), (), chain.error_links) for step in _signatures(chain.steps)]
        steps[-1] = linked(steps[-1], chain.links, ())
        first, *rest = steps
        message = self.message(with_options(first, {**self.common, "chain": rest[::-1] or None}))
        ids = [_id(step) for step in steps]
        known = tuple(
            Step(step.task, task_id, (before,) if before is not None else ())
            for step, task_id, before in zip(steps, ids, [None, *ids], strict=False)
        )
        root_id = message.request.root_id or ids[0]
        return CanvasPlan((message,), known, ids[-1], None, root_id)

    def group(self, group: Group) -> CanvasPlan:
        """Plan a group."""
        group_id = self.new_id()
        members = [self.identified(member) for member in _signatures(group.members)]
        messages = self.members(members, group_id)
        steps = tuple(Step(member.task, _id(member)) for member in members)
        rules = self.rules
        store: tuple[StoreWrite, ...] = ()
        if rules.save_groups and rules.result_keys is not None:
            store = (saved_group(rules.result_keys, group_id, [step.task_id for step in steps], rules.expires_s),)
        return CanvasPlan(messages, steps, None, group_id, self.common.get("root_id"), store)

    def chord(self, header: Sequence[Part], body: Chain) -> CanvasPlan:
        """Plan a chord."""
        group_id = self.new_id()
        if not header:
            steps = _signatures(body.steps)
            if not steps[0].immutable:
                steps[0] = replace(steps[0], args=([], *steps[0].args))
            steps[-1] = with_options(steps[-1], {"group_id": group_id})
            return replace(self.chain(replace(body, steps=steps)), group_id=group_id)
        members = [self.identified(member) for member in _signatures(header)]
        callback, after = self.callback(body, group_id)
        messages = self.members(members, group_id, callback)
        for message in messages:
            check_chord_part(
                group_id, message.request.ignore_result, f"task {message.request.task!r} of a chord's header"
            )
        known = [Step(member.task, _id(member)) for member in members]
        before = tuple(step.task_id for step in known)
        for one in after:
            known.append(Step(one.task, _id(one), before))
            before = (_id(one),)
        rules = self.rules
        expires_s = rules.expires_s if rules.chord_expires_s is None else rules.chord_expires_s
        store = (chord_size(rules.result_keys, group_id, len(members), expires_s),) if rules.result_keys else ()
        return CanvasPlan(messages, tuple(known), before[0], group_id, self.common.get("root_id"), store)

    def callback(self, body: Chain, group_id: str) -> tuple[Signature, list[Signature]]:
        """Write the body as header tasks carry it, and list the tasks in it."""
        steps = [self.identified(step) for step in _signatures(body.steps)]
        steps[-1] = with_options(steps[-1], {"group_id": group_id})
        if len(steps) == 1:
            return linked(steps[0], body.links, body.error_links), steps
        # Not the first step with the rest as its chain: if the header fails, Celery before 5.7 stores the failure under the id of
        # the body only, and whoever waits for the last step would wait for ever. The id of this body is that of its last step.
        options = {"task_id": _id(steps[-1])}
        chain = Signature("celery.chain", kwargs={"tasks": steps}, options=options, subtask_type="chain")
        return linked(chain, body.links, body.error_links), steps

    def members(
        self, members: Sequence[Signature], group_id: str, chord: Signature | None = None
    ) -> tuple[PlannedMessage, ...]:
        """Plan the messages of tasks that run beside each other."""
        if len(members) > MESSAGES_LIMIT:
            message = f"canvas: {len(members)} tasks beside each other: more than {MESSAGES_LIMIT}"
            raise RequestInvalid(message, hint="send several groups, or tasks that do more")
        common = {**self.common, "group_id": group_id, "chord": chord}
        return tuple(
            self.message(with_options(member, {**common, "group_index": index})) for index, member in enumerate(members)
        )

    def identified(self, signature: Signature) -> Signature:
        """Give a signature a task id, unless it has one."""
        return signature if signature.options.get("task_id") else with_options(signature, {"task_id": self.new_id()})

    def message(self, signature: Signature) -> PlannedMessage:
        """Route a signature that runs first, and make its request."""
        given = {name: value for name, value in signature.options.items() if value is not None}
        for_router = {name: value for name, value in given.items() if name in DESTINATION}
        routed = self.route(given.get("route_name", signature.task), for_router)
        request = request_of(signature, {**routed.options, **given}, at=self.at)
        return PlannedMessage(request._replace(delivery_mode=routed.delivery_mode), routed.targets)


def _signatures(parts: Sequence[Part]) -> list[Signature]:
    return [part for part in parts if isinstance(part, Signature)]


def _id(signature: Signature) -> str:
    task_id: str = signature.options["task_id"]
    return task_id
