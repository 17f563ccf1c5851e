"""Reading the lines that a client draws between note and original, and below the original."""

from __future__ import annotations

from dataclasses import dataclass

from maild.parse.forward.languages import Separator, Shape, tables
from maild.parse.forward.lines import fold

_SEPARATOR_MAX = 200
_RULE_MIN = 10
_CLOSING_RULE_MIN = 20
_CLOSED_WITHIN = 200
"""How far above the end of a text the line below the original may stand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A separator that was met, and what stands behind it on its line."""

    separator: Separator
    at: int
    behind: str = ""
    names_sender: bool = False
    """Clients that name the sender here also say where the original ends."""


def separator_on(content: str, at: int) -> Mark | None:
    """Return the separator that a line is."""
    bare = content.strip("* ")
    if bare.startswith("--"):
        return _dashed(bare, at)
    if len(bare) > _SEPARATOR_MAX:
        return None
    if bare.startswith("_"):
        drawn = len(bare) >= _RULE_MIN and not bare.strip("_ ")
        return Mark(separator=tables().rule(), at=at) if drawn else None
    if bare.endswith((":", "\uff1a")):
        separator = tables().separators.get((Shape.OPENING, fold(bare.rstrip(":\uff1a "))))
        return Mark(separator=separator, at=at) if separator else None
    return None


def _dashed(bare: str, at: int) -> Mark | None:
    inner = bare.lstrip("- ")
    # Slovak Thunderbird has dashes in the midst of its phrase.
    whole = inner.rstrip("- ")
    if inner.endswith("--") and len(whole) <= _SEPARATOR_MAX:
        folded = fold(whole)
        separator = tables().separators.get((Shape.DASHED, folded))
        if separator is not None:
            return Mark(separator=separator, at=at)
        separator = _naming(folded)
        if separator is not None:
            return Mark(separator=separator, at=at, names_sender=True)
    phrase, dashes, _ = inner[:_SEPARATOR_MAX].partition("--")
    separator = tables().separators.get((Shape.DASHED, fold(phrase.rstrip("- ")).rstrip(":")))
    if separator is None or not dashes:
        return None
    return Mark(separator=separator, at=at, behind=inner[len(phrase) :].lstrip("- *"))


def _naming(folded: str) -> Separator | None:
    """Return the separator whose phrase goes round a sender's name.  Who that is, the block below says."""
    for before, behind, separator in tables().naming:
        room = len(folded) - len(before) - len(behind)
        if room > 0 and folded.startswith(before) and folded.endswith(behind):
            return separator
    return None


def less_closing(body: str, mark: Mark) -> str:
    """Drop the line that closes an original, with what stands below it: that is the forwarder's again.

    A line that says so, where the client writes one; a drawn line only at the very end (KMail).
    """
    lines = body.rsplit("\n", _CLOSED_WITHIN)
    is_last = True
    for at in range(len(lines) - 1, 0, -1):
        bare = lines[at].strip("> \t\r")
        if not bare:
            continue
        drawn = is_last and len(bare) >= _CLOSING_RULE_MIN and not bare.strip("-")
        if drawn or (mark.names_sender and _says_end(bare)):
            return "\n".join(lines[:at]).rstrip()
        is_last = False
    return body


def _says_end(bare: str) -> bool:
    if not bare.startswith("--") or len(bare) > _SEPARATOR_MAX:
        return False
    return (Shape.CLOSING, fold(bare.strip("- "))) in tables().separators
