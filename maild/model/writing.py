"""What people write: subjects, quotes, the fields by which mails hang together, and templates' variables (M8).  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from maild.model.address import Address, InvalidAddressError
from maild.model.letter import Letter, Mailbox

SUBJECT_MAX = 400
TEXT_MAX = 200_000
"""Characters of what somebody writes; and of what is quoted below it."""
RECIPIENTS_MAX = 100
ATTACHMENTS_MAX = 50
ATTACHED_MAX = 20 * 1024 * 1024
"""Octets of all attachments together: as base64 they are a third more, and relays stop somewhere above 25 MiB."""
IDS_MAX = 21
"""Message-IDs in References: the thread's first one, and the newest."""
PREFIXES_MAX = 20

_REPLY = frozenset(
    [
        "re",
        "aw",
        "antw",
        "antwort",
        "sv",
        "svar",
        "vs",
        "odp",
        "rif",
        "r",
        "res",
        "ynt",
        "vá",
        "на",
        "отв",
        "ответ",
        "ref",
        "atb",
        "ats",
        "hf",
        "回复",
        "回覆",
        "答复",
        "答覆",
        "返信",
        "답장",
    ]
)
"""How programs of various languages begin the subject of an answer."""
_FORWARD = frozenset(
    [
        "fwd",
        "fw",
        "wg",
        "tr",
        "i",
        "rv",
        "enc",
        "doorst",
        "vb",
        "vl",
        "pd",
        "továbbítás",
        "пересл",
        "fs",
        "trs",
        "转发",
        "轉寄",
        "転送",
        "전달",
    ]
)
_COUNTED = re.compile(r"(?:[\[(]\d{1,3}[\])]|\^\d{1,3})\Z", re.ASCII)
_WORD_MAX = 20
_ID = re.compile(r"[!-;=?-~]{3,250}", re.ASCII)
_VARIABLE = re.compile(r"\{([a-z]{1,20}(?:\.[a-z]{1,20})?)\}", re.ASCII)


class Act(StrEnum):
    """How somebody came to write."""

    COMPOSE = "compose"
    REPLY = "reply"
    FORWARD = "forward"


class RecipientKind(StrEnum):
    """In which field a recipient stands; Bcc stands in none."""

    TO = "to"
    CC = "cc"
    BCC = "bcc"


class ReportFate(StrEnum):
    """What a report says of a mail and one recipient (RFC 3464 2.3.3)."""

    DELAYED = "delayed"
    FAILED = "failed"


class Variable(StrEnum):
    """What a template may leave open; the list is closed."""

    CLIENT_NAME = "client.name"
    SENDER_NAME = "sender.name"
    SENDER_ADDRESS = "sender.address"
    ME_NAME = "me.name"
    ACCOUNT_NAME = "account.name"
    INBOX = "inbox"
    SUBJECT = "subject"
    DATE = "date"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """A file that goes with a mail."""

    name: str
    type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A mail before it is made into bytes."""

    sender: Mailbox
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...] = ()
    bcc: tuple[Mailbox, ...] = ()
    subject: str
    text: str
    in_reply_to: str | None = None
    references: tuple[str, ...] = ()
    attached: tuple[Attached, ...] = ()

    @property
    def recipients(self) -> tuple[tuple[RecipientKind, Mailbox], ...]:
        """Everybody who gets it, and by which field."""
        return (
            *((RecipientKind.TO, box) for box in self.to),
            *((RecipientKind.CC, box) for box in self.cc),
            *((RecipientKind.BCC, box) for box in self.bcc),
        )


# --- subjects -------------------------------------------------------------------------------------------------------


def answer_subject(subject: str) -> str:
    """Return the subject of an answer: one `Re:`, whatever stood there before."""
    return f"Re: {_without(subject, _REPLY)}".rstrip()


def forward_subject(subject: str) -> str:
    """Return the subject of a mail that is passed on: one `Fwd:`."""
    return f"Fwd: {_without(subject, _FORWARD)}".rstrip()


def _without(subject: str, known: frozenset[str]) -> str:
    rest = " ".join(subject.split())
    for _ in range(PREFIXES_MAX):
        # The full-width colon, too: Chinese programs write it.
        head, colon, tail = rest[:_WORD_MAX].replace("\uff1a", ":").partition(":")
        word = _COUNTED.sub("", head.strip()).strip().casefold()
        if not colon or word not in known:
            break
        rest = (tail + rest[_WORD_MAX:]).lstrip()
    return rest[:SUBJECT_MAX]


# --- what a mail hangs on -------------------------------------------------------------------------------------------


def references_of(letter: Letter) -> tuple[str, ...]:
    """Return the References of an answer to a mail (RFC 5322 3.6.4): its own, and itself; the oldest first, and bounded.

    What is no plain Message-ID is left out: it came from outside, and stands in a header of ours.
    """
    own = letter.references or (letter.in_reply_to if len(letter.in_reply_to) == 1 else ())
    last = () if letter.message_id is None else (letter.message_id,)
    found = [one for one in dict.fromkeys((*own, *last)) if is_plain_id(one)]
    if len(found) > IDS_MAX:
        found = [found[0], *found[1 - IDS_MAX :]]
    return tuple(found)


def is_plain_id(text: str) -> bool:
    """Whether a Message-ID can stand in a header as it is: printable ASCII, no angle bracket, no encoded word."""
    return "@" in text[1:-1] and "=?" not in text and _ID.fullmatch(text) is not None


# --- quoting --------------------------------------------------------------------------------------------------------


def quoted(letter: Letter) -> str:
    """Return a mail's text as it stands below an answer: who wrote, when, and each line behind a mark."""
    text, cut = letter.text[:TEXT_MAX], len(letter.text) > TEXT_MAX
    lines = [f">{line}" if line.startswith(">") else f"> {line}" for line in _lines(text)]
    return "\n".join([f"{_attribution(letter)}:", *lines, *(["> […]"] if cut else [])])


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip("\r\n").splitlines()]


def _attribution(letter: Letter) -> str:
    who = _shown(letter.from_[0]) if letter.from_ else "somebody"
    if letter.date is None:
        return f"{who} wrote"
    return f"On {_when(letter.date)}, {who} wrote"


def _when(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _shown(box: Mailbox) -> str:
    name = " ".join(box.name.split())
    return f"{name} <{box.address}>" if name else box.address


def passed_on(letter: Letter) -> str:
    """Return a mail's text as it stands in one that passes it on: its fields, an empty line, and the text as it is."""
    fields = [
        ("From", ", ".join(map(_shown, letter.from_[:5]))),
        ("Date", "" if letter.date is None else _when(letter.date)),
        ("Subject", " ".join(letter.subject.split())),
        ("To", ", ".join(map(_shown, letter.to[:20]))),
        ("Cc", ", ".join(map(_shown, letter.cc[:20]))),
    ]
    head = [f"{name}: {value}" for name, value in fields if value]
    text = "\n".join(_lines(letter.text[:TEXT_MAX]))
    return "\n".join(["---------- Forwarded message ----------", *head, "", text])


# --- templates ------------------------------------------------------------------------------------------------------


def variables_in(text: str) -> tuple[str, ...]:
    """Return what stands in braces as a variable does, each once; other braces are text."""
    return tuple(dict.fromkeys(match[1] for match in _VARIABLE.finditer(text)))


def unknown_variables(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the variables that there are not."""
    known = {one.value for one in Variable}
    return tuple(
        dict.fromkeys(name for text in texts for name in variables_in(text) if name not in known)
    )


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return a template's text with these values in it; what they hold is text, and never a variable again.

    Raises KeyError for a variable that has no value.
    """
    return _VARIABLE.sub(lambda match: values[match[1]], text)


def without_ours(boxes: Sequence[Mailbox], ours: Iterable[str]) -> tuple[Mailbox, ...]:
    """Return the mailboxes less those addresses, each once, however its letters are written."""
    seen = {_canonical(one) for one in ours}
    kept = []
    for box in boxes:
        key = _canonical(box.address)
        if key not in seen:
            seen.add(key)
            kept.append(box)
    return tuple(kept)


def _canonical(text: str) -> str:
    try:
        return Address.parse(text).norm
    except InvalidAddressError:
        return text.casefold()
