"""Writing mail: answers, mails that are passed on, and new ones, as an address that one may write as (M8).

What is written is durable before it is sent: the octets, and an errand for each recipient, in one transaction; its
Message-ID stands from then on, and a repeat has the same.  Nothing here answers anything by itself.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from maild.core.answering import require_free_to_answer
from maild.core.app import Actor, App
from maild.core.decide import Reader, decide_again
from maild.core.drafts import made
from maild.core.drops import hide_drops
from maild.core.letters import UnsafeLetterError
from maild.core.seal import SealingKey
from maild.core.standing import home, require_member
from maild.core.writing_desk import (
    Answered,
    Asked,
    Desk,
    desk_for,
    proper,
    read_original,
    require_size,
    too_many,
)
from maild.core.writing_kept import Kept, keep
from maild.model.address import Address, InvalidAddressError
from maild.model.answering import Addressees, addressees
from maild.model.letter import Kind, Letter, Mailbox
from maild.model.plain_text import short
from maild.model.reason import Reason, RefusedError
from maild.model.writing import (
    RECIPIENTS_MAX,
    Act,
    Attached,
    Draft,
    answer_subject,
    forward_subject,
    is_plain_id,
    passed_on,
    quoted,
    references_of,
    without_ours,
)
from maild.store.store import Tx

_log = logging.getLogger("maild.writing")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileView:
    """A file that goes with a mail."""

    name: str
    type: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenView:
    """A mail that was written, or, of a dry run, would be."""

    id: str | None
    """Its id in lists; None: nothing was written."""
    act: Act
    message_id: str
    sender: str
    sender_name: str
    to: tuple[str, ...]
    cc: tuple[str, ...]
    bcc: tuple[str, ...]
    subject: str
    text: str
    attachments: tuple[FileView, ...]
    answers: str | None
    """The mail that it answers, or passes on."""
    sets_status: str | None
    """What that one gets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    act: Act
    desk: Desk
    draft: Draft


def reply(
    app: App,
    reader: Reader,
    ulid: str,
    asked: Asked,
    *,
    dry_run: bool = False,
    by: Actor,
) -> WrittenView:
    """Answer a mail, as the address that its writer wrote to, or as the template or `asked` says.

    It goes where Reply-To asks, and with `asked.everyone` to the others in To and Cc; never to an inbox of the account.
    Commits one transaction: the mail, an errand for each recipient, status and event of the answered one; then decides
    it, or leaves that to a worker: once it is written nothing is raised.  Raises RefusedError (NOT_FOUND, NOT_ALLOWED,
    SENDER_NOT_ALLOWED, INVALID_VALUE, INVALID_EMAIL, CONFLICT), StoreDownError, OSError; then nothing was written.  BEING_ANSWERED while somebody else says that they are answering, unless `asked.anyway`.
    """
    with app.store.read() as tx:
        original = read_original(app, tx, reader, ulid, by)
        if not asked.anyway:
            require_free_to_answer(tx, original.row, by, app.clock())
        where = tx.people.account_by_id(original.row.account_id)
        desk = desk_for(app, tx, where, asked, original=original, by=by)
        people = _addressees(tx, desk, original, everyone=asked.everyone)
        below = _without_drops(app, tx, quoted(original.letter)) if asked.quote else ""
    letter = original.letter
    _require_text(desk)
    draft = Draft(
        sender=desk.sender.mailbox,
        to=people.to,
        cc=people.cc,
        bcc=desk.bcc,
        subject=desk.subject or answer_subject(letter.subject),
        text=f"{desk.text}\n\n{below}" if asked.quote else desk.text,
        in_reply_to=_plain_id(letter),
        references=references_of(letter),
        attached=desk.attached,
    )
    planned = _Planned(act=Act.REPLY, desk=desk, draft=draft)
    return _finish(app, reader, planned, by=by, dry_run=dry_run)


def forward(
    app: App,
    reader: Reader,
    ulid: str,
    asked: Asked,
    *,
    dry_run: bool = False,
    by: Actor,
) -> WrittenView:
    """Pass a mail on: attached as it came, or `asked.inline` as text; a drop address in it is hidden (U7).

    It is filed where the mail is.

    Commits and raises as `reply`.
    """
    with app.store.read() as tx:
        original = read_original(app, tx, reader, ulid, by)
        where = tx.people.account_by_id(original.row.account_id)
        desk = desk_for(app, tx, where, asked, original=original, by=by)
        letter, text, files = original.letter, desk.text, desk.attached
        if asked.inline:
            below = _without_drops(app, tx, passed_on(letter))
            text = "\n\n".join(filter(None, (text, below)))
        else:
            files = (_as_file(app, tx, original), *files)
            require_size(sum(len(one.content) for one in files))
    draft = Draft(
        sender=desk.sender.mailbox,
        to=desk.to,
        cc=desk.cc,
        bcc=desk.bcc,
        subject=desk.subject or forward_subject(letter.subject),
        text=text,
        references=references_of(letter),
        attached=files,
    )
    planned = _Planned(act=Act.FORWARD, desk=desk, draft=draft)
    return _finish(app, reader, planned, by=by, dry_run=dry_run)


def compose(
    app: App,
    reader: Reader,
    asked: Asked,
    *,
    account: str | None = None,
    dry_run: bool = False,
    by: Actor,
) -> WrittenView:
    """Write a new mail, as the address that `asked` or the template names, else as one's own.

    Commits and raises as `reply`.
    """
    with app.store.read() as tx:
        where = home(tx, account, by)
        require_member(tx, where, by)
        desk = desk_for(app, tx, where, asked, original=None, by=by)
    _require_text(desk)
    if not desk.subject:
        raise RefusedError(Reason.INVALID_VALUE, what="The subject", value="", why="it is empty")
    draft = Draft(
        sender=desk.sender.mailbox,
        to=desk.to,
        cc=desk.cc,
        bcc=desk.bcc,
        subject=desk.subject,
        text=desk.text,
        attached=desk.attached,
    )
    planned = _Planned(act=Act.COMPOSE, desk=desk, draft=draft)
    return _finish(app, reader, planned, by=by, dry_run=dry_run)


# --- whom, and what -------------------------------------------------------------------------------------------------


def _addressees(tx: Tx, desk: Desk, original: Answered, *, everyone: bool) -> Addressees:
    if original.letter.kind is Kind.BOUNCE and not desk.to:
        raise RefusedError(
            Reason.CONFLICT,
            why=f"The mail {original.row.ulid} is a mail server's report; nobody reads answers to it. Say --to.",
        )
    ours = _ours(tx, desk, original.letter)
    found = addressees(
        original.letter,
        lambda box: proper(box) is None or box.address.casefold() in ours,
        is_outgoing=original.is_outgoing,
        is_users=original.is_users,
        everyone=everyone,
    )
    to = desk.to or tuple(filter(None, map(proper, found.to)))
    cc = (*desk.cc, *filter(None, map(proper, found.cc)))
    if not to:
        raise RefusedError(
            Reason.CONFLICT,
            why=f"The mail {original.row.ulid} names nobody outside to answer; say to whom (--to).",
        )
    return Addressees(to, without_ours(cc, [box.address for box in to]))


def _ours(tx: Tx, desk: Desk, letter: Letter) -> set[str]:
    """Return those addresses of a mail, as they stand there, that are inboxes of the account or the writer's own."""
    forwarded = letter.forwarded
    boxes: list[Mailbox] = [*letter.from_, *letter.reply_to, *letter.to, *letter.cc]
    if forwarded is not None:
        boxes += [*forwarded.to, *forwarded.cc]
    named: dict[str, Address] = {}
    for box in boxes:
        try:
            named[box.address.casefold()] = Address.parse(box.address)
        except InvalidAddressError:
            continue
    norms = {name.norm for one in named.values() for name in (one, one.base)}
    inboxes = {norm for _, norm in tx.facts.inboxes_among([desk.where.id], norms)}
    own = {row.norm for row in tx.people.addresses_of(desk.author) if row.valid_to is None}
    return {
        text
        for text, one in named.items()
        if one.norm in own or {one.norm, one.base.norm} & inboxes
    }


def _plain_id(letter: Letter) -> str | None:
    found = letter.message_id
    return found if found is not None and is_plain_id(found) else None


def _without_drops(app: App, tx: Tx, text: str) -> str:
    return hide_drops(app, tx, text.encode("utf-8", "surrogatepass")).decode(
        "utf-8", "surrogatepass"
    )


def _as_file(app: App, tx: Tx, original: Answered) -> Attached:
    content = original.content
    if isinstance(content, Path):
        require_size(content.stat().st_size)
        content = content.read_bytes()
    name = short(original.letter.subject, 60).replace("/", "_").replace("\\", "_").strip(" .")
    content = hide_drops(app, tx, content)
    return Attached(name=f"{name or 'mail'}.eml", type="message/rfc822", content=content)


def _require_text(desk: Desk) -> None:
    if not desk.text.strip() and not desk.attached:
        raise RefusedError(
            Reason.INVALID_VALUE,
            what="The text",
            value="",
            why="it is empty, and nothing is attached",
        )


# --- writing it down ------------------------------------------------------------------------------------------------


def _finish(
    app: App, reader: Reader, planned: _Planned, *, by: Actor, dry_run: bool
) -> WrittenView:
    draft, desk = _each_once(planned.draft), planned.desk
    key = _require_ready(app, dry_run=dry_run)
    ulid, now = app.ids(), app.clock()
    try:
        mail = made(draft, ulid=ulid, at=now, key=key)
    except UnsafeLetterError as error:
        raise RefusedError(
            Reason.INVALID_VALUE, what="The mail", value=short(draft.subject), why=str(error)
        ) from None
    planned = replace(planned, draft=draft)
    if dry_run:
        return _view(None, planned, mail.message_id)
    kept = Kept(ulid=ulid, at=now, act=planned.act, desk=desk, draft=draft, mail=mail)
    delivery_id = keep(app, kept, by=by)
    try:
        decide_again(app, reader, [delivery_id])
    except Exception:  # noqa: BLE001 - it is written, and goes: whoever was told that it failed would write it again
        _log.exception("written_not_decided mail=%s", ulid)
    return _view(ulid, planned, mail.message_id)


def _each_once(draft: Draft) -> Draft:
    """Return the draft with each recipient once.  Raises RefusedError INVALID_VALUE for none, or too many."""
    if not draft.to:
        raise RefusedError(
            Reason.INVALID_VALUE, what="The recipient", value="", why="there is none; say --to"
        )
    cc = without_ours(draft.cc, [box.address for box in draft.to])
    bcc = without_ours(draft.bcc, [box.address for box in (*draft.to, *cc)])
    draft = replace(draft, cc=cc, bcc=bcc)
    if len(draft.recipients) > RECIPIENTS_MAX:
        raise too_many()
    return draft


def _require_ready(app: App, *, dry_run: bool) -> SealingKey:
    """Return the key by which our mails are known when they come back.  Raises RefusedError CONFLICT."""
    if app.key is None:
        raise RefusedError(
            Reason.CONFLICT,
            why="There is no secret_key, by which our own mails are known when they come back; set secret_key_file.",
        )
    if not app.has_relay and not dry_run:
        raise RefusedError(
            Reason.CONFLICT,
            why="There is no relay that mail could go out by; set [relay] host in the configuration.",
        )
    return app.key


def _view(ulid: str | None, planned: _Planned, message_id: str) -> WrittenView:
    desk, draft = planned.desk, planned.draft
    original, template = desk.original, desk.template
    return WrittenView(
        id=ulid,
        act=planned.act,
        message_id=message_id,
        sender=draft.sender.address,
        sender_name=draft.sender.name,
        to=tuple(box.address for box in draft.to),
        cc=tuple(box.address for box in draft.cc),
        bcc=tuple(box.address for box in draft.bcc),
        subject=draft.subject,
        text=draft.text,
        attachments=tuple(
            FileView(name=one.name, type=one.type, size=len(one.content)) for one in draft.attached
        ),
        answers=None if original is None else original.row.ulid,
        sets_status=None if template is None else template.status,
    )
