"""Whether a person or a machine made a mail, and which machine (F7; RFC 3464, 3834, 2369, 5965, 8098).

A person's mail must never be taken for a machine's: subjects and words count only beside something that no person's
mail program writes.  The proof is the field or shape that decided, for the trace.

The order of the questions is that of what may be said of a mail by two of them:

1. reports, since their parts say what they are, in no language;
2. bounces, before answers: Exim, Gmail and mail.ru write `Auto-Submitted: auto-replied` on them, and before lists: what
   comes back to a list has passed through it;
3. answers, before lists: an absent member's answer to a list is no list's mail;
4. lists, before calendars: an invitation that a list carried is for all of it;
5. calendars, before notices: what a room's calendar accepts by itself says Auto-Submitted;
6. notices, whatever else says of itself that a program sent it.
"""

from __future__ import annotations

from collections.abc import Sequence

from maild.model.letter import Kind
from maild.parse.header_block import Field
from maild.parse.headers import Headers
from maild.parse.kinds.answers import answer, notice
from maild.parse.kinds.lists import calendar, mailing_list
from maild.parse.kinds.marks import Marks
from maild.parse.kinds.reports import bounce, report
from maild.parse.parts import Part

__all__ = ["kind_of"]

_QUESTIONS = (report, bounce, answer, mailing_list, calendar, notice)


def kind_of(
    raw: bytes,
    found: Sequence[Field],
    root: Part,
    leaves: Sequence[Part],
    *,
    headers: Headers,
    text: str,
) -> tuple[Kind, str]:
    """Return the kind and its proof; NORMAL with an empty one.  `text` is what a person reads."""
    marks = Marks(raw, found, root, leaves, headers=headers, text=text)
    for question in _QUESTIONS:
        said = question(marks)
        if said is not None:
            return said
    return Kind.NORMAL, ""
