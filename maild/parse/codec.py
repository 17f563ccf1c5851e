"""A Letter as JSON and back, whole: what the store keeps and what the worker's pipe carries."""

from __future__ import annotations

from pydantic import TypeAdapter, ValidationError

from maild.model.letter import Letter

_ADAPTER: TypeAdapter[Letter] = TypeAdapter(Letter)


def dump(letter: Letter) -> bytes:
    """Return the letter as JSON.  No string of a Letter holds NUL or a lone surrogate; the reader saw to that."""
    return _ADAPTER.dump_json(letter)


def load(stored: bytes) -> Letter:
    """Return the letter again.  Raises pydantic.ValidationError for what `dump` of this version did not write."""
    return _ADAPTER.validate_json(stored)


def load_or_none(stored: bytes) -> Letter | None:
    """Return the letter, or None for what this version cannot load: then the mail is to be read again."""
    try:
        return load(stored)
    except ValidationError:
        return None
