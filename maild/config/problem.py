"""What is wrong with a configuration, one line for each fault."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


class ConfigError(Exception):
    """The configuration cannot be used; `problems` has one line for each fault.  Exit status 78."""

    def __init__(self, problems: Iterable[str]) -> None:
        """Keep the lines, in the order in which they stand in the file."""
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def printable(path: Path | str) -> str:
    """Return a path or name with what cannot be printed replaced."""
    return "".join(char if char.isprintable() else "�" for char in str(path)[:1000])


def cause(error: OSError | ValueError) -> str:
    """Return why a file could not be used, in words."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return "the name has characters that no file name can have"
