"""What of a server's mailbox an import has to fetch, by what the server lists of it (D13, D6)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from maild.core.app import Actor, App
from maild.core.archives import Import, into_inbox
from maild.core.collect import header_print
from maild.parse import header_block
from maild.store.archives import HEAD, Named
from maild.store.intake import InboxRow
from maild.store.sources import SourceRow
from maild.store.store import Tx

_ALIKE_MAX = 20
"""Mails of one Message-ID and size that are looked into; where more are alike, it tells none."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A mail on a server, before it is fetched."""

    uid: int
    size: int
    header: bytes
    """At least its Message-ID, Date, From and Subject."""


Marks = tuple[int, str]
"""Size, and print of the header: what tells a mail that is not fetched."""


def unknown_on_server(  # noqa: PLR0913 - a list, of what, for what, and by whom
    app: App,
    source: SourceRow,
    uidvalidity: int,
    listed: Sequence[Listed],
    how: Import,
    *,
    seen: set[Marks] | None = None,
    by: Actor,
) -> set[int]:
    """Return the UIDs of those mails that have to be fetched to be told.

    Not fetched is what the source took or will take, and what agrees with a mail of the inbox in Message-ID, Date, From,
    Subject and size: a device may use one Message-ID for ever.  A second mail of the same marks is fetched whatever is
    here; `seen` are the marks that were listed before, and grows.  Reads only.  Raises as `look_over`.
    """
    named = {one.uid: name for one in listed if (name := _message_id(one.header)) is not None}
    with app.store.read() as tx:
        into = into_inbox(tx, how, by)
        here = _marks_here(app, tx, into, set(named.values()))
        folder = tx.ledger.folder(source.id, source.folder)
        taken: set[int] = set()
        if folder is not None and folder.uidvalidity == uidvalidity:
            taken = tx.ledger.taken_uids(folder, [one.uid for one in listed])
    seen = set() if seen is None else seen
    unknown = set()
    for one in listed:
        marks = one.size, header_print(one.header)
        is_known = one.uid in named and marks in here and marks not in seen
        seen.add(marks)
        if one.uid not in taken and not is_known:
            unknown.add(one.uid)
    return unknown


def _message_id(header: bytes) -> str | None:
    value = header_block.topmost(header_block.fields(header), b"message-id")
    return None if value is None else header_block.message_id_of(value)


def _marks_here(app: App, tx: Tx, into: InboxRow, names: set[str]) -> set[Marks]:
    """Return the marks of an inbox's mails that have these Message-IDs, as a server would list them."""
    found = tx.archives.named(into.id, into.account_id, names)
    alike = Counter((one.message_id, one.size) for one in found)
    some = [one for one in found if alike[one.message_id, one.size] <= _ALIKE_MAX]
    inline = tx.archives.heads(into.account_id, {one.digest for one in some})
    return {
        (one.size, header_print(header_block.split(head).block))
        for one in some
        if (head := inline.get(one.digest) or _head_of_file(app, into, one))
    }


def _head_of_file(app: App, into: InboxRow, one: Named) -> bytes:
    try:
        with app.store.bodies.path(into.account_id, one.digest).open("rb") as file:
            return file.read(HEAD)
    except FileNotFoundError:
        return b""  # Erased meanwhile: then it is fetched, and told by its content.
