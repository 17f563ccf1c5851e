"""Keys of inboxes: one opens the HTTP door of one inbox (D1).

A key is told once, to whoever makes it, and never stored: only its SHA-256 is, which is enough for 256 random bits.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime

from maild.core.accept import find_inbox
from maild.core.app import Actor, App
from maild.core.standing import home, inbox_named, note, require_admin, require_member
from maild.model.reason import Answer, Reason

PREFIX = "maild-in-"
"""What a key begins with, so that whoever finds one knows what it opens."""
_NO_DIGEST = "0" * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxKey:
    """Whether an inbox has a key."""

    inbox: str
    since: datetime | None
    """When its key was made; None: it has none, and nothing comes in over HTTP."""
    key: str | None = None
    """The key itself, only in the answer to making it."""


def show_inbox_key(app: App, text: str, *, account: str | None = None, by: Actor) -> InboxKey:
    """Return whether an inbox has a key, and since when.  Reads only.  Raises RefusedError."""
    with app.store.read() as tx:
        where = home(tx, account, by)
        require_member(tx, where, by)
        inbox = inbox_named(tx, where, text)
        return InboxKey(inbox=inbox.norm, since=tx.inbox_keys.made_at(inbox.id))


def new_inbox_key(app: App, text: str, *, account: str | None = None, by: Actor) -> InboxKey:
    """Make the inbox a new key and return it; the one before ends at once.

    Commits one transaction.  Raises RefusedError (NOT_FOUND, NOT_ALLOWED, account's).
    """
    key = PREFIX + secrets.token_urlsafe(32)
    now = app.clock()
    with app.store.write() as tx:
        where = home(tx, account, by, hold=True)
        require_admin(tx, where, by)
        inbox = inbox_named(tx, where, text)
        tx.inbox_keys.set_key(inbox.id, where.id, _digest(key), now=now)
        note(tx, app, by, "inbox.key_made", where.id, inbox=inbox.id)
    return InboxKey(inbox=inbox.norm, since=now, key=key)


def revoke_inbox_key(app: App, text: str, *, account: str | None = None, by: Actor) -> InboxKey:
    """End the inbox's key.  Safe to repeat.  Commits one transaction.  Raises RefusedError."""
    with app.store.write() as tx:
        where = home(tx, account, by, hold=True)
        require_admin(tx, where, by)
        inbox = inbox_named(tx, where, text)
        if tx.inbox_keys.end(inbox.id):
            note(tx, app, by, "inbox.key_revoked", where.id, inbox=inbox.id)
    return InboxKey(inbox=inbox.norm, since=None)


def open_inbox(app: App, address: str, key: str) -> tuple[Answer, int | None]:
    """Say whether the key opens the inbox that the address reaches, and the inbox's own size limit.

    An inbox that is not there and a key that does not fit are one answer, found by the same steps, so that nobody
    learns which inboxes there are.  Reads only.  Raises StoreDownError.
    """
    given = _digest(key)
    with app.store.read() as tx:
        inbox = find_inbox(tx.intake, [address]).get(address)
        known = tx.inbox_keys.digest(0 if inbox is None else inbox.id)
    fits = hmac.compare_digest(known or _NO_DIGEST, given)
    if inbox is None or not fits:
        return Answer(Reason.NO_SUCH_INBOX), None
    return Answer(Reason.RECIPIENT_OK), inbox.max_size


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
