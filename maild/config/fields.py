"""Finding a key among the settings' models by its path."""

from __future__ import annotations

from typing import get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from maild.model.toml_lines import KeyPath
from maild.settings import Settings


def model_in(leaf: FieldInfo) -> type[BaseModel] | None:
    """Return the model of a table, or of the elements of an array of tables."""
    for kind in (leaf.annotation, *get_args(leaf.annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def is_table(leaf: FieldInfo) -> bool:
    """Whether the field is one table, rather than a value or an array of tables."""
    model = model_in(leaf)
    return model is not None and leaf.annotation is model


def fields_of(leaf: FieldInfo) -> list[str]:
    """Return the keys of a table, or of the elements of an array of tables."""
    model = model_in(leaf)
    return list(model.model_fields) if model is not None else []


def field_at(path: KeyPath) -> FieldInfo | None:
    """Return the field that a path leads to; None where there is none."""
    model: type[BaseModel] | None = Settings
    leaf: FieldInfo | None = None
    wants_number = False
    for part in path:
        if wants_number:
            if not isinstance(part, int):
                return None
            wants_number = False
            continue
        if model is None or not isinstance(part, str) or part not in model.model_fields:
            return None
        leaf = model.model_fields[part]
        model = model_in(leaf)
        wants_number = model is not None and leaf.annotation is not model
    is_element = bool(path) and isinstance(path[-1], int)
    return None if is_element else leaf
