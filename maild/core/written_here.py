"""What deciding has to know of mails that people wrote here, and of reports on them.  Steps of others' transactions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from maild.core.app import App
from maild.core.inherited import Seen, seen_by, with_heirs
from maild.core.letters import sent_under
from maild.model.address import Address
from maild.model.facts import Binding, ClientRef, InboxFacts, Written
from maild.model.letter import Letter
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
    """To whom it went, each with and without its +tag."""
    clients: tuple[ClientRef, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """Somebody here wrote a mail that bears our mark, and to whom it went."""

    mail: Outgoing
    recipients: frozenset[str]


def written_here(tx: Tx, batch: Sequence[Claimed]) -> dict[int, WrittenHere]:
    """Return what of a batch was written here, by message; where nothing was, one query says so."""
    found = tx.writing.of_messages(claimed.message_id for claimed in batch)
    if not found:
        return {}
    heirs = tx.people.heirs({one.author_id for one in found.values()})
    primaries = with_heirs(tx, tx.facts.primaries(heirs.values()))
    recipients = _recipients(tx, found)
    clients = tx.writing.clients_of(
        one.answers_id for one in found.values() if one.answers_id is not None
    )
    return {
        key: WrittenHere(
            mail=one,
            author=heirs[one.author_id],
            primaries=primaries,
            recipients=recipients[key],
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


def posted_here(
    app: App, tx: Tx, batch: Sequence[tuple[Claimed, Letter]]
) -> dict[int, Posted | None]:
    """Return who wrote the messages that bear our mark, by the ids that they were sent under; None: maild itself.

    By the id, and not by the message: a relay adds a line to the text, and another account has a row of its own.
    """
    marked = {
        claimed.message_id: ulid
        for claimed, letter in batch
        if (ulid := sent_under(app.key, letter)) is not None
    }
    if not marked:
        return {}
    mails = tx.writing.of_ulids(marked.values())
    recipients = _recipients(tx, [one.message_id for one in mails.values()])
    return {
        key: None
        if (one := mails.get(ulid)) is None
        else Posted(mail=one, recipients=recipients[one.message_id])
        for key, ulid in marked.items()
    }


def is_loop(
    claimed: Claimed, inboxes: Mapping[int, InboxFacts], ours: Mapping[int, Posted | None]
) -> bool:
    """Whether a mail of ours came back to where nobody wrote it to.

    What people write to another account, or to a colleagues' inbox, is a mail there.  It is decided as one from outside
    where it is not octet by octet what was written: whoever had it could have changed it.
    """
    if claimed.message_id not in ours:
        return False
    found = ours[claimed.message_id]
    if found is None:
        return True
    norm = inboxes[claimed.inbox_id].norm
    is_awaited = norm in found.recipients and norm != found.mail.mail_from
    return found.mail.account_id == claimed.account_id and not is_awaited


def _recipients(tx: Tx, message_ids: Iterable[int]) -> dict[int, frozenset[str]]:
    """Return to whom these were written, each with and without its +tag: an inbox has the mail of its tags, too."""
    ids = list(message_ids)
    norms = tx.writing.norms_of(ids)
    return {
        key: frozenset(
            norm for one in norms.get(key, ()) for norm in (one, Address.parse(one).base.norm)
        )
        for key in ids
    }


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
