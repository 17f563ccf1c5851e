"""Finding the original inside a forwarded mail (F1).

Never names a wrong person: where the layout leaves a doubt, the confidence says so, and where the From line does,
`from_` is None.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from maild.model.letter import Forwarded
from maild.parse.forward.html_text import text_of
from maild.parse.forward.inline import Inline, read_inline
from maild.parse.forward.languages import Says
from maild.parse.forward.subject import SubjectLine, read_subject

__all__ = ["ForwardReading", "find_forward"]

_DOUBTED = 0.6
"""An attached original that may not be what this mail forwards: others are attached or shown beside it."""


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

    `attached` are the originals of its message/rfc822 parts in order: the first wins over what the text shows, but is not sure where another is attached
    whose sender is not the same, or the text shows an original that is not certainly the same sender's, or a reply.
    `html` is looked at where there is no text, or where the mail seems forwarded and its text names nobody.  Never raises; linear in the size of what is given.
    """
    prefixes = read_subject(subject)
    found = read_inline(text, prefixes)
    if attached:
        first = attached[0]
        if _is_one_of_several(attached) or _may_belong_to_another(first, found):
            first = replace(first, confidence=min(first.confidence, _DOUBTED))
        return ForwardReading(original=first, note=text.strip(), looks_forwarded=True)
    if html and _says_too_little(found) and (prefixes.has_forward or _hints(text, found)):
        found = _better(found, html, prefixes)
    # `Re: Fwd: x` is an answer to a forward: the outermost prefix says what this mail is.
    by_subject = prefixes.has_forward and prefixes.says() is not Says.REPLY
    looks = found.looks_forwarded or (by_subject and not found.is_reply)
    return ForwardReading(original=found.original, note=found.note, looks_forwarded=looks)


def _is_one_of_several(attached: Sequence[Forwarded]) -> bool:
    """Mails of two people may be about two clients; one that cannot be read may be anybody's."""
    senders = {one.from_.address.casefold() if one.from_ else None for one in attached}
    return len(senders) > 1


def _may_belong_to_another(attached: Forwarded, found: Inline) -> bool:
    """An inline forward or a reply carries what its writer attached, or what was attached to the original it shows."""
    if found.original is None or found.original.from_ is None:
        return found.is_reply or found.looks_forwarded
    shown = found.original.from_.address.casefold()
    return attached.from_ is not None and attached.from_.address.casefold() != shown


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
