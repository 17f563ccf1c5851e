"""What lies within the parts of a mail: files in a winmail.dat, an invitation, a signature (M13).  Only reads."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from maild.core.decide import Reader
from maild.model.letter import Letter, UnreadableError
from maild.model.shown import Shown, What, Wish
from maild.parse.pool import ReaderDiedError


class Shower(Reader, Protocol):
    """What reads mail and shows it: the pool of worker processes, or a function in tests."""

    def show(self, raw: bytes | Path, wish: Wish) -> Shown:
        """Return what is wished.  Raises NoSuchPartError, UnreadableError, ReaderDiedError."""


def within(shower: Shower, content: bytes | Path, letter: Letter) -> dict[str, Any]:
    """Return what a mail's document says of that: every file, each with its path, the invitations, the protection.

    A mail whose parts cannot be opened is shown without; `degraded` says so.
    """
    try:
        shown = shower.show(content, Wish(what=What.FILES))
    except (UnreadableError, ReaderDiedError) as error:
        return {"degraded": [*letter.degraded, f"its parts could not be opened: {error}"]}
    return {
        "attachments": [asdict(one) for one in shown.files],
        "calendar": [asdict(one) for one in shown.events],
        "protection": None if shown.protection is None else asdict(shown.protection),
    }
