"""Whose an address may be: one user, or one inbox, and no client's of the same account (U1, U3, U4, U6).

The unique index of the registry decides about U1; what is looked up here only finds the sentence that helps.
An address that was given up rests for a while: it is nobody's, and nobody may have it but whose it was (U11).
An inbox also receives its +tags, so no inbox has a tag itself, and a +tag of an inbox is nobody's address.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from shlex import quote

from maild.core.app import Actor
from maild.core.standing import active_accounts, is_admin
from maild.model.address import Address
from maild.model.lookalike import skeleton
from maild.model.people import NameKind
from maild.model.reason import Reason, RefusedError
from maild.model.way import Way
from maild.store.addresses import NameRow
from maild.store.store import Tx

SHARED_ADDRESS, DROP_ADDRESS, CLIENT, USER = "shared address", "drop address", "client", "user"


def claim_for_user(
    tx: Tx,
    address: Address,
    address_id: int,
    *,
    account_id: int,
    by: Actor,
    even_resting: bool = False,
) -> None:
    """Register a user's address; `even_resting` is the operator's word that its rest does not count.

    Raises RefusedError EMAIL_IN_USE, EMAIL_IN_USE_OTHER_KIND.
    """
    looks = skeleton(address)
    if tx.people.claim(address.norm, NameKind.USER, address_id, skeleton=looks):
        return
    row = tx.people.address(address_id)
    if not tx.people.take_over(
        address.norm,
        NameKind.USER,
        address_id,
        skeleton=looks,
        now=None if even_resting and by.is_operator else row.valid_from,
        of_user=row.user_id,
    ):
        raise in_use(tx, address, account_id=account_id, by=by)


def claim_for_inbox(tx: Tx, address: Address, inbox_id: int, *, account_id: int, by: Actor) -> None:
    """Register an inbox's address.  Raises RefusedError EMAIL_IN_USE, EMAIL_IN_USE_OTHER_KIND."""
    looks = skeleton(address)
    if tx.people.claim(address.norm, NameKind.INBOX, inbox_id, skeleton=looks):
        return
    made = tx.people.inbox(address.norm)
    if made is not None and tx.people.take_over(
        address.norm, NameKind.INBOX, inbox_id, skeleton=looks, now=made.created_at
    ):
        return
    taken = tx.people.name(address.norm)
    if taken is not None and taken.resting_until is not None:
        raise resting(address, taken.resting_until)
    if taken is not None and taken.kind is NameKind.USER:
        raise other_kind(address, USER)
    if taken is not None and taken.kind is NameKind.INBOX:
        raise RefusedError(Reason.EMAIL_IN_USE, addr=address.norm)
    raise in_use(tx, address, account_id=account_id, by=by)


def in_use(tx: Tx, address: Address, *, account_id: int, by: Actor) -> RefusedError:
    """Return the refusal of a taken name; an admin of the holder's own account hears whose it is (U3)."""
    taken = tx.people.name(address.norm)
    if taken is not None and taken.kind is NameKind.INBOX:
        return other_kind(address, SHARED_ADDRESS)
    if taken is not None and taken.kind is NameKind.DROP:
        return other_kind(address, DROP_ADDRESS)
    if taken is not None and taken.resting_until is not None:
        return resting(address, taken.resting_until)
    if taken is None or not _may_hear(tx, taken, account_id, by):
        return RefusedError(Reason.EMAIL_IN_USE, addr=address.norm)
    assert taken.user_id is not None  # noqa: S101 - a user's name has a user
    holder = tx.people.user(taken.user_id)
    whose = holder.email or address.norm
    them = quote(
        whose
    )  # An address may hold what a shell runs, and people paste what they are shown.
    tagged = f"{address.base.local}+name@{address.domain}"
    return RefusedError(
        Reason.EMAIL_IN_USE,
        actions=(
            Way(
                "SHOW_HOLDER",
                f"It belongs to {holder.display_name} ({whose}); look",
                f"maild user show {them}",
            ),
            Way(
                "ADD_ALIAS",
                "Give the same person another address, as an alias",
                f"maild address add {them} ADDR",
            ),
            Way("USE_TAG", f"Use a +tag of the address for the second user, such as {tagged}"),
            Way(
                "ADD_COMMUNAL_USER",
                "If several people share it, make a communal user",
                "maild user add --communal --inbox ADDR --name NAME",
            ),
            Way(
                "INVITE",
                "Invite the existing person",
                f"maild member invite {them} --role member",
            ),
            Way(
                "CHANGE_EMAIL",
                "Change the holder's address first",
                f"maild user change-email {them} NEW --reason TEXT",
            ),
        ),
        addr=address.norm,
        holder={"name": holder.display_name, "email": holder.email},
    )


def resting(address: Address, until: datetime) -> RefusedError:
    """Return the refusal of an address that somebody gave up not long ago; it names nobody."""
    date = f"{until:%Y-%m-%d}"
    return RefusedError(
        Reason.EMAIL_IN_USE,
        actions=(
            Way("WAIT", f"Wait: {address.norm} was given up, and is released on {date}"),
            Way(
                "CLAIM_RESTING",
                "The operator may give it away before",
                f"maild user change-email OLD {quote(address.norm)} --reason TEXT --claim-resting",
            ),
        ),
        addr=f"{address.norm} (released on {date})",
        released_on=date,
    )


def _may_hear(tx: Tx, taken: NameRow, account_id: int, by: Actor) -> bool:
    return (
        taken.user_id is not None
        and account_id in active_accounts(tx, taken.user_id)
        and is_admin(tx, account_id, by)
    )


def other_kind(address: Address, kind: str) -> RefusedError:
    """Return the refusal across kinds (U4)."""
    return RefusedError(Reason.EMAIL_IN_USE_OTHER_KIND, addr=address.norm, kind=kind)


def require_no_tag_of_an_inbox(tx: Tx, address: Address) -> None:
    """Refuse what an inbox receives already.  To be asked before anything is inserted."""
    if address.tag is None:
        return
    tx.people.hold_names()
    base = tx.people.name(address.base.norm)
    if base is not None and base.kind is NameKind.INBOX:
        raise other_kind(address, SHARED_ADDRESS)


def require_inbox_address(tx: Tx, address: Address) -> None:
    """Refuse an inbox with a +tag, or one of which a user has a +tag.  To be asked before anything is inserted."""
    if address.tag is not None:
        raise RefusedError(
            Reason.INVALID_VALUE,
            what="The address of an inbox",
            value=address.norm,
            why=f"it has a +tag; add {address.base.norm}, which receives its +tags as well",
        )
    tx.people.hold_names()
    if tx.people.has_tags(address.norm):
        raise RefusedError(
            Reason.EMAIL_IN_USE_OTHER_KIND,
            actions=(
                f"Remove the users' addresses of the form {address.local}+…@{address.domain} first",
            ),
            addr=f"A +tag of {address.norm}",
            kind=USER,
        )


def require_no_client(tx: Tx, address: Address, accounts: Iterable[int]) -> None:
    """Refuse a user's address that is a client's contact in one of these accounts, unless an account allows it (U4)."""
    strict = [
        account for account in accounts if not tx.rights.setting(account, "employee_is_client")
    ]
    if strict and tx.clients.is_contact(strict, address.norm):
        raise other_kind(address, CLIENT)


def warnings_about(tx: Tx, address: Address, by: Actor) -> tuple[str, ...]:
    """Return a sentence for each name that looks like this one (U2).  Nothing is refused or matched by looks.

    Only the operator hears which name it is: it may be of another account.
    """
    alike = tx.people.lookalikes(address.norm, skeleton(address))
    if not by.is_operator:
        alike = ["one that is in use"] if alike else []
    return tuple(
        f"{address.shown} looks like {other}, which is another address." for other in alike
    )
