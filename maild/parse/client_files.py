"""Files that list clients: CSV, JSON, vCards.  Bytes in, cards out, each with its line; hostile or not."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from maild.model.client_card import ClientCard
from maild.model.plain_text import short
from maild.model.reason import Reason, RefusedError
from maild.model.wrong import Wrong
from maild.parse.sheet import Record, read_sheet
from maild.parse.vcards import read_vcards

SUFFIXES = (".csv", ".json", ".vcf", ".vcard")
COLUMNS = ("name", "contact", "contacts", "domain", "domains", "key")
_PASSED_OVER = frozenset({"id", "shared", "created_at"})
"""What `maild client list --json` says beside them, so that it can be read again."""
_SEPARATORS = re.compile(r"[;,\s]+")

Line = tuple[int, ClientCard | Wrong]


@dataclass(frozen=True, slots=True)
class ClientFile:
    """A list that was read, and what is to be said about it."""

    lines: list[Line]
    notes: tuple[str, ...] = ()
    may_be_cut: bool = False
    """Whether it may be half of a list; where a half shows as an entry that is none, that says so."""


def read_client_file(raw: bytes, suffix: str) -> ClientFile:
    """Read a list by its file's suffix; CSV is what any other may be.  Raises RefusedError where it is none of that sort."""
    match suffix.casefold():
        case ".vcf" | ".vcard":
            return ClientFile(read_vcards(raw))
        case ".json":
            return ClientFile(read_json(raw))
        case _:
            return _read_csv(raw)


def _read_csv(raw: bytes) -> ClientFile:
    sheet = read_sheet(raw, needed=("name",), known=COLUMNS)
    lines: list[Line] = [(one.line, _card(one, sheet.columns)) for one in sheet.records]
    return ClientFile(lines, sheet.notes, may_be_cut=sheet.may_be_cut)


def _card(record: Record, columns: frozenset[str]) -> ClientCard | Wrong:
    cells = record.cells
    if record.problem is not None:
        return Wrong(cells["name"], _wrong_line(record.problem))
    return ClientCard(
        name=cells["name"],
        key=cells["key"] or None,
        contacts=_listed(cells, columns, ("contact", "contacts")),
        domains=_listed(cells, columns, ("domain", "domains")),
    )


def _listed(
    cells: Mapping[str, str], columns: frozenset[str], names: tuple[str, str]
) -> tuple[str, ...] | None:
    """Return what stands in these columns; None where the file has neither, and so says nothing of it."""
    if columns.isdisjoint(names):
        return None
    return tuple(part for name in names for part in _SEPARATORS.split(cells[name]) if part)


def read_json(raw: bytes) -> list[Line]:
    """Read `[{"name": …, "contacts": […], "domains": […], "key": …}, …]`, or such objects one per line.

    Raises RefusedError INVALID_VALUE.
    """
    text = _utf8(raw)
    if text.lstrip()[:1] == "{":
        return [
            (number, _card_of_line(line))
            for number, line in enumerate(text.split("\n"), 1)
            if line.strip()
        ]
    items = _parsed(text)
    if not isinstance(items, list):
        raise _no_list("it is not a list of clients")
    return [(number, _card_of(item)) for number, item in enumerate(items, 1)]


def _utf8(raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _no_list("it is not UTF-8 text") from None


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise _no_list("it is not JSON") from None


def _no_list(why: str) -> RefusedError:
    return RefusedError(Reason.INVALID_VALUE, what="The JSON file", value="…", why=why)


def _wrong_line(why: str) -> RefusedError:
    return RefusedError(Reason.INVALID_VALUE, what="The line", value="…", why=why)


def _card_of_line(line: str) -> ClientCard | Wrong:
    try:
        return _card_of(_parsed(line))
    except RefusedError:
        return Wrong("", _wrong_line("it is not JSON"))


def _card_of(item: Any) -> ClientCard | Wrong:
    if not isinstance(item, dict):
        return Wrong("", _wrong_line("it is not an object"))
    name = item.get("name")
    subject = name if isinstance(name, str) else ""
    strange = sorted(set(item) - set(COLUMNS) - _PASSED_OVER)
    if strange:
        listed = short(", ".join(strange), 200)
        return Wrong(subject, _wrong_line(f"the key {listed} is not known"))
    key = item.get("key")
    texts = {word: _texts(item.get(word)) for word in COLUMNS if word not in {"name", "key"}}
    if (
        not isinstance(name, str)
        or isinstance(key, bool)
        or not (key is None or isinstance(key, (str, int)))
        or None in texts.values()
    ):
        return Wrong(
            subject, _wrong_line("name and key must be texts, contacts and domains lists of texts")
        )
    return ClientCard(
        name=name,
        key=None if key is None else str(key),
        contacts=_said(item, texts, ("contact", "contacts")),
        domains=_said(item, texts, ("domain", "domains")),
    )


def _said(
    item: Mapping[str, Any], texts: Mapping[str, list[str] | None], names: tuple[str, str]
) -> tuple[str, ...] | None:
    """Return what stands under these names; None where there is neither, or null."""
    if all(item.get(name) is None for name in names):
        return None
    return tuple(one for name in names for one in texts[name] or ())


def _texts(value: Any) -> list[str] | None:
    """Return a text, or a list of texts, as a list; None for anything else."""
    if value is None:
        return []
    many = value if isinstance(value, list) else [value]
    return many if all(isinstance(one, str) for one in many) else None
