"""What somebody who writes has on the desk: the mail that is answered, the template, as whom, to whom.  Only reads."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from maild.core.acts import no_mail, require_right
from maild.core.app import Actor, App
from maild.core.decide import Reader
from maild.core.letters import NAME_MAX, as_written, one_line
from maild.core.send_rights import Identity, identity
from maild.core.standing import parse_address
from maild.core.templates import find_template
from maild.core.views import bytes_of
from maild.model.address import Address, InvalidAddressError
from maild.model.letter import PARSER_VERSION, Letter, Mailbox
from maild.model.people import InboxKind
from maild.model.plain_text import short
from maild.model.reason import Reason, RefusedError
from maild.model.states import State
from maild.model.writing import (
    ATTACHED_MAX,
    ATTACHMENTS_MAX,
    RECIPIENTS_MAX,
    SUBJECT_MAX,
    TEXT_MAX,
    Attached,
    Variable,
    filled,
    variables_in,
    without_ours,
)
from maild.parse import codec
from maild.store.accounts import AccountRow
from maild.store.mailbox import EntryRow
from maild.store.store import Tx
from maild.store.templates import TemplateRow

_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,60}/[a-z0-9][a-z0-9.+-]{0,80}", re.ASCII)
OCTETS = "application/octet-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody wants to write; what is left out, the answered mail or the template says."""

    text: str | None = None
    subject: str | None = None
    template: str | None = None
    sender: str | None = None
    """As whom: a shared inbox, or a confirmed address of one's own."""
    to: Sequence[str] = ()
    """Addresses, each alone or as `Name <address>`."""
    cc: Sequence[str] = ()
    bcc: Sequence[str] = ()
    attached: Sequence[Attached] = ()
    everyone: bool = False
    """Of an answer: also to the others in To and Cc."""
    quote: bool = True
    """Of an answer: the answered text stands below."""
    inline: bool = False
    """Of a mail that is passed on: as text, and not attached as it came."""
    anyway: bool = False
    """Of an answer: though somebody else is answering the mail (M9)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The mail that is answered, or passed on."""

    row: EntryRow
    letter: Letter
    inbox: str
    is_outgoing: bool
    is_users: bool
    """Whether one of the account's users sent it in."""
    content: bytes | Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """All that a mail is written from."""

    where: AccountRow
    author: int
    sender: Identity
    template: TemplateRow | None
    original: Answered | None
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...]
    bcc: tuple[Mailbox, ...]
    attached: tuple[Attached, ...]
    subject: str
    """Of `asked` or the template; empty: neither says one."""
    text: str


def read_original(app: App, tx: Tx, reader: Reader, ulid: str, by: Actor) -> Answered:
    """Return a mail to be answered.  Raises RefusedError (NOT_FOUND, NOT_ALLOWED, CONFLICT for one that is not readable)."""
    row = tx.mailbox.entry(ulid)
    if row is None or row.state is State.ERASED:
        raise no_mail(ulid)
    require_right(tx, row, by)
    content = bytes_of(app, tx, row)
    letter = _letter(tx, reader, row, content)
    shown = tx.lists.mail(row.id)
    return Answered(
        row=row,
        letter=letter,
        inbox=shown["inbox"],
        is_outgoing=shown["direction"] == "out",
        is_users=shown["sender_user_id"] is not None,
        content=content,
    )


def _letter(tx: Tx, reader: Reader, row: EntryRow, content: bytes | Path) -> Letter:
    stored = tx.deliveries.readings([row.message_id], PARSER_VERSION).get(row.message_id)
    if stored is not None:
        return codec.load(stored)
    found = None
    if row.state not in {State.RECEIVED, State.FAILED}:
        found = next(reader.read_many([content]))
    if not isinstance(found, Letter):
        raise RefusedError(
            Reason.CONFLICT, why=f"The mail {row.ulid} could not be read, so it cannot be answered."
        )
    return found


def desk_for(
    app: App, tx: Tx, where: AccountRow, asked: Asked, *, original: Answered | None, by: Actor
) -> Desk:
    """Return what somebody writes from.

    Raises RefusedError (NOT_ALLOWED without a writer, NOT_FOUND, SENDER_NOT_ALLOWED, INVALID_EMAIL, INVALID_VALUE,
    CONFLICT for a variable that has no value here).
    """
    author = require_author(by)
    to, cc, bcc = (_boxes(texts) for texts in (asked.to, asked.cc, asked.bcc))
    _require_files(asked.attached)
    template = None if asked.template is None else find_template(tx, where, asked.template, by)
    sender = _sender(tx, where, asked, template, original, author)
    values = _Values(app, tx, where, author, sender, original, to)
    subject, text = asked.subject, asked.text
    if template is not None:
        subject = values.fill(template.subject) if subject is None else subject
        text = values.fill(template.text) if text is None else text
    return Desk(
        where=where,
        author=author,
        sender=sender,
        template=template,
        original=original,
        to=to,
        cc=cc,
        bcc=bcc,
        attached=tuple(asked.attached),
        subject=one_line(subject or "", SUBJECT_MAX).strip(),
        text=_checked(text or ""),
    )


def require_author(by: Actor) -> int:
    """Return who writes: a person; the operator says whose name it is in.  Raises RefusedError NOT_ALLOWED."""
    if by.user_id is None:
        raise RefusedError(Reason.NOT_ALLOWED, why="Say who writes it: --by EMAIL.")
    return by.user_id


def _sender(
    tx: Tx,
    where: AccountRow,
    asked: Asked,
    template: TemplateRow | None,
    original: Answered | None,
    author: int,
) -> Identity:
    """Return as whom: as asked, as the template says, as the client wrote to, else as one's own primary address."""
    answers = None if original is None else original.row
    if asked.sender is not None:
        return identity(tx, where, asked.sender, author, answers=answers)
    if template is not None and template.inbox is not None:
        return identity(tx, where, template.inbox, author, answers=answers)
    if original is not None and original.row.inbox_kind is InboxKind.SHARED:
        return identity(tx, where, original.inbox, author, answers=answers)
    email = tx.people.user(author).email
    if email is None:
        raise RefusedError(Reason.NOT_ALLOWED, why="Who writes has no address to write as.")
    return identity(tx, where, email, author)


@dataclass(frozen=True, slots=True)
class _Values:
    """What a template's variables stand for here; looked up where the text has them."""

    app: App
    tx: Tx
    where: AccountRow
    author: int
    sender: Identity
    original: Answered | None
    to: tuple[Mailbox, ...]

    def fill(self, text: str) -> str:
        """Return the text with its variables' values.  Raises RefusedError CONFLICT for one without."""
        return filled(text, {name: self._value(Variable(name)) for name in variables_in(text)})

    def _value(self, variable: Variable) -> str:
        value = one_line(self._found(variable), SUBJECT_MAX)
        if not value:
            raise RefusedError(
                Reason.CONFLICT,
                why=f"The template says {{{variable.value}}}, and there is none here: "
                f"{_WHY_NONE.get(variable, 'nothing is known of it')}.",
            )
        return value

    def _found(self, variable: Variable) -> str:
        known: dict[Variable, Callable[[], str]] = {
            Variable.CLIENT_NAME: self._client,
            Variable.SENDER_NAME: lambda: self._other.name or self._other.address,
            Variable.SENDER_ADDRESS: lambda: self._other.address,
            Variable.ME_NAME: lambda: self.tx.rights.display_name(self.author),
            Variable.ACCOUNT_NAME: lambda: self.where.name,
            Variable.INBOX: lambda: self.sender.address.norm,
            Variable.SUBJECT: lambda: self.original.letter.subject if self.original else "",
            Variable.DATE: lambda: f"{self.app.clock():%Y-%m-%d}",
        }
        return known[variable]()

    @property
    def _other(self) -> Mailbox:
        """Who the mail is to, or who wrote what is answered."""
        if self.original is None:
            return self.to[0] if self.to else Mailbox("")
        letter = self.original.letter
        forwarded = letter.forwarded
        if self.original.is_outgoing:
            # One's own forward, too: who gets the next mail is not who wrote the original.
            boxes = self.to or letter.to
        elif self.original.is_users and forwarded is not None and forwarded.from_ is not None:
            return forwarded.from_
        else:
            boxes = letter.from_
        return boxes[0] if boxes else Mailbox("")

    def _client(self) -> str:
        if self.original is not None:
            number = self.original.row.id
            found = self.tx.writing.clients_of([number]).get(number, ())
        elif self.to:
            norm = parse_address(self.to[0].address).norm
            owned = self.tx.facts.contacts([self.where.id], [norm])
            found = owned.get((self.where.id, norm), ())
        else:
            found = ()
        return found[0].name if len(found) == 1 else ""


_WHY_NONE = {
    Variable.CLIENT_NAME: "the mail is not filed under one client",
    Variable.SUBJECT: "no mail is answered, or it has no subject",
}


# --- what was typed -------------------------------------------------------------------------------------------------


def _boxes(texts: Sequence[str]) -> tuple[Mailbox, ...]:
    if len(texts) > RECIPIENTS_MAX:
        raise too_many()
    return without_ours([_box(text) for text in texts], ())


def too_many() -> RefusedError:
    """Return the refusal of more recipients than one mail has."""
    return RefusedError(
        Reason.INVALID_VALUE,
        what="The number of recipients",
        value="more",
        why=f"a mail has at most {RECIPIENTS_MAX}",
    )


def _box(text: str) -> Mailbox:
    name, address = "", text.strip()
    if address.endswith(">") and "<" in address:
        name, _, address = address[:-1].rpartition("<")
    parsed = parse_address(address)
    shown = one_line(name.strip().strip('"'), NAME_MAX)
    return Mailbox(as_written(address, parsed), shown)


def proper(box: Mailbox) -> Mailbox | None:
    """Return a mailbox of somebody else's mail as it can be written to; None: it cannot."""
    try:
        parsed = Address.parse(box.address)
    except InvalidAddressError:
        return None
    return Mailbox(as_written(box.address, parsed), one_line(box.name, NAME_MAX))


def _require_files(attached: Sequence[Attached]) -> None:
    size = sum(len(one.content) for one in attached)
    if len(attached) > ATTACHMENTS_MAX:
        raise RefusedError(
            Reason.INVALID_VALUE,
            what="The number of attachments",
            value=len(attached),
            why=f"a mail has at most {ATTACHMENTS_MAX}",
        )
    require_size(size)
    for one in attached:
        if _TYPE.fullmatch(one.type) is None or one.type.startswith(("multipart/", "message/")):
            raise RefusedError(
                Reason.INVALID_VALUE,
                what="The type of an attachment",
                value=short(one.type),
                why=f"it is as image/png, or {OCTETS}",
            )


def require_size(size: int) -> None:
    """Refuse attachments that no relay takes.  Raises RefusedError INVALID_VALUE."""
    if size > ATTACHED_MAX:
        raise RefusedError(
            Reason.INVALID_VALUE,
            what="The size of the attachments",
            value=f"{size} octets",
            why=f"together they have at most {ATTACHED_MAX // 2**20} MiB",
        )


def _checked(text: str) -> str:
    if len(text) > TEXT_MAX:
        raise RefusedError(
            Reason.INVALID_VALUE,
            what="The text",
            value=short(text, 20),
            why=f"it is longer than {TEXT_MAX} characters",
        )
    return text.strip("\r\n")
