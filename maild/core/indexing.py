"""Keeping the index of search behind what is stored: a round works through what was put into its queue (M6).

A mail is in the queue from the transaction that settled it, so a crash at any moment forgets none; indexing one twice
changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from maild.core.app import Actor, App
from maild.core.standing import require_operator
from maild.model.address import Address, InvalidAddressError
from maild.model.drop import hidden
from maild.model.indexed import ADDRESSES_MAX, Indexed, tokens_of
from maild.model.letter import How, Letter, Mailbox
from maild.model.states import State
from maild.parse import codec
from maild.store.engine import StoreDownError
from maild.store.indexing import DueRow, Pair

ROUND = 50
"""Mails of one round: some milliseconds for whoever waits to write."""
BACKLOG_MAX = 1_000_000
PORTION = 5000
_log = logging.getLogger(__name__)


def index_round(app: App, *, limit: int = ROUND) -> int:
    """Index what is due, up to a number; return how many were due.

    Commits one transaction, and one before it for addresses that were never seen.  Safe to repeat and to run twice at
    once.  Where a mail cannot be indexed, each has transactions of its own, and that one is left with its fault.  Raises
    StoreDownError.
    """
    with app.store.read() as tx:
        due = tx.indexing.due(limit)
    try:
        _index(app, due)
    except StoreDownError:
        raise
    except Exception:  # noqa: BLE001 - anybody can send what was not foreseen: no mail keeps another out of search
        for one in due:
            _index_alone(app, one)
    return len(due)


def _index_alone(app: App, one: DueRow) -> None:
    """Index one mail; what cannot be indexed is found by none of its words, and is out of the way."""
    try:
        _index(app, [one])
    except StoreDownError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it is kept beside the mail
        _log.exception("not_indexed delivery=%s", one.id)
        with app.store.write() as tx:
            tx.indexing.put(
                [(one, [str(one.account_id)])], fault=f"{type(error).__name__}: {error}"
            )


def _index(app: App, due: Sequence[DueRow]) -> None:
    if not due:
        return
    read = [(one, _read(one)) for one in due]
    pairs: dict[int, set[Pair]] = {}
    for one, mail in read:
        pairs.setdefault(one.account_id, set()).update(mail.pairs)
    with app.store.read() as tx:
        books = {account: tx.indexing.book_ids(account, asked) for account, asked in pairs.items()}
    if any(pairs[account] - books[account].keys() for account in pairs):
        with app.store.write() as tx:
            for account, asked in pairs.items():
                tx.indexing.add_to_book(account, asked - books[account].keys())
            books = {
                account: tx.indexing.book_ids(account, asked) for account, asked in pairs.items()
            }
    kept = [(one, mail.tokens(one, books[one.account_id])) for one, mail in read]
    with app.store.write() as tx:
        tx.indexing.put(kept)


def index_all(app: App) -> int:
    """Work through everything that is due; return how many mails.  Raises StoreDownError."""
    done = 0
    while found := index_round(app):
        done += found
    return done


def backlog(app: App) -> int:
    """Return how many mails search does not find by their words yet.  Reads only."""
    with app.store.read() as tx:
        return tx.indexing.backlog(BACKLOG_MAX)


def unindexed(app: App, most: int) -> list[tuple[str, str]]:
    """Return mails that could not be indexed, as (id, why), the newest first.  Reads only."""
    with app.store.read() as tx:
        return tx.indexing.faults(most)


def reindex(app: App, *, by: Actor) -> int:
    """Have everything indexed anew by the workers, the newest mail first; return how many mails.

    What is found meanwhile is what was found before.  Commits one transaction for each portion; repeating it begins
    anew.  Raises RefusedError NOT_ALLOWED (for the operator alone), StoreDownError.
    """
    require_operator(by)
    after = done = 0
    while True:
        with app.store.write() as tx:
            some = tx.indexing.settled_after(after, PORTION)
            tx.indexing.queue(some)
        if not some:
            return done
        after, done = some[-1], done + len(some)


class _Read:
    """What a mail is indexed by, before its addresses have numbers."""

    def __init__(self, row: DueRow, letter: Letter | None) -> None:
        self._letter = letter
        self._authors = _authors(row, letter)
        self._sent_to = () if letter is None else (*letter.to, *letter.cc)
        self._from = _pairs(box.address for box in self._authors)
        self._to = _pairs([norm for _, norm in row.recipients] + row.sources)
        # Of very many only the first are kept: those in Cc are named for themselves.
        self._cc = _pairs(norm for kind, norm in row.recipients if kind == "cc")

    @property
    def pairs(self) -> set[Pair]:
        """The addresses and domains that it names."""
        return self._from | self._to | self._cc

    def tokens(self, row: DueRow, book: dict[Pair, int]) -> list[str] | None:
        """Return what stands in the index for it; None: nothing."""
        if row.state is State.ERASED:
            return None
        letter = self._letter
        attachments = () if letter is None else letter.attachments
        return tokens_of(
            Indexed(
                account_id=row.account_id,
                subject=row.subject,
                names=_said(self._authors),
                recipients=_said(self._sent_to),
                text="" if letter is None else _text(letter),
                attachments=tuple(part.name for part in attachments),
                has_attachment=any(not part.inline for part in attachments),
                senders=frozenset(book[pair] for pair in self._from),
                to=frozenset(book[pair] for pair in self._to),
                cc=frozenset(book[pair] for pair in self._cc),
            )
        )


def _read(row: DueRow) -> _Read:
    is_there = row.letter is not None and row.state is not State.ERASED
    return _Read(row, codec.load_or_none(row.letter) if is_there and row.letter else None)


def _authors(row: DueRow, letter: Letter | None) -> tuple[Mailbox, ...]:
    """Return who wrote it; of a forward also who wrote the original."""
    if row.state is State.ERASED:
        return ()
    if letter is None:
        return (Mailbox(row.from_shown, row.from_name),) if row.from_shown else ()
    original = letter.forwarded.from_ if letter.forwarded is not None else None
    return letter.from_ if original is None else (*letter.from_, original)


def _said(boxes: Iterable[Mailbox]) -> tuple[str, ...]:
    return tuple(f"{box.name} {hidden(box.address)}" for box in boxes)


def _text(letter: Letter) -> str:
    """Return a mail's text; an original that is attached has one of its own."""
    original = letter.forwarded
    if original is None or original.how is not How.ATTACHED:
        return letter.text
    return f"{letter.text}\n{original.subject}\n{original.body}"


def _pairs(texts: Iterable[str]) -> set[Pair]:
    found: set[Pair] = set()
    for text in texts:
        try:
            address = Address.parse(hidden(text))
        except InvalidAddressError:
            continue
        if len(found) >= 2 * ADDRESSES_MAX:
            break
        domain, at_it = address.domain, address.local
        found |= {(domain, ""), (domain, at_it)}
    return found
