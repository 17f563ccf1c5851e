"""A draft made into the octets that are kept and sent (RFC 5322, RFC 2047, RFC 6532).

Whatever people and mails said is words here, and never a field: names and subjects are quoted or encoded, addresses and
Message-IDs, which came from outside, stand only where they are plain.  The `email` package writes the body.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime

from maild.core.letters import (
    POLICY,
    UnsafeLetterError,
    body_of,
    header_words,
    loop_mark,
    octets_of,
    one_line,
)
from maild.core.seal import SealingKey
from maild.model.letter import LOOP_HEADER, Mailbox
from maild.model.writing import SUBJECT_MAX, Attached, Draft

NAME_MAX = 100
FILE_NAME_MAX = 120
LINE_MAX = 998
"""Octets of a line (RFC 5322 2.1.1)."""
_MAIL = "message/rfc822"
_FOLD = "\r\n "
_WORD_OCTETS = 45
"""Of an encoded word's text: with what stands around it, it stays below 75 characters."""
_SPECIAL = frozenset(' ()<>[]:;@\\,"')
"""What would end an address, or begin something else in the field (RFC 5322 3.2.3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A mail as it is kept and sent."""

    content: bytes
    message_id: str
    needs_utf8: bool
    """Whether only a relay with SMTPUTF8 can take it (RFC 6531)."""


def message_id_of(ulid: str, sender: Mailbox) -> str:
    """Return the Message-ID of a mail that is kept under this id: in the sender's domain, which the world knows anyway."""
    return f"{ulid.lower()}@{sender.address.rpartition('@')[2]}"


def made(draft: Draft, *, ulid: str, at: datetime, key: SealingKey) -> Made:
    """Return the octets of a draft; Bcc stands nowhere in them.  Raises UnsafeLetterError."""
    message_id = message_id_of(ulid, draft.sender)
    fields = [
        ("From", _mailboxes([draft.sender])),
        ("To", _mailboxes(draft.to)),
        ("Cc", _mailboxes(draft.cc)),
        ("Subject", _words(one_line(draft.subject, SUBJECT_MAX))),
        ("Date", format_datetime(at)),
        ("Message-ID", f"<{message_id}>"),
        ("In-Reply-To", "" if draft.in_reply_to is None else f"<{draft.in_reply_to}>"),
        ("References", _FOLD.join(f"<{one}>" for one in draft.references)),
        (LOOP_HEADER, loop_mark(key, message_id)),
    ]
    # Written here: the package folds long names so that the addresses behind them are lost, and takes long ids for words.
    head = "".join(f"{name}: {value}\r\n" for name, value in fields if value)
    mail = EmailMessage(POLICY)
    mail.set_content(body_of(draft.text))
    for one in draft.attached:
        _attach(mail, one)
    return Made(
        content=head.encode() + octets_of(mail),
        message_id=message_id,
        needs_utf8=not all(box.address.isascii() for _, box in draft.recipients)
        or not draft.sender.address.isascii(),
    )


def _mailboxes(boxes: Sequence[Mailbox]) -> str:
    return f",{_FOLD}".join(_mailbox(box) for box in boxes)


def _mailbox(box: Mailbox) -> str:
    local, at, domain = box.address.rpartition("@")
    if not at or "=?" in local or not box.address.isprintable() or _SPECIAL & {*local, *domain}:
        raise UnsafeLetterError(f"{box.address[:60]!r} cannot be written into a header")
    name = one_line(box.name, NAME_MAX)
    if not name:
        return box.address
    shown = _encoded(name)
    if shown is None:
        escaped = header_words(name).replace("\\", "\\\\").replace('"', '\\"')
        shown = f'"{escaped}"'
    return f"{shown} <{box.address}>"


def _words(text: str) -> str:
    encoded = _encoded(text)
    return header_words(text) if encoded is None else encoded


def _encoded(text: str) -> str | None:
    """Return text beyond ASCII as encoded words, each whole and short (RFC 2047 2); None: it needs none."""
    if text.isascii() and text.isprintable():
        return None
    words, piece = [], b""
    for char in header_words(text):
        octets = char.encode("utf-8", "replace")
        if len(piece) + len(octets) > _WORD_OCTETS:
            words.append(piece)
            piece = b""
        piece += octets
    return _FOLD.join(f"=?utf-8?b?{base64.b64encode(one).decode()}?=" for one in (*words, piece))


def _attach(mail: EmailMessage, one: Attached) -> None:
    name = header_words(one_line(one.name, FILE_NAME_MAX)) or "attachment"
    if one.type == _MAIL and _is_plain(one.content):
        part = EmailMessage(mail.policy)
        part["Content-Type"] = _MAIL
        part["Content-Transfer-Encoding"] = "7bit"
        part.add_header("Content-Disposition", "attachment", filename=name)
        # Its octets as they are: nothing here reads them (RFC 2046 5.2.1).
        part.set_payload(one.content.decode("ascii"))
        if not mail.is_multipart():
            mail.make_mixed()
        mail.attach(part)
        return
    kind = "application/octet-stream" if one.type == _MAIL else one.type
    main, _, sub = kind.partition("/")
    mail.add_attachment(one.content, maintype=main, subtype=sub, filename=name)


def _is_plain(content: bytes) -> bool:
    """Whether a mail can be attached as it is: 7 bits, lines that every server takes, and ends of lines as they are."""
    if not content.isascii() or b"\0" in content:
        return False
    lines = content.split(b"\r\n")
    return not any(len(line) > LINE_MAX or b"\r" in line or b"\n" in line for line in lines)
