"""Bounces: whom a mail did not reach, with which code, and which mail that was (F7; RFC 3464, RFC 6522).

Three sources, the surest first: the fields of a report (`fields_of_report`), what the server wrote for people
(`spoken`), and what it brings back of the mail (`original`).  Whatever stands there is a stranger's word; that it is
about a mail of ours, only our mark in that mail shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from maild.model.letter import Returned
from maild.parse.bounces.fields_of_report import (
    Fate,
    Report,
    has_report,
    may_report_success,
    read_report,
)
from maild.parse.bounces.original import Original, attached_original, quoted_original
from maild.parse.bounces.spoken import Said, read_spoken
from maild.parse.bounces.words import GIVEN
from maild.parse.charsets import decode_field
from maild.parse.header_block import Field, message_id_of, topmost
from maild.parse.parts import Part, read_parts

_OWN_FIELDS = (b"from", b"reply-to", b"sender", b"to")

__all__ = ["Said", "read_returned", "reports_success", "said_in"]


def read_returned(
    raw: bytes, leaves: Sequence[Part], *, found: Sequence[Field], subject: str, text: str
) -> Returned:
    """Return what a bounce says and brings back; what it does not say stays empty.

    `found` is the bounce's own header, `text` what a person reads in it.
    """
    raw, leaves = _unwrapped(raw, leaves)
    report = read_report(raw, leaves)
    original = attached_original(raw, leaves)
    own = _own_addresses(found)
    said = Said()
    if not (report.status and report.recipients and original):
        quoted, ends = quoted_original(text)
        original = original or quoted
        said = read_spoken(text[:ends], subject, strangers=own)
    original = original or Original()
    return Returned(
        status=report.status or said.status,
        recipients=_recipients(report, found, said, _sole(original, own))[:GIVEN],
        is_delayed=report.is_delayed or (not report and said.is_delayed),
        message_id=original.message_id or report.message_id or _answered(found),
        loop_mark=original.loop_mark,
    )


def reports_success(raw: bytes, leaves: Sequence[Part]) -> bool:
    """Whether a report on delivery says of every recipient that the mail went on or arrived (RFC 3464 2.3.3)."""
    return may_report_success(raw, leaves) and read_report(raw, leaves).fate is Fate.ARRIVED


def said_in(text: str, subject: str) -> Said:
    """Return what a text says as a server's words, whoever wrote it."""
    _, ends = quoted_original(text)
    said = read_spoken(text[:ends], subject, strangers=frozenset())
    return replace(said, is_above_a_mail=ends < len(text))


def _recipients(
    report: Report, found: Sequence[Field], said: Said, sole: tuple[str, ...]
) -> tuple[str, ...]:
    """Return whom the mail did not reach, from the surest source that names anybody."""
    # The field is Exim's and Gmail's; each address of several stands in a field or behind a comma.
    failed = tuple(
        word.strip("<>")
        for field in found
        if field.name == b"x-failed-recipients"
        for word in decode_field(field.value[: GIVEN * 320]).replace(",", " ").split()
        if "@" in word
    )
    return report.recipients or tuple(dict.fromkeys(failed)) or said.recipients or sole


def _sole(original: Original, own: frozenset[str]) -> tuple[str, ...]:
    """Return the only recipient of a mail that came back, unless that is the bounce's own writer or reader."""
    given = original.recipients
    return given if len(given) == 1 and given[0].lower() not in own else ()


def _unwrapped(raw: bytes, leaves: Sequence[Part]) -> tuple[bytes, Sequence[Part]]:
    """Return the parts of the report that a virus scanner's or gateway's bounce passes on, or the bounce's own."""
    mail = next((part for part in leaves if part.type == "message/rfc822"), None)
    if mail is None or has_report(leaves):
        return raw, leaves
    inner = mail.octets(raw).lstrip(b"\r\n")
    parts = list(read_parts(inner, []).leaves())
    return (inner, parts) if has_report(parts) else (raw, leaves)


def _own_addresses(found: Sequence[Field]) -> frozenset[str]:
    """Return the addresses of the bounce itself in lower case: neither its writer nor its reader is whom the mail missed."""
    fields = (topmost(found, name) or b"" for name in _OWN_FIELDS)
    words = " ".join(decode_field(value[:1000]) for value in fields).lower().split()
    return frozenset(word.strip("<>,;()\"'") for word in words if "@" in word)


def _answered(found: Sequence[Field]) -> str | None:
    """Return what the bounce answers: Exchange and Gmail name the mail there."""
    value = topmost(found, b"in-reply-to")
    return None if value is None else message_id_of(value[:2000])
