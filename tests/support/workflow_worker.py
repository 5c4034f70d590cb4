"""A stock worker of any Celery version, with settings of any kind."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.worker import NEW, Worker


def workflow_worker(conf: Mapping[str, Any], *, python: Path = NEW) -> Worker:
    """Make a worker of ``tests/support/workflow_tasks.py`` with ``conf``, which names broker and back-end."""
    environment = {"WORKFLOW_CONF": json.dumps(conf)}
    return Worker(conf["broker_url"], queues="celery,q1", python=python, app="workflow_tasks", environment=environment)
