"""Whether the Celery side of a site can tell what feeds want to know before they answer."""

from __future__ import annotations

from daemon.dispatch.celery_side import CelerySide
from daemon.dispatch.kept_results import REPLIES
from daemon.dispatch.shared_messages import can_share
from daemon.settings import Problem, Settings
from daemon.settings.feed import FeedSection
from daemon.settings.problems import KeyPath
from shim.client.conf import foreign_results, redis_results
from shim.errors import BrokerUrlInvalid


def check_answers(settings: Settings, side: CelerySide) -> list[Problem]:
    """Find feeds that wait for results nobody keeps, or share messages where nobody can remember them."""
    problems = []
    for name, section in settings.feed.items():
        path: KeyPath = ("feed", str(name))
        if section.ack_when == "succeeded":
            problems += _results(path, section, side)
        if section.shared and not (side.is_embedded or _can_share(side)):
            text = "only with Redis can daemons tell each other of messages"
            problems.append(Problem((*path, "shared"), text, "leave it out"))
        if section.shared and side.is_embedded:
            text = "the private broker is this daemon's alone"
            problems.append(Problem((*path, "shared"), text, "write celery.broker_url, or leave it out"))
    return problems


def _results(path: KeyPath, section: FeedSection, side: CelerySide) -> list[Problem]:
    if not (side.is_embedded or _keeps_results(side)):
        text = "without a result back-end it is never known that a task succeeded"
        return [Problem((*path, "ack_when"), text, 'write celery.result_backend, or ack_when = "enqueued"')]
    ignored = sorted({str(route.task) for route in section.route if route.task and _is_ignored(str(route.task), side)})
    if not ignored:
        return []
    text = f"the results of {', '.join(ignored[:3])} are ignored, so that every answer would wait for ack_deadline"
    return [Problem((*path, "ack_when"), text, 'keep the results of these tasks, or write ack_when = "enqueued"')]


def _is_ignored(task: str, side: CelerySide) -> bool:
    said = side.options_of(task).get("ignore_result")
    return bool(side.conf.get("task_ignore_result") if said is None else said)


def _keeps_results(side: CelerySide) -> bool:
    try:
        foreign = foreign_results(side.conf)
        is_foreign = foreign is not None and foreign.partition("://")[0] not in REPLIES
        return is_foreign or redis_results(side.conf) is not None
    except BrokerUrlInvalid:
        return True  # named elsewhere


def _can_share(side: CelerySide) -> bool:
    try:
        return can_share(side)
    except BrokerUrlInvalid:
        return True
