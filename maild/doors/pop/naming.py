"""What the mails of a POP session are called (D4): by UIDL, else by what they are.

It must never give two mails one name, nor one mail two at different sessions for want of asking.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice, repeat

from maild.core import collect, renumbered
from maild.core.raw import Raw
from maild.core.remote import RemoteError, Trouble
from maild.doors.pop.answers import Listed
from maild.doors.pop.client import PopClient
from maild.model.renumber import Marks
from maild.parse import header_block

NUMBERS_LOST = 5
"""With so many known mails, of which none is listed any more, all numbers are new."""
BYTES, NAMELESS = "bytes:", "nameless:"
"""How names begin that are no UIDL: made of the whole mail, or of its size alone."""
_VOLATILE = re.compile(rb"^(?:x-)?(?:status|uidl|keywords|mozilla-\w+)\Z")

Key = tuple[str, int]
Fetch = Callable[[Sequence[int]], Iterable[tuple[int, Raw | None]]]


def keyed(client: PopClient, listing: Sequence[Listed]) -> dict[Key, Listed]:
    """Name each mail: by its UIDL and its place among equal ones, else by the print of its header.

    Raises RemoteError: NO_NAMES where a server has neither; the session can go on.
    """
    names = [one.uidl for one in listing if one.uidl is not None]
    if len(names) < len(listing):
        tops = tops_of(client, [one.number for one in listing])
        if not tops:
            raise RemoteError(Trouble.NO_NAMES)
        names = [f"print:{_lasting(tops.get(one.number, b''))}" for one in listing]
    return _numbered(listing, names)


def keyed_by_bytes(listing: Sequence[Listed], fetch: Fetch) -> dict[Key, Listed]:
    """Name each mail by all its bytes: for servers with neither UIDL nor TOP, whose mails are taken away at once.

    Each is fetched to be named, and then again to be taken.  Raises RemoteError, OSError.
    """
    return _numbered(listing, list(_by_bytes(listing, fetch)))


def _numbered(listing: Sequence[Listed], names: Sequence[str]) -> dict[Key, Listed]:
    if len(set(names)) == len(listing):
        return dict(zip(zip(names, repeat(0), strict=False), listing, strict=True))
    seen: Counter[str] = Counter()
    here: dict[Key, Listed] = {}
    for one, name in zip(listing, names, strict=True):
        here[name, seen[name]] = one
        seen[name] += 1
    return here


def _by_bytes(listing: Sequence[Listed], fetch: Fetch) -> Iterator[str]:
    for one, (_, raw) in zip(listing, fetch([one.number for one in listing]), strict=True):
        if raw is None:
            # Refused, or too large: it cannot be taken either, and nothing is deleted that was not.
            yield f"{NAMELESS}{one.size}"
        else:
            raw.discard()
            yield f"{BYTES}{raw.digest}"


def tops_of(client: PopClient, numbers: Sequence[int]) -> dict[int, bytes]:
    """Return header blocks by number, as far as the server gives them."""
    if not client.can_top:
        return {}
    return {number: head for number, head in client.tops(numbers) if head is not None}


def listed_of(here: Mapping[Key, Listed], tops: Mapping[int, bytes]) -> list[renumbered.Listed]:
    """Return the mails of a session with what tells them apart."""
    return [
        renumbered.Listed(
            key={"uidl": key[0], "ordinal": key[1]},
            marks=Marks(collect.header_print(tops.get(one.number, b"")), one.size, None),
        )
        for key, one in here.items()
    ]


def is_by_bytes(here: Iterable[Key]) -> bool:
    """Whether mails have no name but what they are: all of a box or none."""
    return any(name.startswith((BYTES, NAMELESS)) for name, _ in islice(here, 1))


def is_renumbered(here: Mapping[Key, object], known: Mapping[Key, object]) -> bool:
    """Whether none of a fair number of known mails is listed under its name; names made of the bytes never change."""
    if is_by_bytes(here):
        return False
    return bool(here) and len(known) >= NUMBERS_LOST and known.keys().isdisjoint(here)


def _lasting(head: bytes) -> str:
    """Return the print of a header, less the fields that servers change."""
    print_ = hashlib.sha256()
    for one in header_block.fields(head):
        if not _VOLATILE.match(one.name):
            print_.update(one.name + b"\0" + b" ".join(one.value.split()) + b"\0")
    return print_.hexdigest()
