"""Workflows as values: chains, groups and chords of signatures (``celery/canvas.py``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from shim.call_options import listed
from shim.errors import RequestInvalid
from shim.signature import SIGNATURE_DEPTH_LIMIT, Signature


@dataclass(frozen=True, slots=True)
class Chain:
    """Steps that run one after the other, each with the result of the one before in front of its arguments.

    Attributes:
        steps: in the order they run. A group that something follows becomes the header of a chord.
        links: tasks to send with the result of the last step.
        error_links: tasks to send, or to call, when a step fails; what follows it does not run.
    """

    steps: Sequence[Part]
    links: Sequence[Signature] = ()
    error_links: Sequence[Signature] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """Members that run beside each other."""

    members: Sequence[Part]


@dataclass(frozen=True, slots=True)
class Chord:
    """A header whose members run beside each other, and a body that gets the list of their results.

    When a member of the header fails, the body does not run; its ``link_error`` is called and its result is a failure.
    """

    header: Sequence[Part]
    body: Part


Part: TypeAlias = "Signature | Chain | Group | Chord"
"""What a workflow is made of; a signature is the smallest one."""


def as_signature(part: Part) -> Signature:
    """Write a workflow as the one signature celery itself makes of it, to be sent by celery or to be a link of a task.

    Raises:
        RequestInvalid: something else than a part, or nested too deeply.
    """
    return _signature(part, 1)


def with_options(signature: Signature, options: Mapping[str, Any]) -> Signature:
    """Copy a signature with further options; they win over its own."""
    return replace(signature, options={**signature.options, **options}) if options else signature


def linked(signature: Signature, links: Sequence[Signature], error_links: Sequence[Signature]) -> Signature:
    """Add links and error links behind those a signature has; an error link it has already is not added again.

    Celery makes that difference as well (``extend_list_option`` and ``append_to_list_option``).
    """
    options: dict[str, Any] = {}
    if links:
        options["link"] = [*listed(signature.options.get("link")), *links]
    if error_links:
        before = listed(signature.options.get("link_error"))
        options["link_error"] = [*before, *(one for one in error_links if one not in before)]
    return with_options(signature, options)


def _signature(part: object, depth: int) -> Signature:
    if depth > SIGNATURE_DEPTH_LIMIT:
        message = f"canvas: nested deeper than {SIGNATURE_DEPTH_LIMIT}"
        raise RequestInvalid(message)
    if isinstance(part, Signature):
        return part
    if isinstance(part, Chain):
        tasks = [_signature(one, depth + 1) for one in part.steps]
        chain = Signature("celery.chain", kwargs={"tasks": tasks}, subtask_type="chain")
        return linked(chain, part.links, part.error_links)
    if isinstance(part, Group):
        tasks = [_signature(one, depth + 1) for one in part.members]
        return Signature("celery.group", kwargs={"tasks": tasks}, subtask_type="group")
    if isinstance(part, Chord):
        header = [_signature(one, depth + 1) for one in part.header]
        kwargs = {"header": header, "body": _signature(part.body, depth + 1), "kwargs": {}}
        return Signature("celery.chord", kwargs=kwargs, subtask_type="chord")
    message = f"canvas: a Signature, Chain, Group or Chord is needed, not {type(part).__name__}"
    raise RequestInvalid(message)
