"""Reading the mailboxes that a person's mail client wrote for people: not RFC 5322, and often ambiguous.

One mailbox where one is needed is named only if a single address stands there; otherwise nobody is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from maild.model.address import Address, InvalidAddressError
from maild.model.letter import Mailbox
from maild.parse.forward.languages import tables
from maild.parse.forward.lines import UNSEEN, fold

MAX_MAILBOXES = 1_000
_TOKEN = re.compile(r"[^\s<>\[\]()\",;:\u201c\u201d\u201e\u00ab\u00bb]+")
_ADDRESS_LIKE = re.compile(r"[^\s<>@]@[^\s<>@]")
_MAILTO = re.compile(r"[<\[(]?\bmailto:\s*$", re.IGNORECASE)
_REST_OF_ADDRESS = re.compile(r"\A[^\s<>()\[\]]*+[>\])]")
_BRACKETED = re.compile(r"[<(\[][^<>()\[\]]*+[>)\]]")
_NAME_EDGE = " \t\n,;:<>*_" + UNSEEN
_PAIRS = ('""', "''", "\u201c\u201d", "\u201e\u201c", "\u2018\u2019", "\u00ab\u00bb", "()", "[]")
_NAME_MAX = 300
_QUOTES = "'`\u2018\u2019*"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spot:
    """An at-sign token and where it stands; `address` is None when it cannot be read as one."""

    address: str | None
    start: int
    end: int


def read_one(value: str) -> Mailbox | None:
    """Return the mailbox of a From line, or None if none, several, or an agent's address stands there."""
    spots = _spots(value)
    if not spots or len({(spot.address or "").casefold() for spot in spots}) != 1:
        return None
    address = spots[0].address
    if (
        address is None
        or any(_is_torn(value, spot) for spot in spots)
        or _is_agent(value[spots[-1].end :])
    ):
        return None
    return Mailbox(address=address, name=_name(value[: spots[0].start], value[spots[-1].end :]))


def read_author(value: str) -> Mailbox | None:
    """Return the mailbox of a block's From line, or None also where words stand behind the address.

    Those may say in any language that the address is an agent's; no client writes a name there but in brackets.
    """
    found = read_one(value)
    if found is None:
        return None
    after = _REST_OF_ADDRESS.sub("", value[_spots(value)[-1].end :], count=1)
    return None if any(char.isalpha() for char in _BRACKETED.sub("", after)) else found


def read_many(value: str) -> tuple[Mailbox, ...]:
    """Return the readable mailboxes of a To or Cc line in order, each address once."""
    found: dict[str, Mailbox] = {}
    start = 0
    for spot in _spots(value):
        if spot.address and not _is_torn(value, spot) and spot.address.casefold() not in found:
            before = value[start : spot.start].rpartition(";")[2]
            found[spot.address.casefold()] = Mailbox(address=spot.address, name=_name(before, ""))
        start = spot.end
    return tuple(found.values())


def has_address(value: str) -> bool:
    """Tell whether something that looks like an address stands in the text, readable or not."""
    return _ADDRESS_LIKE.search(value) is not None


def _spots(value: str) -> list[_Spot]:
    found: list[_Spot] = []
    if "@" not in value:
        return found
    for token in _TOKEN.finditer(value):
        word = token[0].strip(UNSEEN + _QUOTES)
        if not word.lstrip("@") or "@" not in word.lstrip("@"):
            continue
        start = token.start() + token[0].index(word)
        word = word.partition("?")[0] if _MAILTO.search(value[max(0, start - 12) : start]) else word
        found.append(_Spot(address=_readable(word), start=start, end=start + len(word)))
        if len(found) >= MAX_MAILBOXES:
            break
    return found


def _readable(word: str) -> str | None:
    word = word.rstrip(".")
    if any(not char.isprintable() or char in UNSEEN for char in word):
        return None
    try:
        Address.parse(word)
    except InvalidAddressError:
        return None
    return word


def _is_torn(value: str, spot: _Spot) -> bool:
    """Tell whether wrapping may have cut the address: an open bracket is not closed, or a bare one ends its line."""
    before = value[max(0, spot.start - 12) : spot.start]
    after = value[spot.end : spot.end + 12].lstrip(UNSEEN + _QUOTES)
    before = _MAILTO.sub("<", before) if _MAILTO.search(before) else before
    if before.rstrip(UNSEEN + _QUOTES + " \t")[-1:] in {"<", "["}:
        return after.lstrip(" ")[:1] not in {">", "]", ")", "<", "[", "?"}
    return after[:1] == "\n"


def _is_agent(after: str) -> bool:
    """Tell whether "on behalf of" follows the address, so that it is not the author's."""
    return (fold(after[:_NAME_MAX]).lstrip(">])' ") + " ").startswith(tables().behalf)


def _name(before: str, after: str) -> str:
    """Clean what stands left of the address; where nothing does, what stands in brackets right of it."""
    name = _cleaned(_MAILTO.sub("", before))
    if not name and "(" in after:
        name = _cleaned(after.partition("(")[2].partition(")")[0])
    return "" if has_address(name) else name


def _cleaned(name: str) -> str:
    """Take brackets of the address, quotes round the whole name, and separators of the list away."""
    name = " ".join(name[-_NAME_MAX:].split())
    before = None
    while name != before:
        before = name
        name = name.strip(_NAME_EDGE).rstrip("([").lstrip(")]")
        if len(name) > 1 and name[0] + name[-1] in _PAIRS:
            name = name[1:-1]
        elif name in {'"', "'"}:
            name = ""
    return name.replace('\\"', '"').replace("\\\\", "\\")
