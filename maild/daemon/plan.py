"""What one process of a daemon is to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ROLES = ("doors", "workers", "pollers", "web")
"""What a daemon does: mail by SMTP and LMTP, deciding, collecting, and all that comes by HTTP."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one process of a daemon does."""

    roles: Sequence[str] = ROLES
    command: Sequence[str] = ()
    """Starts this program's `serve` again, with the same settings, for what runs beneath."""
    beneath: str = ""
    """What this process does beneath the doors, one of `acceptor`, `workers` and `pollers`: its stdin is theirs, and so
    is its role's lock."""

    @property
    def is_front(self) -> bool:
        """Whether somebody from outside is answered here."""
        return not {"doors", "web"}.isdisjoint(self.roles)
