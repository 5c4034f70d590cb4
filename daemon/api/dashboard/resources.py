"""What a browser asks for before it asks the API: the page under every screen's path, and its files."""

from __future__ import annotations

from typing import Any

from daemon.api.dashboard.assets import Assets, read_assets
from daemon.api.http.answer import Answer
from daemon.api.http.asked import Asked
from daemon.api.http.caller import Role
from daemon.api.http.resource import Resource
from daemon.desks import NotThere

LISTS = ("schedules", "feeds", "messages", "tasks", "workers", "queues")
"""Screens that show a list, and each thing of it under a path of its own."""

SCREENS = (*LISTS, "alerts", "audit", "settings")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
PERMISSIONS = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
FOREVER = "public, max-age=31536000, immutable"


def dashboard_resources(assets: Assets | None = None) -> tuple[Resource, ...]:
    """List the page and its files. Anybody may have them: what they show they ask the API for."""
    found = assets or read_assets()
    page = Answer(
        found.index,
        headers={
            "Content-Security-Policy": POLICY,
            "Permissions-Policy": PERMISSIONS,
            "Cache-Control": "no-store",
        },
        media_type="text/html; charset=utf-8",
    )

    async def show(asked: Asked) -> Any:
        del asked
        return page

    async def give(asked: Asked) -> Any:
        asset = found.files.get(asked.parts["path"]) if asked.parts["version"] == found.version else None
        if asset is None:
            message = "the page has no such file"
            raise NotThere(message, hint="reload the page: it may be of an older version")
        return Answer(asset.body, headers={"Cache-Control": FOREVER}, media_type=asset.media_type)

    paths = ("/", *(f"/{one}" for one in SCREENS), *(f"/{one}/{{name:.+}}" for one in LISTS))
    hidden: dict[str, Any] = {"role": Role.NOBODY, "is_hidden": True, "is_raw": True}
    return (
        *(Resource("GET", path, show, "The dashboard", "dashboard", **hidden) for path in paths),
        Resource("GET", "/web/{version}/{path:.+}", give, "A file of the dashboard", "dashboard", **hidden),
    )
