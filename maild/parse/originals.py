"""Attached messages, read one level deep: what they say of themselves (F1).

They are kept apart from the mail that carries them: nothing of them may bleed into its text.
"""

from __future__ import annotations

from collections.abc import Sequence

from maild.model.letter import Author, Forwarded, How, Mailbox
from maild.parse.header_block import capped, fields, split
from maild.parse.headers import Headers, read_headers
from maild.parse.limits import ORIGINAL_BODY, ORIGINALS
from maild.parse.parts import Part, read_parts
from maild.parse.strict_from import author_of, with_crlf
from maild.parse.text import read_texts

SURE = 0.98
"""An attached message whose From names one author: nobody retyped it, but anybody can write such a file."""
UNSURE = 0.6
"""An attached message with one From mailbox that the strict scanner does not accept."""
MESSAGES = frozenset({"message/rfc822", "message/global", "message/news"})


def read_originals(raw: bytes, leaves: Sequence[Part], notes: list[str]) -> tuple[Forwarded, ...]:
    """Read the attached messages in order; those beyond the limit stay attachments only."""
    parts = [part for part in leaves if part.type in MESSAGES]
    if len(parts) > ORIGINALS:
        notes.append(f"more than {ORIGINALS} attached messages; the rest was not read")
    return tuple(_original(part.octets(raw)) for part in parts[:ORIGINALS])


def _original(octets: bytes) -> Forwarded:
    """Read one attached message.  What it lacks or breaks is no defect of the mail that carries it."""
    octets = octets.lstrip(b"\r\n \t")
    unread: list[str] = []
    head = split(octets)
    root = read_parts(octets, unread)
    headers = read_headers(
        capped(fields(head.block), unread), charset=root.content_type.get("charset"), notes=unread
    )
    sender, confidence = _sender(head.block, headers)
    return Forwarded(
        from_=sender,
        to=headers.to,
        cc=headers.cc,
        subject=headers.subject,
        date=headers.date_written,
        body=read_texts(octets, root, unread).text[:ORIGINAL_BODY].strip(),
        how=How.ATTACHED,
        confidence=confidence,
        message_id=headers.message_id,
    )


def _sender(block: bytes, headers: Headers) -> tuple[Mailbox | None, float]:
    if isinstance(author := author_of(with_crlf(block)), Author):
        name = headers.from_[0].name if len(headers.from_) == 1 else ""
        written = headers.from_[0].address if len(headers.from_) == 1 else author.address
        return Mailbox(written, name), SURE
    if len(headers.from_) == 1:
        return headers.from_[0], UNSURE
    return None, 0.0
