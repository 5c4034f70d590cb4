"""The files of the page: what is served, under which names, and that what others wrote is what they published."""

from __future__ import annotations

import re
import tomllib
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import pytest

from daemon.api.dashboard.assets import INDEX, assets_of, hash_of, read_assets
from daemon.api.dashboard.resources import FOREVER, POLICY, SCREENS, dashboard_resources
from daemon.api.http.caller import Role
from tests.support.api_serving import asking

WEB = Path(str(files("daemon.api") / "web"))
OURS = sorted((WEB / "app").glob("*.js"))
VENDOR = tomllib.loads((WEB / "vendor" / "vendor.toml").read_text())["package"]
LINES_LIMIT = 300
BANNED = (
    "dangerouslySetInnerHTML",
    "innerHTML",
    "outerHTML",
    "insertAdjacentHTML",
    "document.write",
    "eval(",
    "new Function",
    'setAttribute("style"',
)
STYLE_TEXT = re.compile(r"""<[a-z][^>]*\sstyle=["']""")
IMPORT = re.compile(r'(?:^import\s[^"\n]*?|\}\s?from\s?)"([^"\n]+)"', re.MULTILINE)


@pytest.mark.parametrize(
    "listed", [(one["name"], part) for one in VENDOR for part in one["files"]], ids=lambda one: one[1]["file"]
)
def test_what_others_wrote_is_what_the_table_says(listed: tuple[str, dict[str, str]]) -> None:
    _, part = listed
    assert sha256((WEB / "vendor" / part["file"]).read_bytes()).hexdigest() == part["sha256"]


def test_the_table_names_every_file_and_a_licence_for_each_package() -> None:
    named = {part["file"] for one in VENDOR for part in one["files"]}
    assert named | {"vendor.toml"} == {path.name for path in (WEB / "vendor").iterdir()}
    for one in VENDOR:
        assert one["licence"] in {"MIT", "Apache-2.0"}
        assert any(part["file"].endswith(".LICENSE") for part in one["files"])


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_a_module_is_short_and_writes_no_markup_as_text(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= LINES_LIMIT
    assert text.startswith("//")
    for word in BANNED:
        assert word not in text, word
    assert not STYLE_TEXT.search(text)


@pytest.mark.parametrize("path", [*OURS, *sorted((WEB / "vendor").glob("*.mjs"))], ids=lambda path: path.name)
def test_a_module_imports_only_files_that_are_there(path: Path) -> None:
    for name in IMPORT.findall(path.read_text()):
        assert name.startswith("."), name
        assert (path.parent / name).resolve().is_file(), name


def test_the_page_has_nothing_inline_and_nothing_from_elsewhere() -> None:
    page = (WEB / INDEX).read_text()
    assert not re.search(r"<script(?![^>]*\ssrc=)", page)
    assert "<style" not in page
    assert not re.search(r"\s(style|on[a-z]+)=", page)
    assert "//" not in re.sub(r"<!--.*?-->", "", page).replace("<!doctype", "")


def test_styles_fetch_nothing_and_take_colours_from_the_tokens() -> None:
    for path in WEB.glob("*.css"):
        text = path.read_text()
        assert "url(" not in text
        assert "@import" not in text
        if path.name != "app.css":
            assert not re.search(r"#[0-9a-fA-F]{3,8}\b(?!-)", text), path.name


def test_the_name_changes_with_any_byte_or_name() -> None:
    found = {INDEX: b"<p>", "a.js": b"1"}
    others = (
        {**found, "a.js": b"2"},
        {INDEX: b"<p>", "b.js": b"1"},
        {**found, "c.js": b""},
        {INDEX: b"<p>1", "a.js": b""},
    )
    assert len({hash_of(found), *(hash_of(one) for one in others)}) == 5


def test_the_page_names_every_module_under_the_hash() -> None:
    assets = assets_of(
        {
            INDEX: b"<!-- modules --><img src={base}/icon.svg>",
            "app/main.js": b"",
            "vendor/x.mjs": b"",
            "secret.txt": b"",
        }
    )
    base = f"/web/{assets.version}"
    assert assets.index.decode() == (
        f'<link rel="modulepreload" href="{base}/app/main.js">\n'
        f'  <link rel="modulepreload" href="{base}/vendor/x.mjs"><img src={base}/icon.svg>'
    )
    assert set(assets.files) == {"app/main.js", "vendor/x.mjs"}


@pytest.mark.anyio
async def test_every_screen_is_the_page_and_its_files_are_kept_for_ever() -> None:
    version = read_assets().version
    async with asking(dashboard_resources()) as api:
        for path in ("/", *(f"/{one}" for one in SCREENS), "/schedules/a%2Fb", "/tasks/7f3a"):
            page = await api.ask(path, caller="")
            assert page.status == 200
            assert page.headers["Content-Security-Policy"] == POLICY
            assert page.headers["Cache-Control"] == "no-store"
            assert page.headers["X-Content-Type-Options"] == "nosniff"
            assert page.headers["Referrer-Policy"] == "no-referrer"
        names = re.findall(r'(?:href|src)="(/web/[^"]+)"', (await api.ask("/", caller="")).text)
        assert len(names) > len(OURS)
        for name in names:
            asset = await api.ask(name, caller="")
            assert asset.status == 200
            assert asset.headers["Cache-Control"] == FOREVER
        assert (await api.ask(f"/web/{'0' * 16}/app.css", caller="")).status == 404
        for name in ("../assets.py", "..%2f..%2fserver.py", "index.html", "app/../../server.py", "%00"):
            assert (await api.ask(f"/web/{version}/{name}", caller="")).status == 404


def test_the_page_is_open_to_everybody_and_stays_out_of_the_document() -> None:
    for resource in dashboard_resources():
        assert resource.role is Role.NOBODY
        assert resource.is_hidden
        assert resource.is_safe
