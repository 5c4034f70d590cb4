"""``[tracing]``: where traces go; nowhere unless it is said."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, field_validator

from daemon.settings.section import Section
from daemon.settings.values import wrong


class TracingSection(Section):
    """``[tracing]``: OpenTelemetry over OTLP/HTTP; off without an endpoint."""

    endpoint: str = ""
    authorization: str = Field(default="", repr=False)
    sample: float = Field(default=1.0, ge=0.0, le=1.0)

    @field_validator("endpoint")
    @classmethod
    def _is_web(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname or parts.password):
            raise wrong("not the address of a collector", 'write "http://127.0.0.1:4318/v1/traces"')
        return value
