"""Common ground of all sections of a site file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Common ground of all sections: frozen, strict about keys, defaults checked."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, hide_input_in_errors=True)
    NOT_YET: ClassVar[Mapping[str, str]] = {}
