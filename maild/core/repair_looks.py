"""What a repair shows and changes nothing by: the bytes of a mail, another one of its Message-ID, what to ask a server for (E2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from maild.core.acts import require_right
from maild.core.look import Look
from maild.core.repair_work import Told
from maild.model.letter import PARSER_VERSION
from maild.model.plain_text import short
from maild.model.reason import RefusedError
from maild.model.states import State
from maild.parse import codec, header_block
from maild.parse.recipient_marks import recipients_by_trace

_RAW_MOST = 16 * 1024
_RAW_LINES = 60
_LINE_MOST = 200
_TWINS_MOST = 10
_TEXT_MOST = 100_000
_HEAD_MOST = 256 * 1024
_NAMES_MOST = 100


def raw_begin(look: Look, most: int) -> bytes:
    """Return the first octets of a mail, as they came; nothing of one that was erased."""
    if look.row.state is State.ERASED:
        return b""
    body = look.tx.views.body(look.row.id)
    inline = look.tx.deliveries.inline_body(body.account_id, body.digest)
    if inline is not None:
        return inline[:most]
    with look.app.store.bodies.path(body.account_id, body.digest).open("rb") as file:
        return file.read(most)


def inboxes_by_field(look: Look) -> dict[str, str]:
    """Return the header fields that name an inbox of the account, each with the first that it names (D14)."""
    block = header_block.split(raw_begin(look, _HEAD_MOST)).block
    names = dict.fromkeys(field.name.decode() for field in header_block.fields(block))
    found: dict[str, str] = {}
    for name in list(names)[:_NAMES_MOST]:
        for _, texts in recipients_by_trace(block, name):
            inbox = look.inbox_among(texts)
            if inbox is not None:
                found[name.title()] = inbox.norm
    return found


def _raw(look: Look) -> Told:
    text = raw_begin(look, _RAW_MOST).decode("ascii", "backslashreplace")
    lines = text.replace("\r\n", "\n").split("\n")[:_RAW_LINES]
    return Told(
        text=f"This is how it begins; `maild mail show {look.row.ulid} --raw` gives all of it.",
        lines=tuple(one[:_LINE_MOST] for one in lines),
    )


def _compare(look: Look) -> Told:
    """Say field by field in what the mails of one Message-ID differ, as far as this person may see them."""
    this = look.tx.lists.mail(look.row.id)
    lines: list[str] = []
    for ulid in look.tx.views.twins(look.row.message_id, _TWINS_MOST):
        row = look.tx.mailbox.entry(ulid)
        try:
            assert row is not None  # noqa: S101 - it was just found
            require_right(look.tx, row, look.by)
        except RefusedError:
            continue
        other = look.tx.lists.mail(row.id)
        lines.append(f"{ulid}, {other['state']}, came in on {other['received_at']:%Y-%m-%d %H:%M}:")
        lines += [f"  {one}" for one in _differences(this, other)]
        lines += [f"  {one}" for one in _texts_differ(look, row.message_id)]
    if not lines:
        return Told(text="The other mails of its Message-ID are not yours to see, or are gone.")
    return Told(text="Message-IDs are to be used once; these mails share one:", lines=tuple(lines))


def _differences(this: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    for key, name in (
        ("from_shown", "From"),
        ("to", "To"),
        ("cc", "Cc"),
        ("subject", "Subject"),
        ("size", "Octets"),
    ):
        if this[key] == other[key]:
            yield f"{name}: the same"
        else:
            yield f"{name}: {_shown(this[key])} here, {_shown(other[key])} there"


def _shown(value: object) -> str:
    text = ", ".join(value) if isinstance(value, list) else str(value)
    return f"“{short(text)}”"


def _texts_differ(look: Look, message_id: int) -> Iterator[str]:
    """Say at which line two texts part; the first difference is enough, and found in one walk."""
    stored = look.tx.deliveries.readings([message_id], PARSER_VERSION).get(message_id)
    other = None if stored is None else codec.load_or_none(stored)
    if look.letter is None or other is None:
        return
    here, there = (letter.text[:_TEXT_MOST].strip().splitlines() for letter in (look.letter, other))
    for at in range(max(len(here), len(there))):
        pair = [lines[at] if at < len(lines) else "" for lines in (here, there)]
        if pair[0] != pair[1]:
            yield f"Text: parts in line {at + 1}: {_shown(pair[0])} here, {_shown(pair[1])} there"
            return
    yield "Text: the same"


def _checklist(look: Look) -> Told:
    source = look.source
    name = "NAME" if source is None else source.name
    return Told(
        text="What makes a mailbox of many tell for whom each mail is:",
        lines=(
            "1. Ask who runs the mail server to write the envelope's recipient into each mail, as Delivered-To.",
            f"2. If it writes another field, name it: maild source set {name} recipient_header=FIELD",
            f"3. Look whether it works: maild source test {name}",
            "4. Better than collecting: have the server forward each address to maild by SMTP or LMTP.",
            f"5. This mail: maild mail repair {look.row.ulid} recipient INBOX",
        ),
    )


LOOKS: Mapping[str, Callable[[Look], Told]] = {
    "raw": _raw,
    "compare": _compare,
    "checklist": _checklist,
}
"""Repairs that show something, and decide nothing anew."""
