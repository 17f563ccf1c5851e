"""When a server has numbered everything anew: known mails are found again, and nothing comes in twice (D5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from maild import failpoint
from maild.core.app import App
from maild.core.collect import Claim, require
from maild.model.renumber import Marks, is_same_mailbox, match, needs_a_person
from maild.model.source import Acted, CopyState
from maild.store.ledger import CopyRow, FolderRow

_LASTING = frozenset({CopyState.STORED, CopyState.SKIPPED, CopyState.HEADER_ONLY, CopyState.FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A mail of the new numbering."""

    key: Mapping[str, Any]
    """`uid`, or `uidl` and `ordinal`."""
    marks: Marks


@dataclass(frozen=True, slots=True)
class Renumbering:
    """What is known of the new numbering."""

    folder: FolderRow
    known: Sequence[CopyRow]
    listed: Sequence[Listed]
    pairs: Mapping[int, int]
    """The known copy of a listed mail, both by place."""
    unsure: Mapping[int, Sequence[int]]

    @property
    def figures(self) -> dict[str, int]:
        """Return them for people."""
        return {
            "known": len(self.known),
            "listed": len(self.listed),
            "matched": len(self.pairs),
            "unsure": len(self.unsure),
            "new": len(self.listed) - len(self.pairs) - len(self.unsure),
        }

    def same_as(self, place: int, digest: str, taken: AbstractSet[int]) -> int | None:
        """Return the known mail that an unsure one is, by its bytes; None: it is new."""
        fits = (
            old
            for old in self.unsure[place]
            if old not in taken and self.known[old].digest == digest
        )
        return next(fits, None)

    @property
    def asks(self) -> bool:
        """Whether a person must say that it is the same mailbox."""
        return needs_a_person(len(self.known), len(self.listed), len(self.pairs))


def compare(app: App, folder: FolderRow, listed: Sequence[Listed]) -> Renumbering:
    """Find the folder's known mails in a new listing.  Reads only; a long list takes a while."""
    with app.store.read() as tx:
        known = [
            copy
            for copy in tx.ledger.of_generation(folder, folder.generation)
            if copy.state in _LASTING
            and copy.acted is not Acted.DONE
            and not (copy.state is CopyState.SKIPPED and copy.gone_at is not None)
        ]
    found = match(
        [Marks(one.header_print or "", one.size, one.internal_date) for one in known],
        [one.marks for one in listed],
    )
    return Renumbering(folder, known, listed, found.pairs, found.unsure)


def adopt(
    app: App,
    held: Claim,
    numbering: Renumbering,
    same: Mapping[int, int],
    **numbers: Any,
) -> FolderRow:
    """Begin the next generation: what was found again is known in it, everything else is to be taken.

    `same` are the unsure ones whose bodies said which known mail they are.  `numbers` are the folder's new ones.  Commits
    one transaction.  Raises LeaseLostError, StoreDownError.
    """
    folder, now = numbering.folder, app.clock()
    rows: list[dict[str, Any]] = []
    pairs = {**numbering.pairs, **same}
    for place, one in enumerate(numbering.listed):
        row: dict[str, Any] = {
            **one.key,
            "size": one.marks.size,
            "internal_date": one.marks.internal_date,
            "header_print": one.marks.header_print or None,
            "state": CopyState.OPEN,
        }
        if place in pairs:
            row |= _what_became_of(numbering.known[pairs[place]])
        rows.append(row)
    failpoint.reached("collect.before_adopt")
    with app.store.write() as tx:
        require(tx, held)
        values = {**numbers, "generation": folder.generation + 1, "held": None, "is_begun": True}
        tx.ledger.set_folder(folder.id, **values)
        begun = tx.ledger.folder(folder.source_id, folder.name)
        if begun is None:
            raise LookupError(folder.name)
        tx.ledger.add(begun, rows, now)
    failpoint.reached("collect.after_adopt")
    return begun


def _what_became_of(old: CopyRow) -> dict[str, Any]:
    return {
        "state": old.state,
        "acted": Acted.DUE if old.acted is Acted.BEGUN else old.acted,
        "digest": old.digest,
        "message_id": old.message_id,
        "adopted_from": old.id,
        "stored_at": old.stored_at,
    }


def former(app: App, source_id: int, folder: FolderRow | None) -> FolderRow | None:
    """Return the folder that the source had before one that is new to the ledger: it may be the same under another name.

    Reads only.
    """
    if folder is not None and folder.is_begun:
        return None
    with app.store.read() as tx:
        others = [one for one in tx.ledger.folders(source_id) if one.is_begun]
    return others[-1] if others else None


def inherit(app: App, held: Claim, folder: FolderRow, numbering: Renumbering) -> FolderRow:
    """Enter what a new folder has of the mails of the former one, as known; `since` has no say when it is the same.

    Commits one transaction; safe to repeat.  Raises LeaseLostError, StoreDownError.
    """
    rows = [
        {
            **numbering.listed[place].key,
            "size": numbering.listed[place].marks.size,
            "internal_date": numbering.listed[place].marks.internal_date,
            "header_print": numbering.listed[place].marks.header_print or None,
            **_what_became_of(numbering.known[old]),
        }
        for place, old in numbering.pairs.items()
    ]
    with app.store.write() as tx:
        require(tx, held)
        tx.ledger.add(folder, rows, app.clock())
        if is_same_mailbox(len(numbering.listed), len(numbering.pairs)):
            tx.ledger.set_folder(folder.id, is_begun=True)
        return tx.ledger.folder(folder.source_id, folder.name) or folder


def hold(app: App, held: Claim, numbering: Renumbering, uidvalidity: int | None) -> None:
    """Wait for a person: too little was found again.  Commits.  Raises LeaseLostError, StoreDownError."""
    with app.store.write() as tx:
        require(tx, held)
        tx.ledger.set_folder(
            numbering.folder.id, held={**numbering.figures, "uidvalidity": uidvalidity}
        )
