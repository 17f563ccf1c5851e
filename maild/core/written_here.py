"""What deciding has to know of mails that people wrote here, and of reports on them.  Steps of others' transactions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from maild.core.inherited import Seen, seen_by, with_heirs
from maild.model.facts import Binding, ClientRef, InboxFacts, Written
from maild.store.deliveries import Claimed
from maild.store.store import Tx
from maild.store.writing import Outgoing


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenHere:
    """A mail that somebody wrote here, and what its decision is made from."""

    mail: Outgoing
    author: int
    """Who the author is today (U13)."""
    primaries: Seen
    recipients: frozenset[str]
    clients: tuple[ClientRef, ...]


def written_here(tx: Tx, batch: Sequence[Claimed]) -> dict[int, WrittenHere]:
    """Return what of a batch was written here, by message; where nothing was, one query says so."""
    found = tx.writing.of_messages(claimed.message_id for claimed in batch)
    if not found:
        return {}
    heirs = tx.people.heirs({one.author_id for one in found.values()})
    primaries = with_heirs(tx, tx.facts.primaries(heirs.values()))
    recipients = tx.writing.norms_of(found)
    clients = tx.writing.clients_of(
        one.answers_id for one in found.values() if one.answers_id is not None
    )
    return {
        key: WrittenHere(
            mail=one,
            author=heirs[one.author_id],
            primaries=primaries,
            recipients=recipients.get(key, frozenset()),
            clients=clients.get(one.answers_id or 0, ()),
        )
        for key, one in found.items()
    }


def written_of(
    claimed: Claimed,
    inboxes: Mapping[int, InboxFacts],
    before: Binding | None,
    there: Mapping[int, WrittenHere],
) -> Written | None:
    """Return what one delivery has of it; None: it is none, or came back to an inbox that it was not written to."""
    found = there.get(claimed.message_id)
    if found is None:
        return None
    is_own = found.mail.delivery_id == claimed.id
    if not is_own and inboxes[claimed.inbox_id].norm not in found.recipients:
        return None
    author = before if before is not None and before.today == found.author else None
    seen = [(of, one) for of, one in found.primaries if one.user_id == found.author]
    if author is None and not seen:
        return None
    return Written(
        author=author or seen_by(claimed.account_id, seen), clients=found.clients, is_own=is_own
    )


def clients_about(
    tx: Tx, batch: Sequence[Claimed], returned: Mapping[int, str]
) -> dict[int, tuple[ClientRef, ...]]:
    """Return under which clients the mails are filed that a batch's reports are about, by the report's message (F7)."""
    found: dict[int, tuple[ClientRef, ...]] = {}
    for claimed in batch:
        ulid = returned.get(claimed.message_id)
        mail = None if ulid is None else tx.writing.of_ulid(ulid)
        if mail is not None and mail.account_id == claimed.account_id:
            clients = tx.writing.clients_of([mail.delivery_id]).get(mail.delivery_id, ())
            if clients:
                found[claimed.message_id] = clients
    return found
