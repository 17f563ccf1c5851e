"""Proving that nothing would come in twice (D5): what a server lists, held against the ledger.  Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from maild.core.app import App
from maild.core.renumbered import Listed, compare, former
from maild.store.ledger import FolderRow
from maild.store.sources import SourceRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """What the next round would do."""

    source: str
    listed: int
    """Mails that the server has."""
    known: int
    """Of them, those that the ledger has."""
    would_fetch: int
    """Of the rest, those that are new."""
    again: int
    """Of those, the ones that look like a mail that is stored already: this must be 0."""
    renumbered: bool = False
    """Whether the server has numbered everything anew since the last round; known mails were found by their headers."""


def ledger_of(app: App, source: SourceRow, folder: str) -> FolderRow | None:
    """Return the ledger of a source's folder, if there is one yet.  Reads only."""
    with app.store.read() as tx:
        return tx.ledger.folder(source.id, folder)


def unlisted(app: App, folder: FolderRow | None, uids: Sequence[int]) -> list[int]:
    """Return those UIDs that the ledger does not have.  Reads only."""
    if folder is None:
        return list(uids)
    with app.store.read() as tx:
        known = tx.ledger.known_uids(folder, uids)
    return [uid for uid in uids if uid not in known]


def prove(
    app: App,
    source: SourceRow,
    folder: FolderRow | None,
    total: int,
    unknown: Sequence[Listed],
    *,
    renumbered: bool = False,
) -> Proven:
    """Say what would come in of what the ledger does not know by its number.  Reads only."""
    new = list(unknown)
    compared = folder if renumbered else former(app, source.id, folder)
    if compared is not None:
        numbering = compare(app, compared, unknown)
        new = [
            one
            for place, one in enumerate(unknown)
            if place not in numbering.pairs and place not in numbering.unsure
        ]
    with app.store.read() as tx:
        stored = tx.ledger.stored_prints(source.id)
    again = sum(
        (one.marks.header_print, one.marks.size) in stored for one in new if one.marks.header_print
    )
    return Proven(
        source=source.name,
        listed=total,
        known=total - len(new),
        would_fetch=len(new),
        again=again,
        renumbered=renumbered,
    )
