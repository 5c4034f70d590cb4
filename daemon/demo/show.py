"""The demo from the first process to the last line."""

from __future__ import annotations

import json
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import aiohttp
import anyio
from redis.exceptions import RedisError

from daemon.clock import SystemClock, instant
from daemon.demo.children import Child, DemoUnavailable, child_environment, files_of, refuse_missing, refuse_taken
from daemon.demo.guest import Guest
from daemon.demo.screen import EntryLine, Picture
from daemon.demo.tally import Tally
from daemon.demo.watch import QUEUE, Seen, Watch
from daemon.embedded_broker import URL_FILE
from daemon.sender.acknowledgement import read_acknowledgement
from daemon.sender.client import MllpClient
from daemon.sender.simulate import Hospital
from daemon.site import Site, check_site

START_LIMIT_S = 60.0
SETTLE_LIMIT_S = 60.0
LOOK_EVERY_S = 0.25
RATE_PER_S = 25.0
_OK = 200
_GONE = (OSError, aiohttp.ClientError, RedisError, KeyError)


class Demo:
    """Runs the demo and keeps its picture up to date."""

    def __init__(self, seconds: float | None, rate_per_s: float = RATE_PER_S) -> None:
        """Find the demo's files and look for what it needs.

        Raises:
            DaemonError: something is missing, or a port is taken.
        """
        refuse_missing()
        self._config = files_of("config") / "demo.toml"
        self._examples = files_of("examples") / "demo"
        self._state_dir = Path(tempfile.gettempdir()) / f"carillon-demo-{secrets.token_hex(4)}"
        self._overrides = {"CARILLON_SITE__STATE_DIR": str(self._state_dir)}
        self._site = _site(self._config, self._overrides)
        self._feed = self._site.feeds[0]
        self._api = self._site.settings.api.listen
        refuse_taken(self._feed.peers.listen[0], "the demo's feed")
        refuse_taken(self._api, "the demo's API")
        self._clock = SystemClock()
        self._guest = Guest(self._state_dir, self._clock)
        self._seconds = seconds
        self._rate_per_s = rate_per_s
        self._sent = self._acked = self._done = 0
        self._stop_sending = anyio.Event()
        self._worker_ready = anyio.Event()
        self._begun_s = time.monotonic()
        lines = {str(one.name): EntryLine(_words(self._site, str(one.name))) for one in self._site.entries}
        self.picture = Picture(lines, limit_s=seconds)

    async def run(self, on_change: Callable[[], None]) -> Tally:
        """Start everything, send, stop, wait until all is done, and give the final numbers.

        Raises:
            DemoUnavailable: a process does not come up, or ends too soon.
        """
        self._state_dir.mkdir(mode=0o700)
        self._guest.invite()
        try:
            async with AsyncExitStack() as stack, aiohttp.ClientSession() as http:
                daemon, worker = await self._start(stack)
                watch = Watch(self._api, self._broker_url(), self._state_dir)
                stack.push_async_callback(watch.close)
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(daemon.read_lines)
                    tasks.start_soon(worker.read_lines)
                    tasks.start_soon(self._keep_watch, watch, http, on_change)
                    await self._until(self._worker_ready, worker, "the Celery worker")
                    self.picture.stage = "running"
                    self._begun_s = time.monotonic()
                    await self._send_for_a_while(daemon, worker)
                    self.picture.stage = "draining"
                    final = await self._settle(watch, http)
                    tasks.cancel_scope.cancel()
                self.picture.stage = "stopping"
                return final
        finally:
            shutil.rmtree(self._state_dir, ignore_errors=True)

    @property
    def beside(self) -> str:
        """A command that looks at the demo's feeds while it runs."""
        [(name, value)] = self._overrides.items()
        return f"{name}={value} carillon feeds list -c {self._config}"

    @property
    def dashboard(self) -> str:
        """An address that signs a browser in while it runs."""
        return f"http://{self._api}/#token={self._guest.text}"

    def stop(self) -> None:
        """Stop sending; what was sent is waited for."""
        self._stop_sending.set()

    # -- start ---------------------------------------------------------------------------------------------------------

    async def _start(self, stack: AsyncExitStack) -> tuple[Child, Child]:
        environment = child_environment(**self._overrides)
        command = [sys.executable, "-m", "daemon", "run", "-c", str(self._config)]
        daemon = await Child.start(
            "daemon",
            [*command, "--log-format", "json", "--log-level", "debug"],
            folder=Path.cwd(),
            environment=environment,
            on_line=self._daemon_line,
        )
        stack.push_async_callback(daemon.stop)
        await self._until_ready(daemon)
        self.picture.note("worker", f"celery -A bedboard worker -Q {QUEUE} -c 1 -E")
        worker = await Child.start(
            "worker",
            [
                *(sys.executable, "-m", "celery", "-A", "bedboard", "worker", "-Q", QUEUE, "-c", "1"),
                *("-E", "--loglevel", "INFO", "--without-gossip", "--without-mingle"),
            ],
            folder=self._examples,
            environment={**environment, "CELERY_BROKER_URL": self._broker_url(), "PYTHONPATH": str(self._examples)},
            on_line=self._worker_line,
        )
        stack.push_async_callback(worker.stop)
        return daemon, worker

    async def _until_ready(self, daemon: Child) -> None:
        url = f"http://{self._api}/readyz"
        with anyio.move_on_after(START_LIMIT_S):
            async with aiohttp.ClientSession() as http, anyio.create_task_group() as tasks:
                tasks.start_soon(daemon.read_lines)
                while not daemon.has_ended:
                    with suppress(OSError, aiohttp.ClientError):
                        async with http.get(url) as response:
                            if response.status == _OK:
                                tasks.cancel_scope.cancel()
                                return
                    await anyio.sleep(0.05)
        message = f"the daemon did not come up ({daemon.last_line or 'no output'})"
        raise DemoUnavailable(message)

    async def _until(self, event: anyio.Event, child: Child, what: str) -> None:
        with anyio.move_on_after(START_LIMIT_S):
            while not event.is_set() and not child.has_ended:
                with anyio.move_on_after(0.2):
                    await event.wait()
            if event.is_set():
                return
        message = f"{what} did not come up"
        raise DemoUnavailable(message, hint="run its command by hand to see why")

    def _broker_url(self) -> str:
        return (self._state_dir / URL_FILE).read_text().strip()

    # -- lines of the children -----------------------------------------------------------------------------------------

    def _daemon_line(self, text: str) -> None:
        try:
            record: dict[str, Any] = json.loads(text)
        except ValueError:
            return
        action, level = record.get("action"), record.get("level")
        if action == "occurrence.enqueued":
            entry = self.picture.entries.get(record["entry"])
            if entry is not None:
                entry.fired += 1
                entry.lateness_s = record["lateness_s"]
                self.picture.lateness_s.append(record["lateness_s"])
                self.picture.note("entry", f"{record['entry']}  enqueued {record['lateness_s'] * 1000:+.1f} ms")
        elif level in ("warning", "error"):
            self.picture.note("warn", f"{action}  {record.get('reason') or record.get('error') or ''}")

    def _worker_line(self, text: str) -> None:
        if text.endswith(" ready."):
            self.picture.worker = "ready"
            self._worker_ready.set()
        elif "succeeded in" in text:
            name, _, rest = text.partition("Task ")[2].partition("[")
            took = rest.partition("succeeded in ")[2].partition("s:")[0]
            self._done += 1
            if self._done % 10 == 0 or "record" not in name:
                self.picture.note("worker", f"{name}  ran {float(took) * 1000:.1f} ms")

    # -- sending -------------------------------------------------------------------------------------------------------

    async def _send_for_a_while(self, daemon: Child, worker: Child) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._send)
            with anyio.move_on_after(self._seconds if self._seconds is not None else float("inf")):
                while not self._stop_sending.is_set():
                    for child in (daemon, worker):
                        if child.has_ended:
                            message = f"the {child.name} ended by itself"
                            raise DemoUnavailable(message)
                    with anyio.move_on_after(0.2):
                        await self._stop_sending.wait()
            self._stop_sending.set()

    async def _send(self) -> None:
        hospital = Hospital(seed=self._clock.now_us() & 0xFFFF)
        due_s = time.monotonic()
        async with MllpClient(self._feed.peers.listen[0]) as client:
            while not self._stop_sending.is_set():
                message = hospital.next_message(instant(self._clock.now_us()))
                self._sent += 1
                begun_s = time.monotonic()
                reply = read_acknowledgement(await client.send(message))
                took_s = time.monotonic() - begun_s
                self._acked += reply.is_positive
                self.picture.ack_s.append(took_s)
                if self._sent % 10 == 1:
                    kind = message.split(b"|", 9)[8].decode("ascii").rsplit("^", 1)[0]
                    self.picture.note("hl7", f"{kind}  stored and {reply.code} in {took_s * 1000:.1f} ms")
                due_s = max(due_s + 1 / self._rate_per_s, begun_s)
                with anyio.move_on_after(max(due_s - time.monotonic(), 0)):
                    await self._stop_sending.wait()

    # -- watching ------------------------------------------------------------------------------------------------------

    async def _keep_watch(self, watch: Watch, http: aiohttp.ClientSession, on_change: Callable[[], None]) -> None:
        second, before = -1, Tally()
        while True:
            with suppress(*_GONE):  # between two states of a process; the next look tells
                self._take(await watch.look(http))
            self.picture.elapsed_s = time.monotonic() - self._begun_s
            if int(self.picture.elapsed_s) != second:
                second, tally = int(self.picture.elapsed_s), self.picture.tally
                self.picture.acked_per_second.append(tally.acked - before.acked)
                self.picture.done_per_second.append(tally.succeeded - before.succeeded)
                before = tally
            on_change()
            await anyio.sleep(LOOK_EVERY_S)

    def _take(self, seen: Seen) -> Tally:
        self.picture.wards = seen.wards
        self.picture.tally = Tally(
            sent=self._sent,
            acked=self._acked,
            spooled=seen.spooled,
            fires=seen.fires,
            succeeded=seen.succeeded,
            failed=seen.failed,
            queued=seen.queued,
            waiting=seen.waiting,
            by_hand=seen.by_hand,
        )
        return self.picture.tally

    async def _settle(self, watch: Watch, http: aiohttp.ClientSession) -> Tally:
        """Wait for a moment in which everything adds up; entries go on firing meanwhile."""
        tally = self.picture.tally
        with anyio.move_on_after(SETTLE_LIMIT_S):
            while True:
                try:
                    before, after = await watch.look(http), await watch.look(http)
                except _GONE:
                    await anyio.sleep(LOOK_EVERY_S)
                    continue
                tally = self._take(after)
                if tally.adds_up and before.fires == after.fires:
                    return tally
                await anyio.sleep(0.05)
        return tally


def _site(config: Path, overrides: dict[str, str]) -> Site:
    checked = check_site(config, overrides)
    if checked.site is None:
        message = f"the demo's site file is not right: {checked.problems[0]}"
        raise DemoUnavailable(message, hint=f"carillon check -c {config}")
    return checked.site


def _words(site: Site, name: str) -> str:
    section = site.settings.schedule[next(key for key in site.settings.schedule if key == name)]
    return f'cron "{section.cron}"' if section.cron is not None else f"every {section.every:g} s"
