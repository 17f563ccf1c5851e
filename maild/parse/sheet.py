"""CSV as people's programs write it: a byte order mark, semicolons or tabs, Windows' own charset."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from maild.model.plain_text import short
from maild.model.reason import Reason, RefusedError

DELIMITERS = (",", ";", "\t")
FIELD_MAX = 128 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One line of the table."""

    line: int
    """Of the file, counted from 1; the header is line 1."""
    cells: dict[str, str]
    """By column; a column that the file has not is empty."""
    problem: str | None = None
    """Why the line cannot be used at all."""
    is_whole: bool = True
    """Whether it has a value for each column, and the last of them ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A table that was read, and what is to be said about it."""

    records: tuple[Record, ...]
    columns: frozenset[str]
    """Those that the file has, of the known ones."""
    notes: tuple[str, ...]
    may_be_cut: bool
    """Whether it may be half of a table, as one that is being written."""


def read_sheet(raw: bytes, *, needed: Sequence[str], known: Sequence[str]) -> Sheet:
    """Read a table with a header row.  Raises RefusedError when it has no header with the needed columns."""
    text, notes = _decoded(raw)
    # Cut within a character UTF-8 is none any more: what had to be guessed may be that, too.
    may_be_cut = bool(notes) or not text.endswith(("\n", "\r"))
    first = text.lstrip("\r\n ").split("\n", 1)[0]
    delimiter = max(DELIMITERS, key=first.count)
    csv.field_size_limit(FIELD_MAX)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    header = _header(reader, needed)
    strange = [name for name in header if name and name not in known]
    if strange:
        notes.append(f"These columns are not known and were left out: {', '.join(strange[:10])}.")
    records = tuple(_records(reader, header, known))
    return Sheet(
        records=records,
        columns=frozenset(header) & frozenset(known),
        notes=tuple(notes),
        may_be_cut=may_be_cut or not all(one.is_whole for one in records[-1:]),
    )


def _decoded(raw: bytes) -> tuple[str, list[str]]:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", "replace"), []
    try:
        return raw.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace"), [
            "The file is not UTF-8; it was read as Windows-1252.  Look over names with accents."
        ]


def _header(reader: Iterator[list[str]], needed: Sequence[str]) -> list[str]:
    try:
        header = next((row for row in reader if any(cell.strip() for cell in row)), [])
    except csv.Error as error:
        raise _no_table(f"its first line cannot be read: {error}") from None
    names = [short(cell.strip().casefold()) for cell in header]
    missing = [name for name in needed if name not in names]
    if missing:
        found = ", ".join(name for name in names if name)[:200] or "nothing"
        raise _no_table(
            f"its first line must name the columns; {', '.join(missing)} is missing (it has {found})"
        )
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise _no_table(f"the column {', '.join(twice)} stands twice")
    return names


def _no_table(why: str) -> RefusedError:
    return RefusedError(Reason.INVALID_VALUE, what="The CSV file", value="header", why=why)


def _records(
    reader: Iterator[list[str]], header: list[str], known: Sequence[str]
) -> Iterator[Record]:
    line_of = reader.line_num if hasattr(reader, "line_num") else 0
    empty = dict.fromkeys(known, "")
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            line_of = getattr(reader, "line_num", line_of + 1)
            yield Record(line=line_of, cells=empty, problem=f"the line cannot be read: {error}")
            continue
        line_of = getattr(reader, "line_num", line_of + 1)
        if not any(cell.strip() for cell in row):
            continue
        cells = {
            **empty,
            **{
                name: cell.strip() for name, cell in zip(header, row, strict=False) if name in known
            },
        }
        problem = None
        if any(cell.strip() for cell in row[len(header) :]):
            problem = f"the line has {len(row)} values for {len(header)} columns"
        # A line break at the end of a value is one that a quote hides, and no quote may have come behind it.
        is_whole = len(row) >= len(header) and not row[-1].endswith(("\n", "\r"))
        yield Record(line=line_of, cells=cells, problem=problem, is_whole=is_whole)
