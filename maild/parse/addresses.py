"""The mailboxes of address fields, for showing and for matching recipients; never for deciding who sent a mail.

mail-parser finds them.  It is given one capped field value at a time, already cut after 1,000 mailboxes, and never a
body, so that no field can cost more than a few milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from mailparser.utils import get_addresses

from maild.model.letter import Mailbox
from maild.parse.charsets import clean, decode_field
from maild.parse.encoded_words import decode_words
from maild.parse.header_block import unfold
from maild.parse.limits import ADDRESSES, NAME

# Quoted strings, closed or not, as wholes: each character is looked at once.
_QUOTED_OR_COMMA = re.compile(r'"(?:[^"\\]|\\.)*+\\?"?|,', re.DOTALL)
_EMPTY_RUNS = re.compile(r"(?:,\s*+){2,}+")
_BLANKS = re.compile(r"\s+")
_BETWEEN = re.compile(r"[\s<>,;:()\"]+")
_PLAIN = re.compile(
    r"\s*+(?:(?P<atoms>[\w .'-]{1,200})|\"(?P<quoted>[^\"\\=]{0,200})\"[ \t]*+)?+"
    r"<?(?P<address>[\w.!#$%&'*+/?^`{|}~-]{1,64}@[\w.-]{1,253})>?\s*+",
    re.ASCII,
)


def mailboxes(
    values: Iterable[bytes], *, charset: str, label: str, notes: list[str]
) -> tuple[Mailbox, ...]:
    """Return the mailboxes of all fields of one name in order, at most 1,000; say in `notes` when there are more."""
    found: list[Mailbox] = []
    for value in values:
        for box in _in_field(decode_field(unfold(value), charset)):
            if len(found) == ADDRESSES:
                notes.append(
                    f"{label} names more than {ADDRESSES} addresses; the rest was not read"
                )
                return tuple(found)
            found.append(box)
    return tuple(found)


def _in_field(text: str) -> Iterator[Mailbox]:
    simple = _simple(text)
    if simple is not None:
        yield simple
        return
    for name, address in get_addresses(_first_thousand(text)):
        if address:
            shown = _BLANKS.sub(" ", decode_words(name)).strip()[:NAME]
            yield Mailbox(clean(address), "" if shown == address else shown)


def _simple(text: str) -> Mailbox | None:
    """Read the plainest form, one mailbox of plain words, which most fields have, without the library's 100 µs."""
    match = _PLAIN.fullmatch(text)
    if match is None or ("<" in text) != (">" in text):
        return None
    if "<" not in text:
        return None if match["atoms"] or match["quoted"] else Mailbox(match["address"])
    name = match["atoms"] or match["quoted"] or ""
    if "=?" in name:
        return None
    shown = _BLANKS.sub(" ", name).strip()
    return Mailbox(match["address"], "" if shown == match["address"] else shown)


def _first_thousand(text: str) -> str:
    """Cut the text behind its 1,001st item: the one too many shows that there are more."""
    if text.count(",") <= ADDRESSES:
        return text
    text = _EMPTY_RUNS.sub(",", text)
    commas = 0
    for match in _QUOTED_OR_COMMA.finditer(text):
        if match[0] == ",":
            commas += 1
            if commas > ADDRESSES:
                return text[: match.start()]
    return text


def bare_addresses(values: Iterable[bytes], limit: int) -> tuple[str, ...]:
    """Return the addresses of trace fields such as Delivered-To, each once, topmost first (D14)."""
    found: dict[str, None] = {}
    for value in values:
        for word in words_with_at(decode_field(unfold(value))):
            found.setdefault(word.strip("'"))
            if len(found) >= limit:
                return tuple(found)
    return tuple(found)


def words_with_at(text: str) -> list[str]:
    """Return the words that look like an address or an id: an at sign with something on both sides.

    Split rather than searched: a search for what stands before an at sign is quadratic where there is none.
    """
    return [
        word for word in _BETWEEN.split(text) if word.count("@") == 1 and word.strip("@") == word
    ]
