"""Mails that maild writes itself: queued in a use case's own transaction, composed when they are sent.

What is queued are words; headers are made from them by the `email` package, which is given nothing that it would read as
an encoded word, and what it made is counted, so that nothing that somebody typed becomes a field.  Never answers a
machine, never writes to an address of its own, never says who else got the mail.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address as HeaderAddress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any

from maild.core.app import App
from maild.core.seal import SealingKey
from maild.model.address import Address, InvalidAddressError
from maild.model.errand import GIVE_UP_AFTER, Topic
from maild.model.letter import LOOP_HEADER, Kind, Letter
from maild.model.people import NameKind
from maild.store.outbox import Errand
from maild.store.store import Tx

SUBJECT_MAX = 200
NAME_MAX = 100
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_ENCODED_WORD = "=?"
"""How an encoded word begins (RFC 2047 2).  The `email` package decodes those in what it is given, and writes what they
hold into the header, line ends too."""
_MACHINES = frozenset(
    ["mailer-daemon", "postmaster", "noreply", "no-reply", "donotreply", "do-not-reply", "bounce"]
)
# As 7 bits, whatever is said: no relay has to know 8BITMIME, and no signature breaks on the way.
POLICY = SMTP.clone(cte_type="7bit")
POLICY_EAI = POLICY.clone(utf8=True)


class UnsafeLetterError(ValueError):
    """A field would end before its text does; such a letter is never sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A mail to one person."""

    to: str
    """The address as its owner writes it."""
    to_name: str = ""
    subject: str
    text: str
    """Plain text; lines as long as they are."""
    answers: Letter | None = None
    """The mail that made us write: a machine's is not answered (RFC 3834 2)."""
    answers_to: str | None = None
    """The envelope sender of that mail; empty: nobody wants an answer (RFC 3834 2)."""


@dataclass(frozen=True, slots=True)
class Posted:
    """It is queued, and goes when the transaction has committed."""

    errand: str
    """The errand's id."""
    is_new: bool
    """False: one of that key was there before, and stays as it was."""


@dataclass(frozen=True, slots=True)
class NotPosted:
    """It is not sent, and why."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """As whom the installation writes."""

    address: str
    name: str
    hostname: str
    key: SealingKey
    bounces_to: str = ""
    """The envelope sender: an address that maild takes mail for, so that reports come back; empty: they are for nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """A mail as it goes to the relay."""

    mail_from: str
    """Empty: bounces of it are for nobody (RFC 3834 3.3); else what comes back is known by our mark in it."""
    recipient: str
    content: bytes
    message_id: str
    needs_utf8: bool
    """Whether only a relay with SMTPUTF8 can take it (RFC 6531)."""


def post(
    tx: Tx,
    app: App,
    notice: Notice,
    *,
    key: str,
    account_id: int | None = None,
    give_up_at: datetime | None = None,
) -> Posted | NotPosted:
    """Queue a mail in the caller's transaction; it exists if, and only if, that commits.

    `key` names the occasion, as `verify:<address id>:<token id>`: the same is never queued twice, for ever.  After
    `give_up_at` (five days, if it is not given) it is not tried any more.  Commits nothing by itself; touches no network.
    """
    try:
        address = Address.parse(notice.to)
    except InvalidAddressError as error:
        return NotPosted(str(error))
    why = _unwritable(address) or _own(tx, address) or _machine(notice, address)
    if why is not None:
        return NotPosted(why)
    now, ulid = app.clock(), app.ids()
    payload: dict[str, Any] = {
        "to": as_written(notice.to, address),
        "to_name": one_line(notice.to_name, NAME_MAX),
        "subject": one_line(notice.subject, SUBJECT_MAX),
        "text": body_of(notice.text),
    }
    if notice.answers is not None and notice.answers.message_id:
        payload["in_reply_to"] = notice.answers.message_id
    is_new = tx.outbox.add(
        ulid=ulid,
        key=key,
        topic=Topic.MAIL,
        account_id=account_id,
        payload=payload,
        now=now,
        give_up_at=give_up_at or now + GIVE_UP_AFTER,
    )
    if is_new:
        return Posted(ulid, is_new=True)
    there = tx.outbox.by_key(key)
    return Posted(there.ulid if there is not None else ulid, is_new=False)


def _unwritable(address: Address) -> str | None:
    """Say why no header can carry this address."""
    if _ENCODED_WORD in address.local:
        return f"{address.norm} would be read as an encoded word in a header, and so as another address"
    return None


def _own(tx: Tx, address: Address) -> str | None:
    """Say why a mail to this address would come back to us."""
    for norm in dict.fromkeys((address.norm, address.base.norm)):
        name = tx.people.name(norm)
        if name is not None and name.kind is not NameKind.USER:
            return f"{norm} is an address that maild itself takes mail for; a mail to it would go in a circle"
    return None


def _machine(notice: Notice, address: Address) -> str | None:
    """Say why nobody is to be answered (RFC 3834 2)."""
    if notice.answers is None:
        return None
    if notice.answers.kind is not Kind.NORMAL:
        return f"it answers a mail that a machine made ({notice.answers.kind_proof})"
    if notice.answers_to == "":
        return "it answers a mail with an empty envelope sender, which nobody reads answers to"
    local = address.base.local
    if local in _MACHINES or local.startswith("owner-") or local.endswith("-request"):
        return f"{address.norm} is no person's address"
    return None


def as_written(text: str, address: Address) -> str:
    """Return the local part as its owner writes it: some servers tell A from a (RFC 5321 2.4)."""
    return f"{text.strip().rpartition('@')[0]}@{address.domain}"


def one_line(text: str, most: int) -> str:
    """Return text for one line of a header: what could end the line or break the charset is a blank."""
    line = " ".join(_STEERING.sub(" ", text).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def compose(errand: Errand, sender: Sender) -> Composed:
    """Return the mail of an errand; the same errand makes the same octets, so that a repeat can be known.

    Raises UnsafeLetterError, KeyError for a payload that `post` did not write.
    """
    said = errand.payload
    message_id = f"{errand.ulid.lower()}@{sender.hostname}"
    address = Address.parse(said["to"])
    needs_utf8 = not said["to"].isascii()
    mail = EmailMessage(POLICY_EAI if needs_utf8 else POLICY)
    mail["From"] = header_mailbox(sender.name, sender.address)
    mail["To"] = header_mailbox(said["to_name"], said["to"])
    mail["Subject"] = header_words(said["subject"])
    mail["Date"] = format_datetime(errand.created_at)
    mail["Message-ID"] = f"<{message_id}>"
    replied = _checked(said.get("in_reply_to", ""))
    if replied and _ENCODED_WORD not in replied:
        mail["In-Reply-To"] = mail["References"] = f"<{replied}>"
    # RFC 3834 5: no machine is to answer.  `Precedence` is left out: it says bulk, and filters act on that.
    mail["Auto-Submitted"] = "auto-replied" if replied else "auto-generated"
    mail["X-Auto-Response-Suppress"] = "OOF, AutoReply"  # Exchange reads this instead.
    mail[LOOP_HEADER] = loop_mark(sender.key, message_id)
    mail.set_content(said["text"])
    return Composed(
        mail_from=sender.bounces_to,
        recipient=f"{said['to'].rpartition('@')[0]}@{address.domain}",
        content=octets_of(mail),
        message_id=message_id,
        needs_utf8=needs_utf8,
    )


def _checked(text: str) -> str:
    if _STEERING.search(text):
        raise UnsafeLetterError("a line break or control character in a header")
    return text


def header_words(text: str) -> str:
    """Return words for a header that are read as they stand there.  Raises UnsafeLetterError."""
    return _checked(text).replace(_ENCODED_WORD, "= ?")


def header_mailbox(name: str, address: str) -> HeaderAddress:
    """Return a mailbox for a header.  Raises UnsafeLetterError."""
    local, _, domain = _checked(address).rpartition("@")
    if _ENCODED_WORD in local:
        raise UnsafeLetterError("an encoded word in an address")
    return HeaderAddress(display_name=header_words(name), username=local, domain=domain)


def octets_of(mail: EmailMessage) -> bytes:
    """Return the octets.  Raises UnsafeLetterError where they have other fields than were set, in whatever way."""
    content = mail.as_bytes()
    head = content.partition(b"\r\n\r\n")[0]
    lines = re.split(rb"\r\n|\r|\n", head)
    names = [line.partition(b":")[0] for line in lines if not line.startswith((b" ", b"\t"))]
    if names != [name.encode() for name in mail]:
        raise UnsafeLetterError("the header has other fields than were written")
    return content


def body_of(text: str) -> str:
    """Return what a mail can say: lines end as lines do, and no lone half of a character breaks the charset."""
    lines = text.encode("utf-8", "replace").decode().replace("\0", "").splitlines()
    return "\n".join(lines) + "\n"


def loop_mark(key: SealingKey, message_id: str) -> str:
    """Return what only this installation can write beside this Message-ID."""
    return key.lookup(f"loop {message_id}")


def returns_to(app: App, from_address: str) -> str:
    """Return the envelope sender of our mails: who they are from, where maild takes mail for that address; else none.

    Reads only.  Raises StoreDownError.
    """
    try:
        address = Address.parse(from_address)
    except InvalidAddressError:
        return ""
    with app.store.read() as tx:
        for norm in dict.fromkeys((address.norm, address.base.norm)):
            name = tx.people.name(norm)
            if name is not None and name.kind is NameKind.INBOX:
                return from_address
    return ""


def errand_returned(key: SealingKey | None, letter: Letter) -> str | None:
    """Return the errand whose mail a report brought back; None where it is about no mail of this installation.

    Who never had that mail cannot write its mark.
    """
    found = letter.returned
    if key is None or found is None or not found.loop_mark or not found.message_id:
        return None
    expected = loop_mark(key, found.message_id)
    if not hmac.compare_digest(found.loop_mark.encode(), expected.encode()):
        return None
    return _id_in(found.message_id)


def _id_in(message_id: str) -> str:
    return message_id.partition("@")[0].upper()


def is_ours(key: SealingKey | None, letter: Letter) -> bool:
    """Whether a mail is one that this installation sent: a stranger who copies the mark copies the Message-ID, too."""
    return sent_under(key, letter) is not None


def sent_under(key: SealingKey | None, letter: Letter) -> str | None:
    """Return the id that this installation sent a mail under, a mail's or an errand's; None: it did not send it."""
    if key is None or letter.loop_mark is None or letter.message_id is None:
        return None
    expected = loop_mark(key, letter.message_id)
    if not hmac.compare_digest(letter.loop_mark.encode(), expected.encode()):
        return None
    return _id_in(letter.message_id)
