"""The same application's schedule on Carillon, celery beat, django-celery-beat and RedBeat, at growing sizes.

    make bench ONLY=beat
    BEAT_SIZES=100,1000 make bench ONLY=beat      other sizes; what was measured of the rest before is kept

Each is started twice on an empty Valkey. With all entries due every second: how long from the start to the first dispatch,
and how many dispatches a second then. With entries due every hour: processor time of a minute without work, and memory.
Numbers go to ``docs/beside-beat.json``, and drawn to ``docs/beside-beat.svg``.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from benchmarks.measure import ROOT, Comparison, process, python, wait_until
from benchmarks.memory import resident_mib
from benchmarks.plot import Panel, svg
from tests.support.valkey import ValkeyServer

SIZES = tuple(int(size) for size in os.environ.get("BEAT_SIZES", "100,1000,10000,50000").split(","))
START_LIMIT_S = 120.0
"""Who has dispatched nothing by then is not waited for."""
SETTLE_LIMIT_S = 120.0
DUE_S, IDLE_S = 5.0, 10.0
QUIET, QUIET_SECONDS = 0.1, 4
"""A scheduler that uses less of a processor in so many seconds on end has settled."""
NUMBERS, PICTURE = ROOT / "docs" / "beside-beat.json", ROOT / "docs" / "beside-beat.svg"

APP = """
import os
from celery import Celery

app = Celery("bench", broker=os.environ["BENCH_URL"])
app.conf.redbeat_redis_url = os.environ["BENCH_URL"]
app.conf.result_expires = None
if "DJANGO_SETTINGS_MODULE" not in os.environ:
    every = float(os.environ["BENCH_EVERY"])
    app.conf.beat_schedule = {
        f"entry-{number}": {"task": "bench.tick", "schedule": every} for number in range(int(os.environ["BENCH_SIZE"]))
    }


@app.task(name="bench.tick")
def tick():
    pass
"""
SITE = """
[site]
name = "bench"
state_dir = "state"

[celery]
app = "bench_app"

[api]
listen = "127.0.0.1:0"
"""
DJANGO_SETTINGS = """
INSTALLED_APPS = ["django_celery_beat"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "beat.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
SECRET_KEY = "bench"
USE_TZ = True
"""
DJANGO_ROWS = """
import os
import django

django.setup()
from django.core.management import call_command
from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks

call_command("migrate", verbosity=0)
every = IntervalSchedule.objects.create(every=int(os.environ["BENCH_EVERY"]), period="seconds")
names = (f"entry-{number}" for number in range(int(os.environ["BENCH_SIZE"])))
PeriodicTask.objects.bulk_create(
    [PeriodicTask(name=name, task="bench.tick", interval=every) for name in names], batch_size=500
)
PeriodicTasks.update_changed()
"""


@dataclass(frozen=True)
class Cell:
    """What was measured of one scheduler at one size; ``None``: not within the limit."""

    first_s: float | None
    rate: float | None
    idle_cpu_s: float | None
    memory_mib: float | None


@dataclass(frozen=True)
class Scheduler:
    """One of those compared: its command, and what it needs before."""

    command: tuple[str, ...]
    prepare: Callable[[Path, dict[str, str]], None] | None = None
    variables: tuple[tuple[str, str], ...] = ()


def _django_rows(folder: Path, environment: dict[str, str]) -> None:
    (folder / "bench_settings.py").write_text(DJANGO_SETTINGS)
    subprocess.run(python("-c", DJANGO_ROWS), cwd=folder, env=environment, check=True)


def _beat(scheduler: str) -> tuple[str, ...]:
    return python("-m", "celery", "-A", "bench_app", "beat", "-S", scheduler, "-l", "ERROR")


SCHEDULERS = {
    "Carillon": Scheduler(python("-m", "daemon", "run", "-c", "site.toml", "--log-level", "error")),
    "celery beat": Scheduler(_beat("celery.beat.PersistentScheduler")),
    "django-celery-beat": Scheduler(
        _beat("django_celery_beat.schedulers.DatabaseScheduler"),
        _django_rows,
        (("DJANGO_SETTINGS_MODULE", "bench_settings"),),
    ),
    "RedBeat": Scheduler(_beat("redbeat.RedBeatScheduler")),
}


def run() -> list[Comparison]:
    cells = _known()
    with ValkeyServer() as server:
        for size in SIZES:
            for name, scheduler in SCHEDULERS.items():
                cells[name, size] = Cell(*_due(server, scheduler, size), *_idle(server, scheduler, size))
                print(f"  {name}, {size:,} entries: {cells[name, size]}", flush=True)
                _keep(cells)
    print(_table(cells))
    ours, theirs = ([cells[name, size].rate for size in SIZES] for name in ("Carillon", "celery beat"))
    pairs = [(mine, other) for mine, other in zip(ours, theirs, strict=True) if mine and other]
    what = "beside beat: dispatches of entries due every second"
    mine, others = [mine for mine, _ in pairs], [other for _, other in pairs]
    return [Comparison(what, "fire/s", mine, others, 1.0)] if pairs else []


def _due(server: ValkeyServer, scheduler: Scheduler, size: int) -> tuple[float | None, float | None]:
    """Give seconds from the start to the first dispatch, and dispatches a second from then on."""
    with _Running(server, scheduler, size, every_s=1) as running:
        try:
            wait_until(lambda: server.client.llen("celery") > 0, "dispatch", START_LIMIT_S)
        except AssertionError:
            return None, None
        first_s = time.perf_counter() - running.begun
        time.sleep(0.5)  # so that who keeps up is counted over five bursts, and not over six
        begun = time.perf_counter()
        before = server.client.llen("celery")
        time.sleep(DUE_S)
        return first_s, (server.client.llen("celery") - before) / (time.perf_counter() - begun)


def _idle(server: ValkeyServer, scheduler: Scheduler, size: int) -> tuple[float | None, float]:
    """Give processor seconds of a minute in which nothing is due, and what is held in memory."""
    with _Running(server, scheduler, size, every_s=3600) as running:
        quiet = 0
        while quiet < QUIET_SECONDS and time.perf_counter() - running.begun < SETTLE_LIMIT_S:
            quiet = quiet + 1 if running.cpu_s(1.0) < QUIET else 0
        used_s = running.cpu_s(IDLE_S)
        return used_s * 60 / IDLE_S, resident_mib(running.pid)


class _Running:
    """A scheduler that runs on an emptied server, in a folder of its own."""

    def __init__(self, server: ValkeyServer, scheduler: Scheduler, size: int, *, every_s: int) -> None:
        server.client.flushall()
        self._scheduler = scheduler
        self._folder = tempfile.TemporaryDirectory()
        self._environment = {
            **os.environ,
            "BENCH_URL": server.url,
            "BENCH_SIZE": str(size),
            "BENCH_EVERY": str(every_s),
            "PYTHONPATH": f"{self._folder.name}{os.pathsep}{ROOT}",
            **dict(scheduler.variables),
        }
        self._environment.pop("PYTHONSAFEPATH", None)

    def __enter__(self) -> Self:
        folder = Path(self._folder.name)
        (folder / "bench_app.py").write_text(APP)
        (folder / "site.toml").write_text(SITE)
        if self._scheduler.prepare is not None:
            self._scheduler.prepare(folder, self._environment)
        self.begun = time.perf_counter()
        self._process = process(*self._scheduler.command, folder=folder, environment=self._environment)
        self.pid = self._process.__enter__().pid
        return self

    def __exit__(self, *_: object) -> None:
        self._process.__exit__(None, None, None)
        self._folder.cleanup()

    def cpu_s(self, over_s: float) -> float:
        """Give the processor time it uses while ``over_s`` pass."""
        before = self._cpu_s()
        time.sleep(over_s)
        return self._cpu_s() - before

    def _cpu_s(self) -> float:
        """Add up the nanoseconds its threads have run, and those of the process that it asks the application with.

        The ticks of ``stat`` are too coarse for a process that sleeps.
        """
        threads = list(Path(f"/proc/{self.pid}/task").iterdir())
        children = [child for thread in threads for child in (thread / "children").read_text().split()]
        found = 0
        for thread in [*threads, *(Path(f"/proc/{child}") for child in children)]:
            with suppress(OSError):  # it has ended
                found += int((thread / "schedstat").read_text().split()[0])
        return found / 1e9


# -- what is kept and shown --------------------------------------------------------------------------------------------


def _known() -> dict[tuple[str, int], Cell]:
    if not NUMBERS.exists():
        return {}
    kept = json.loads(NUMBERS.read_text())
    return {(name, int(size)): Cell(**cell) for name, sizes in kept.items() for size, cell in sizes.items()}


def _keep(cells: dict[tuple[str, int], Cell]) -> None:
    kept: dict[str, dict[str, dict[str, float | None]]] = {}
    for name, size in sorted(cells, key=lambda key: (list(SCHEDULERS).index(key[0]), key[1])):
        rounded = {key: value and float(f"{value:.3g}") for key, value in asdict(cells[name, size]).items()}
        kept.setdefault(name, {})[str(size)] = rounded
    NUMBERS.write_text(json.dumps(kept, indent=1) + "\n")
    PICTURE.write_text(
        svg(
            (
                _panel(cells, "dispatches a second, all due every second", lambda cell: cell.rate),
                _panel(cells, "seconds from start to first dispatch", lambda cell: cell.first_s),
                _panel(cells, "memory, MiB", lambda cell: cell.memory_mib),
            )
        )
    )


def _panel(cells: dict[tuple[str, int], Cell], title: str, value: Callable[[Cell], float | None]) -> Panel:
    lines: dict[str, list[tuple[float, float]]] = {name: [] for name in SCHEDULERS}
    for (name, size), cell in cells.items():
        found = value(cell)
        if found:
            lines[name].append((size, found))
    return Panel(title, lines)


def _table(cells: dict[tuple[str, int], Cell]) -> str:
    """Write the table of docs/benchmarks.md."""
    lines = [
        "| entries | | start to first dispatch | dispatches a second | processor, idle minute | memory |",
        "|---|---|---|---|---|---|",
    ]
    for size in sorted({size for _, size in cells}):
        for name in SCHEDULERS:
            cell = cells.get((name, size))
            if cell is not None:
                shown = (
                    _shown(cell.first_s, "s", f"none within {START_LIMIT_S:g} s"),
                    _shown(cell.rate, "", "-"),
                    _shown(cell.idle_cpu_s, "s", "-"),
                    _shown(cell.memory_mib, "MiB", "-"),
                )
                lines.append(f"| {size:,} | {name} | {' | '.join(shown)} |")
    return "\n".join(lines)


def _shown(value: float | None, unit: str, otherwise: str) -> str:
    if value is None:
        return otherwise
    text = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return f"{text} {unit}".rstrip()
