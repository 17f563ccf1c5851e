"""MAILD_SECTION__KEY: which variables are settings, and what they set."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping

from pydantic.fields import FieldInfo

from maild.config.fields import fields_of, is_table, model_in
from maild.config.problem import printable
from maild.model.toml_lines import KeyPath
from maild.settings import Settings

_PREFIX = "MAILD_"
_NOT_SETTINGS = re.compile(
    # Kubernetes puts the last four forms into every container beside a service that is called maild.
    r"MAILD_(?:CONFIG|FAILPOINT|TEST_.*|PORT|PORT_\d+_.*|SERVICE_HOST|SERVICE_PORT(?:_.*)?)"
)


def settings_among(env: Mapping[str, str]) -> list[str]:
    """Return the variables that mean to be settings, sorted."""
    return [
        name
        for name in sorted(env)
        if name.startswith(_PREFIX) and not _NOT_SETTINGS.fullmatch(name)
    ]


def path_of(variable: str) -> KeyPath:
    """Return the path of keys that a variable names."""
    parts = variable.removeprefix(_PREFIX).lower().split("__")
    return tuple(
        int(part) if re.fullmatch(r"[0-9]{1,3}", part, re.ASCII) else part for part in parts
    )


def value_for(text: str, leaf: FieldInfo) -> object:
    """Read a TOML value where the key takes more than text; else the text itself, unquoted."""
    try:
        value = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    if len(value) != 1:
        return text
    found = value["value"]
    takes_text = isinstance(leaf.default, str) and not isinstance(found, str)
    return text if takes_text and not _is_number_for(found, leaf) else found


def _is_number_for(found: object, leaf: FieldInfo) -> bool:
    return leaf.annotation in {int, float} and isinstance(found, int | float)


def unknown_variable(variable: str) -> str:
    """Return the sentence about a variable that is no setting."""
    wanted = re.sub(r"__[0-9]+(?=__|\Z)", "__0", variable)
    near = difflib.get_close_matches(wanted[:200], _all_variables(), n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{printable(variable)}: there is no such setting{hint}"


def _all_variables() -> list[str]:
    names = []
    for name, leaf in Settings.model_fields.items():
        model = model_in(leaf)
        stem = f"{_PREFIX}{name.upper()}"
        number = "__0" if model is not None and not is_table(leaf) else ""
        names += [f"{stem}{number}__{key.upper()}" for key in fields_of(leaf)] or [stem]
    return names
