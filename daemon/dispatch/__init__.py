"""The way to the Celery side. The only package of the daemon that knows ``shim``."""

from daemon.dispatch.addresses import check_addresses, check_gates, check_runs
from daemon.dispatch.answer_checks import check_answers
from daemon.dispatch.application import Asked, ask_application
from daemon.dispatch.beat_node import BeatNode, wants_beat_node
from daemon.dispatch.celery_side import EMBEDDED, CelerySide, celery_side
from daemon.dispatch.choice import SiteDispatcher, make_dispatcher
from daemon.dispatch.client import as_daemon_error, open_site_client
from daemon.dispatch.dispatcher import LOOK_EVERY_S, BrokerState, CeleryDispatcher
from daemon.dispatch.history_stream import make_history_source
from daemon.dispatch.messages import check_items
from daemon.dispatch.presence import make_presence
from daemon.dispatch.queue_rows import QueueRow, list_queues, site_queues
from daemon.dispatch.run_watch import RunWatch
from daemon.dispatch.runtime_store import RedisRuntimeStore, make_runtime_store, open_runtime_store
from daemon.dispatch.sent_tasks import SentTask, SentTasks
from daemon.dispatch.shared_messages import RedisSharedMessages
from daemon.dispatch.task_outcomes import CeleryOutcomes
from daemon.dispatch.task_rows import HeldTask, TaskStanding, list_held, standings
from daemon.dispatch.telling import Told, audience_of, tell
from daemon.dispatch.worker_rows import WorkerRow, Workers, list_workers
from shim.client import Client
from shim.errors import BrokerUnavailable as TaskUnsent
from shim.errors import PublishUncertain as TaskUncertain
from shim.queues import QueuedMessage
from shim.results import TaskMeta
from shim.signature import Signature as LinkTo

__all__ = [
    "EMBEDDED",
    "LOOK_EVERY_S",
    "Asked",
    "BeatNode",
    "BrokerState",
    "CeleryDispatcher",
    "CeleryOutcomes",
    "CelerySide",
    "Client",
    "HeldTask",
    "LinkTo",
    "QueueRow",
    "QueuedMessage",
    "RedisRuntimeStore",
    "RedisSharedMessages",
    "RunWatch",
    "SentTask",
    "SentTasks",
    "SiteDispatcher",
    "TaskMeta",
    "TaskStanding",
    "TaskUncertain",
    "TaskUnsent",
    "Told",
    "WorkerRow",
    "Workers",
    "as_daemon_error",
    "ask_application",
    "audience_of",
    "celery_side",
    "check_addresses",
    "check_answers",
    "check_gates",
    "check_items",
    "check_runs",
    "list_held",
    "list_queues",
    "list_workers",
    "make_dispatcher",
    "make_history_source",
    "make_presence",
    "make_runtime_store",
    "open_runtime_store",
    "open_site_client",
    "site_queues",
    "standings",
    "tell",
    "wants_beat_node",
]
