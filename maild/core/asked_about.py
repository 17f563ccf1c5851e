"""Which addresses and people a decision asks the directory about: those that a mail names, and those that people said."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from maild.model.address import Address, InvalidAddressError
from maild.model.facts import Ruling
from maild.model.letter import Author, Letter, Mailbox
from maild.model.ruled import newest, standing


def in_question(letter: Letter, rulings: Sequence[Ruling]) -> frozenset[Address]:
    """Return every address that a decision may ask the directory for, those that people answered among them."""
    ruled = newest(standing(rulings), "original")
    said = [] if ruled is None else [str(ruled.answer["address"])]
    return frozenset(named_in(letter)).union(parsed(said))


def named_user(rulings: Sequence[Ruling]) -> int | None:
    """Return the user who a person said wrote the mail."""
    ruling = newest(standing(rulings), "sender")
    return None if ruling is None else int(ruling.answer["user_id"])


def named_in(letter: Letter) -> set[Address]:
    """Return every address that a decision may ask the directory for."""
    boxes: list[Mailbox] = [*letter.from_, *letter.to, *letter.cc]
    if letter.forwarded is not None:
        boxes += [*letter.forwarded.to, *letter.forwarded.cc]
        if letter.forwarded.from_ is not None:
            boxes.append(letter.forwarded.from_)
    texts = [box.address for box in boxes]
    if isinstance(letter.sender, Author):
        texts.append(letter.sender.address)
    return set(parsed(texts))


def parsed(texts: Iterable[str]) -> list[Address]:
    """Return the addresses among these texts; what is none is left out."""
    found = []
    for text in texts:
        try:
            found.append(Address.parse(text))
        except InvalidAddressError:
            continue
    return found
