"""Ending a membership: who leaves an account, or is taken out of it; the person, their login and other accounts stay (U9).

Never leaves mail without a reader (M10), and rewrites nothing that was stored.
"""

from __future__ import annotations

from dataclasses import replace

from maild.core.app import Actor, App
from maild.core.joining import MemberView, changed
from maild.core.readers import keeping_readers
from maild.core.standing import home, is_admin, parse_address
from maild.model.address import Address
from maild.model.people import MemberState
from maild.model.plain_text import short, so_many
from maild.model.reason import Reason, RefusedError
from maild.model.way import Way
from maild.store.accounts import AccountRow
from maild.store.store import Tx
from maild.store.users import MemberRow


def remove_member(app: App, email: str, *, account: str | None = None, by: Actor) -> MemberView:
    """End a membership, or take back an invitation: an admin does it, or the person themselves.  Safe to repeat.

    Refused for the last owner of an inbox, and for who has mails of the account in the own mailbox (M10).  Commits one
    transaction.  Raises RefusedError (NOT_FOUND, NOT_ALLOWED, CONFLICT,
    NOBODY_READS).
    """
    address = parse_address(email)
    with app.store.write() as tx:
        where = home(tx, account, by)
        named = tx.people.name(address.norm)
        user_id = None if named is None else named.user_id
        if not is_admin(tx, where.id, by) and (user_id is None or user_id != by.user_id):
            raise RefusedError(
                Reason.NOT_ALLOWED, why=f"Only an admin of {where.name} takes somebody else out."
            )
        member = None if user_id is None else _held(tx, where, user_id)
        if member is None or member.user.kind != "person" or not _may_name(member, address, by):
            raise RefusedError(
                Reason.NOT_FOUND,
                noun="member",
                value=short(address.norm),
                hint="`maild member list` shows them.",
            )
        if member.state is MemberState.ACTIVE:
            _require_empty_mailbox(tx, member, where)
        gone = (MemberState.REFUSED, member.role)
        with keeping_readers(tx, [where.id], app.clock()):
            if member.state is MemberState.ACTIVE:
                _end_what_it_gave(tx, app, member)
            removed = changed(tx, app, by, member, gone, "member.removed")
        return replace(removed, email=removed.email or address.norm)


def _may_name(member: MemberRow, address: Address, by: Actor) -> bool:
    """Whether somebody may mean a person by this address: of who has not joined, an account knows the primary one alone."""
    if member.state in {MemberState.ACTIVE, MemberState.REQUESTED} or by.is_operator:
        return True
    return address.norm == member.user.email or by.user_id == member.user.id


def _held(tx: Tx, where: AccountRow, user_id: int) -> MemberRow | None:
    # Mail that is being put into their mailbox comes before, and is counted, or after, and finds them gone.
    for user in sorted({user_id, *tx.people.mailboxes_opened_by(user_id)}):
        tx.changes.hold_wholly(user)
    tx.people.hold_account(where.id)
    return tx.people.member(where.id, user_id)


def _require_empty_mailbox(tx: Tx, member: MemberRow, where: AccountRow) -> None:
    owned = tx.leaving.mails_owned(where.id, member.user.id)
    if owned:
        look = f"maild mail list --account {where.slug} --owner {member.user.email}"
        raise RefusedError(
            Reason.CONFLICT,
            actions=(
                Way("SHOW_MAILS", "See them", look),
                Way("GIVE_MAILS", "Give them to somebody", "maild mail give ID… --to EMAIL"),
            ),
            why=f"{member.user.display_name} has {so_many(owned)} of {where.name}, which would have no reader. "
            "Give them to somebody first.",
        )


def _end_what_it_gave(tx: Tx, app: App, member: MemberRow) -> None:
    """End the duties, the secret address, and what opens this account alone."""
    now = app.clock()
    tx.leaving.end_duties(member.account_id, member.user.id)
    # Rights that are theirs through whom they were merged with end, too: a later invitation brings none back (U13).
    inboxes = [one.id for one in tx.people.inboxes_of(member.account_id)]
    heirs = tx.people.heirs(tx.writing.senders(*inboxes))
    theirs = [one for one, heir in heirs.items() if heir == member.user.id]
    tx.writing.remove_senders(inboxes, theirs)
    tx.leaving.end_drop(member.id, now)
    tx.leaving.end_ways_in(member.account_id, member.user.id, now)
