"""Sources and who polls them: what an admin set, how it goes, and leases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, insert, literal_column, select, update

from maild.model.source import SignIn, SourceKind, TlsMode
from maild.store.people_tables import accounts, inboxes
from maild.store.source_tables import leases, sources


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRow:
    """A source as it is stored."""

    id: int
    account_id: int
    account: str
    name: str
    inbox_id: int
    inbox: str
    inbox_max_size: int | None
    is_central: bool
    recipient_header: str | None
    kind: SourceKind
    host: str
    port: int
    tls: TlsMode
    ca_file: str
    username: str
    sign_in: SignIn
    secret: str | None
    """Sealed."""
    options: dict[str, str]
    folder: str
    after: str
    since: str | None
    every_s: int
    is_paused: bool
    created_at: datetime
    version: int
    fail_count: int
    next_try_at: datetime | None
    last_try_at: datetime | None
    last_ok_at: datetime | None
    last_trouble: str | None
    last_said: str | None
    backlog: int
    round: dict[str, Any] | None
    asked_at: datetime | None


_TO_BE_POLLED = (~sources.c.is_paused, sources.c.since.is_not(None))
_SELECT = (
    select(
        sources,
        accounts.c.slug.label("account"),
        inboxes.c.norm.label("inbox"),
        inboxes.c.max_size.label("inbox_max_size"),
    )
    .join(accounts, accounts.c.id == sources.c.account_id)
    .join(inboxes, inboxes.c.id == sources.c.inbox_id)
)


def _row(row: Any) -> SourceRow:
    values = {name: getattr(row, name) for name in SourceRow.__slots__}
    values["kind"] = SourceKind(row.kind)
    values["tls"] = TlsMode(row.tls)
    values["sign_in"] = SignIn(row.sign_in)
    return SourceRow(**values)


class SourceRows:
    """Queries about sources."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    def add(self, values: Mapping[str, Any]) -> int:
        """Insert a source; return its id."""
        done = self._connection.execute(insert(sources).values(values).returning(sources.c.id))
        return int(done.scalar_one())

    def by_name(self, account_id: int, name: str) -> SourceRow | None:
        """Return the account's source of that name."""
        found = self._connection.execute(
            _SELECT.where(sources.c.account_id == account_id, sources.c.name == name)
        ).one_or_none()
        return None if found is None else _row(found)

    def by_id(self, source_id: int) -> SourceRow | None:
        """Return a source."""
        found = self._connection.execute(_SELECT.where(sources.c.id == source_id)).one_or_none()
        return None if found is None else _row(found)

    def of_account(self, account_id: int) -> Iterator[SourceRow]:
        """Yield the account's sources, by name."""
        rows = self._connection.execute(
            _SELECT.where(sources.c.account_id == account_id).order_by(sources.c.name)
        )
        yield from map(_row, rows)

    def to_be_polled(self) -> Iterator[SourceRow]:
        """Yield every source that is neither paused nor waiting for the date that it is to begin with."""
        rows = self._connection.execute(_SELECT.where(*_TO_BE_POLLED).order_by(sources.c.id))
        yield from map(_row, rows)

    def are_to_be_polled(self) -> bool:
        """Whether there is one at all."""
        one = self._connection.execute(select(sources.c.id).where(*_TO_BE_POLLED).limit(1))
        return one.first() is not None

    def twin(self, mailbox: str) -> tuple[str, str] | None:
        """Return (account, name) of the source that has this mailbox."""
        found = self._connection.execute(
            select(accounts.c.slug, sources.c.name)
            .join(accounts, accounts.c.id == sources.c.account_id)
            .where(sources.c.mailbox == mailbox)
        ).one_or_none()
        return None if found is None else (found.slug, found.name)

    def set(self, source_id: int, values: Mapping[str, Any]) -> None:
        """Change what an admin sets."""
        self._connection.execute(
            update(sources)
            .where(sources.c.id == source_id)
            .values({**values, "version": sources.c.version + 1})
        )

    def note(self, source_id: int, **values: Any) -> None:
        """Write down how it goes."""
        self._connection.execute(update(sources).where(sources.c.id == source_id).values(values))


class LeaseRows:
    """Who alone may do something, until when; the database's clock is the only one that counts."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    def _now(self) -> datetime:
        if self._connection.dialect.name == "postgresql":
            clock: ColumnElement[Any] = func.floor(
                func.extract("epoch", func.clock_timestamp()) * literal_column("1000000")
            )
        else:
            # Days since noon in 4714 BC, of which 2440587.5 were before 1970.
            clock = (func.julianday("now") - literal_column("2440587.5")) * literal_column(
                "86400000000"
            )
        microseconds = self._connection.execute(select(clock)).scalar_one()
        return datetime.fromtimestamp(int(microseconds) / 1_000_000, UTC)

    def take(self, name: str, holder: str, length: timedelta) -> int | None:
        """Take a lease that nobody has, or that the holder has already; return its epoch.  None: somebody has it."""
        now = self._now()
        row = self._connection.execute(
            select(leases).where(leases.c.name == name).with_for_update()
        ).one_or_none()
        if row is None:
            self._connection.execute(
                insert(leases).values(name=name, holder=holder, epoch=1, until=now + length)
            )
            return 1
        if row.until > now and row.holder != holder:
            return None
        epoch = int(row.epoch) + 1
        self._connection.execute(
            update(leases)
            .where(leases.c.name == name)
            .values(holder=holder, epoch=epoch, until=now + length)
        )
        return epoch

    def renew(self, name: str, epoch: int, length: timedelta) -> bool:
        """Have it for longer; False when it went to somebody else."""
        done = self._connection.execute(
            update(leases)
            .where(leases.c.name == name, leases.c.epoch == epoch)
            .values(until=self._now() + length)
        )
        return done.rowcount == 1

    def holds(self, name: str, epoch: int) -> bool:
        """Whether this epoch is still the newest, and stays it until the transaction ends."""
        row = self._connection.execute(
            select(leases.c.epoch).where(leases.c.name == name).with_for_update(read=True)
        ).one_or_none()
        return row is not None and row.epoch == epoch

    def release(self, name: str, epoch: int) -> None:
        """Give it up; the row stays, so that epochs go on rising."""
        self._connection.execute(
            update(leases)
            .where(leases.c.name == name, leases.c.epoch == epoch)
            .values(until=datetime.fromtimestamp(0, UTC), holder="")
        )

    def holder(self, name: str) -> str | None:
        """Return who has it now."""
        found = self._connection.execute(
            select(leases.c.holder, leases.c.until).where(leases.c.name == name)
        ).one_or_none()
        return None if found is None or found.until <= self._now() else str(found.holder)
