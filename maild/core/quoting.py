"""Putting mails into their conversations, by what they quote (M14)."""

from __future__ import annotations

from collections.abc import Mapping

from maild.core.app import App
from maild.model.letter import PARSER_VERSION, Letter
from maild.parse import codec
from maild.store.store import Tx
from maild.store.threads import QUOTED_MAX, Quoting

OLD_PORTION = 500
"""Mails of one transaction of the catch-up."""


def join_letters(tx: Tx, letters: Mapping[int, Letter | None]) -> None:
    """Give messages their threads, in a caller's transaction; None: one that cannot be read.  Safe to repeat."""
    if letters:
        tx.threads.join([_quoting(number, letter) for number, letter in letters.items()])


def _quoting(message_id: int, letter: Letter | None) -> Quoting:
    """Return a message with what it answers: the nearest mails, and the one that the conversation began with."""
    if letter is None:
        return Quoting(message_id=message_id)
    nearest = dict.fromkeys([*letter.in_reply_to, *reversed(letter.references)])
    quotes = [*list(nearest)[: QUOTED_MAX - 1], *letter.references[:1]]
    return Quoting(message_id=message_id, quotes=quotes)


def join_old(app: App, after: int) -> int | None:
    """Give the next mails of an older version their threads; return where to go on, None at the end.

    Commits one transaction.  What is threaded is not looked at again: after a crash it goes on where it ended.  Of a mail
    whose reading is another version's only its own Message-ID is known.
    """
    with app.store.read() as tx:
        ids = tx.threads.without(after=after, limit=OLD_PORTION)
        stored = tx.deliveries.readings(ids, PARSER_VERSION)
    if not ids:
        return None
    letters = {number: codec.load(stored[number]) if number in stored else None for number in ids}
    with app.store.write() as tx:
        join_letters(tx, letters)
    return ids[-1]
