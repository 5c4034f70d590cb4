"""The commands that workers know, one function for each, with their arguments checked.

What is built equals what ``celery.app.control`` sends. A worker answers each with a JSON value, or with ``{"error": …}``;
``shutdown`` alone is not answered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shim import option
from shim.control import arguments
from shim.control.command import Command
from shim.errors import RequestInvalid
from shim.value import Json

TERM = "SIGTERM"
REPORTS_LIMIT = 10_000


# -- asking -----------------------------------------------------------------------------------------------------------


def ping() -> Command:
    """Ask who is there: ``{"ok": "pong"}``."""
    return Command("ping")


def clock() -> Command:
    """Ask for the logical clock: ``{"clock": 12}``."""
    return Command("clock")


def active(*, safe: bool | None = None) -> Command:
    """Ask for the tasks being run; with ``safe`` their arguments come as cut representations (Celery 5.3 and later)."""
    return Command("active", {"safe": None if safe is None else option.flag(safe, "safe")})


def reserved() -> Command:
    """Ask for the tasks that are held and wait for a process."""
    return Command("reserved")


def scheduled() -> Command:
    """Ask for the tasks that are held until their ETA."""
    return Command("scheduled")


def registered(*attributes: str) -> Command:
    """Ask for the names of the tasks a worker knows, with ``attributes`` such as ``rate_limit`` in brackets behind.

    Raises:
        RequestInvalid: an attribute that is no name.
    """
    return Command("registered", {"taskinfoitems": arguments.names(attributes, "attributes")})


def stats() -> Command:
    """Ask for counters, pool and resources."""
    return Command("stats")


def conf(*, with_defaults: bool = False) -> Command:
    """Ask for the configuration; passwords are masked by the worker."""
    return Command("conf", {"with_defaults": option.flag(with_defaults, "with_defaults")})


def revoked() -> Command:
    """Ask for the ids of revoked tasks that are remembered."""
    return Command("revoked")


def active_queues() -> Command:
    """Ask for the queues that are consumed."""
    return Command("active_queues")


def query_task(*task_ids: str) -> Command:
    """Ask which of these tasks are held, and in what state.

    Raises:
        RequestInvalid: no id, too many, or one that is no id.
    """
    return Command("query_task", {"ids": arguments.ids(task_ids, "task_ids")})


def report() -> Command:
    """Ask for the text that ``celery report`` prints."""
    return Command("report")


def memsample() -> Command:
    """Ask for the resident memory; needs ``psutil`` where the worker runs."""
    return Command("memsample")


def memdump(samples: int = 10) -> Command:
    """Ask for the samples taken so far; needs ``psutil`` where the worker runs.

    Raises:
        RequestInvalid: ``samples`` below 1.
    """
    return Command("memdump", {"samples": option.count(samples, "samples", least=1, most=REPORTS_LIMIT)})


def objgraph(type_name: str = "Request", *, objects: int = 200, max_depth: int = 10) -> Command:
    """Have a graph of objects drawn into a file; needs ``objgraph`` where the worker runs, and takes a minute.

    Raises:
        RequestInvalid: a number below 1, or a name that is none.
    """
    return Command(
        "objgraph",
        {
            "num": option.count(objects, "objects", least=1, most=REPORTS_LIMIT),
            "max_depth": option.count(max_depth, "max_depth", least=1, most=REPORTS_LIMIT),
            "type": option.name(type_name, "type_name"),
        },
    )


# -- tasks ------------------------------------------------------------------------------------------------------------


def revoke(task_ids: str | Sequence[str], *, terminate: bool = False, signal: str = TERM) -> Command:
    """Have tasks not run; with ``terminate``, running ones get the signal and end as REVOKED.

    Raises:
        RequestInvalid: no id, too many, or one that is no id; not a signal.
    """
    return Command(
        "revoke",
        {
            "task_id": arguments.ids(task_ids, "task_ids"),
            "terminate": option.flag(terminate, "terminate"),
            "signal": arguments.signal_name(signal),
        },
    )


def terminate(task_ids: str | Sequence[str], *, signal: str = TERM) -> Command:
    """Revoke tasks and end those that run, as ``revoke(…, terminate=True)``; Celery's client sends no other form.

    Raises:
        RequestInvalid: as ``revoke``.
    """
    return revoke(task_ids, terminate=True, signal=signal)


def revoke_by_stamped_headers(
    headers: Mapping[str, str | Sequence[str]], *, terminate: bool = False, signal: str = TERM
) -> Command:
    """Have the tasks not run that bear one of these stamps; with ``terminate``, running ones get the signal.

    Raises:
        RequestInvalid: no stamp, or one that is no name; not a signal.
    """
    return Command(
        "revoke_by_stamped_headers",
        {
            "headers": arguments.stamps(headers),
            "terminate": option.flag(terminate, "terminate"),
            "signal": arguments.signal_name(signal),
        },
    )


def rate_limit(task: str, limit: str | float | None) -> Command:
    """Change how often a worker starts a task: per second as a number, or text such as ``10/m``; ``None`` lifts it.

    Raises:
        RequestInvalid: not a rate, or not a name.
    """
    return Command("rate_limit", {"task_name": option.name(task, "task"), "rate_limit": arguments.rate(limit)})


def time_limit(task: str, *, soft_s: float | None = None, hard_s: float | None = None) -> Command:
    """Change the limits of a task's runs; ``None`` lifts one.

    Stock workers answer that it is done, and heed the limits only after a ``pool_restart`` or a new connection to the broker:
    a limit is read when a task's request class is made (``celery/worker/request.py``, ``create_request_cls``; found so in
    5.3.6 and 5.7.0). A limit given with each message holds at once.

    Raises:
        RequestInvalid: not above zero, or a soft limit above the hard one, which it would never reach.
    """
    hard = None if hard_s is None else option.limit(hard_s, "hard_s")
    soft = None if soft_s is None else option.limit(soft_s, "soft_s")
    if hard is not None and soft is not None and soft > hard:
        message = "soft_s: above hard_s, it would never be reached"
        raise RequestInvalid(message)
    return Command("time_limit", {"task_name": option.name(task, "task"), "hard": hard, "soft": soft})


# -- queues -----------------------------------------------------------------------------------------------------------


def add_consumer(
    queue: str,
    *,
    exchange: str | None = None,
    exchange_type: str = "direct",
    routing_key: str | None = None,
    options: Mapping[str, Json] | None = None,
) -> Command:
    """Have workers consume from a queue too; it takes effect within about a second.

    Args:
        queue: its name. If the worker's configuration has a queue of this name, that one is meant.
        exchange: the queue's name unless given.
        exchange_type: ``direct``, ``topic`` or ``fanout``.
        routing_key: the queue's name unless given.
        options: further options of ``kombu.Queue``, such as ``queue_arguments``.

    Raises:
        RequestInvalid: an option that kombu does not read or of the wrong kind, an unknown type, or a name that is none.
    """
    return Command(
        "add_consumer",
        {
            "queue": option.name(queue, "queue"),
            "exchange": None if exchange is None else option.name(exchange, "exchange"),
            "exchange_type": arguments.exchange_type(exchange_type),
            "routing_key": None if routing_key is None else option.name(routing_key, "routing_key"),
            **arguments.queue_options(options or {}),
        },
    )


def cancel_consumer(queue: str) -> Command:
    """Have workers stop consuming from a queue.

    Raises:
        RequestInvalid: not a name.
    """
    return Command("cancel_consumer", {"queue": option.name(queue, "queue")})


# -- the pool ---------------------------------------------------------------------------------------------------------


def pool_grow(n: int = 1) -> Command:
    """Add processes to the pool; refused by a worker that scales by itself.

    Raises:
        RequestInvalid: below 1 or above 1000.
    """
    return Command("pool_grow", {"n": option.count(n, "n", least=1, most=arguments.POOL_LIMIT)})


def pool_shrink(n: int = 1) -> Command:
    """Take idle processes from the pool; busy ones make the worker answer with an error.

    Raises:
        RequestInvalid: below 1 or above 1000.
    """
    return Command("pool_shrink", {"n": option.count(n, "n", least=1, most=arguments.POOL_LIMIT)})


def pool_restart(modules: Sequence[str] | None = None, *, reload: bool = False) -> Command:
    """Replace the processes of the pool; needs ``worker_pool_restarts`` in the worker's configuration.

    An idle process is replaced when it is next given something to do, and a stock worker may lose a task over that (found
    so in 5.3.6 and 5.7.0 with two processes). Give it to workers that have nothing to do.

    Args:
        modules: modules to import, or with ``reload`` to import anew; ``None`` means those with tasks.
        reload: whether modules that are imported already are imported anew.

    Raises:
        RequestInvalid: not a module's name.
    """
    return Command(
        "pool_restart",
        {"modules": arguments.modules(modules), "reload": option.flag(reload, "reload"), "reloader": None},
    )


def autoscale(most: int, least: int = 0) -> Command:
    """Change between how many processes a worker scales; it must have been started with ``--autoscale``.

    Raises:
        RequestInvalid: numbers out of range, or ``least`` above ``most``.
    """
    option.count(most, "most", least=1, most=arguments.POOL_LIMIT)
    return Command("autoscale", {"max": most, "min": option.count(least, "least", most=most)})


# -- the worker -------------------------------------------------------------------------------------------------------


def enable_events() -> Command:
    """Have task events sent."""
    return Command("enable_events")


def disable_events() -> Command:
    """Have no task events sent any more."""
    return Command("disable_events")


def heartbeat() -> Command:
    """Have a ``worker-heartbeat`` event sent now; the answer is null."""
    return Command("heartbeat")


def shutdown() -> Command:
    """Have workers finish what runs and end with exit code 0. It is not answered: use ``cast``."""
    return Command("shutdown")
