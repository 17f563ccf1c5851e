"""Bytes to a Letter: the one way in.  Pure: no file, no clock, no process; the pool adds the limits of time and memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from maild.model.letter import Forwarded, Kind, Letter, UnreadableError
from maild.parse.attachments import attachments
from maild.parse.bounces import read_returned
from maild.parse.forward import find_forward
from maild.parse.header_block import Field, Head, capped, fields, split
from maild.parse.headers import read_headers
from maild.parse.kinds import kind_of
from maild.parse.limits import HEADER_BLOCK
from maild.parse.originals import read_originals
from maild.parse.parts import damage, read_parts
from maild.parse.strict_from import author_of, with_crlf
from maild.parse.text import read_texts

_ONCE = (b"subject", b"date", b"message-id", b"reply-to", b"content-type")
"""Fields that RFC 5322 3.6 and RFC 2045 allow once.  Of two From fields, `sender` speaks already."""
_CARRIES_NO_FORWARD = frozenset({Kind.BOUNCE, Kind.REPORT})
"""What is attached to these is the mail that they speak of, not something that somebody passes on."""


def read_letter(raw: bytes) -> Letter:
    """Read a mail.  Linear in its size, whatever is in it; what could not be read is said in `degraded`.

    Raises UnreadableError when there is nothing to read.
    """
    if not raw.strip(b"\r\n\t \0"):
        raise UnreadableError("The mail is empty.")
    notes: list[str] = []
    head = split(raw)
    found = capped(fields(head.block), notes)
    _note_head(head, found, notes)
    root = read_parts(raw, notes)
    headers = read_headers(found, charset=root.content_type.get("charset"), notes=notes)
    texts = read_texts(raw, root, notes)
    leaves = list(root.leaves())
    kind, proof = kind_of(raw, found, root, leaves, headers=headers, text=texts.text)
    notes.extend(filter(None, (damage(raw, part) for part in leaves)))
    letter = Letter(
        from_=headers.from_,
        sender=author_of(with_crlf(head.block)),
        to=headers.to,
        cc=headers.cc,
        reply_to=headers.reply_to,
        delivered_to=headers.delivered_to,
        subject=headers.subject,
        date=headers.date,
        message_id=headers.message_id,
        in_reply_to=headers.in_reply_to,
        references=headers.references,
        kind=kind,
        kind_proof=proof,
        loop_mark=headers.loop_mark,
        text=texts.text,
        html=texts.html,
        attachments=attachments(raw, leaves, texts.parts),
    )
    if kind is Kind.BOUNCE:
        returned = read_returned(raw, leaves, found=found, subject=headers.subject, text=texts.text)
        letter = replace(letter, returned=returned)
    if kind not in _CARRIES_NO_FORWARD:
        letter = _with_forward(letter, read_originals(raw, leaves, notes))
    return replace(letter, degraded=tuple(dict.fromkeys(notes)))


def _with_forward(letter: Letter, originals: tuple[Forwarded, ...]) -> Letter:
    forward = find_forward(
        subject=letter.subject, text=letter.text, html=letter.html, attached=originals
    )
    return replace(
        letter,
        forwarded=forward.original,
        note=forward.note,
        looks_forwarded=forward.looks_forwarded,
    )


def _note_head(head: Head, found: list[Field], notes: list[str]) -> None:
    """Say what is cut or doubled: of two fields, another reader may have taken the other (T24)."""
    if not head.block:
        notes.append("the mail has no header")
    counts = Counter(field.name for field in found)
    notes.extend(
        f"the mail has {counts[name]} {name.decode().title()} fields"
        for name in _ONCE
        if counts[name] > 1
    )
    if head.cut:
        notes.append(f"the header is longer than {HEADER_BLOCK // 1024} KiB; the rest was not read")
