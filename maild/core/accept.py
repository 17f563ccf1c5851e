"""Accepting mail: one call for every door, for one mail or many (D1).

`accept` commits TX 1 of a mail's life; whoever called may answer the peer only after it returned.  It must never
parse a mail beyond its header block's outline, never resolve a sender, and never drop an arrival.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from maild import failpoint
from maild.core.app import App
from maild.core.drops import drops_among
from maild.core.share import Incoming, Outline, Share, outline_of, retry_key
from maild.core.share_rows import store
from maild.core.unknown_senders import unknown_senders
from maild.model.address import Address, InvalidAddressError
from maild.model.drop import masked
from maild.model.reason import Answer, Reason
from maild.store.drops import DropRow
from maild.store.intake import InboxRow, IntakeRows
from maild.store.store import Tx

RETRY_WINDOW = timedelta(days=7)
"""How long the same bytes by the same door and envelope are a retry, if the mail has Message-ID and Date (D6)."""
RETRY_WINDOW_ANONYMOUS = timedelta(minutes=15)
"""The same without them: a device's nightly mail is a new mail each night."""
_log = logging.getLogger("maild.accept")


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
    outlines = [outline_of(mail) for mail in batch]
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
        tx.intake.hold_accounts(share.account_id for share in shares)
        _publish_late(app, shares)
        _recognise(tx.intake, shares, now)
        refused = unknown_senders(tx.intake, shares)
        shares = [share for share in shares if id(share.mail) not in refused]
        store(app, tx.intake, shares, now)
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
            else _answer(mail, text, reached, by_mail, refused)
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


def _publish_late(app: App, shares: Sequence[Share]) -> None:
    """Publish for the inbox that changed its account since, and what was erased meanwhile: next to never, so it may
    hold the transaction up.
    """
    app.store.bodies.publish(
        (share.account_id, share.mail.raw.digest, share.mail.raw.spooled)
        for share in shares
        if share.mail.raw.spooled is not None
        and not (
            share.account_id in share.mail.published_for
            and app.store.bodies.lies(share.account_id, share.mail.raw.digest)
        )
    )


def _shares(
    mail: Incoming, outline: Outline, reached: dict[str, InboxRow], drops: dict[str, DropRow]
) -> list[Share]:
    """Divide a mail by account; an inbox whose own limit it breaks has no share in it."""
    shares: dict[int, Share] = {}
    for text in mail.envelope.recipients:
        inbox = reached.get(text)
        if inbox is None or _too_large(mail, inbox):
            continue
        share = shares.get(inbox.account_id)
        if share is None:
            share = shares[inbox.account_id] = Share(
                mail, inbox.account_id, {}, outline, retry_key(mail.envelope, mail.raw.digest), []
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


def _recognise(rows: IntakeRows, shares: list[Share], now: datetime) -> None:
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
        if share.outline.names_itself:
            share.join(stored.get((share.account_id, share.outline.content_key), ()))
        if known is not None and known.at >= now - window:
            share.retry_of = known
            share.message_id = known.message_id


def _answer(
    mail: Incoming,
    text: str,
    reached: dict[str, InboxRow],
    shares: dict[tuple[int, int], Share],
    refused: dict[int, str],
) -> Answer:
    inbox = reached.get(text)
    if inbox is None:
        return Answer(Reason.NO_SUCH_RECIPIENT, {"address": text})
    if _too_large(mail, inbox):
        return Answer(Reason.TOO_LARGE, {"size": mail.raw.size, "limit": inbox.max_size})
    if id(mail) in refused:
        facts = {"inbox": inbox.norm, "address": refused[id(mail)]}
        return Answer(Reason.UNKNOWN_SENDER_REFUSED, facts)
    return Answer(Reason.ACCEPTED, {"ref": shares[id(mail), inbox.account_id].refs[inbox.id]})
