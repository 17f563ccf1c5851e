"""A user's addresses beside and instead of the first: aliases, sends-as, primary (U5, U6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from shlex import join, quote

from maild.core.app import Actor, App
from maild.core.asking import answering
from maild.core.names import (
    claim_for_user,
    require_no_client,
    require_no_tag_of_an_inbox,
    warnings_about,
)
from maild.core.own_address import own_address
from maild.core.people_views import AddressView, UserView, address_view, view_of
from maild.core.standing import (
    active_accounts,
    find_user,
    find_user_id,
    is_admin,
    note,
    parse_address,
    require_over,
)
from maild.core.tags import Question, question_about
from maild.core.verifying import LinkMailed, confirmed, mail_link
from maild.core.waiting import let_heal
from maild.model.address import Address
from maild.model.changes import RESTS_FOR
from maild.model.people import AddressKind
from maild.model.reason import Reason, RefusedError
from maild.model.way import Way
from maild.store.addresses import AddressRow
from maild.store.store import Tx
from maild.store.users import UserRow


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressAdded:
    """What an address is now, and what to ask or warn of."""

    address: AddressView
    user: str
    outcome: str
    """added, confirmed, changed or unchanged"""
    warnings: tuple[str, ...] = ()
    question: Question | None = None
    link: LinkMailed | None = None
    """What came of mailing a link to it; None: there is nothing to confirm, or nothing was added."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """One request for another address."""

    address: Address
    shown: str
    kind: AddressKind
    confirm: bool
    by: Actor


def add_address(
    app: App, email: str, text: str, *, sends_as: bool, confirm: bool, by: Actor
) -> AddressAdded:
    """Give a user another address; with `confirm` the admin vouches for it, else a link is mailed to it (U5).

    The base of the user's own verified +tag address is verified by that one (U6).  Repeating it changes nothing, with
    `confirm` it confirms what waits.  Commits one transaction.  Raises RefusedError (INVALID_EMAIL, NOT_FOUND,
    EMAIL_IN_USE, EMAIL_IN_USE_OTHER_KIND, SENDS_AS_IN_USE, NOT_ALLOWED, CONFLICT, TOO_MANY_TRIES).
    """
    return answering(
        app,
        by,
        lambda tx: add_address_in(tx, app, email, text, sends_as=sends_as, confirm=confirm, by=by),
        lambda _: False,
    )


def add_address_in(  # noqa: PLR0913 - what `add_address` takes, and the transaction
    tx: Tx, app: App, email: str, text: str, *, sends_as: bool, confirm: bool, by: Actor
) -> AddressAdded:
    """Add within an open transaction.  Raises as `add_address`, and then nothing may be kept."""
    asked = _Asked(
        address=parse_address(text),
        shown=text.strip(),
        kind=AddressKind.SENDS_AS if sends_as else AddressKind.ALIAS,
        confirm=confirm,
        by=by,
    )
    user = find_user(tx, email, by)
    require_over(tx, user.id, by)
    if user.kind != "person":
        raise RefusedError(
            Reason.CONFLICT,
            why=f"{user.display_name} is a communal user: it has no address but its inbox's.",
        )
    accounts = _held_accounts(tx, user)
    if find_user_id(tx, email, by) != user.id:  # A change of people was waited for.
        raise RefusedError(Reason.CONFLICT, why=f"{email.strip()} was changed at this moment.")
    require_no_tag_of_an_inbox(tx, asked.address)
    taken = tx.people.name(asked.address.norm)
    if taken is not None and taken.user_id == user.id and taken.address_id is not None:
        return _again(tx, app, user, tx.people.address(taken.address_id), asked)
    require_no_client(tx, asked.address, _accounts_in_sight(tx, accounts, by))
    row = _bind(tx, app, user, asked, accounts)
    how = {} if row.verified_at is None else {"how": "word" if confirm else "tag"}
    note(tx, app, by, "address.added", None, user=user.id, address=row.id, **how)
    if row.verified_at is not None:
        let_heal(tx, app, accounts, [row.norm])
    return AddressAdded(
        address=address_view(row),
        user=user.email or "",
        outcome="added",
        warnings=warnings_about(tx, asked.address, by),
        question=question_about(tx, asked.address, user.email or asked.address.norm),
        link=mail_link(tx, app, user, row, by) if row.verified_at is None else None,
    )


def _held_accounts(tx: Tx, user: UserRow) -> list[int]:
    tx.people.hold_user(user.id)
    accounts = sorted(active_accounts(tx, user.id))
    for account in accounts:
        tx.people.hold_account(account)
    return accounts


def _accounts_in_sight(tx: Tx, accounts: list[int], by: Actor) -> list[int]:
    """Return the accounts whose client lists may speak: a refusal must not reveal another account's (U4)."""
    return [account for account in accounts if is_admin(tx, account, by)]


def _is_proved_by_tag(tx: Tx, user: UserRow, asked: _Asked) -> bool:
    """Whether it is to be the sending address behind a +tag that is known to be the user's (U6)."""
    return asked.kind is AddressKind.SENDS_AS and any(
        row.base == asked.address.norm
        and row.norm != row.base
        and row.verified_at is not None
        and row.valid_to is None
        for row in tx.people.addresses_of(user.id)
    )


def _bind(tx: Tx, app: App, user: UserRow, asked: _Asked, accounts: list[int]) -> AddressRow:
    is_sends_as = asked.kind is AddressKind.SENDS_AS
    verified = asked.confirm or _is_proved_by_tag(tx, user, asked)
    now = app.clock()
    address_id = tx.people.add_address(
        user.id,
        asked.address,
        kind=asked.kind,
        shown=asked.shown,
        verified_at=now if verified else None,
        now=now,
    )
    seen_from = _seen_from(tx, asked.address, accounts, asked.by)
    try:
        claim_for_user(tx, asked.address, address_id, account_id=seen_from, by=asked.by)
    except RefusedError as refused:
        if is_sends_as and refused.reason is Reason.EMAIL_IN_USE:
            raise _sends_as_in_use(asked.address, refused, user) from None
        raise
    return tx.people.address(address_id)


def _seen_from(tx: Tx, address: Address, accounts: list[int], by: Actor) -> int:
    """Return an account of user and holder whose admin this is, and so may hear whose the address is; 0 for none."""
    taken = tx.people.name(address.norm)
    if taken is None or taken.user_id is None:
        return 0
    shared = active_accounts(tx, taken.user_id) & set(accounts)
    return min((account for account in shared if is_admin(tx, account, by)), default=0)


def _sends_as_in_use(address: Address, refused: RefusedError, user: UserRow) -> RefusedError:
    facts = {key: value for key, value in refused.facts.items() if key == "holder"}
    return RefusedError(
        Reason.SENDS_AS_IN_USE,
        actions=(
            Way(
                "USE_DROP_ADDRESS",
                f"Let {user.display_name} forward to the personal drop address",
                f"maild drop show {quote(user.email or address.norm)}",
            ),
        ),
        base=address.norm,
        **facts,
    )


def _again(tx: Tx, app: App, user: UserRow, row: AddressRow, asked: _Asked) -> AddressAdded:
    """Save an address that is the user's own already: it never collides with itself (U1)."""
    outcome = "unchanged"
    if row.kind is AddressKind.SENDS_AS and asked.kind is AddressKind.ALIAS:
        tx.people.set_address_kind(row.id, asked.kind)
        outcome = "changed"
    if row.verified_at is None and (asked.confirm or _is_proved_by_tag(tx, user, asked)):
        confirmed(tx, app, row, asked.by, how="word" if asked.confirm else "tag")
        outcome = "confirmed"
    elif outcome == "changed":
        note(tx, app, asked.by, "address.changed", None, user=user.id, address=row.id)
    return AddressAdded(
        address=address_view(tx.people.address(row.id)), user=user.email or "", outcome=outcome
    )


def list_addresses(app: App, email: str, *, by: Actor) -> tuple[AddressView, ...]:
    """Return every address that a user has or had, oldest first.  Reads only.  Raises RefusedError."""
    with app.store.read() as tx:
        user = find_user(tx, email, by)
        return tuple(address_view(row) for row in tx.people.addresses_of(user.id))


def remove_address(app: App, text: str, *, by: Actor) -> AddressView:
    """End a binding: it becomes historic, explains old mail, and the address is free (U5), or rests on (U11).

    Commits one transaction.  Raises RefusedError (NOT_FOUND; CONFLICT for a primary address or a user name).
    """
    with app.store.write() as tx:
        user, row = own_address(tx, text, by)
        if row.kind is AddressKind.PRIMARY:
            raise RefusedError(
                Reason.CONFLICT,
                actions=("maild address primary ADDR",),
                why=f"{row.norm} is the primary address of {user.display_name}; make another one the primary first.",
            )
        user = tx.people.user(user.id)  # As they are now that nobody else changes them.
        if user.username == row.norm:
            raise RefusedError(
                Reason.CONFLICT,
                actions=(f"maild user set {quote(user.email or row.norm)} username=NAME",),
                why=f"{row.norm} is also the user name of {user.display_name}; change that first.",
            )
        rests = _rests_until(tx, row, app.clock())
        if rests is None:
            tx.people.release(row.norm)
        tx.people.end_address(row.id, app.clock(), resting_until=rests)
        tx.verifications.withdraw(row.id)
        note(tx, app, by, "address.removed", None, user=user.id, address=row.id)
        return address_view(tx.people.address(row.id))


def _rests_until(tx: Tx, row: AddressRow, now: datetime) -> datetime | None:
    """Return until when an address is nobody's that its user gave up by a change of e-mail and had back meanwhile (U11)."""
    given_up_at = tx.changes.given_up_at(row.user_id, row.norm)
    if given_up_at is None or given_up_at + RESTS_FOR <= now:
        return None
    return given_up_at + RESTS_FOR


def make_primary(app: App, text: str, *, by: Actor) -> UserView:
    """Make a verified alias of a user the primary address; the old one becomes an alias.  Safe to repeat.

    The user name stays (U8).  Commits one transaction.  Raises RefusedError NOT_FOUND, CONFLICT.
    """
    with app.store.write() as tx:
        user, row = own_address(tx, text, by)
        if row.kind is not AddressKind.PRIMARY:
            if row.verified_at is None or row.kind is AddressKind.SENDS_AS:
                what = (
                    "not confirmed" if row.verified_at is None else "a sends-as address, no alias"
                )
                words = ["maild", "address", "add", user.email or row.norm, row.norm, "--confirm"]
                raise RefusedError(
                    Reason.CONFLICT,
                    actions=(join(words),),
                    why=f"{row.norm} is {what}; only a confirmed alias becomes the primary address.",
                )
            for other in tx.people.addresses_of(user.id):
                if other.kind is AddressKind.PRIMARY:
                    tx.people.demote(other.id, app.clock())
            tx.people.promote(row.id)
            note(tx, app, by, "address.primary", None, user=user.id, address=row.id)
        return view_of(tx, tx.people.user(user.id), by)
