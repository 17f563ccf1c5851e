"""Repairs: what a person can do about a mail, done and decided again in place (E2).

A repair changes people, clients or what an account remembers, or writes down a person's answer about one delivery; then
the same pure function decides that delivery anew.  It never rewrites another mail: those that the new fact may settle are
counted, and `core.healing` decides them when somebody says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from maild.core.acts import Act, Change, mails, new_act, no_mail, require_right
from maild.core.app import Actor, App
from maild.core.decide import Reader, decide_again
from maild.core.giants import ask_for_whole_in
from maild.core.healing import Matching, matching_held
from maild.core.inboxes import set_inbox_in
from maild.core.joining import invite
from maild.core.look import Look
from maild.core.repair_acts import ACTS, nothing_to_trust
from maild.core.repair_looks import LOOKS, inboxes_by_field
from maild.core.repair_offers import actions_for, offers_of
from maild.core.repair_values import Choice, Repair
from maild.core.repair_work import Told, Work, require_decided
from maild.core.sources import set_source
from maild.core.verifying import send_verification
from maild.core.waiting import let_heal
from maild.model.people import Role
from maild.model.plain_text import short
from maild.model.reason import Reason, RefusedError
from maild.model.states import State
from maild.model.way import Way
from maild.store.mailbox import EntryRow
from maild.store.store import Tx

__all__ = [
    "Asked",
    "Choice",
    "Filed",
    "Matching",
    "Repair",
    "Repaired",
    "Repairs",
    "repair",
    "repairs_of",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Repairs:
    """One mail, why it is as it is, and what can be done about it."""

    id: str
    state: State
    reason: str | None
    reason_text: str
    repairs: tuple[Repair, ...]
    """What this person may do; empty where nothing is to be done, or others have to do it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be done."""

    action: str
    value: str | None = None
    remember: bool = False
    """Let the account's next such mail go the same way, where the repair can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """What was done, and what became of the mail."""

    id: str
    action: str
    change: str
    """`maild mail undo` takes it; what was changed about people or clients stays."""
    text: str
    lines: tuple[str, ...]
    """What was asked to be shown."""
    state: State
    reason: str | None
    reason_text: str
    others: Matching | None
    """Other mails that wait for what is known now."""


def repairs_of(app: App, ulid: str, *, by: Actor) -> Repairs:
    """Return what a mail offers to this person.

    Reads only.  Raises RefusedError NOT_FOUND, NOT_ALLOWED.
    """
    with app.store.read() as tx:
        look = _look(tx, app, ulid, by)
        return Repairs(
            id=look.row.ulid,
            state=look.mail.state,
            reason=look.mail.reason,
            reason_text=_sentence(look),
            repairs=offers_of(look),
        )


def repair(app: App, reader: Reader, ulid: str, asked: Asked, *, by: Actor) -> Repaired:
    """Do one of the repairs that a mail offers to this person, and decide the mail again in place.

    Commits one transaction for what is done, then one for the decision; a repair that is not offered any more is refused
    and nothing is done.  Raises RefusedError: NOT_FOUND, NOT_ALLOWED, INVALID_VALUE, CONFLICT, and what adding an address,
    a client or a member refuses; StoreDownError.
    """
    act = new_act(app, by)
    if asked.action in LOOKS:
        return _shown(app, ulid, asked, act)
    if asked.action in _BESIDE:
        told = _beside(app, ulid, asked, act)
    else:
        told = _within(app, ulid, asked, act)
    with app.store.read() as tx:
        row = _row(tx, ulid, by)
    decide_again(app, reader, [row.id])
    return _repaired(app, row, asked, told, act)


def _within(app: App, ulid: str, asked: Asked, act: Act) -> Told:
    """Do what is done in one transaction."""
    with app.store.write() as tx:
        look = _look(tx, app, ulid, act.by)
        _require_offered(look, asked)
        where = tx.people.account_by_id(look.row.account_id)
        # Acts hold people, then accounts, and the mail comes last: nobody waits in a circle.
        work = Work(look=look, act=act, where=where, value=asked.value, remember=asked.remember)
        told = ACTS[asked.action](work)
        work.hold_mail()
        tx.healing.decide_soon([look.row.id], act.at)
        if told.names:
            let_heal(tx, app, [where.id], told.names)
    return told


def _shown(app: App, ulid: str, asked: Asked, act: Act) -> Repaired:
    """Show what was asked for; nothing is written, and nothing decided."""
    with app.store.read() as tx:
        look = _look(tx, app, ulid, act.by)
        _require_offered(look, asked)
        told = LOOKS[asked.action](look)
    return _repaired(app, look.row, asked, told, act)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filed:
    """Mails that were filed by hand, and what is remembered of it."""

    change: Change
    remembered: tuple[str, ...]
    """Addresses, or @domains, whose mail goes there from now on."""


def file_and_remember(
    app: App, reader: Reader, ulids: Sequence[str], *, client: str, by: Actor
) -> Filed:
    """File mails under a client, and let the next mail of whom they are about go there, too; all of them, or none.

    Commits one transaction, then decides them again in place.  Raises RefusedError: NOT_FOUND, NOT_ALLOWED, CONFLICT for
    a mail that does not say one outside address, EMAIL_IN_USE_OTHER_KIND.
    """
    act = new_act(app, by)
    names: list[str] = []
    with app.store.write() as tx:
        looks = [_look(tx, app, ulid, by) for ulid in dict.fromkeys(ulids)]
        for look in looks:
            require_decided(look)
        accounts = sorted({look.row.account_id for look in looks})
        for account in accounts:
            tx.people.hold_account(account)
        mails(tx, ulids, by)  # All of them, in the order of everybody who takes several.
        for look in looks:
            where = tx.people.account_by_id(look.row.account_id)
            work = Work(look=look, act=act, where=where, value=client, remember=True)
            names += ACTS["choose-client"](work).names
        tx.healing.decide_soon([look.row.id for look in looks], act.at)
        let_heal(tx, app, accounts, names)
    decide_again(app, reader, [look.row.id for look in looks])
    change = Change(id=act.change_id, moved=tuple(look.row.ulid for look in looks))
    return Filed(change=change, remembered=tuple(dict.fromkeys(names)))


def _repaired(app: App, row: EntryRow, asked: Asked, told: Told, act: Act) -> Repaired:
    with app.store.read() as tx:
        mail = tx.healing.mail(row.id)
        slug = tx.people.account_by_id(row.account_id).slug
        reason_text = _said(mail.reason, mail.facts)
    others = matching_held(app, told.names, account=slug, by=act.by) if told.names else None
    return Repaired(
        id=row.ulid,
        action=asked.action,
        change=act.change_id,
        text=told.text,
        lines=told.lines,
        state=mail.state,
        reason=mail.reason,
        reason_text=reason_text,
        others=others if others is not None and others.count else None,
    )


def _row(tx: Tx, ulid: str, by: Actor) -> EntryRow:
    row = tx.mailbox.entry(ulid)
    if row is None or row.state is State.ERASED:
        raise no_mail(ulid)
    require_right(tx, row, by)
    return row


def _look(tx: Tx, app: App, ulid: str, by: Actor) -> Look:
    row = _row(tx, ulid, by)
    return Look(tx=tx, app=app, row=row, mail=tx.healing.mail(row.id), by=by)


def _sentence(look: Look) -> str:
    return _said(look.mail.reason, look.mail.facts)


def _said(reason: str | None, facts: dict[str, object]) -> str:
    return "It is being read" if reason is None else Reason[reason].say(**facts)


def _require_offered(look: Look, asked: Asked) -> Repair:
    """Refuse what this mail does not offer to this person, and say what it does."""
    require_decided(look)
    offered = offers_of(look)
    found = next((one for one in offered if one.action == asked.action), None)
    if found is not None:
        if asked.remember and not found.can_remember:
            raise RefusedError(
                Reason.CONFLICT,
                why=f"There is nothing to remember of {found.action}; leave --remember out.",
            )
        return found
    reason = look.mail.reason or ""
    if asked.action in actions_for(Reason[reason]):
        if asked.action == "trust-forwarder" and look.is_admins and not look.trustable:
            raise nothing_to_trust(look)
        if not look.is_admins:
            raise RefusedError(
                Reason.NOT_ALLOWED,
                why=f"This is not yours to do here: {asked.action}. An admin of the account may.",
            )
    raise RefusedError(
        Reason.CONFLICT,
        actions=tuple(_way(one) for one in offered),
        why=f"The mail {look.row.ulid} is {look.mail.state.value} ({reason}) and does not offer "
        f"“{short(asked.action)}”.",
    )


def _way(one: Repair) -> Way:
    return Way(one.action.upper().replace("-", "_"), one.text.rstrip("."), one.command)


# --- acts of their own ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Errand:
    """What is asked of a use case of its own."""

    ulid: str
    act: Act
    slug: str
    value: str | None
    address: str
    """The From; empty where the mail names no one author."""
    source: str = ""
    """The name of the source that collected it."""
    inbox: str = ""


def _beside(app: App, ulid: str, asked: Asked, act: Act) -> Told:
    """Do what is a use case of its own, with its own transaction and its own limits."""
    with app.store.read() as tx:
        look = _look(tx, app, ulid, act.by)
        _require_offered(look, asked)
        errand = _Errand(
            ulid=ulid,
            act=act,
            slug=tx.people.account_by_id(look.row.account_id).slug,
            value=asked.value,
            address=look.mail.from_norm or "",
            source="" if look.source is None else look.source.name,
            inbox=tx.lists.mail(look.row.id)["inbox"],
        )
    return _BESIDE[asked.action](app, errand)


def _invite(app: App, errand: _Errand) -> Told:
    try:
        role = Role(errand.value or Role.MEMBER)
    except ValueError:
        raise RefusedError(
            Reason.INVALID_VALUE,
            what="The role",
            value=short(errand.value or ""),
            why=f"it is one of {', '.join(Role)}",
        ) from None
    joined = invite(app, errand.address, role=role, account=errand.slug, by=errand.act.by)
    return Told(text=joined.message)


def _resend(app: App, errand: _Errand) -> Told:
    return Told(text=send_verification(app, errand.address, by=errand.act.by).text)


def _fetch(app: App, errand: _Errand) -> Told:
    by = errand.act.by
    with (
        app.store.write() as tx
    ):  # One: a limit is not raised for a mail that is refused all the same.
        if errand.value is not None:
            limit = {"max_size": errand.value}
            set_inbox_in(tx, app, errand.inbox, limit, account=errand.slug, by=by)
        asked = ask_for_whole_in(tx, app, [errand.ulid], max_size=app.fetch_max, by=by)
    return Told(
        text=f"Asked for, from {', '.join(asked.sources)}. The whole mail comes in as a mail of its own; this record is "
        "put away then."
    )


def _pick_header(app: App, errand: _Errand) -> Told:
    """Let the source believe one field from now on, and this mail be what that field says."""
    name = (errand.value or "").strip()
    with app.store.read() as tx:
        fields = inboxes_by_field(_look(tx, app, errand.ulid, errand.act.by))
    inbox = fields.get(name.title())
    if inbox is None:
        raise RefusedError(
            Reason.INVALID_VALUE,
            what="The field",
            value=short(name),
            why=f"of this mail's, those that name an inbox are {', '.join(fields) or 'none'}",
        )
    account, by = errand.slug, errand.act.by
    # The mail first: where its answer is refused, the source goes on as before.
    told = _within(app, errand.ulid, Asked(action="recipient", value=inbox), errand.act)
    set_source(app, errand.source, {"recipient_header": name}, account=account, by=by)
    return Told(text=f"{errand.source} believes {name} from now on. {told.text}")


_BESIDE: dict[str, Callable[[App, _Errand], Told]] = {
    "invite": _invite,
    "resend": _resend,
    "fetch": _fetch,
    "pick-header": _pick_header,
}
