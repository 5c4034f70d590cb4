"""Celery apps written into folders of their own, and addresses of them."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from textwrap import dedent

from shim.app import AppAddress, app_environment

ROOT = Path(__file__).parents[2]
SERIES = {
    "5.7": Path(sys.executable),
    **{f"5.{minor}": ROOT / f".venv-celery5{minor}" / "bin" / "python" for minor in (3, 4, 5, 6)},
}


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write files, given by relative path, their text indented as it stands in the test."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    return folder


def address(folder: Path, app: str = "app", *, series: str = "5.7", **environment: str) -> AppAddress:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("CELERY_", "DJANGO_"))}
    return AppAddress(str(SERIES[series]), app, str(folder), app_environment(inherited, environment))


PLAIN: dict[str, str] = {
    "app.py": """
        import re
        import sys
        from datetime import datetime, timedelta

        from celery import Celery
        from celery.schedules import crontab, schedule
        from kombu import Exchange, Queue, binding
        from kombu.common import Broadcast

        print("an app may print " * 10_000)
        sys.stderr.write("and complain\\n")
        media = Exchange("media", type="topic")
        app = Celery("plain", broker="redis://:pass@broker/3", backend="redis://results/4")


        class Moon(schedule):
            pass


        app.conf.update(
            include=["more"],
            task_queues=[
                Queue("a"), Queue("video", media, routing_key="video.#"), Broadcast("bcast"),
                Queue("many", [binding(media, routing_key="x.*"), binding(media, routing_key="y")]),
                Queue("brief", expires=60, max_priority=5, message_ttl=1.5),
            ],
            task_routes=(
                {"plain.*": {"queue": "a", "priority": 3}, re.compile("more.(x|y)", re.I): "video"},
                [("spot.*", {"queue": Queue("spot"), "exchange": media})],
                "more.route_it",
            ),
            beat_schedule={
                "cron": {"task": "plain.add", "schedule": crontab(minute={30, 0}, hour="*/2", day_of_week=1),
                         "args": (datetime(2026, 1, 2), 3), "kwargs": {"k": [1]}, "options": {"queue": "a", "expires": 3.5}},
                "float": {"task": "plain.add", "schedule": 30.0, "relative": True},
                "delta": {"task": "plain.add", "schedule": timedelta(hours=1)},
                "moon": {"task": "plain.add", "schedule": Moon(5)},
                "fancy": {"task": "plain.add", "schedule": crontab(nowfun=datetime.now)},
            },
            timezone="Europe/Berlin",
            task_default_priority=4,
            broker_transport_options={"global_keyprefix": "p:", "priority_steps": [0, 5]},
        )


        @app.on_after_finalize.connect
        def periodic(sender, **options):
            sender.add_periodic_task(10.0, add.s(1, 2), name="added")


        @app.task(name="plain.add", priority=7, expires=10, time_limit=5, soft_time_limit=4, ignore_result=True)
        def add(a, b=1, *, c=2):
            return a + b


        @app.task(bind=True)
        def bound(self, a):
            return a
        """,
    "more.py": """
        import os
        import sys
        import time

        from celery import shared_task


        @shared_task
        def extra():
            pass


        def route_it(name, args, kwargs, options, task=None, **more):
            if name == "raise":
                raise ValueError(args)
            if name == "die":
                print(args, file=sys.stderr, flush=True)
                os._exit(7)
            if name == "die once":
                if not os.path.exists("died"):
                    open("died", "w").close()
                    os._exit(7)
                return "a"
            if name == "hang":
                time.sleep(3600)
            if name == "garbage":
                return {"queue": object()}
            if args and args[0] == "media":
                return {"queue": "video", "routing_key": kwargs.get("key", "video.x"), "expires": 5}
            if options.get("queue") is not None:
                return {"priority": 9, "saw": options["queue"].name}
            return None
        """,
}

DJANGO: dict[str, str] = {
    "site_/__init__.py": "from site_.celery import app\n",
    "site_/celery.py": """
        import os

        from celery import Celery

        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_.settings")
        app = Celery("site_")
        app.config_from_object("django.conf:settings", namespace="CELERY")
        app.autodiscover_tasks()
        """,
    "site_/settings.py": """
        SECRET_KEY = "x"
        INSTALLED_APPS = ["django.contrib.contenttypes", "wards"]
        TIME_ZONE = "Europe/Paris"
        USE_TZ = True
        CELERY_BROKER_URL = "redis://broker/1"
        CELERY_TASK_ROUTES = {"wards.tasks.*": {"queue": "wards"}}
        CELERY_TIMEZONE = "Europe/Paris"
        """,
    "wards/__init__.py": "",
    "wards/models.py": """
        from django.db import models


        class Ward(models.Model):
            name = models.TextField()
        """,
    "wards/tasks.py": """
        from celery import shared_task

        from wards.models import Ward


        @shared_task(queue="beds", priority=2)
        def count(ward, *, full=False):
            return Ward.__name__
        """,
}


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def marked(name: str) -> list[int]:
    """Find the live processes whose environment holds a variable of that name."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                if f"{name}=".encode() in (folder / "environ").read_bytes() and alive(int(folder.name)):
                    found.append(int(folder.name))
    return found
