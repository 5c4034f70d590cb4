"""``carillon send``: one task, now."""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from daemon.cli.celery_side import ask
from daemon.cli.held import hold_task, is_to_be_held
from daemon.cli.json_text import json_text
from daemon.cli.options import duration_s, instant_us, site_option
from daemon.cli.recording import deed
from daemon.cli.runtime_side import author_or_user
from daemon.clock import instant
from daemon.deeds import DeedKind
from daemon.dispatch import Client, LinkTo, TaskMeta, TaskUncertain, TaskUnsent
from daemon.errors import BrokerDown
from daemon.public import escaped
from daemon.site import Site

ANSWER_LIMIT_S = 10.0
EXIT_FAILED = 1
NOT_GOOD = ("FAILURE", "REVOKED", "PENDING", "UNREADABLE")


@click.command()
@site_option()
@click.argument("task")
@click.option("--args", "arguments", metavar="JSON", default="[]", help="Positional arguments, a JSON list.")
@click.option("--kwargs", "keywords", metavar="JSON", default="{}", help="Keyword arguments, a JSON object.")
@click.option("--queue", help="Instead of what the routes say.")
@click.option("--exchange", help="With --routing-key: to every queue of task_queues that is bound so.")
@click.option("--routing-key", metavar="KEY")
@click.option("--priority", type=click.IntRange(0, 9), help="On Redis 0 is served first, on RabbitMQ last.")
@click.option("--countdown", metavar="S", help="Run no earlier than so many seconds from now.")
@click.option("--eta", metavar="INSTANT", help="Run no earlier than this instant (ISO 8601 with offset).")
@click.option(
    "--direct-eta", "direct", is_flag=True, help="Let a worker hold it until then; on Redis the schedule does."
)
@click.option("--expires", metavar="S", help="Do not run later than so many seconds from now.")
@click.option("--time-limit", metavar="S", help="The process of the task is ended after so long.")
@click.option("--soft-time-limit", metavar="S", help="The task gets SoftTimeLimitExceeded after so long.")
@click.option("--retries", type=click.IntRange(0), help="As if it had been tried so often before.")
@click.option("--ignore-result/--keep-result", default=None, help="Instead of what the task says.")
@click.option("--shadow", metavar="NAME", help="What logs and Flower call it.")
@click.option("--serializer", type=click.Choice(("json", "yaml", "msgpack")), help="The workers must accept it.")
@click.option("--compression", type=click.Choice(("gzip", "bzip2", "lzma", "zstd", "brotli")))
@click.option("--header", "headers", metavar="K=V", multiple=True, help="A header the task sees in its request.")
@click.option("--stamp", "stamps", metavar="K=V", multiple=True, help="A mark for tasks cancel --stamp.")
@click.option("--link", metavar="TASK", multiple=True, help="Sent with the result when it has succeeded.")
@click.option("--link-error", metavar="TASK", multiple=True, help="Sent or called when it has failed.")
@click.option(
    "--id", "task_id", metavar="ID", help="Instead of a random one; the same id within ten minutes is sent once."
)
@click.option("--wait", metavar="S", is_flag=False, flag_value="60", help="Wait for the result, so many seconds. [60]")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def send(*, site_file: Path, task: str, as_json: bool, wait: str | None, **given: Any) -> None:
    """Send a task to the workers of a site and print its id.

    The broker is asked directly; no daemon is needed, but for --countdown and --eta on Redis: the daemons send the task at its
    time. Exits with 69 if it cannot be said that the task was enqueued, and
    with --wait with 1 if the task failed.
    """
    arguments = _json(given["arguments"], list, "--args")
    keywords = _json(given["keywords"], dict, "--kwargs")
    options = _options(given)
    task_id = given["task_id"] or str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))
    wait_s = None if wait is None else duration_s(wait, "--wait")
    due: list[datetime] = []

    async def work(client: Client, site: Site) -> tuple[tuple[str, ...], TaskMeta | None]:
        if wait_s is not None and client.results is None:
            raise click.UsageError("--wait needs celery.result_backend in the site file")
        if is_to_be_held(site, options, direct=given["direct"]):
            due.append(await hold_task(site, task, arguments, keywords, task_id=task_id, options=options))
            return (), None if wait_s is None else await client.wait(task_id, timeout_s=wait_s)
        try:
            sent = await client.send(task, arguments, keywords, task_id=task_id, timeout_s=ANSWER_LIMIT_S, **options)
        except TaskUncertain as error:
            message = f"it is not known whether the task was enqueued: {error}"
            hint = f"send it again with --id {task_id}: it happens once" if client.sends_once else error.hint
            raise BrokerDown(message, hint=hint) from None
        except TaskUnsent as error:
            message = f"nothing was enqueued: {error}"
            raise BrokerDown(message, hint=error.hint) from None
        meta = None if wait_s is None else await client.wait(task_id, timeout_s=wait_s)
        return sent.queues, meta

    sending = deed(DeedKind.TASK_SENT, task, author_or_user(None), after=task_id)
    queues, meta = ask(site_file, work, deed=sending)
    state = "PENDING" if meta is None else meta.state
    result = None if meta is None else meta.result
    if as_json:
        found: dict[str, Any] = {"task_id": task_id, "queue": queues[0] if len(queues) == 1 else None, "queues": queues}
        found |= {"held_until": due[0]} if due else {}
        click.echo(json_text(found if wait is None else {**found, "state": state, "result": result}))
    else:
        click.echo(task_id)
        if wait is not None:
            click.echo(f"{escaped(state)}  {json_text(result)}")
    if wait_s is not None and meta is None:
        click.echo(f"no result within {wait_s:g} s; ask later: carillon tasks show {escaped(task_id)}", err=True)
    if wait is not None and state in NOT_GOOD:
        raise click.exceptions.Exit(EXIT_FAILED)


def _options(given: dict[str, Any]) -> dict[str, Any]:
    if given["countdown"] is not None and given["eta"] is not None:
        raise click.UsageError("--countdown and --eta exclude each other")
    options = {name: given[name] for name in ("queue", "exchange", "routing_key", "priority", "retries", "ignore_result",
                                              "shadow", "serializer", "compression")}  # fmt: skip
    for name in ("countdown", "expires", "time_limit", "soft_time_limit"):
        if given[name] is not None:
            options[name] = duration_s(given[name], f"--{name.replace('_', '-')}")
    if given["eta"] is not None:
        options["eta"] = _at(given["eta"])
    options["headers"] = dict(_pair(text, "--header") for text in given["headers"]) or None
    options["stamps"] = dict(_pair(text, "--stamp") for text in given["stamps"]) or None
    options["link"] = _links(given["link"])
    options["link_error"] = _links(given["link_error"])
    return {name: value for name, value in options.items() if value is not None}


def _at(text: str) -> datetime:
    return instant(instant_us(text, "--eta"))


def _links(names: Sequence[str]) -> list[LinkTo] | None:
    return [LinkTo(name) for name in names] or None


def _json(text: str, kind: type, option: str) -> Any:
    try:
        value = json.loads(text)  # orjson turns integers beyond 64 bits into floats
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"{option} is not JSON ({error})") from None
    if not isinstance(value, kind):
        raise click.UsageError(f"{option} must be a JSON {'list' if kind is list else 'object'}")
    return value


def _pair(text: str, option: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.UsageError(f'{option} "{text}": write NAME=VALUE')
    return name, value
