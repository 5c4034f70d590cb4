"""Workflows of Celery as data: chains, groups and chords, planned purely and pushed at once.

    plan = plan_canvas(Chain([Signature("app.load", ("x",)), Signature("app.sum")]), route=router.route, new_id=new_id, at=now)
    result = await CanvasSender(publisher, results, origin="me", new_tag=new_id).send(plan, at=now)
    plan.result_id      # the id its last result is stored under

What is nested deeper is a ``NestedCanvas``; ``shim.foreign.ForeignCanvas`` has celery send it.
"""

from shim.canvas.parts import Chain, Chord, Group, Part, as_signature
from shim.canvas.plan import CanvasPlan, CanvasRules, NestedCanvas, PlannedMessage, RouteOf, Step, plan_canvas
from shim.canvas.sender import CanvasSender, store_writes
from shim.canvas.store import ChordSize, SavedGroup, StoreWrite

__all__ = [
    "CanvasPlan",
    "CanvasRules",
    "CanvasSender",
    "Chain",
    "Chord",
    "ChordSize",
    "Group",
    "NestedCanvas",
    "Part",
    "PlannedMessage",
    "RouteOf",
    "SavedGroup",
    "Step",
    "StoreWrite",
    "as_signature",
    "plan_canvas",
    "store_writes",
]
