"""Accepting mail: one call for every door, for one mail or many (D1).

`accept` commits TX 1 of a mail's life; whoever called may answer the peer only after it returned.  It must never
parse a mail beyond its header block's outline, never resolve a sender, and never drop an arrival.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from maild import failpoint
from maild.auth.results import trusted_text
from maild.core.app import App
from maild.core.drops import drops_among
from maild.core.raw import Raw
from maild.core.spam import mark_of
from maild.model.address import Address, InvalidAddressError
from maild.model.drop import HIDDEN, masked
from maild.model.envelope import Envelope
from maild.model.plain_text import storable
from maild.model.reason import Answer, Reason
from maild.model.states import State
from maild.parse import header_block
from maild.store.drops import DropRow
from maild.store.intake import InboxRow, IntakeRows, KnownArrival
from maild.store.store import Tx

RETRY_WINDOW = timedelta(days=7)
"""How long the same bytes by the same door and envelope are a retry, if the mail has Message-ID and Date (D6)."""
RETRY_WINDOW_ANONYMOUS = timedelta(minutes=15)
"""The same without them: a device's nightly mail is a new mail each night."""
_CONTENT = (
    b"message-id",
    b"from",
    b"date",
    b"to",
    b"cc",
    b"subject",
    b"in-reply-to",
    b"references",
    b"content-type",
    b"content-transfer-encoding",
    b"auto-submitted",
)
"""The fields that make a mail, with its body, the same mail (D6): those that deciding and reading go by.

A copy that differs in one of them is another mail.  Else whoever saw a user's mail could send it on before it comes in,
with other recipients or another thread, and the proof that comes with the true one would speak for the false one (I3).
"""


_log = logging.getLogger("maild.accept")


@dataclass(frozen=True, slots=True)
class Incoming:
    """One mail on its way in: how it came, and its bytes."""

    envelope: Envelope
    raw: Raw
    published_for: frozenset[int] = frozenset()
    """The accounts in whose folders a large body lies already (`publish`)."""


@dataclass(slots=True)
class _Share:
    """One mail's part in one account: everything is stored per account."""

    mail: Incoming
    account_id: int
    inboxes: dict[int, InboxRow]
    outline: _Outline
    retry_key: str
    recipients: list[str]
    message_id: int = 0
    is_new_message: bool = False
    retry_of: KnownArrival | None = None
    drop_users: set[int] = field(default_factory=set)
    """Whose drop addresses are among the recipients."""
    refs: dict[int, str] = field(default_factory=dict)
    """Delivery ULIDs by inbox."""

    @property
    def identity(self) -> str:
        """What the same mail in one batch has in common."""
        return self.outline.content_key if self.outline.names_itself else self.retry_key


@dataclass(frozen=True, slots=True)
class _Outline:
    """What accepting reads of a header block."""

    message_id: str | None
    has_date: bool
    content_key: str
    trusted_results: str | None
    spam_mark: str | None

    @property
    def names_itself(self) -> bool:
        """Whether Message-ID and Date tell it from every other mail; a device may use one Message-ID for ever (D6)."""
        return self.message_id is not None and self.has_date


Beside = Callable[[Tx, Sequence[int | None]], None]
"""Writes beside what is accepted; it is given each mail's message, None where no recipient took it."""


def find_inbox(rows: IntakeRows, addresses: Sequence[str]) -> dict[str, InboxRow]:
    """Return the inbox that each of the addresses as given reaches: by its name, or by its name less its +tag."""
    parsed: dict[str, Address] = {}
    for text in addresses:
        try:
            parsed[text] = Address.parse(text)
        except InvalidAddressError:
            continue
    named = rows.inboxes_named(
        name.norm for address in parsed.values() for name in (address, address.base)
    )
    found = {}
    for text, address in parsed.items():
        inbox = named.get(address.norm) or named.get(address.base.norm)
        if inbox is not None:
            found[text] = inbox
    return found


def recipient(app: App, address: str, size: int | None) -> tuple[Answer, int | None]:
    """Say whether maild answers for an address, and the size limit of its inbox, if it has one of its own.

    `size` is what the peer declared, or None.  Reads only.  Raises StoreDownError.
    """
    with app.store.read() as tx:
        return _about(app, tx, address, size)


def glance(app: App, address: str, size: int | None) -> tuple[Answer, int | None]:
    """Do as `recipient`, where an embedded database can tell at once and nothing can hang; for one thread.

    Raises StoreDownError where it cannot: then `recipient` may know.
    """
    with app.store.glance() as tx:
        return _about(app, tx, address, size)


def _about(app: App, tx: Tx, address: str, size: int | None) -> tuple[Answer, int | None]:
    try:
        name = Address.parse(address)
    except InvalidAddressError:
        return Answer(Reason.BAD_RECIPIENT, {"address": address}), None
    inbox = tx.intake.inbox_named(name.norm)
    if inbox is None and name.base != name:
        inbox = tx.intake.inbox_named(name.base.norm)
        drop = drops_among(app, tx, [address]).get(address)
        if inbox is not None and drop is not None and drop.dead_at is not None:
            return Answer(Reason.DROP_ADDRESS_ROTATED, {"address": masked(address)}), None
    failpoint.reached("recipient.looked_up")
    if inbox is None:
        return Answer(Reason.NO_SUCH_RECIPIENT, {"address": address}), None
    if size is not None and inbox.max_size is not None and size > inbox.max_size:
        return Answer(Reason.TOO_LARGE, {"size": size, "limit": inbox.max_size}), inbox.max_size
    return Answer(Reason.RECIPIENT_OK), inbox.max_size


def accept(app: App, batch: Sequence[Incoming], beside: Beside | None = None) -> list[list[Answer]]:
    """Store mails durably; return for each mail an answer for each of its envelope's recipients, in order.

    Commits one transaction for the whole batch: arrivals, messages, bodies, recipients, deliveries, events (TX 1).
    All or nothing: any exception means that nothing of the batch was stored.  A retry of a known mail stores nothing
    new and is answered as the first time (D6), so repeating the call is safe.  Deletes the spool files when it
    returns; leaves them when it raises.  Raises StoreDownError, OSError, and what `beside` raises: it writes in the same
    transaction.
    """
    outlines = [_outline_of(mail) for mail in batch]
    addresses = [text for mail in batch for text in mail.envelope.recipients]
    # Large bodies are durable files before the transaction begins: nobody waits for their flush.
    batch = [publish(app, mail) for mail in batch]
    now = app.clock()
    failpoint.reached("accept.before_transaction")
    with app.store.write() as tx:
        reached = find_inbox(tx.intake, addresses)
        drops = drops_among(app, tx, addresses)
        reached = {text: inbox for text, inbox in reached.items() if not _is_dead(drops, text)}
        shares = [
            share
            for mail, outline in zip(batch, outlines, strict=True)
            for share in _shares(mail, outline, reached, drops)
        ]
        _publish_late(app, shares)
        tx.intake.hold_accounts(share.account_id for share in shares)
        _recognise(tx.intake, shares, now)
        _store(app, tx.intake, shares, now)
        if beside is not None:
            found = {id(share.mail): share.message_id for share in shares}
            beside(tx, [found.get(id(mail)) for mail in batch])
        failpoint.reached("accept.before_commit")
    failpoint.reached("accept.after_commit")
    for mail in batch:
        mail.raw.discard()
    by_mail = {(id(share.mail), share.account_id): share for share in shares}
    return [
        [
            Answer(Reason.DROP_ADDRESS_ROTATED, {"address": masked(text)})
            if _is_dead(drops, text)
            else _answer(mail, text, reached, by_mail)
            for text in mail.envelope.recipients
        ]
        for mail in batch
    ]


def _is_dead(drops: dict[str, DropRow], text: str) -> bool:
    return text in drops and drops[text].dead_at is not None


def publish(app: App, mail: Incoming) -> Incoming:
    """Make a large body durable in every account that gets it; doors do so beforehand, many at a time.

    Commits nothing: a file without a row is swept.  Safe to repeat.  Raises StoreDownError, OSError.
    """
    if mail.raw.spooled is None or mail.published_for:
        return mail
    with app.store.read() as tx:
        reached = find_inbox(tx.intake, mail.envelope.recipients)
    accounts = {inbox.account_id for inbox in reached.values() if not _too_large(mail, inbox)}
    app.store.bodies.publish(
        (account_id, mail.raw.digest, mail.raw.spooled) for account_id in sorted(accounts)
    )
    return replace(mail, published_for=frozenset(accounts))


def _publish_late(app: App, shares: Sequence[_Share]) -> None:
    """Publish for the inbox that changed its account since: next to never, so it may hold the transaction up."""
    app.store.bodies.publish(
        (share.account_id, share.mail.raw.digest, share.mail.raw.spooled)
        for share in shares
        if share.mail.raw.spooled is not None and share.account_id not in share.mail.published_for
    )


def _shares(
    mail: Incoming, outline: _Outline, reached: dict[str, InboxRow], drops: dict[str, DropRow]
) -> list[_Share]:
    """Divide a mail by account; an inbox whose own limit it breaks has no share in it."""
    shares: dict[int, _Share] = {}
    for text in mail.envelope.recipients:
        inbox = reached.get(text)
        if inbox is None or _too_large(mail, inbox):
            continue
        share = shares.get(inbox.account_id)
        if share is None:
            share = shares[inbox.account_id] = _Share(
                mail, inbox.account_id, {}, outline, _retry_key(mail.envelope, mail.raw.digest), []
            )
        share.inboxes[inbox.id] = inbox
        drop = drops.get(text)
        share.recipients.append(text if drop is None else masked(text))
        # What a collected mail's fields name is no envelope of ours (U7).
        is_envelope = mail.envelope.collected is None
        if drop is not None and is_envelope and drop.account_id == inbox.account_id:
            share.drop_users.add(drop.user_id)
    return list(shares.values())


def _too_large(mail: Incoming, inbox: InboxRow) -> bool:
    return inbox.max_size is not None and mail.raw.size > inbox.max_size


def _retry_key(envelope: Envelope, digest: str) -> str:
    """Name door, listener's trust, envelope and bytes: what another listener, or who signs in, vouches for is no retry (I3)."""
    trust = envelope.trust
    parts = (
        envelope.door.value,
        *(",".join(sorted(names)) for names in (trust.authenticated_for, trust.authserv_ids)),
        envelope.mail_from,
        *sorted(envelope.recipients),
        digest,
        # Behind the digest, and nothing where there are none: keys of earlier versions stay what they are.
        *map(str, trust.spam_headers),
        *(() if envelope.collected is None else (f"copy {envelope.collected.copy_id}",)),
        *(() if envelope.signed_in_user_id is None else (f"user {envelope.signed_in_user_id}",)),
    )
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _outline_of(mail: Incoming) -> _Outline:
    fields = header_block.fields(mail.raw.head)
    message_id = header_block.topmost(fields, b"message-id")
    date = header_block.topmost(fields, b"date")
    key = hashlib.sha256()
    for name in _CONTENT:
        for value in header_block.every(fields, name):
            key.update(name + b"\0" + b" ".join(value.split()) + b"\0")
    key.update(mail.raw.body_digest.encode())
    trusted = trusted_text(
        ((one.name, one.value) for one in fields), mail.envelope.trust.authserv_ids
    )
    return _Outline(
        message_id=header_block.message_id_of(message_id) if message_id is not None else None,
        has_date=bool(date),
        content_key=key.hexdigest(),
        trusted_results=None if trusted is None else storable(trusted),
        spam_mark=mark_of(fields, mail.envelope.trust.spam_headers),
    )


def _recognise(rows: IntakeRows, shares: list[_Share], now: datetime) -> None:
    """Find out which mails are retries, and which are stored already (D6)."""
    arrived = rows.known_arrivals((share.retry_key for share in shares), now - RETRY_WINDOW)
    stored = rows.known_messages(
        (share.account_id, share.outline.content_key)
        for share in shares
        if share.outline.names_itself
    )
    for share in shares:
        known = arrived.get((share.account_id, share.retry_key))
        window = RETRY_WINDOW if share.outline.names_itself else RETRY_WINDOW_ANONYMOUS
        if known is not None and known.at >= now - window:
            share.retry_of = known
            share.message_id = known.message_id
        elif share.outline.names_itself:
            share.message_id = stored.get((share.account_id, share.outline.content_key), 0)


def _store(app: App, rows: IntakeRows, shares: list[_Share], now: datetime) -> None:
    first: dict[tuple[int, str], _Share] = {}
    """The first share in this batch of each mail that is not stored yet: its twins in the batch join it."""
    for share in shares:
        if share.message_id:
            continue
        twin = first.setdefault((share.account_id, share.identity), share)
        share.is_new_message = twin is share
    fresh = [share for share in shares if share.is_new_message]
    rows.add_bodies([_body_row(share) for share in fresh])
    for share, message_id in zip(
        fresh, rows.add_messages([_message_row(share) for share in fresh]), strict=True
    ):
        share.message_id = message_id
    for share in shares:
        if not share.message_id:
            share.message_id = first[share.account_id, share.identity].message_id
    _store_arrivals(rows, shares, now)
    _store_deliveries(app, rows, shares, now)


def _store_arrivals(rows: IntakeRows, shares: list[_Share], now: datetime) -> None:
    known = {
        (share.account_id, share.retry_key): share.retry_of.id for share in shares if share.retry_of
    }
    new: dict[tuple[int, str], _Share] = {}
    again: list[tuple[int, str]] = []
    for share in shares:
        key = (share.account_id, share.retry_key)
        if key in known or key in new:
            again.append(key)
        else:
            new[key] = share
    ids = rows.add_arrivals([_arrival_row(share, now) for share in new.values()])
    known |= dict(zip(new, ids, strict=True))
    for key in again:
        rows.count_retry(known[key], now)
    rows.look_again((share.message_id for share in new.values() if not share.is_new_message), now)
    rows.add_recipients(
        [
            {"message_id": share.message_id, "kind": "envelope", "norm": norm}
            for share in new.values()
            for norm in sorted({_recorded(text) for text in share.recipients})
        ]
    )


def _recorded(recipient: str) -> str:
    """Return a recipient as lists search for it; a drop address without its secret."""
    address = Address.parse(recipient)
    return address.base.norm if address.tag == HIDDEN else address.norm


def _store_deliveries(app: App, rows: IntakeRows, shares: list[_Share], now: datetime) -> None:
    there = rows.deliveries_of(share.message_id for share in shares if not share.is_new_message)
    new: list[dict[str, Any]] = []
    for share in shares:
        for inbox_id in share.inboxes:
            ulid = there.get((share.message_id, inbox_id))
            if ulid is None:
                ulid = there[share.message_id, inbox_id] = app.ids()
                new.append(_delivery_row(share, inbox_id, ulid, now))
            share.refs[inbox_id] = ulid
    ids = rows.add_deliveries(new)
    rows.add_events(
        [
            {
                "at": now,
                "account_id": row["account_id"],
                "kind": "received",
                "delivery_id": delivery_id,
                "subject": {},
            }
            for row, delivery_id in zip(new, ids, strict=True)
        ]
    )


def _body_row(share: _Share) -> dict[str, Any]:
    raw = share.mail.raw
    return {
        "account_id": share.account_id,
        "digest": raw.digest,
        "size": raw.size,
        "bytes": raw.inline,
    }


def _message_row(share: _Share) -> dict[str, Any]:
    raw = share.mail.raw
    return {
        "account_id": share.account_id,
        "digest": raw.digest,
        "size": raw.size,
        "message_id_header": share.outline.message_id,
        "content_key": share.outline.content_key,
        "subject": "",
    }


def _arrival_row(share: _Share, now: datetime) -> dict[str, Any]:
    envelope = share.mail.envelope
    collected = envelope.collected
    return {
        "source_id": None if collected is None else collected.source_id,
        "origin": None if collected is None else collected.origin,
        "whole_size": None if collected is None else collected.whole_size,
        "drop_user_id": min(share.drop_users) if len(share.drop_users) == 1 else None,
        "account_id": share.account_id,
        "message_id": share.message_id,
        "at": now,
        "door": envelope.door,
        "peer": storable(envelope.peer),
        "helo": storable(envelope.helo),
        "tls": envelope.tls,
        "mail_from": storable(envelope.mail_from),
        "recipients": [storable(text) for text in share.recipients],
        "digest": share.mail.raw.digest,
        "authenticated_for": list(envelope.trust.authenticated_for),
        "trusted_results": share.outline.trusted_results,
        "spam_mark": share.outline.spam_mark,
        "signed_in_user_id": envelope.signed_in_user_id,
        # Empty: to be asked for, when it is decided.
        "spf": {} if envelope.is_direct else None,
        "retry_key": share.retry_key,
    }


def _delivery_row(share: _Share, inbox_id: int, ulid: str, now: datetime) -> dict[str, Any]:
    return {
        "ulid": ulid,
        "account_id": share.account_id,
        "message_id": share.message_id,
        "inbox_id": inbox_id,
        "state": State.RECEIVED,
        "facts": {},
        "beside": [],
        "direction": "in",
        "evidence": {},
        "received_at": share.mail.envelope.received_at,
        "due_at": now,
    }


def _answer(
    mail: Incoming, text: str, reached: dict[str, InboxRow], shares: dict[tuple[int, int], _Share]
) -> Answer:
    inbox = reached.get(text)
    if inbox is None:
        return Answer(Reason.NO_SUCH_RECIPIENT, {"address": text})
    if _too_large(mail, inbox):
        return Answer(Reason.TOO_LARGE, {"size": mail.raw.size, "limit": inbox.max_size})
    return Answer(Reason.ACCEPTED, {"ref": shares[id(mail), inbox.account_id].refs[inbox.id]})
