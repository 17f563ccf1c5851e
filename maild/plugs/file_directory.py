"""The directory that maild brings along: a file of clients on this machine, read again when it has changed.

A CRM that can do nothing else can export; what reads its export every night is this.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from maild.model.client_card import ClientCard, ClientPage
from maild.model.plain_text import trimmed
from maild.model.wrong import Wrong
from maild.parse.client_files import SUFFIXES, read_client_file

FILE_MAX = 64 * 2**20
PAGE = 500
_OPTIONS = frozenset({"path"})


class FileDirectory:
    """Reads `path`: csv, json or vcf.  A cursor is which content was read, and how far."""

    maild_contract = 1

    def __init__(self, options: Mapping[str, str]) -> None:
        """Take the option `path`.  Raises ValueError with a sentence."""
        if set(options) != _OPTIONS:
            raise ValueError("it takes one option: path=/the/file.csv (csv, json, vcf)")
        self._path = Path(options["path"])
        if not self._path.is_absolute() or self._path.suffix.casefold() not in SUFFIXES:
            raise ValueError(f"path is a whole one, of a file that ends in {', '.join(SUFFIXES)}")
        self._read: tuple[str, list[ClientCard]] | None = None

    def changes(self, account: str, since: str | None) -> ClientPage:
        """Return the next five hundred clients of the file; none where it was read to its end and is the same.

        Raises OSError, ValueError; RefusedError where it is no list, or has a line that is none.
        """
        digest, cards = self._content()
        known, _, place = (since or "").partition(":")
        start = int(place) if known == digest and place.isascii() and place.isdigit() else 0
        page = cards[start : start + PAGE]
        end = start + len(page)
        return ClientPage(cursor=f"{digest}:{end}", clients=tuple(page), more=end < len(cards))

    def _content(self) -> tuple[str, list[ClientCard]]:
        with self._path.open("rb") as file:
            raw = file.read(FILE_MAX + 1)
        if len(raw) > FILE_MAX:
            raise ValueError(f"the file is larger than {FILE_MAX >> 20} MiB")
        digest = hashlib.sha256(raw).hexdigest()[:32]
        if self._read is None or self._read[0] != digest:
            self._read = digest, _cards(raw, self._path.suffix)
        return self._read


def _cards(raw: bytes, suffix: str) -> list[ClientCard]:
    """Return the clients; what shows to be half a file, as one that is being written, is none at all."""
    file = read_client_file(raw, suffix)
    if file.may_be_cut:
        raise ValueError(
            "its last line does not end or lacks values, or it is not UTF-8: it may be half written; "
            "end it with a line break"
        )
    cards = []
    first: dict[tuple[str, str], int] = {}
    for line, card in file.lines:
        if isinstance(card, Wrong):
            raise ValueError(f"line {line}: {card.refusal}")  # noqa: TRY004 - the file's fault, not a type's
        identity = ("key", trimmed(card.key)) if card.key else ("name", trimmed(card.name))
        before = first.setdefault(identity, line)
        if before != line:
            raise ValueError(
                f"line {line}: the client of line {before} again; "
                "a client stands once, with all its contacts"
            )
        cards.append(card)
    return cards
