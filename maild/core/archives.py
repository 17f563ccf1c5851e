"""Import of old mail: silently, with its own dates, and each mail once, however often it is imported (D13).

What is known is told by content, never by where a file lies: Message-ID, Date and all that deciding goes by; where a
mail does not name itself, also when it was received.  What was erased stays erased.  Nothing here tells anybody anything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum

from maild import failpoint
from maild.core.accept import accept
from maild.core.app import Actor, App
from maild.core.decide import HOLD, Reader, decide_claimed
from maild.core.raw import raw_in_memory, raw_of
from maild.core.share import Incoming, outline_of
from maild.core.standing import home, parse_address, require_admin, require_operator
from maild.model.address import InvalidAddressError, canonical_domain
from maild.model.envelope import Door, Envelope, Imported, Trust
from maild.model.plain_text import short
from maild.model.reason import Reason, RefusedError
from maild.parse import header_block
from maild.parse.headers import date_of
from maild.store.deliveries import Claimed
from maild.store.intake import InboxRow
from maild.store.store import Tx

PEER = "archive"
"""What stands where a door has its peer."""
_OLDEST = datetime(1970, 1, 2, tzinfo=UTC)


class Fate(Enum):
    """What becomes of a mail of an archive."""

    NEW = "new"
    KNOWN = "known"
    ERASED = "erased"
    """It was here, and was erased; it stays so."""
    OLDER = "older"
    """Than what was asked for."""
    TOO_LARGE = "too_large"
    """For its inbox, whose limit an admin may raise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OldMail:
    """One mail of an archive."""

    content: bytes
    """Its lines end with CRLF."""
    received_at: datetime | None = None
    """When the archive says that it came in; the mail's own Received field comes before that."""
    is_unread: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """Where old mail goes, and what is said of it."""

    inbox: str
    account: str | None = None
    since: datetime | None = None
    """Only what came in then or later."""
    authenticated_for: tuple[str, ...] = ()
    """Domains of whose mail the operator says that its senders were proven where it came from (I3)."""


_Key = tuple[str, datetime | None]
"""What tells a mail of an archive: when it came in counts where it does not name itself (D6)."""


@dataclass(frozen=True, slots=True)
class _Old:
    """A mail of an archive as it would come in."""

    content: bytes
    incoming: Incoming
    key: _Key
    fate: Fate = Fate.NEW


def look_over(app: App, mails: Sequence[OldMail], how: Import, *, by: Actor) -> list[Fate]:
    """Say what would become of each mail; the inbox's admins and the operator may ask.  Reads only.

    Raises RefusedError (NOT_FOUND, NOT_ALLOWED, INVALID_EMAIL, INVALID_VALUE), StoreDownError.
    """
    with app.store.read() as tx:
        return [one.fate for one in _recognised(app, tx, mails, how, by)[1]]


def bring_in(
    app: App, reader: Reader, mails: Sequence[OldMail], how: Import, *, by: Actor
) -> list[Fate]:
    """Store what is new of these mails, and decide it at once, so that no mail of today waits behind it.

    Commits one transaction for storing them and one for what was decided.  A mail that its reader does not survive
    stays due, as any other (D11).  Safe to repeat, after a kill too.  Raises as `look_over`, OSError.
    """
    with app.store.read() as tx:
        into, found = _recognised(app, tx, mails, how, by)
    batch = [_stored_as(app, one) for one in found if one.fate is Fate.NEW]
    lease = app.ids()
    claimed: list[Claimed] = []

    def beside(tx: Tx, messages: Sequence[int | None]) -> None:
        fresh = tx.archives.fresh(into.id, [one for one in messages if one is not None])
        claimed.extend(tx.deliveries.lease(fresh, lease=lease, until=app.clock() + HOLD))

    if batch:
        accept(app, batch, beside)
        failpoint.reached("import.after_store")
        decide_claimed(app, reader, claimed, lease)
    return [one.fate for one in found]


def _stored_as(app: App, one: _Old) -> Incoming:
    """Return a mail with its bytes where accepting takes them from."""
    raw = one.incoming.raw
    if raw.size > app.store.inline_max:
        raw = raw_of(one.content, app.store.bodies.tmp, app.store.inline_max)
    return Incoming(one.incoming.envelope, raw)


def into_inbox(tx: Tx, how: Import, by: Actor) -> InboxRow:
    """Return the inbox that old mail goes to, for its admins and the operator.  Raises RefusedError."""
    place = home(tx, how.account, by)
    require_admin(tx, place, by)
    address = parse_address(how.inbox)
    found = tx.intake.inbox_named(address.norm)
    if found is None or found.account_id != place.id:
        raise RefusedError(
            Reason.NOT_FOUND,
            noun="inbox",
            value=address.norm,
            hint="`maild inbox list` shows them.",
        )
    return found


def _trust(how: Import, by: Actor) -> Trust:
    if how.authenticated_for:
        require_operator(by)
    domains = []
    for text in how.authenticated_for:
        try:
            domains.append(canonical_domain(text))
        except InvalidAddressError as error:
            raise RefusedError(
                Reason.INVALID_VALUE, what="The domain", value=short(text), why=str(error)
            ) from None
    return Trust(authenticated_for=tuple(domains))


def _old(app: App, mail: OldMail, into: InboxRow, trust: Trust) -> _Old:
    raw = raw_in_memory(mail.content)
    now = app.clock()
    told = _told_at(raw.head, mail, now)
    envelope = Envelope(
        door=Door.IMPORT,
        mail_from="",
        recipients=(into.norm,),
        peer=PEER,
        received_at=told or now,
        trust=trust,
    )
    outline = outline_of(Incoming(envelope, raw))
    key = (outline.content_key, None if outline.names_itself else told)
    mark = hashlib.sha256(f"{key[0]} {key[1]}".encode()).hexdigest()
    imported = Imported(mark=mark, is_unread=mail.is_unread)
    return _Old(mail.content, Incoming(replace(envelope, imported=imported), raw), key)


def _told_at(head: bytes, mail: OldMail, now: datetime) -> datetime | None:
    """Return when a mail came in: by the server that took it, by the archive, or by whoever wrote it."""
    fields = header_block.fields(head)
    topmost = header_block.topmost(fields, b"received")
    written = header_block.topmost(fields, b"date")
    told = (
        date_of(topmost.rpartition(b";")[2]) if topmost else None,
        mail.received_at,
        date_of(written) if written else None,
    )
    return next((at for at in told if at is not None and _OLDEST < at <= now), None)


def _recognised(
    app: App, tx: Tx, mails: Sequence[OldMail], how: Import, by: Actor
) -> tuple[InboxRow, list[_Old]]:
    into = into_inbox(tx, how, by)
    trust = _trust(how, by)
    olds = [_old(app, mail, into, trust) for mail in mails]
    kept: dict[_Key, bool] = {}
    for one in tx.archives.kept(into.id, into.account_id, {old.key[0] for old in olds}):
        for at in (None, one.received_at):
            key = one.content_key, at
            kept[key] = one.is_erased and kept.get(key, True)
    new: set[_Key] = set()
    found = []
    for old in olds:
        fate = Fate.KNOWN if old.key in new else _fate(old, into, how, kept.get(old.key))
        if fate is Fate.NEW:
            new.add(old.key)
        found.append(replace(old, fate=fate))
    return into, found


def _fate(old: _Old, into: InboxRow, how: Import, is_erased: bool | None) -> Fate:
    """Say what becomes of a mail; `is_erased` None: it never was here."""
    envelope, raw = old.incoming.envelope, old.incoming.raw
    if how.since is not None and envelope.received_at < how.since:
        return Fate.OLDER
    if is_erased is not None:
        return Fate.ERASED if is_erased else Fate.KNOWN
    return Fate.TOO_LARGE if into.max_size is not None and raw.size > into.max_size else Fate.NEW
