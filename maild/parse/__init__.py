"""Bytes to a Letter, or a reason why not.

`read_letter` is the reading itself; `ReaderPool` does it in processes that a hostile mail may kill.  Names are
imported when first used: doors import `maild.parse.header_block` and must not pay for a MIME reader.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from maild.model.letter import UnreadableError

if TYPE_CHECKING:
    from maild.parse.parts import read_part
    from maild.parse.pool import ReaderDiedError, ReaderPool
    from maild.parse.reader import read_letter

__all__ = ["ReaderDiedError", "ReaderPool", "UnreadableError", "read_letter", "read_part"]

_HOMES = {
    "read_letter": "reader",
    "read_part": "parts",
    "ReaderPool": "pool",
    "ReaderDiedError": "pool",
}


def __getattr__(name: str) -> Any:
    """Import a name of this package when it is first asked for (PEP 562)."""
    from importlib import import_module  # noqa: PLC0415

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
