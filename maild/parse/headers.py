"""What the header block says of a mail: subject, date, ids, recipients.  Takes the capped block, never the body."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from mailparser.utils import convert_mail_date

from maild.model.letter import LOOP_HEADER, Mailbox
from maild.parse.addresses import bare_addresses, mailboxes, words_with_at
from maild.parse.charsets import decode_field
from maild.parse.encoded_words import decode_words
from maild.parse.header_block import Field, every, message_id_of, topmost, unfold
from maild.parse.limits import DELIVERED_TO, REFERENCES, SUBJECT

_ID = re.compile(r"<([^<>\s]{1,998})>")
_BLANKS = re.compile(r"[ \t\r\n\v\f]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_OFFSET_NAME = re.compile(r"\s*\([^()]*\)\s*$")
_DATE_MAX = 200
_LOOP = LOOP_HEADER.lower().encode()
_MARK = re.compile(r"[0-9a-f]{64}")
_DELIVERED = (
    b"delivered-to",
    b"x-original-to",
    b"envelope-to",
    b"x-gm-original-to",
    b"x-forwarded-to",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Headers:
    """The fields of one header block, decoded."""

    from_: tuple[Mailbox, ...]
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...]
    reply_to: tuple[Mailbox, ...]
    delivered_to: tuple[str, ...]
    subject: str
    date: datetime | None
    date_written: str
    message_id: str | None
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]
    loop_mark: str | None


def read_headers(found: Sequence[Field], *, charset: str, notes: list[str]) -> Headers:
    """Decode the fields.  `charset` is the body's, for raw octets in them; what was cut is added to `notes`."""

    def boxes(name: bytes, label: str) -> tuple[Mailbox, ...]:
        return mailboxes(every(found, name), charset=charset, label=label, notes=notes)

    written = topmost(found, b"date")
    return Headers(
        from_=boxes(b"from", "From"),
        to=boxes(b"to", "To"),
        cc=boxes(b"cc", "Cc"),
        reply_to=boxes(b"reply-to", "Reply-To"),
        delivered_to=_delivered_to(found),
        subject=_subject(found, charset, notes),
        date=date_of(written) if written else None,
        date_written=_one_line(decode_field(unfold(written or b""))[:_DATE_MAX]),
        message_id=next(filter(None, map(message_id_of, every(found, b"message-id"))), None),
        in_reply_to=_ids(every(found, b"in-reply-to")),
        references=_ids(every(found, b"references")),
        loop_mark=_loop_mark(topmost(found, _LOOP)),
    )


def _loop_mark(value: bytes | None) -> str | None:
    """Return the mark if it looks like one: a stranger's nonsense is not worth keeping."""
    text = (value or b"").strip().decode("ascii", "replace")
    return text if _MARK.fullmatch(text) else None


def _delivered_to(found: Sequence[Field]) -> tuple[str, ...]:
    return bare_addresses(
        (field.value for field in found if field.name in _DELIVERED), DELIVERED_TO
    )


def _subject(found: Sequence[Field], charset: str, notes: list[str]) -> str:
    value = topmost(found, b"subject")
    if value is None:
        return ""
    text = _one_line(decode_words(decode_field(unfold(value), charset)))
    if len(text) > SUBJECT:
        notes.append(f"the subject was cut at {SUBJECT} characters")
        return text[:SUBJECT]
    return text


def _one_line(text: str) -> str:
    """Make any text fit for one line: no control characters, blanks as one each."""
    return _CONTROL.sub("", _BLANKS.sub(" ", text)).strip()


def date_of(value: bytes) -> datetime | None:
    """Return the time in UTC.  mail-parser reads it strictly; the standard library more loosely, zone or none."""
    text = _one_line(decode_field(unfold(value)))
    if not text or len(text) > _DATE_MAX:
        return None
    try:
        moment: datetime = convert_mail_date(text)[0]
    except (ValueError, TypeError, OverflowError):
        return _loose_date(text)
    return moment


def _loose_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(_OFFSET_NAME.sub("", text))
        # RFC 5322 3.3: a date without a zone says nothing of where it was; UTC is as good as any.
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _ids(values: Sequence[bytes]) -> tuple[str, ...]:
    """Return the Message-IDs of In-Reply-To or References, without brackets; at most 200, the first and the newest."""
    text = " ".join(decode_field(unfold(value)) for value in values)
    found = _ID.findall(text) or words_with_at(text)
    ids = tuple(dict.fromkeys(_CONTROL.sub("", one) for one in found))
    return ids if len(ids) <= REFERENCES else (ids[0], *ids[1 - REFERENCES :])
