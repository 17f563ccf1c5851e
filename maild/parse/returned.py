"""Reports on delivery (RFC 3464): which mail came back, and with which code.

Whatever stands there is a stranger's word; that it is about a mail of ours, only our mark in that mail shows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from maild.model.letter import Returned
from maild.parse.charsets import decode_field
from maild.parse.header_block import capped, fields, split, unfold
from maild.parse.headers import read_headers
from maild.parse.parts import Part

_STATUS_TYPES = frozenset({"message/delivery-status", "message/global-delivery-status"})
_MAIL_TYPES = frozenset(
    {
        "message/rfc822",
        "message/global",
        "text/rfc822-headers",
        "message/rfc822-headers",
        "message/global-headers",
    }
)
_STATUS = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})(?![\d.])", re.ASCII)
_FIELD = re.compile(
    rb"^(status|final-recipient|original-recipient)[ \t]*:([^\r\n]*)", re.IGNORECASE | re.MULTILINE
)
_READ_MAX = 64 * 1024
"""Octets of the machine's half that are looked at."""
_RECIPIENT_MAX = 320


def read_returned(raw: bytes, leaves: Sequence[Part]) -> Returned | None:
    """Return what a report says and brings back; None where it has neither half."""
    status = next((part for part in leaves if part.type in _STATUS_TYPES), None)
    mail = next((part for part in leaves if part.type in _MAIL_TYPES), None)
    if status is None and mail is None:
        return None
    said = {} if status is None else _said(status.octets(raw)[:_READ_MAX])
    code = _STATUS.match(said.get("status", ""))
    message_id, mark = (None, None) if mail is None else _marks(mail.octets(raw))
    recipient = said.get("final-recipient", said.get("original-recipient", ""))
    return Returned(
        status=code[1] if code else "",
        recipient=recipient.partition(";")[2].strip()[:_RECIPIENT_MAX],
        message_id=message_id,
        loop_mark=mark,
    )


def _said(octets: bytes) -> dict[str, str]:
    """Return the first value of each field: those of the first recipient."""
    found: dict[str, str] = {}
    for name, value in _FIELD.findall(octets):
        found.setdefault(name.decode().lower(), decode_field(unfold(value)))
    return found


def _marks(octets: bytes) -> tuple[str | None, str | None]:
    """Return Message-ID and mark of the mail that came back, or of what is left of its header."""
    unread: list[str] = []
    block = split(octets.lstrip(b"\r\n \t")).block
    headers = read_headers(capped(fields(block), unread), charset="", notes=unread)
    return headers.message_id, headers.loop_mark
