"""A Letter as JSON and back, whole: what the store keeps and what the worker's pipe carries; and what is shown of a mail."""

from __future__ import annotations

from dataclasses import replace

from pydantic import TypeAdapter, ValidationError

from maild.model.letter import Letter
from maild.model.shown import Shown, Wish
from maild.parse.frames import LENGTH

_ADAPTER: TypeAdapter[Letter] = TypeAdapter(Letter)
_SHOWN: TypeAdapter[Shown] = TypeAdapter(Shown)
_WISH: TypeAdapter[Wish] = TypeAdapter(Wish)


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


def dump_wish(wish: Wish, what_follows: bytes) -> bytes:
    """Return the frame of a wish and of the mail that it is about."""
    return _with_length(_WISH.dump_json(wish)) + what_follows


def load_wish(frame: bytes) -> tuple[Wish, bytes]:
    """Return the wish, and what follows it."""
    head, rest = _taken_apart(frame)
    return _WISH.validate_json(head), rest


def dump_shown(shown: Shown) -> bytes:
    """Return the frame of what is shown; octets are octets there, and never JSON."""
    return _with_length(_SHOWN.dump_json(replace(shown, octets=b""))) + shown.octets


def load_shown(frame: bytes) -> Shown:
    """Return it again.  Raises pydantic.ValidationError, a ValueError, for what `dump_shown` did not write."""
    head, octets = _taken_apart(frame)
    return replace(_SHOWN.validate_json(head), octets=octets)


def _with_length(head: bytes) -> bytes:
    return len(head).to_bytes(LENGTH, "big") + head


def _taken_apart(frame: bytes) -> tuple[bytes, bytes]:
    end = LENGTH + int.from_bytes(frame[:LENGTH], "big")
    return frame[LENGTH:end], frame[end:]
