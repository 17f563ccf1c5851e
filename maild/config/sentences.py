"""What pydantic found, said to an operator."""

from __future__ import annotations

import difflib
from typing import Any

from maild.config.fields import field_at, fields_of
from maild.model.toml_lines import KeyPath
from maild.model.written import shown
from maild.settings import Settings

_SENTENCES = {
    "bool_type": "must be true or false, without quotes; it is {seen}",
    "int_type": "must be a whole number, without quotes; it is {seen}",
    "string_type": "must be text, in quotes; it is {seen}",
    "tuple_type": 'must be a list, such as ["one", "two"]; it is {seen}',
    "model_type": "must be a table, with its keys below it; it is {seen}",
    "literal_error": "must be {expected}; it is {seen}",
    "greater_than_equal": "must be at least {ge}; it is {seen}",
    "less_than_equal": "must be at most {le}; it is {seen}",
    "too_long": "has too many entries; at most {max_length} can be used",
}


def sentence_for(found: dict[str, Any]) -> str:
    """Return what is wrong and what to write, for one of pydantic's error records."""
    kind, path, context = found["type"], found["loc"], found.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind == "extra_forbidden":
        return _unknown_key(path)
    if kind == "tuple_type" and path == ("listener",):
        return "is written [[listener]], with two brackets, once for each door"
    if kind == "model_type" and len(path) == 1:
        return f"is a table: write [{path[0]}] and its keys below it"
    facts = {**context, "seen": shown(found["input"])}
    facts["expected"] = str(context.get("expected")).replace("'", '"')
    template = _SENTENCES.get(kind)
    return template.format_map(facts) if template else str(found["msg"])


def _unknown_key(path: KeyPath) -> str:
    key = str(path[-1])
    keys = _keys_at(path[:-1])
    if near := difflib.get_close_matches(key.lower()[:100], keys, n=1):
        return f"there is no such key; did you mean {near[0]}?"
    homes = [name for name in _places_of(key) if name]
    if homes:
        return f"does not stand here; it belongs {' or '.join(homes)}"
    return f"there is no such key; here can stand {', '.join(keys)}"


def _keys_at(path: KeyPath) -> list[str]:
    if not path:
        return list(Settings.model_fields)
    leaf = field_at(path if not isinstance(path[-1], int) else path[:-1])
    return fields_of(leaf) if leaf is not None else []


def _places_of(key: str) -> list[str]:
    homes = (
        ["at the top of the file, before the first table"] if key in Settings.model_fields else []
    )
    for name, table in Settings.model_fields.items():
        if key in fields_of(table):
            homes.append("in [[listener]]" if name == "listener" else f"in [{name}]")
    return homes
