"""Placeholder, being written."""

from __future__ import annotations

from sqlalchemy import Connection


class DecisionRows:
    """Being written."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection
