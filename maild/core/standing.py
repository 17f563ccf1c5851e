"""Who acts, in which account, and with what right: asked first in every act on people and directory."""

from __future__ import annotations

from typing import Any

from maild.core.app import Actor, App
from maild.model.address import Address, InvalidAddressError
from maild.model.people import MemberState, NameKind, Role
from maild.model.plain_text import short
from maild.model.reason import Reason, RefusedError
from maild.store.accounts import AccountRow
from maild.store.inboxes import InboxRow
from maild.store.store import Tx
from maild.store.users import UserRow


def parse_address(text: str) -> Address:
    """Return the address.  Raises RefusedError INVALID_EMAIL with the parser's own sentence."""
    try:
        return Address.parse(text)
    except InvalidAddressError as error:
        raise RefusedError(Reason.INVALID_EMAIL, why=_sentence(str(error))) from None


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def home(tx: Tx, slug: str | None, by: Actor, *, hold: bool = False) -> AccountRow:
    """Return the account that is meant; without a slug, the only one that the actor can mean.

    To anybody but the operator, accounts that they do not work in do not exist.  `hold` lets changes to its directory
    wait for each other.  Raises RefusedError NOT_FOUND, ACCOUNT_NEEDED, CONFLICT.
    """
    if slug is not None:
        found = tx.people.account(slug) if slug.isascii() and slug.isprintable() else None
        if found is None or not in_sight(tx, found.id, by):
            raise no_account(slug)
    else:
        found = _only_account(tx, by)
    if hold:
        tx.people.hold_account(found.id)
        found = tx.people.account_by_id(found.id)
    return found


def no_account(slug: str) -> RefusedError:
    """Return the refusal of an account that is not there, or not there for who asks."""
    return RefusedError(
        Reason.NOT_FOUND,
        noun="account",
        value=short(slug),
        hint="`maild account list` shows them.",
    )


def in_sight(tx: Tx, account_id: int, by: Actor) -> bool:
    """Whether an account is there for somebody: for whoever works in it, and for the operator (R15)."""
    if by.account_id not in {None, account_id} or account_id in by.shut:
        return False
    return by.user_id is None or tx.rights.active_role(account_id, by.user_id) is not None


def _only_account(tx: Tx, by: Actor) -> AccountRow:
    accounts = tx.people.accounts() if by.is_operator else _accounts_in_sight(tx, by)
    if not (accounts or by.is_operator):
        raise RefusedError(Reason.NOT_ALLOWED, why="You are not a member of any account.")
    if not accounts:
        raise RefusedError(
            Reason.CONFLICT, why="There is no account yet: run `maild account add SLUG NAME` first."
        )
    if len(accounts) > 1:
        raise RefusedError(
            Reason.ACCOUNT_NEEDED, slugs=", ".join(account.slug for account in accounts)
        )
    return accounts[0]


def _accounts_in_sight(tx: Tx, by: Actor) -> list[AccountRow]:
    """Return the accounts that are there for somebody, by slug: asked of their memberships, however many others there are."""
    if by.user_id is not None:
        own = active_accounts(tx, by.user_id)
    else:
        own = set() if by.account_id is None else {by.account_id}
    found = [tx.people.account_by_id(account) for account in own if in_sight(tx, account, by)]
    return sorted(found, key=lambda account: account.slug)


def find_user(tx: Tx, email: str, by: Actor) -> UserRow:
    """Return the user with this live address, whatever kind of address it is; or the communal user of an inbox.

    To anybody but the operator, people of other accounts do not exist.  Raises RefusedError INVALID_EMAIL, NOT_FOUND.
    """
    return tx.people.user(find_user_id(tx, email, by))


def find_user_id(tx: Tx, email: str, by: Actor) -> int:
    """Return the number of the user with this live address.  Raises as `find_user`."""
    address = parse_address(email)
    name = tx.people.name(address.norm)
    if (
        name is not None
        and name.user_id is not None
        and name.kind is not NameKind.DROP
        and _may_see(tx, name.user_id, by)
    ):
        return name.user_id
    raise RefusedError(
        Reason.NOT_FOUND,
        noun="user with the address",
        value=address.norm,
        hint="`maild user list` shows them.",
    )


def inbox_named(tx: Tx, where: AccountRow, text: str) -> InboxRow:
    """Return an inbox of an account.  Raises RefusedError INVALID_EMAIL, NOT_FOUND."""
    address = parse_address(text)
    found = tx.people.inbox(address.norm)
    if found is None or found.account_id != where.id:
        raise RefusedError(
            Reason.NOT_FOUND,
            noun="inbox",
            value=address.norm,
            hint="`maild inbox list` shows them.",
        )
    return found


def _may_see(tx: Tx, user_id: int, by: Actor) -> bool:
    if by.is_operator or by.user_id == user_id:
        return True
    return any(in_sight(tx, account, by) for account in active_accounts(tx, user_id))


def active_accounts(tx: Tx, user_id: int) -> set[int]:
    """Return the accounts that a user works in."""
    return {
        member.account_id
        for member in tx.people.memberships_of(user_id)
        if member.state is MemberState.ACTIVE
    }


def actor_for(app: App, email: str) -> Actor:
    """Return who `--by EMAIL` means.  Reads only.  Raises RefusedError INVALID_EMAIL, NOT_FOUND, NOT_ALLOWED."""
    with app.store.read() as tx:
        user = find_user(tx, email, Actor())
        if user.disabled_at is not None or user.kind != "person":
            raise RefusedError(
                Reason.NOT_ALLOWED, why=f"{user.display_name} cannot act: not an active person."
            )
        return Actor(user.id)


def is_admin(tx: Tx, account_id: int, by: Actor) -> bool:
    """Whether somebody may change an account's people: its admins, and the operator."""
    if by.account_id not in {None, account_id} or account_id in by.shut:
        return False
    return by.user_id is None or tx.rights.active_role(account_id, by.user_id) is Role.ADMIN


def admin_seat(tx: Tx, by: Actor) -> int | None:
    """Return the account for which it is counted what an admin does beyond it; None: the actor is nobody's admin.

    Of several one is enough, if it is always the same: whomever an admin makes another admin is counted there as well.
    """
    if by.user_id is None:
        return by.account_id
    return min(
        (
            member.account_id
            for member in tx.people.memberships_of(by.user_id)
            if (member.role, member.state) == (Role.ADMIN, MemberState.ACTIVE)
        ),
        default=None,
    )


def require_admin(tx: Tx, account: AccountRow, by: Actor) -> None:
    """Refuse everybody but the account's admins and the operator."""
    if not is_admin(tx, account.id, by):
        raise RefusedError(Reason.NOT_ALLOWED, why=f"Only an admin of {account.name} may do this.")


def require_member(tx: Tx, account: AccountRow, by: Actor) -> None:
    """Refuse everybody but the account's active members and the operator."""
    if not in_sight(tx, account.id, by):
        raise RefusedError(Reason.NOT_ALLOWED, why=f"Only a member of {account.name} may do this.")


def require_operator(by: Actor) -> None:
    """Refuse everybody but the operator."""
    if not by.is_operator:
        raise RefusedError(
            Reason.NOT_ALLOWED, why="Only the operator of this installation may do this."
        )


def require_over(tx: Tx, user_id: int, by: Actor) -> None:
    """Let the operator change a user, and admins where the user works in no account but theirs."""
    if by.is_operator:
        return
    accounts = active_accounts(tx, user_id)
    if not accounts or not all(is_admin(tx, account, by) for account in accounts):
        raise RefusedError(
            Reason.NOT_ALLOWED,
            why="Only an admin of every account that this person works in, or the operator, may do this.",
        )


def note(tx: Tx, app: App, by: Actor, kind: str, account_id: int | None, **subject: Any) -> None:
    """Append to the events; `subject` is ids and codes, never addresses."""
    tx.deliveries.add_events(
        [
            {
                "at": app.clock(),
                "account_id": account_id,
                "actor_id": by.user_id,
                "kind": kind,
                "delivery_id": None,
                "subject": subject,
            }
        ]
    )


def require_signed_in(by: Actor) -> None:
    """Refuse a program what opens the login itself: a token that is lost must not become the whole person.

    Raises RefusedError NOT_ALLOWED.
    """
    if by.is_program and by.user_id is not None:
        raise RefusedError(
            Reason.NOT_ALLOWED, why="Only who has signed in may do that, not a token: sign in."
        )
