"""A Letter as JSON and back, whole: what the store keeps and what the worker's pipe carries."""

from __future__ import annotations

from pydantic import TypeAdapter

from maild.model.letter import Letter

_ADAPTER: TypeAdapter[Letter] = TypeAdapter(Letter)


def dump(letter: Letter) -> bytes:
    """Return the letter as JSON.  No string of a Letter holds NUL or a lone surrogate; the reader saw to that."""
    return _ADAPTER.dump_json(letter)


def load(stored: bytes) -> Letter:
    """Return the letter again.  Raises pydantic.ValidationError for what `dump` of this version did not write."""
    return _ADAPTER.validate_json(stored)
