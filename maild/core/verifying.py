"""Confirming an address: a link is mailed to it, and whoever opens the link says that the address is theirs (U5).

The secret of a link is told to that address alone, and kept as its digest.  Nothing here says whether an address exists
to whoever has no link; opening one proves the mailbox, and nothing else: nobody is signed in by it.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from maild.core.app import Actor, App
from maild.core.letters import Notice, NotPosted, post
from maild.core.own_address import own_address
from maild.core.people_views import AddressView, address_view
from maild.core.standing import active_accounts, admin_seat, note
from maild.core.waiting import let_heal
from maild.model.reason import Reason, RefusedError
from maild.model.way import Way
from maild.store.addresses import AddressRow
from maild.store.store import Tx
from maild.store.users import UserRow
from maild.store.verifications import VerificationRow

LINK_FOR = timedelta(days=7)
"""How long a link is good, unless a newer one is made."""
DAY = timedelta(days=1)
MAILS_A_DAY = 5
"""Mails that one address gets within a day, whoever asks for them and however often it is added anew."""
MAILS_OF_ONE = 200
"""Mails that one person has sent within a day: nobody makes maild write to the world."""
MAILS_OF_ACCOUNT = 1000
"""The same of all admins of an account together: an admin makes further ones at will."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkMailed:
    """What came of mailing a link."""

    address: str
    sent: bool
    """False: nothing was mailed, and `text` says why."""
    verified: bool = False
    """It was confirmed already; there is no link for it."""
    text: str
    """One sentence, or two."""
    until: datetime | None = None
    """How long the link is good."""
    vouch: Way | None = None
    """The other way: an admin's word."""


def send_verification(app: App, text: str, *, by: Actor) -> LinkMailed:
    """Mail a new link to an address that waits to be confirmed; the ones before are worth nothing from now on.

    One that is confirmed stays so.  Commits one transaction.  Raises RefusedError: NOT_FOUND, NOT_ALLOWED,
    EMAIL_IN_USE_OTHER_KIND, CONFLICT where nothing can be mailed, TOO_MANY_TRIES.
    """
    with app.store.write() as tx:
        user, row = own_address(tx, text, by, self_may=True)
        if row.verified_at is not None:
            said = f"{row.norm} is confirmed already."
            return LinkMailed(address=row.norm, verified=True, sent=False, text=said)
        vouch = vouching(user, row)
        why = _cannot_mail(app)
        if why is not None:
            raise RefusedError(Reason.CONFLICT, actions=(vouch,), why=why)
        _count(tx, app, row, by, vouch)
        mailed = _mail(tx, app, user, row, by)
        if not mailed.sent:
            raise RefusedError(Reason.CONFLICT, actions=(vouch,), why=mailed.text)
        note(tx, app, by, "address.link_sent", None, user=user.id, address=row.id)
        return mailed


def mail_link(tx: Tx, app: App, user: UserRow, row: AddressRow, by: Actor) -> LinkMailed:
    """Mail the first link to an address that was just added, or say why none goes: the address is added all the same.

    Within the caller's transaction; raises nothing of its own.
    """
    vouch = vouching(user, row)
    why = _cannot_mail(app)
    if why is not None:
        return LinkMailed(address=row.norm, sent=False, text=why, vouch=vouch)
    try:
        _count(tx, app, row, by, vouch)
    except RefusedError as refused:
        return LinkMailed(address=row.norm, sent=False, text=str(refused), vouch=vouch)
    return _mail(tx, app, user, row, by)


def vouching(user: UserRow, row: AddressRow) -> Way:
    """Return the way without a mail."""
    return Way(
        "CONFIRM",
        "An admin can vouch for it instead",
        f"maild address add {user.email or row.norm} {row.norm} --confirm",
    )


def _cannot_mail(app: App) -> str | None:
    if not app.has_relay:
        return "maild cannot send the link: no relay is configured ([relay] host)."
    if app.key is None:
        return "maild cannot send the link: there is no secret_key, which every mail of ours carries a mark of."
    return None


def _count(tx: Tx, app: App, row: AddressRow, by: Actor, vouch: Way) -> None:
    """Count a mail to this address, of this person, and of their account.  Raises RefusedError TOO_MANY_TRIES."""
    # By the name, not by the binding: an address that is taken away and added anew has not rested.
    digest = hashlib.sha256(row.norm.encode()).hexdigest()[:32]
    limits = [(f"verify:{digest}", MAILS_A_DAY)]
    if not by.is_operator:
        seat = admin_seat(tx, by)
        if by.user_id is not None:
            limits.append((f"verify-by:{by.user_id}", MAILS_OF_ONE))
        if seat is not None:
            limits.append((f"verify-by:account:{seat}", MAILS_OF_ACCOUNT))
    now = app.clock()
    for key, most in limits:
        if not tx.throttles.count(key, now=now, window=DAY, most=most):
            minutes = tx.throttles.minutes_left(key, now=now, window=DAY)
            raise RefusedError(Reason.TOO_MANY_TRIES, actions=(vouch,), minutes=minutes)


def _mail(tx: Tx, app: App, user: UserRow, row: AddressRow, by: Actor) -> LinkMailed:
    secret = secrets.token_urlsafe(32)
    now = app.clock()
    link = tx.verifications.replace(row.id, _digest(secret), now=now, expires_at=now + LINK_FOR)
    posted = post(
        tx,
        app,
        _notice(tx, app, user, row, secret, by),
        # By the secret: the number of a link that was withdrawn is given to the next one.
        key=f"verify:{row.id}:{_digest(secret)[:16]}",
    )
    if isinstance(posted, NotPosted):
        tx.verifications.withdraw(row.id)
        text = f"No link was mailed: {posted.why}."
        return LinkMailed(address=row.norm, sent=False, text=text, vouch=vouching(user, row))
    what = "A link" if app.public_url else "A code (web.public_url is not set, so no link)"
    return LinkMailed(
        address=row.norm,
        sent=True,
        text=f"{what} is on its way to {row.norm}; it is good until {link.expires_at:%Y-%m-%d %H:%M} UTC.",
        until=link.expires_at,
        vouch=vouching(user, row),
    )


def _notice(tx: Tx, app: App, user: UserRow, row: AddressRow, secret: str, by: Actor) -> Notice:
    who = "The operator" if by.user_id is None else tx.rights.display_name(by.user_id)
    link = (
        f"If that is right, open this link within {LINK_FOR.days} days:\n"
        f"  {app.public_url}/verify/{secret}\n\n"
        "Without the page, whoever added it can enter this code:\n"
        if app.public_url
        else f"If that is right, give this code to whoever added it, within {LINK_FOR.days} days:\n"
    )
    return Notice(
        to=row.shown,
        to_name=user.display_name,
        subject=f"Is {row.norm} yours?",
        text=(
            f"{who} has added this address to those of {user.display_name} in maild.\n\n"
            f"{link}  {secret}\n"
            f"  (maild address verify {row.norm} --code {secret})\n\n"
            f"From then on mail from {row.norm} counts as {user.display_name}'s. If you do not know what this is about, "
            "do nothing: unconfirmed, the address counts for nobody."
        ),
    )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def confirm_by_link(app: App, secret: str) -> AddressView:
    """Confirm the address that a link was mailed to; the secret is all that is asked for, and it is used up.

    The event is that of the address's user.  Commits one transaction.  Raises RefusedError LINK_ENDED, whatever is wrong.
    """
    with app.store.write() as tx:
        user_id, row = _opened(tx, app, secret)
        return _confirm(tx, app, row, Actor(user_id))


def confirm_by_code(app: App, text: str, secret: str, *, by: Actor) -> AddressView:
    """Confirm an address by the code that its mail carries, entered by whoever may change its user, or by the user.

    Commits one transaction.  Raises RefusedError: as `own_address`, and LINK_ENDED, also for another address's code.
    """
    with app.store.write() as tx:
        _, row = own_address(tx, text, by, self_may=True)
        # Before anything is held for it: who has another's code lets nobody wait.
        if _good(tx, app, _digest(secret.strip())).address_id != row.id:
            raise RefusedError(Reason.LINK_ENDED)
        _, found = _opened(tx, app, secret)
        return _confirm(tx, app, found, by)


def _opened(tx: Tx, app: App, secret: str) -> tuple[int, AddressRow]:
    """Return the address of a link that is still good, and hold its user.  Raises RefusedError LINK_ENDED."""
    digest = _digest(secret.strip())
    link = _good(tx, app, digest)
    user_id = tx.people.address(link.address_id).user_id
    tx.people.hold_user(user_id)
    # Once more, now that nobody else can use it up, or take the address away.
    link = _good(tx, app, digest)
    row = tx.people.address(link.address_id)
    if row.valid_to is not None or row.verified_at is not None or row.user_id != user_id:
        raise RefusedError(Reason.LINK_ENDED)
    return user_id, row


def _good(tx: Tx, app: App, digest: str) -> VerificationRow:
    link = tx.verifications.by_digest(digest)
    if link is None or link.expires_at <= app.clock():
        raise RefusedError(Reason.LINK_ENDED)
    return link


def _confirm(tx: Tx, app: App, row: AddressRow, by: Actor) -> AddressView:
    confirmed(tx, app, row, by, how="link")
    return address_view(tx.people.address(row.id))


def confirmed(tx: Tx, app: App, row: AddressRow, by: Actor, *, how: str) -> None:
    """Let an address resolve from now on; its links are worth nothing any more."""
    tx.people.verify_address(row.id, app.clock())
    tx.verifications.withdraw(row.id)
    note(tx, app, by, "address.confirmed", None, user=row.user_id, address=row.id, how=how)
    let_heal(tx, app, active_accounts(tx, row.user_id), [row.norm])
