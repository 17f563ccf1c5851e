"""Text that people give things: names, keys, notes.  Checked once, where it comes in."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from maild.model.reason import Reason, RefusedError

NAME_MAX = 200
MARKS_MAX = 30
_MANY_OTHERS = re.compile(rf"[^\x00-\x7f]{{{MARKS_MAX + 1},}}")
_BIDI_CONTROLS = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
"""They make text read otherwise than it is written, and are no part of a name in any language."""


def one_line(what: str, text: str, *, most: int = NAME_MAX) -> str:
    """Return the text trimmed and in NFC.

    Raises RefusedError INVALID_VALUE when it is empty, too long, or holds what no line of text holds.
    """
    clean = trimmed(text)
    why = None
    if not clean:
        why = "it is empty"
    elif len(clean) > most:
        why = f"it is longer than {most} characters"
    else:
        why = no_line(clean)
    if why is not None:
        raise RefusedError(Reason.INVALID_VALUE, what=what, value=short(text), why=why)
    return clean


def no_line(text: str) -> str | None:
    """Return why this is no line of text, in whatever language; None: it is one."""
    if any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in text):
        return "it holds a line break or another control character"
    if any(char in _BIDI_CONTROLS for char in text):
        return "it holds characters that turn the direction of writing"
    return None


def trimmed(text: str) -> str:
    """Return the one form in which a name or key is kept, and looked up."""
    return unicodedata.normalize("NFC", few_marks(text.strip()))


def few_marks(text: str) -> str:
    """Return the text with at most MARKS_MAX combining marks in a row, so that normalising it takes linear time.

    A normal form sorts each run of marks, and does that in the square of its length; no language needs as many as
    UAX 15 leaves (its Stream-Safe Text Format).
    """
    # ASCII has no marks: a shorter run of other characters has not too many.
    return text if text.isascii() else _MANY_OTHERS.sub(_with_few_marks, text)


def _with_few_marks(others: re.Match[str]) -> str:
    kept: list[str] = []
    run = 0
    for char in others.group():
        run = run + 1 if _is_mark(char) else 0
        if run <= MARKS_MAX:
            kept.append(char)
    return "".join(kept)


@lru_cache(maxsize=4096)
def _is_mark(char: str) -> bool:
    """Whether its decomposition begins with a mark: some are none themselves, and become two."""
    return unicodedata.combining(unicodedata.normalize("NFKD", char)[0]) != 0


def short(text: str, most: int = 60) -> str:
    """Make hostile input fit to be repeated in a sentence."""
    clean = "".join(char if char.isprintable() else "�" for char in text[:most])
    return clean + "…" if len(text) > most else clean


def storable(text: str) -> str:
    """Replace what no database takes as text: NUL and lone surrogates.  For what peers say, which is never refused."""
    return text.replace("\0", "�").encode("utf-8", "replace").decode()


def so_many(count: int) -> str:
    """Return a number of mails in words: `1 mail`, `0 mails`."""
    return "1 mail" if count == 1 else f"{count} mails"
