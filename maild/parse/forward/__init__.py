"""Finding the original inside a forwarded mail (F1).

Never names a wrong person: where the layout leaves a doubt, the confidence says so, and where the From line does,
`from_` is None.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from maild.model.letter import Forwarded
from maild.parse.forward.html_text import text_of
from maild.parse.forward.inline import Inline, read_inline
from maild.parse.forward.languages import Says
from maild.parse.forward.subject import SubjectLine, read_subject

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
    """Find the outermost original of a mail.

    `attached` are the originals of its message/rfc822 parts in order: the first wins over whatever the text shows.
    `html` is looked at where there is no text, or where the mail seems forwarded and its text names nobody.  Never raises; linear in the size of what is given.
    """
    if attached:
        return ForwardReading(original=attached[0], note=text.strip(), looks_forwarded=True)
    prefixes = read_subject(subject)
    found = read_inline(text, prefixes)
    if html and _says_too_little(found) and (prefixes.has_forward or _hints(text, found)):
        found = _better(found, html, prefixes)
    # `Re: Fwd: x` is an answer to a forward: the outermost prefix says what this mail is.
    by_subject = prefixes.has_forward and prefixes.says() is not Says.REPLY
    looks = found.looks_forwarded or (by_subject and not found.is_reply)
    return ForwardReading(original=found.original, note=found.note, looks_forwarded=looks)


def _says_too_little(found: Inline) -> bool:
    return not found.is_reply and (found.original is None or found.original.from_ is None)


def _hints(text: str, found: Inline) -> bool:
    """An ordinary mail's HTML is not worth a second look: where its text is there, it would have shown a separator."""
    return found.looks_forwarded or not text.strip()


def _better(found: Inline, html: str, prefixes: SubjectLine) -> Inline:
    """Return what the HTML shows if it names somebody, or says anything at all where the text was silent."""
    shown = read_inline(text_of(html), prefixes)
    names = shown.original is not None and shown.original.from_ is not None
    silent = found.original is None and not found.looks_forwarded
    return shown if names or silent else found
