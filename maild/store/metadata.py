"""What all tables share: the names of their constraints, and the shape of ids.  Only `maild.store` sees them."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, MetaData

from maild.store.types import BigId

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def row_id() -> Column[int]:
    """Return the column of a table's own ids."""
    return Column("id", BigId, primary_key=True)


def ref(name: str, target: str, *, nullable: bool = False) -> Column[int]:
    """Return a column that points to another table's row."""
    return Column(name, BigId, ForeignKey(target), nullable=nullable)
