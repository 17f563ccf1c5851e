"""The ledger's acts (D5): every one is a transaction that first makes sure that the lease is still ours.

Nothing here talks to a server.  Nothing here deletes a row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from maild import failpoint
from maild.core.accept import accept, find_inbox
from maild.core.app import App
from maild.core.giants import put_away
from maild.core.raw import Raw
from maild.core.share import Incoming
from maild.model.envelope import Collected, Door, Envelope
from maild.model.plain_text import storable
from maild.model.source import Acted, After, CopyState, SourceKind, read_after
from maild.parse import header_block
from maild.parse.recipient_marks import recipients_by_trace
from maild.store.ledger import CopyRow, FolderRow
from maild.store.sources import SourceRow
from maild.store.store import Tx

TRIES = 5
"""Fetches of one mail that may fail; then it is left for a person."""
NO_ORIGIN = "none"
_PRINTED = (b"message-id", b"date", b"from", b"subject")
_DOORS = {SourceKind.IMAP: Door.IMAP, SourceKind.POP: Door.POP}


class LeaseLostError(Exception):
    """Another process polls the source now; whatever we had in hand is its business."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to poll a source, as long as nobody else has taken it."""

    source: SourceRow
    epoch: int

    @property
    def name(self) -> str:
        """The lease's name."""
        return lease_name(self.source.id)

    @property
    def after(self) -> After:
        """What happens on the server after storing."""
        return read_after(self.source.after)


def lease_name(source_id: int) -> str:
    """Return the name of a source's lease."""
    return f"source {source_id}"


def claim(app: App, source: SourceRow, holder: str, length: timedelta) -> Claim | None:
    """Take the right to poll a source; None: somebody else has it.  Commits.  Raises StoreDownError."""
    with app.store.write() as tx:
        epoch = tx.leases.take(lease_name(source.id), holder, length)
    return None if epoch is None else Claim(source, epoch)


def renew(app: App, held: Claim, length: timedelta) -> bool:
    """Keep the right for longer; False when it is lost.  Commits.  Raises StoreDownError."""
    with app.store.write() as tx:
        return tx.leases.renew(held.name, held.epoch, length)


def give_up(app: App, held: Claim) -> None:
    """Let somebody else have it at once.  Commits.  Raises StoreDownError."""
    with app.store.write() as tx:
        tx.leases.release(held.name, held.epoch)


def require(tx: Tx, held: Claim) -> None:
    """Make sure that the lease is still ours, until the transaction ends.  Raises LeaseLostError."""
    if not tx.leases.holds(held.name, held.epoch):
        raise LeaseLostError(held.source.name)


def header_print(head: bytes) -> str:
    """Return what tells a mail by its header: Message-ID, Date, From and Subject; empty without any of them."""
    fields = header_block.fields(head)
    values = [header_block.topmost(fields, name) for name in _PRINTED]
    if not any(values):
        return ""
    print_ = hashlib.sha256()
    for value in values:
        print_.update(b" ".join((value or b"").split()) + b"\0")
    return print_.hexdigest()


# -- folders -----------------------------------------------------------------------------------------------------------


def open_folder(
    app: App, held: Claim, name: str, uidvalidity: int | None, baseline: int | None = None
) -> FolderRow:
    """Return the ledger of a folder, begun if there was none.  Commits.  Raises LeaseLostError, StoreDownError."""
    with app.store.write() as tx:
        require(tx, held)
        found = tx.ledger.folder(held.source.id, name)
        if found is not None and not found.is_begun and found.uidvalidity != uidvalidity:
            # The first listing was cut off, and says nothing of these numbers.
            anew = {"generation": found.generation + 1, "uid_high": 0, "baseline": baseline}
            tx.ledger.set_folder(found.id, uidvalidity=uidvalidity, **anew)
            found = tx.ledger.folder(held.source.id, name)
        return found or tx.ledger.add_folder(held.source.id, name, uidvalidity, baseline)


def unknown_uids(app: App, folder: FolderRow, uids: Sequence[int]) -> list[int]:
    """Return those UIDs that the ledger does not have, in their order.  Reads only."""
    with app.store.read() as tx:
        known = tx.ledger.known_uids(folder, uids)
    return [uid for uid in uids if uid not in known]


def known_keys(app: App, folder: FolderRow) -> dict[tuple[str, int], tuple[int, int | None, str]]:
    """Return (id, size, state) of every known copy of a POP box by (UIDL, ordinal).  Reads only."""
    with app.store.read() as tx:
        return tx.ledger.known_keys(folder)


def write_down(
    app: App, held: Claim, folder: FolderRow, seen: Iterable[Mapping[str, Any]], **numbers: Any
) -> None:
    """Enter copies that were seen on the server, with their state; and the folder's numbers (`uid_high`).

    Commits.  Raises LeaseLostError, StoreDownError.
    """
    with app.store.write() as tx:
        require(tx, held)
        tx.ledger.add(folder, list(seen), app.clock())
        if numbers:
            tx.ledger.set_folder(folder.id, **numbers)


def to_take(app: App, folder: FolderRow, *, limit: int) -> list[CopyRow]:
    """Return the next copies that are to be fetched; those whose fetch failed come last.  Reads only."""
    with app.store.read() as tx:
        return tx.ledger.open(folder, attempts=TRIES, limit=limit)


# -- taking ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Taken:
    """A mail that was fetched."""

    copy: CopyRow
    raw: Raw
    is_header: bool = False
    """Whether it is the header alone of a mail that is too large (D12)."""


def take(app: App, held: Claim, taken: Sequence[Taken]) -> None:
    """Store mails and say so in the ledger, in one transaction (D1, D5).

    Deletes the spool files.  Raises LeaseLostError, StoreDownError, OSError; then nothing was stored.
    """
    with app.store.read() as tx:
        addressed = [_addressed(tx, held.source, one) for one in taken]
    batch = [
        _incoming(app, held.source, one, *where)
        for one, where in zip(taken, addressed, strict=True)
    ]
    failpoint.reached("collect.before_store")

    def beside(tx: Tx, messages: Sequence[int | None]) -> None:
        require(tx, held)
        now = app.clock()
        rows = [
            _stored(held, one, message, now) for one, message in zip(taken, messages, strict=True)
        ]
        tx.ledger.stored(rows)
        put_away(app, tx, [header for one in taken if (header := _replaces(one)) is not None])

    accept(app, batch, beside)
    failpoint.reached("collect.after_store")


def _replaces(one: Taken) -> int | None:
    """Return the message that is the header alone of a mail that is whole now (D12)."""
    return None if one.is_header else one.copy.message_id


def _addressed(tx: Tx, source: SourceRow, one: Taken) -> tuple[tuple[str, ...], str | None]:
    """Return the inboxes that a mail goes to, and the field that said so (D14)."""
    if not source.is_central:
        return (source.inbox,), None
    for name, texts in recipients_by_trace(one.raw.head, source.recipient_header):
        found = find_inbox(tx.intake, texts)
        reached = [
            text for text in texts if text in found and found[text].account_id == source.account_id
        ]
        if reached:
            return tuple(dict.fromkeys(reached)), name
    return (source.inbox,), NO_ORIGIN


def _incoming(
    app: App, source: SourceRow, one: Taken, recipients: tuple[str, ...], origin: str | None
) -> Incoming:
    return_path = header_block.topmost(header_block.fields(one.raw.head), b"return-path") or b""
    return Incoming(
        Envelope(
            door=_DOORS[source.kind],
            mail_from=storable(return_path.strip(b" \t<>").decode("utf-8", "replace"))[:998],
            recipients=recipients,
            peer=source.host,
            received_at=app.clock(),
            tls=source.tls != "none",
            collected=Collected(
                source_id=source.id,
                copy_id=one.copy.id,
                origin=origin,
                whole_size=one.copy.size if one.is_header else None,
            ),
        ),
        one.raw,
    )


def _stored(held: Claim, one: Taken, message: int | None, now: datetime) -> dict[str, Any]:
    state = CopyState.HEADER_ONLY if one.is_header else CopyState.STORED
    if message is None:
        state = CopyState.FAILED  # Larger than announced, and than its inbox takes.
    acts = held.after.what != "keep" and state is CopyState.STORED
    return {
        "copy_id": one.copy.id,
        "state": state,
        "acted": Acted.DUE if acts else Acted.NONE,
        "digest": one.raw.digest,
        "header_print": header_print(one.raw.head),
        "message_id": message,
        "stored_at": now,
    }


def not_taken(app: App, held: Claim, ids: Sequence[int], trouble: str) -> None:
    """Count fetches that failed; at the last try the copy is left for a person.  Commits.  Raises LeaseLostError."""
    with app.store.write() as tx:
        require(tx, held)
        tx.ledger.failed_once(ids, trouble)
        tx.ledger.fail_at(ids, TRIES)


def tried(app: App, held: Claim, ids: Sequence[int], trouble: str) -> None:
    """Put copies behind the others: the line broke over them.  They stay open for ever.  Commits.  Raises LeaseLostError."""
    with app.store.write() as tx:
        require(tx, held)
        tx.ledger.failed_once(ids, trouble, most=TRIES - 1)


def message_ids(app: App, ids: Sequence[int]) -> dict[int, str]:
    """Return the Message-IDs of stored copies, by copy.  Reads only."""
    with app.store.read() as tx:
        return tx.ledger.message_ids(ids)


def vanished(app: App, held: Claim, ids: Sequence[int]) -> None:
    """Say of copies that the server no longer has them.  Commits.  Raises LeaseLostError."""
    with app.store.write() as tx:
        require(tx, held)
        tx.ledger.set(ids, state=CopyState.SKIPPED, gone_at=app.clock())


def listed_again(
    app: App, held: Claim, folder: FolderRow, here: Container[tuple[str, int]]
) -> None:
    """Take what went from a POP box before it was taken, and is listed again: a listing may have been short.

    Commits if there is any.  Raises LeaseLostError, StoreDownError.
    """
    with app.store.read() as tx:
        ids = [copy_id for key, copy_id in tx.ledger.never_taken(folder).items() if key in here]
    if ids:
        with app.store.write() as tx:
            require(tx, held)
            tx.ledger.set(ids, state=CopyState.OPEN, gone_at=None)


def has_digest(app: App, copy_id: int, digest: str) -> bool:
    """Whether the copy's bytes have this digest.  Reads only."""
    with app.store.read() as tx:
        return tx.ledger.digest(copy_id) == digest


def has_size(app: App, held: Claim, copy_id: int, size: int) -> None:
    """Write the size down that the server now announces for the same bytes.  Commits.  Raises LeaseLostError."""
    with app.store.write() as tx:
        require(tx, held)
        tx.ledger.set([copy_id], size=size)


def free_key(app: App, held: Claim, copy_id: int) -> None:
    """Let another mail have the copy's UIDL: the server uses it again.  Commits.  Raises LeaseLostError."""
    with app.store.write() as tx:
        require(tx, held)
        tx.ledger.set([copy_id], ordinal=-copy_id, gone_at=app.clock(), acted=Acted.NONE)


def free_deleted(
    app: App, held: Claim, folder: FolderRow, here: Container[tuple[str, int]]
) -> None:
    """Let other mails have the names of those that were deleted, where a name is no more than a mail's bytes.

    What is there again is another mail of the same bytes, such as a device's nightly one (D6): the server had said that
    the old one was gone.  Commits if there is any.  Raises LeaseLostError, StoreDownError.
    """
    with app.store.read() as tx:
        ids = [copy_id for key, copy_id in tx.ledger.deleted(folder).items() if key in here]
    if ids:
        with app.store.write() as tx:
            require(tx, held)
            for copy_id in ids:
                tx.ledger.set([copy_id], ordinal=-copy_id)


# -- acting ------------------------------------------------------------------------------------------------------------


def to_act(
    app: App, held: Claim, folder: FolderRow, *, after: CopyRow | None, limit: int
) -> list[CopyRow]:
    """Return the next copies that are to be deleted, moved or marked by now.  Reads only."""
    with app.store.read() as tx:
        return tx.ledger.to_act(
            folder, stored_before=app.clock() - held.after.wait, after=after, limit=limit
        )


def still_ours(app: App, held: Claim) -> None:
    """Make sure that the lease is ours at this moment.  Raises LeaseLostError, StoreDownError."""
    with app.store.write() as tx:
        require(tx, held)


def begin_acts(app: App, held: Claim, ids: Sequence[int]) -> None:
    """Say that the server is about to be told.  Commits.  Raises LeaseLostError, StoreDownError."""
    failpoint.reached("collect.before_intent")
    with app.store.write() as tx:
        require(tx, held)
        tx.ledger.set(ids, acted=Acted.BEGUN)
    failpoint.reached("collect.after_intent")


def end_acts(app: App, held: Claim, ids: Sequence[int]) -> None:
    """Say that it was done.  Commits.  Raises LeaseLostError, StoreDownError."""
    failpoint.reached("collect.before_done")
    gone = {"gone_at": app.clock()} if held.after.what in {"delete", "move"} else {}
    with app.store.write() as tx:
        require(tx, held)
        tx.ledger.set(ids, acted=Acted.DONE, **gone)
    failpoint.reached("collect.after_done")
