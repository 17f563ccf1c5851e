"""Mail of lists and newsletters (RFC 2369, 2919, 8058), and of calendars (RFC 5546, 6047)."""

from __future__ import annotations

from maild.model.letter import Kind
from maild.parse.forward.subject import read_subject
from maild.parse.kinds.marks import Marks

_LIST_FIELDS = (b"list-id", b"list-post", b"mailing-list", b"x-mailing-list")
_ONE_CLICK = b"list-unsubscribe-post"
_ASKS = frozenset({"request", "reply", "add", "cancel", "refresh", "counter", "declinecounter"})
"""Methods by which calendars talk to each other (RFC 5546 1.4).  PUBLISH asks nobody: it is a file of dates."""


def mailing_list(marks: Marks) -> tuple[Kind, str] | None:
    """Return what came through a list.

    List-Unsubscribe alone does not suffice: sales tools write it into letters that a person wrote to one client, and
    with one click, too, into the answers in between.
    """
    for name in _LIST_FIELDS:
        if marks.has(name):
            return Kind.LIST, name.decode().title()
    is_bulk = marks.precedence in {"bulk", "list", "junk"}
    if marks.has(b"list-unsubscribe"):
        if is_bulk:
            return Kind.LIST, f"List-Unsubscribe and Precedence: {marks.precedence}"
        if marks.has(_ONE_CLICK) and not marks.has(b"in-reply-to"):
            return Kind.LIST, f"List-Unsubscribe and {_ONE_CLICK.decode().title()}"
    if marks.precedence == "list":
        return Kind.LIST, "Precedence: list"
    return None


def calendar(marks: Marks) -> tuple[Kind, str] | None:
    """Return what one calendar sends another; not a file that somebody attaches, nor an invitation passed on."""
    for part in marks.leaves:
        if part.type != "text/calendar" or part.disposition.value == "attachment":
            continue
        method = part.content_type.get("method").lower()
        if method in _ASKS and not read_subject(marks.subject).has_forward:
            return Kind.CALENDAR, f"text/calendar with METHOD:{method.upper()}"
    return None
