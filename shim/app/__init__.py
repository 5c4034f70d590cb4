"""The user's Celery app as a source: its settings, routes, tasks and schedule, asked in its own interpreter."""

from shim.app.address import AppAddress, app_environment
from shim.app.app_router import AppRouter
from shim.app.asking import ask_app
from shim.app.beat import BeatEntry, Clocked, Crontab, Interval, OtherSchedule, Rule, Schedule, Solar
from shim.app.errors import AppBroken, AppEnded, AppError, AppNotAnswered, FactsInvalid, RouteUndecided
from shim.app.facts import AppFacts, Sources, parse_facts
from shim.app.source import AppSource
from shim.app.tasks import DeclaredTask, KnownTask, Parameter, declared_tasks, task_options

__all__ = [
    "AppAddress",
    "AppBroken",
    "AppEnded",
    "AppError",
    "AppFacts",
    "AppNotAnswered",
    "AppRouter",
    "AppSource",
    "BeatEntry",
    "Clocked",
    "Crontab",
    "DeclaredTask",
    "FactsInvalid",
    "Interval",
    "KnownTask",
    "OtherSchedule",
    "Parameter",
    "RouteUndecided",
    "Rule",
    "Schedule",
    "Solar",
    "Sources",
    "app_environment",
    "ask_app",
    "declared_tasks",
    "parse_facts",
    "task_options",
]
