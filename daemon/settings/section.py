"""Common ground of all sections of a site file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo


class Section(BaseModel):
    """Common ground of all sections: frozen, strict about keys, defaults checked."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, hide_input_in_errors=True)
    NOT_YET: ClassVar[Mapping[str, str]] = {}


def keys_of(section: type[BaseModel]) -> dict[str, FieldInfo]:
    """Give the keys of a section as they are written; a Python keyword has another name inside."""
    return {field.alias or name: field for name, field in section.model_fields.items()}
