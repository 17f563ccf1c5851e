"""Accounts whose waiting mails are being looked through for the clients that came (I4)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, select, update

from maild.store.client_tables import sweeps
from maild.store.sql import insert_into


@dataclass(frozen=True, slots=True)
class SweepRow:
    """One account, and how far its mails were looked at."""

    account_id: int
    after: int


class SweepRows:
    """Queries about them."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    def ask(self, account_id: int) -> None:
        """Have an account's mails looked through from the first; where that is being done, it begins again."""
        self._connection.execute(
            insert_into(self._connection, sweeps)
            .values(account_id=account_id, after=0)
            .on_conflict_do_update(index_elements=["account_id"], set_={"after": 0})
        )

    def is_asked(self) -> bool:
        """Whether any account waits; asked often, and without holding anything."""
        return self._connection.execute(select(sweeps.c.account_id).limit(1)).first() is not None

    def first(self) -> SweepRow | None:
        """Return one account that waits, and hold it; one that somebody else holds is passed over."""
        row = self._connection.execute(
            select(sweeps.c.account_id, sweeps.c.after)
            .order_by(sweeps.c.after, sweeps.c.account_id)
            .limit(1)
            .with_for_update(skip_locked=True)
        ).one_or_none()
        return None if row is None else SweepRow(row.account_id, row.after)

    def go_on(self, account_id: int, after: int) -> None:
        """Write down how far an account's mails were looked at."""
        self._connection.execute(
            update(sweeps).where(sweeps.c.account_id == account_id).values(after=after)
        )

    def end(self, account_id: int) -> None:
        """Write down that all were."""
        self._connection.execute(delete(sweeps).where(sweeps.c.account_id == account_id))
