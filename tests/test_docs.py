"""The documents say what is so: links lead somewhere, examples are valid, tables are complete."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from daemon import errors, events
from daemon.cli.main import EXIT_INTERRUPTED, EXIT_USAGE
from daemon.log import _ACTIONS
from daemon.metrics import Metrics
from daemon.settings.section import Section
from daemon.settings.sections import Settings
from daemon.site import check_site

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(#[^)]*)?\)")
TOML_BLOCK = re.compile(r"```toml\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file(document: Path) -> None:
    targets = [match[0] for match in LINK.findall(document.read_text()) if not match[0].startswith("http")]
    assert [target for target in targets if not (document.parent / target).exists()] == []


def anchors_of(document: Path) -> set[str]:
    """Give the anchors of its headings, as they are made where the documents are read."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL), re.MULTILINE)
    return {"#" + re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_to_a_heading_finds_it(document: Path) -> None:
    found = re.findall(r"\[[^\]]*\]\(([^)#\s]*)(#[^)]+)\)", document.read_text())
    links = [
        (document.parent / target if target else document, anchor) for target, anchor in found if "://" not in target
    ]
    assert [(str(target), anchor) for target, anchor in links if anchor not in anchors_of(target)] == []


def test_the_index_of_the_api_names_every_chapter() -> None:
    chapters = {path.name for path in (ROOT / "docs" / "api").glob("*.md")} - {"README.md"}
    assert {match[0] for match in LINK.findall((ROOT / "docs" / "api" / "README.md").read_text())} >= chapters


def test_every_site_file_in_the_documents_passes_the_check(tmp_path: Path) -> None:
    blocks = [
        block for document in DOCUMENTS for block in TOML_BLOCK.findall(document.read_text()) if "[site]" in block
    ]
    assert blocks
    for number, block in enumerate(blocks):
        path = tmp_path / f"{number}.toml"
        path.write_text(block)
        checked = check_site(path, {})
        assert checked.site is not None, [str(problem) for problem in checked.problems]


def keys_of(model: type[BaseModel]) -> set[str]:
    """Collect every key of a section and the sections inside it."""
    keys = set()
    for name, field in model.model_fields.items():
        keys.add(field.alias or name)
        for inner in sections_in(field.annotation):
            keys |= keys_of(inner)
    return keys


def sections_in(annotation: Any) -> list[type[Section]]:
    if isinstance(annotation, type) and not get_args(annotation):
        return [annotation] if issubclass(annotation, Section) else []
    return [one for argument in get_args(annotation) for one in sections_in(argument)]


def test_the_site_file_page_names_every_key() -> None:
    page = (ROOT / "docs" / "site-file.md").read_text()
    assert sorted(key for key in keys_of(Settings) if not re.search(rf"\b{key}\b", page)) == []


@pytest.mark.parametrize("section", ["api", "health", "metrics", "tracing"])
def test_the_site_file_page_gives_the_defaults_that_hold(section: str) -> None:
    page = (ROOT / "docs" / "site-file.md").read_text()
    [table] = re.findall(rf"^## `\[{section}\]`\n(.*?)(?=^## )", page, re.MULTILINE | re.DOTALL)
    rows = re.findall(r"^\| (`.+?) \| (.+?) \|", table, re.MULTILINE)
    assert rows
    model = type(getattr(Settings.model_validate({"site": {"name": "a", "state_dir": "/a"}}), section))
    plain = model()
    for keys, defaults in rows:
        names = re.findall(r"`(\w+)`", keys)
        for name, default in zip(
            names, defaults.split(", ") if len(names) > 1 else [defaults] * len(names), strict=False
        ):
            given = getattr(plain, name)
            if default.startswith("`") and "=" not in default and default[1:-1] != "DATABASE_URL":
                value = tomllib.loads(f"x = {default[1:-1]}")["x"]
                assert getattr(model.model_validate({name: value}), name) == given, name
            else:
                assert given in (None, (), ""), name


def test_the_operations_page_names_every_metric() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    families = {
        family.name
        for family in Metrics("test", entries=1, feeds=1).registry.collect()
        if family.name.startswith("carillon_")
    }
    assert len(families) > 25
    assert sorted(family for family in families if family not in page) == []


def test_the_operations_page_explains_every_line_that_asks_someone_to_act() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    explained = set(re.findall(r"`([a-z-]+\.[a-z-]+)`", page))
    loud = {action for level, action in _ACTIONS.values() if level.name in ("ERROR", "WARNING") and action != "warning"}
    assert sorted(loud - explained) == []
    assert "BrokerLost" in vars(events)


def test_the_operations_page_explains_every_exit_code() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.DaemonError)]
    codes = {kind.exit_code for kind in kinds} | {0, 1, 2, EXIT_USAGE, 65, 77, EXIT_INTERRUPTED}
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)} == codes


def test_the_changelog_begins_with_the_version_of_the_project() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    first = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert first is not None
    assert first[1] == version
