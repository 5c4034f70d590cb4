"""``examples/progress``: a page that follows a task through a backend of its own, without a token in the browser."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.builders import site_text, write_site
from tests.support.process import ROOT, DaemonProcess
from tests.support.tokens import add_token
from tests.support.valkey import ValkeyServer, free_port
from tests.support.worker import Worker


@contextmanager
def backend(address: str, token: str, port: int) -> Iterator[str]:
    environment = {**os.environ, "CARILLON_URL": f"http://{address}", "CARILLON_TOKEN": token, "PORT": str(port)}
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "examples" / "progress" / "backend.py")],
        env={**environment, "TASK": "results.steps", "STEPS": "2"},
        stdout=subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


async def page_of(http: aiohttp.ClientSession, url: str) -> str:
    deadline = time.monotonic() + 30.0
    while True:
        try:
            async with http.get(url) as answer:
                return await answer.text()
        except aiohttp.ClientConnectionError:
            assert time.monotonic() < deadline, "the backend does not answer"


@pytest.mark.anyio
async def test_the_browser_sees_each_step_and_never_the_token(valkey: ValkeyServer, tmp_path: Path) -> None:
    text = site_text(broker_url=valkey.url, celery=f'result_backend = "{valkey.url}"')
    site = write_site(tmp_path, text)
    seen: list[dict[str, Any]] = []
    with DaemonProcess(site) as daemon, Worker(valkey.url, app="result_tasks"):
        daemon.ready()
        token = add_token(tmp_path / "state", "render-page", "nobody", results=True)
        with backend(daemon.wait_for("api.listening")["address"], token, free_port()) as url:
            async with aiohttp.ClientSession() as http:
                assert token not in await page_of(http, url)
                async with http.post(f"{url}/jobs") as answer:
                    job = await answer.json()
                    assert answer.status == 202, job
                async with http.ws_connect(f"{url}/jobs/{job['id']}") as socket:
                    async for frame in socket:
                        seen.append(json.loads(frame.data))
                        if seen[-1]["data"]["state"] == "PROGRESS":
                            valkey.client.rpush("gate", "go")
    steps = [one["data"]["progress"] for one in seen if one["data"]["state"] == "PROGRESS"]
    assert steps == [0, 50]
    assert (seen[-1]["type"], seen[-1]["data"]["state"], seen[-1]["data"]["result"]) == ("complete", "SUCCESS", "done")
    assert socket.close_code == 1000
