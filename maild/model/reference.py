"""References: how a user says in a subject, or by the +tag of an inbox, which client a mail is about (F4).  Pure.

`[#3F-8KQ2ZM]` in a subject, `info+3f-8kq2zm@acme.example` as an address: the client's number in base 32, and six digits
that only the installation's key can make, for that client of that account.  They keep numbers that other systems write
into subjects from meaning anything here; they are no ticket in: `model.match.by_token` has the condition.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

from maild.model.address import Address, InvalidAddressError

DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: what people read aloud and type is not mistaken."""
CHECK_LENGTH = 6
FOUND_MAX = 10
"""References of one mail that are looked at; a subject may be all references."""
_NUMBER_MAX = 1 << 63
_LENGTH_MAX = 13 + 1 + CHECK_LENGTH
_READ_AS = str.maketrans("ILO", "110")


def spelled(number: int, check: int) -> str:
    """Return the reference of a client's number; `check` has 30 bits."""
    return f"{_digits(number)}-{_digits(check).rjust(CHECK_LENGTH, '0')[-CHECK_LENGTH:]}"


def quoted(reference: str) -> str:
    """Return a reference as it stands in a subject."""
    return f"[#{reference}]"


def number_of(reference: str) -> int:
    """Return the number that a reference names; whether it is genuine, its check digits say."""
    number = 0
    for digit in reference.partition("-")[0]:
        number = number * len(DIGITS) + DIGITS.index(digit)
    return number


def in_subject(subject: str) -> tuple[str, ...]:
    """Return what may be references in a subject, each once, in their canonical spelling."""
    found: dict[str, None] = {}
    for piece in subject.split("[#")[1 : FOUND_MAX + 1]:
        reference = _read(piece[: _LENGTH_MAX + 1].partition("]")[0])
        if reference is not None and "]" in piece[: _LENGTH_MAX + 1]:
            found[reference] = None
    return tuple(found)


def is_put_to(subject: str, reference: str, original: str) -> bool:
    """Whether the subject is that of an original with this reference put to it: less the reference it holds all of it.

    Where the original's was not read, or not as it was forwarded, the reference may have come with it.
    """
    head, *pieces = subject.split("[#")
    kept = [head]
    for piece in pieces:
        text, closing, rest = piece.partition("]")
        kept.append(rest if closing and _read(text) == reference else f"[#{piece}")
    original = _squeezed(original)
    return bool(original) and original in _squeezed("".join(kept))


def _squeezed(text: str) -> str:
    return " ".join(text.split()).casefold()


def in_addresses(texts: Iterable[str], inboxes: Container[str] | None = None) -> tuple[str, ...]:
    """Return what may be references in +tags: of these inboxes alone, as other people's tags are their own."""
    found: dict[str, None] = {}
    for text in texts:
        try:
            address = Address.parse(text)
        except InvalidAddressError:
            continue
        reference = None if address.tag is None else _read(address.tag)
        if reference is not None and (inboxes is None or address.base.norm in inboxes):
            found[reference] = None
    return tuple(found)[:FOUND_MAX]


def _read(text: str) -> str | None:
    """Return the canonical spelling of what may be a reference."""
    if len(text) > _LENGTH_MAX or not text.isascii():
        return None
    number, dash, check = text.strip().upper().translate(_READ_AS).partition("-")
    if not (number and dash and len(check) == CHECK_LENGTH):
        return None
    if any(digit not in DIGITS for digit in number + check) or (number[0] == "0" != number):
        return None
    reference = f"{number}-{check}"
    return reference if number_of(reference) < _NUMBER_MAX else None


def _digits(number: int) -> str:
    found = DIGITS[number % len(DIGITS)]
    while number := number // len(DIGITS):
        found = DIGITS[number % len(DIGITS)] + found
    return found
