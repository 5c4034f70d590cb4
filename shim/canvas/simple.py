"""A workflow to its simplest form, as celery's own preparation of chains does it (``_chain.prepare_steps``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shim.canvas.parts import Chain, Chord, Group, Part
from shim.errors import RequestInvalid
from shim.signature import SIGNATURE_DEPTH_LIMIT, Signature


def simplify(part: Part, depth: int = 1) -> Part:
    """Splice chains into chains, make a member of a group of one, drop empty groups, make chords of groups that go on.

    Whatever has links of its own keeps its form. Parts inside groups and headers are simplified too.

    Raises:
        RequestInvalid: nested too deeply.
    """
    if depth > SIGNATURE_DEPTH_LIMIT:
        message = f"canvas: nested deeper than {SIGNATURE_DEPTH_LIMIT}"
        raise RequestInvalid(message)
    if isinstance(part, Chain):
        return _chain(part, depth)
    if isinstance(part, Group):
        return Group(_members(part.members, depth))
    if isinstance(part, Chord):
        return Chord(_members(part.header, depth), simplify(part.body, depth + 1))
    return part


def _members(members: Sequence[Part], depth: int) -> tuple[Part, ...]:
    simple = (simplify(member, depth + 1) for member in members)
    return tuple(one for one in simple if not (isinstance(one, Chain) and not one.steps))


def _chain(chain: Chain, depth: int) -> Part:
    simple = [simplify(step, depth + 1) for step in chain.steps]
    steps = list(_spliced(simple))
    if not steps:  # empty groups only: one of them is the result
        steps += [step for step in simple if isinstance(step, Group)][:1]
    if len(steps) > 1 and isinstance(steps[0], Group):
        return Chord(steps[0].members, _rest(chain, steps[1:]))
    if len(steps) > 1 and isinstance(steps[0], Chord):
        chord = steps[0]
        before = chord.body.steps if isinstance(chord.body, Chain) and not _has_links(chord.body) else (chord.body,)
        return Chord(chord.header, _rest(chain, [*before, *steps[1:]]))
    return _rest(chain, steps)


def _spliced(steps: Sequence[Part]) -> Iterator[Part]:
    for step in steps:
        if isinstance(step, Chain) and not _has_links(step):
            yield from step.steps
        elif isinstance(step, Group) and len(step.members) <= 1:
            yield from step.members
        else:
            yield step


def _rest(chain: Chain, steps: Sequence[Part]) -> Part:
    if len(steps) == 1 and not _has_links(chain):
        return steps[0]
    return Chain(tuple(steps), chain.links, chain.error_links)


def _has_links(chain: Chain) -> bool:
    return bool(chain.links or chain.error_links)


def are_tasks(parts: Sequence[Part]) -> bool:
    """Say whether all are tasks that belong to no workflow yet."""
    return all(
        isinstance(part, Signature) and part.subtask_type is None and not (_BELONGING & part.options.keys())
        for part in parts
    )


_BELONGING = frozenset(("chain", "chord", "group_id"))
"""Options of a signature that celery has prepared for a workflow."""
