"""The ledger (D5): what was seen on another server, and what became of it.  No row is deleted while its source is there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, func, insert, select, update

from maild.model.source import Acted, CopyState
from maild.store.people_tables import inboxes
from maild.store.schema import messages
from maild.store.source_tables import remote_copies as copies, source_folders, sources
from maild.store.sql import ForEach, slices

OTHERS_NUMBERS = 0
"""In place of a UIDVALIDITY, which is never 0: the numbers that are known are another server's (RFC 3501 9)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderRow:
    """A folder of a source."""

    id: int
    source_id: int
    name: str
    uidvalidity: int | None
    generation: int
    uid_high: int
    baseline: int | None
    is_begun: bool
    held: dict[str, Any] | None

    @property
    def numbers_are_others(self) -> bool:
        """Whether the numbers that are known are another server's."""
        return self.uidvalidity == OTHERS_NUMBERS


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyRow:
    """One mail on the server."""

    id: int
    uid: int
    uidl: str
    ordinal: int
    state: CopyState
    acted: Acted
    size: int | None
    internal_date: datetime | None
    header_print: str | None
    digest: str | None
    message_id: int | None
    attempts: int
    stored_at: datetime | None
    gone_at: datetime | None
    """Since when the server is known to have it no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderCopy:
    """A mail on a server of which only the header is stored."""

    id: int
    size: int
    is_gone: bool
    source_id: int
    source: str
    inbox_max_size: int | None


_COPY = tuple(copies.c[name] for name in CopyRow.__slots__)
_ADD = ForEach.insert_new(
    copies,
    *("folder_id", "generation", "uid", "uidl", "ordinal", "state", "acted", "size"),
    *("internal_date", "header_print", "digest", "message_id", "adopted_from"),
    *("trouble", "first_seen_at", "stored_at"),
)
_STORED = ForEach(
    lambda _: (
        update(copies)
        .where(copies.c.id == bindparam("copy_id"))
        .values(
            {
                name: bindparam(name)
                for name in ("state", "acted", "digest", "header_print", "message_id", "stored_at")
            }
        )
    )
)
_NOTHING: dict[str, Any] = {
    "uid": 0,
    "uidl": "",
    "ordinal": 0,
    "acted": Acted.NONE,
    "size": None,
    "internal_date": None,
    "header_print": None,
    "digest": None,
    "message_id": None,
    "adopted_from": None,
    "trouble": None,
    "stored_at": None,
}


def _row(row: Any) -> CopyRow:
    values = dict(row._mapping)  # noqa: SLF001 - public in spite of its name
    values["state"], values["acted"] = CopyState(row.state), Acted(row.acted)
    return CopyRow(**values)


def _behind(copy: CopyRow) -> ColumnElement[bool]:
    """Keyset paging; the first part alone is what an index can use on both databases."""
    return (copies.c.stored_at >= copy.stored_at) & (
        (copies.c.stored_at > copy.stored_at) | (copies.c.id > copy.id)
    )


class LedgerRows:
    """Queries about folders and copies."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    # -- folders ---------------------------------------------------------------------------------------------------

    def folder(self, source_id: int, name: str) -> FolderRow | None:
        """Return the source's folder of that name."""
        found = self._connection.execute(
            select(source_folders).where(
                source_folders.c.source_id == source_id, source_folders.c.name == name
            )
        ).one_or_none()
        return None if found is None else FolderRow(**found._mapping)  # noqa: SLF001 - as in `_row`

    def folders(self, source_id: int) -> list[FolderRow]:
        """Return all folders that the source ever had."""
        rows = self._connection.execute(
            select(source_folders)
            .where(source_folders.c.source_id == source_id)
            .order_by(source_folders.c.id)
        )
        return [FolderRow(**row._mapping) for row in rows]  # noqa: SLF001 - as in `_row`

    def add_folder(
        self, source_id: int, name: str, uidvalidity: int | None, baseline: int | None
    ) -> FolderRow:
        """Begin a folder's ledger."""
        self._connection.execute(
            insert(source_folders).values(
                source_id=source_id,
                name=name,
                uidvalidity=uidvalidity,
                generation=1,
                uid_high=0,
                is_begun=False,
                baseline=baseline,
            )
        )
        found = self.folder(source_id, name)
        if found is None:
            raise LookupError(name)
        return found

    def distrust_numbers(self, source_id: int) -> None:
        """Have all mails compared by what they are: the source's numbers are another server's from now on."""
        self._connection.execute(
            update(source_folders)
            .where(source_folders.c.source_id == source_id)
            .values(uidvalidity=OTHERS_NUMBERS)
        )

    def set_folder(self, folder_id: int, **values: Any) -> None:
        """Change a folder's numbers."""
        self._connection.execute(
            update(source_folders).where(source_folders.c.id == folder_id).values(values)
        )

    # -- copies ----------------------------------------------------------------------------------------------------

    def add(self, folder: FolderRow, rows: Iterable[Mapping[str, Any]], now: datetime) -> None:
        """Write down copies; those that are known stay as they are."""
        common = {
            **_NOTHING,
            "folder_id": folder.id,
            "generation": folder.generation,
            "first_seen_at": now,
        }
        _ADD.run(self._connection, [{**common, **row} for row in rows])

    def known_uids(self, folder: FolderRow, uids: Iterable[int]) -> set[int]:
        """Return those UIDs that the ledger has."""
        return self._uids(folder, uids)

    def taken_uids(self, folder: FolderRow, uids: Collection[int]) -> set[int]:
        """Return those UIDs that were taken, or will be: all that the ledger has but those from before the first run,
        and what came since the ledger was last brought up to date.
        """
        taken = self._uids(folder, uids, copies.c.state != CopyState.SKIPPED)
        if folder.is_begun:
            taken.update(uid for uid in uids if uid > folder.uid_high)
        return taken

    def _uids(
        self, folder: FolderRow, uids: Iterable[int], *where: ColumnElement[bool]
    ) -> set[int]:
        found: set[int] = set()
        for some in slices(uids):
            found.update(
                self._connection.execute(
                    select(copies.c.uid).where(
                        copies.c.folder_id == folder.id,
                        copies.c.generation == folder.generation,
                        copies.c.uid.in_(some),
                        *where,
                    )
                ).scalars()
            )
        return found

    def known_keys(self, folder: FolderRow) -> dict[tuple[str, int], tuple[int, int | None, str]]:
        """Return (id, size, state) of every copy of a POP box, by (UIDL, ordinal)."""
        rows = self._connection.execute(
            select(
                copies.c.uidl, copies.c.ordinal, copies.c.id, copies.c.size, copies.c.state
            ).where(copies.c.folder_id == folder.id, copies.c.generation == folder.generation)
        )
        return {
            (uidl, ordinal): (copy_id, size, state)
            for uidl, ordinal, copy_id, size, state in rows.all()
        }

    def never_taken(self, folder: FolderRow) -> dict[tuple[str, int], int]:
        """Return the copies of a POP box that went before they were taken, by (UIDL, ordinal)."""
        return self._named(
            folder, copies.c.state == CopyState.SKIPPED, copies.c.gone_at.is_not(None)
        )

    def deleted(self, folder: FolderRow) -> dict[tuple[str, int], int]:
        """Return the copies of a POP box that were deleted there after they were stored, by (UIDL, ordinal)."""
        return self._named(folder, copies.c.acted == Acted.DONE)

    def _named(self, folder: FolderRow, *which: ColumnElement[bool]) -> dict[tuple[str, int], int]:
        rows = self._connection.execute(
            select(copies.c.uidl, copies.c.ordinal, copies.c.id).where(
                copies.c.folder_id == folder.id, copies.c.generation == folder.generation, *which
            )
        )
        return {(row.uidl, row.ordinal): row.id for row in rows}

    def open(self, folder: FolderRow, *, attempts: int, limit: int) -> list[CopyRow]:
        """Return copies that are still to be taken: oldest first, but those that failed before behind the others."""
        rows = self._connection.execute(
            select(*_COPY)
            .where(
                copies.c.folder_id == folder.id,
                copies.c.generation == folder.generation,
                copies.c.state == CopyState.OPEN,
                copies.c.attempts < attempts,
            )
            .order_by(copies.c.attempts, copies.c.id)
            .limit(limit)
        )
        return [_row(row) for row in rows]

    def stored(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Say of copies (`copy_id`) that their mail is stored."""
        _STORED.run(self._connection, rows)

    def set(self, ids: Iterable[int], **values: Any) -> None:
        """Change copies."""
        for some in slices(ids):
            self._connection.execute(update(copies).where(copies.c.id.in_(some)).values(values))

    def failed_once(self, ids: Iterable[int], trouble: str, most: int | None = None) -> None:
        """Count a try that did not succeed, but not beyond `most`."""
        for some in slices(ids):
            counted = update(copies).where(copies.c.id.in_(some))
            if most is not None:
                counted = counted.where(copies.c.attempts < most)
            self._connection.execute(
                counted.values(attempts=copies.c.attempts + 1, trouble=trouble)
            )

    def stored_prints(self, source_id: int) -> frozenset[tuple[str, int | None]]:
        """Return (print, size) of every stored mail of a source, in whatever generation."""
        rows = self._connection.execute(
            select(copies.c.header_print, copies.c.size)
            .join(source_folders, source_folders.c.id == copies.c.folder_id)
            .where(
                source_folders.c.source_id == source_id,
                copies.c.state == CopyState.STORED,
                copies.c.header_print.is_not(None),
            )
        )
        return frozenset((row.header_print, row.size) for row in rows)

    def digest(self, copy_id: int) -> str | None:
        """Return the digest of a copy's bytes."""
        found: str | None = self._connection.execute(
            select(copies.c.digest).where(copies.c.id == copy_id)
        ).scalar_one_or_none()
        return found

    def of_message(self, message_id: int) -> list[HeaderCopy]:
        """Return the copies of which a message is the header alone, newest first."""
        rows = self._connection.execute(
            select(
                copies.c.id,
                copies.c.size,
                copies.c.gone_at,
                sources.c.id.label("source_id"),
                sources.c.name.label("source"),
                inboxes.c.max_size,
                sources.c.is_central,
            )
            .join(source_folders, source_folders.c.id == copies.c.folder_id)
            .join(sources, sources.c.id == source_folders.c.source_id)
            .join(inboxes, inboxes.c.id == sources.c.inbox_id)
            .where(
                copies.c.message_id == message_id,
                copies.c.state.in_((CopyState.HEADER_ONLY, CopyState.OPEN, CopyState.SKIPPED)),
                copies.c.generation == source_folders.c.generation,
            )
            .order_by(copies.c.id.desc())
        )
        return [
            HeaderCopy(
                id=row.id,
                size=row.size or 0,
                is_gone=row.gone_at is not None,
                source_id=row.source_id,
                source=row.source,
                inbox_max_size=None if row.is_central else row.max_size,
            )
            for row in rows
        ]

    def open_again(self, ids: Iterable[int]) -> None:
        """Have copies taken at the next round."""
        self.set(ids, state=CopyState.OPEN, attempts=0)

    def open_failed(self, source_id: int) -> int:
        """Have all copies of a source tried again that failed too often; return how many."""
        folders = select(source_folders.c.id).where(source_folders.c.source_id == source_id)
        done = self._connection.execute(
            update(copies)
            .where(copies.c.folder_id.in_(folders), copies.c.state == CopyState.FAILED)
            .values(state=CopyState.OPEN, attempts=0)
        )
        return done.rowcount

    def message_ids(self, ids: Iterable[int]) -> dict[int, str]:
        """Return the Message-ID, without brackets, of each copy whose mail is stored and has one."""
        found: dict[int, str] = {}
        for some in slices(ids):
            rows = self._connection.execute(
                select(copies.c.id, messages.c.message_id_header)
                .join(messages, messages.c.id == copies.c.message_id)
                .where(copies.c.id.in_(some), messages.c.message_id_header.is_not(None))
            )
            found |= {row.id: row.message_id_header for row in rows}
        return found

    def fail_at(self, ids: Iterable[int], attempts: int) -> None:
        """Leave copies that were tried so often."""
        for some in slices(ids):
            self._connection.execute(
                update(copies)
                .where(copies.c.id.in_(some), copies.c.attempts >= attempts)
                .values(state=CopyState.FAILED)
            )

    def to_act(
        self, folder: FolderRow, *, stored_before: datetime, after: CopyRow | None, limit: int
    ) -> list[CopyRow]:
        """Return the next copies that are to be acted on, in the order in which they were stored."""
        rows = self._connection.execute(
            select(*_COPY)
            .where(
                copies.c.folder_id == folder.id,
                copies.c.generation == folder.generation,
                (copies.c.acted == Acted.DUE) | (copies.c.acted == Acted.BEGUN),
                copies.c.stored_at <= stored_before,
                *(() if after is None else (_behind(after),)),
            )
            .order_by(copies.c.stored_at, copies.c.id)
            .limit(limit)
        )
        return [_row(row) for row in rows]

    def count_stored(self, folder: FolderRow) -> int:
        """Return how many stored copies the server still has as far as we know, that were not acted on."""
        found = self._connection.execute(
            select(func.count()).where(
                copies.c.folder_id == folder.id,
                copies.c.generation == folder.generation,
                copies.c.state == CopyState.STORED,
                copies.c.acted.in_((Acted.NONE, Acted.DUE)),
                copies.c.gone_at.is_(None),
            )
        )
        return int(found.scalar_one())

    def plan(self, folder: FolderRow, acted: Acted) -> int:
        """Set what is to become of all stored copies that were not acted on; return how many changed."""
        other = Acted.DUE if acted is Acted.NONE else Acted.NONE
        done = self._connection.execute(
            update(copies)
            .where(
                copies.c.folder_id == folder.id,
                copies.c.generation == folder.generation,
                copies.c.state == CopyState.STORED,
                copies.c.acted == other,
            )
            .values(acted=acted)
        )
        return done.rowcount

    def of_generation(self, folder: FolderRow, generation: int) -> Iterator[CopyRow]:
        """Yield every copy of a generation, in the server's order."""
        rows = self._connection.execute(
            select(*_COPY)
            .where(copies.c.folder_id == folder.id, copies.c.generation == generation)
            .order_by(copies.c.uid, copies.c.id)
        )
        yield from map(_row, rows)

    def counts(self, source_id: int) -> dict[str, int]:
        """Return how many copies have each state, over all folders in their present generation."""
        rows = self._connection.execute(
            select(copies.c.state, func.count().label("n"))
            .join(source_folders, source_folders.c.id == copies.c.folder_id)
            .where(
                source_folders.c.source_id == source_id,
                copies.c.generation == source_folders.c.generation,
            )
            .group_by(copies.c.state)
        )
        return {row.state: row.n for row in rows}
