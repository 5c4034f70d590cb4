"""Results of tasks as stock workers store them (``celery/backends/base.py``, ``celery/backends/redis.py``)."""

from shim.results.chord import Callback, ChordPart, ChordState, parse_chord
from shim.results.group import GroupMeta, GroupOutcome, parse_group
from shim.results.keys import ResultKeys, result_key_prefix
from shim.results.meta import (
    CELERY_STATES,
    EXCEPTION_STATES,
    READY_STATES,
    UNREADABLE,
    TaskMeta,
    meta_from_mapping,
    parse_meta,
)
from shim.results.payload import JSON_RESULTS, ResultFormat
from shim.results.place import ResultPlace, result_place
from shim.results.progress import Progress
from shim.results.reference import ResultRef
from shim.results.store import Results
from shim.results.task_error import TaskError
from shim.results.typed import typed_value
from shim.results.waiter import ResultWaiter, WaiterFull

__all__ = [
    "CELERY_STATES",
    "EXCEPTION_STATES",
    "JSON_RESULTS",
    "READY_STATES",
    "UNREADABLE",
    "Callback",
    "ChordPart",
    "ChordState",
    "GroupMeta",
    "GroupOutcome",
    "Progress",
    "ResultFormat",
    "ResultKeys",
    "ResultPlace",
    "ResultRef",
    "ResultWaiter",
    "Results",
    "TaskError",
    "TaskMeta",
    "WaiterFull",
    "meta_from_mapping",
    "parse_chord",
    "parse_group",
    "parse_meta",
    "result_key_prefix",
    "result_place",
    "typed_value",
]
