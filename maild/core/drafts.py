"""A draft made into the octets that are kept and sent (RFC 5322, RFC 2047, RFC 6532).

Whatever people and mails said is words here, and never a field: the `email` package writes the fields, its work is
counted, and Message-IDs, which came from outside, stand only where they are plain.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address as HeaderAddress
from email.message import EmailMessage
from email.utils import format_datetime

from maild.core.letters import (
    POLICY,
    POLICY_EAI,
    body_of,
    header_mailbox,
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
    boxes = (draft.sender, *draft.to, *draft.cc)
    needs_utf8 = not all(box.address.isascii() for box in (*boxes, *draft.bcc))
    in_header = not all(box.address.isascii() for box in boxes)
    message_id = message_id_of(ulid, draft.sender)
    mail = EmailMessage(POLICY_EAI if in_header else POLICY)
    mail["From"] = _field(draft.sender)
    mail["To"] = [_field(box) for box in draft.to]
    if draft.cc:
        mail["Cc"] = [_field(box) for box in draft.cc]
    mail["Subject"] = header_words(one_line(draft.subject, SUBJECT_MAX))
    mail["Date"] = format_datetime(at)
    mail[LOOP_HEADER] = loop_mark(key, message_id)
    mail.set_content(body_of(draft.text))
    for one in draft.attached:
        _attach(mail, one)
    ids = [f"Message-ID: <{message_id}>"]
    if draft.in_reply_to is not None:
        ids.append(f"In-Reply-To: <{draft.in_reply_to}>")
    if draft.references:
        # Folded here: the package takes a long id for words, and encodes it (RFC 5322 2.2.3).
        ids.append("References: " + "\r\n ".join(f"<{one}>" for one in draft.references))
    head = "".join(f"{line}\r\n" for line in ids).encode("ascii")
    return Made(content=head + octets_of(mail), message_id=message_id, needs_utf8=needs_utf8)


def _field(box: Mailbox) -> HeaderAddress:
    return header_mailbox(one_line(box.name, NAME_MAX), box.address)


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
