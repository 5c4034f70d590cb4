"""Where the tables of django-celery-beat are; SQLAlchemy is imported only for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.errors import SourceDown

if TYPE_CHECKING:
    from daemon.sources.django_store import DjangoStore


def open_store(url: str) -> DjangoStore:
    """Prepare the way to a database; no I/O happens here.

    Raises:
        SourceDown: what it needs is not installed, or the address cannot be read.
    """
    try:
        from daemon.sources.django_store import DjangoStore  # noqa: PLC0415 - an extra
    except ImportError as error:
        message = f"django_beat needs {error.name}, which is not installed"
        raise SourceDown(message, hint="install carillond[django-beat]") from None
    return DjangoStore(url)
