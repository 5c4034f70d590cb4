"""``carillon send``: one task, now."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import click
import orjson

from daemon.cli.options import duration_s, instant_us, load_or_exit, site_option
from daemon.clock import SECOND_US, SystemClock
from daemon.composition import make_dispatcher
from daemon.dispatch import EMBEDDED, CeleryDispatcher
from daemon.embedded_broker import known_place
from daemon.errors import BrokerDown, DaemonError
from daemon.events import BrokerLost
from daemon.keys import SENT_FIELD, SENT_TTL_S, sent_ledger
from daemon.ports import Order, Settled, Ticket, WorkItem
from daemon.public import Public
from daemon.site import Site

ANSWER_LIMIT_S = 10.0
_EXIT_FAILED = 1


class TaskRefused(DaemonError):
    """A task no worker could take."""

    code = "task-refused"
    exit_code = 65


@click.command()
@site_option()
@click.argument("task")
@click.option("--args", "arguments", metavar="JSON", default="[]", help="Positional arguments, a JSON list.")
@click.option("--kwargs", "keywords", metavar="JSON", default="{}", help="Keyword arguments, a JSON object.")
@click.option("--queue", help="Instead of what the routes say.")
@click.option("--priority", type=click.IntRange(0, 9), help="0 is served first on Redis, 9 last.")
@click.option("--countdown", metavar="S", help="Run no earlier than so many seconds from now.")
@click.option("--eta", metavar="INSTANT", help="Run no earlier than this instant (ISO 8601 with offset).")
@click.option("--expires", metavar="S", help="Do not run later than so many seconds from now.")
@click.option("--header", "headers", metavar="K=V", multiple=True, help="A header the task sees in its request.")
@click.option("--id", "task_id", metavar="ID", help="Instead of a random one; within an hour the same id is sent once.")
@click.option("--wait", metavar="S", is_flag=False, flag_value="60", help="Wait for the result, so many seconds. [60]")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def send(*, site_file: Path, task: str, as_json: bool, wait: str | None, **options: Any) -> None:
    """Send a task to the workers of a site and print its id.

    The broker is asked directly; no daemon is needed. Exits with 69 if it cannot be said that the task was enqueued, and
    with --wait with 1 if the task failed.
    """
    site = load_or_exit(site_file)
    item = _item(task, options)
    limit_s = None if wait is None else duration_s(wait, "--wait")
    outcome = anyio.run(_send, site, item, limit_s)
    if as_json:
        click.echo(orjson.dumps({"task_id": item.task_id, "queue": outcome["queue"], **outcome["result"]}))
    else:
        click.echo(item.task_id)
        if outcome["result"]:
            click.echo(f"{outcome['result']['state']}  {orjson.dumps(outcome['result']['result']).decode()}")
    if outcome["result"].get("state") in ("FAILURE", "REVOKED", "PENDING"):
        raise click.exceptions.Exit(_EXIT_FAILED)


async def _send(site: Site, item: WorkItem, wait_s: float | None) -> dict[str, Any]:
    clock = SystemClock()
    settings = site.settings
    place = None
    if settings.celery.broker_url == EMBEDDED:
        place = known_place(settings.site.state_dir, settings.embedded_broker)
    seen: list[object] = []
    dispatcher = make_dispatcher(settings.celery, place, clock, seen.append)
    if wait_s is not None and not dispatcher.has_results:
        raise click.UsageError("--wait needs celery.result_backend in the site file")
    ticket = Ticket(sent_ledger(settings.site.name, item.task_id), SENT_FIELD, None, "1", ttl_s=SENT_TTL_S)
    result: dict[str, Any] = {}
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(dispatcher.serve)
        try:
            await _enqueue(dispatcher, Order(ticket, item), seen)
            if wait_s is not None:
                result = await _result(dispatcher, item.task_id, wait_s)
        finally:
            await dispatcher.drain()
    return {"queue": dispatcher.queue_of(item.task, item.queue), "result": result}


async def _enqueue(dispatcher: CeleryDispatcher, order: Order, seen: Sequence[object]) -> None:
    """Have an order carried out; while no answer comes it is given again, which its ticket makes safe.

    ``seen`` is what the dispatcher tells meanwhile: why the broker was lost is repeated where the order fails.
    """
    assert order.item is not None  # a task is what this command sends
    was_sent = False
    with anyio.move_on_after(ANSWER_LIMIT_S):
        while True:
            [settlement] = await dispatcher.dispatch([order])
            if settlement.outcome in (Settled.ENQUEUED, Settled.ALREADY):
                return
            if settlement.outcome is Settled.INVALID:
                raise TaskRefused(settlement.found or "no worker could take this")
            was_sent = was_sent or settlement.outcome is not Settled.NOT_SENT
            await anyio.sleep(0.2)
    why = next((event.reason for event in reversed(seen) if isinstance(event, BrokerLost)), "")
    if was_sent:
        message = f"it is not known whether the task was enqueued: {why or 'the broker gave no answer'}"
        raise BrokerDown(message, hint=f"send it again with --id {order.item.task_id}: it happens once")
    message = f"nothing was enqueued: {why or f'the broker at {dispatcher.address} does not answer'}"
    raise BrokerDown(message)


async def _result(dispatcher: CeleryDispatcher, task_id: str, wait_s: float) -> dict[str, Any]:
    with anyio.move_on_after(wait_s):
        while True:
            metas = await dispatcher.results([task_id])
            meta = metas.get(task_id)
            if meta is not None and meta.is_ready:
                return {"state": meta.state, "result": meta.result}
            await anyio.sleep(0.05)
    return {"state": "PENDING", "result": None}


def _item(task: str, options: dict[str, Any]) -> WorkItem:
    now_us = SystemClock().now_us()
    countdown, eta, expires = options["countdown"], options["eta"], options["expires"]
    if countdown is not None and eta is not None:
        raise click.UsageError("--countdown and --eta exclude each other")
    eta_us = None if countdown is None else now_us + round(duration_s(countdown, "--countdown") * SECOND_US)
    if eta is not None:
        eta_us = instant_us(eta, "--eta")
    return WorkItem(
        task=Public(task),
        task_id=options["task_id"] or str(uuid.UUID(bytes=secrets.token_bytes(16), version=4)),
        args=_json(options["arguments"], list, "--args"),
        kwargs=_json(options["keywords"], dict, "--kwargs"),
        queue=Public(options["queue"]) if options["queue"] else None,
        priority=options["priority"],
        eta_us=eta_us,
        expires_at_us=None if expires is None else now_us + round(duration_s(expires, "--expires") * SECOND_US),
        headers=dict(_header(text) for text in options["headers"]),
    )


def _json(text: str, kind: type, option: str) -> Any:
    try:
        value = orjson.loads(text)
    except ValueError as error:
        raise click.UsageError(f"{option} is not JSON ({error})") from None
    if not isinstance(value, kind):
        raise click.UsageError(f"{option} must be a JSON {'list' if kind is list else 'object'}")
    return value


def _header(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.UsageError(f'--header "{text}": write NAME=VALUE')
    return name, value
