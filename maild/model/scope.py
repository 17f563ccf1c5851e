"""What a token may do in its person's name."""

from __future__ import annotations

from enum import StrEnum


class Scope(StrEnum):
    """How far a token reaches, within its person's rights."""

    READ = "read"
    """It asks, and changes nothing."""
    WRITE = "write"
    """It does whatever its person may do without signing in."""
