"""`maild inspect`: files in, what maild reads from each and would decide out, in their order (E3)."""

from __future__ import annotations

import os
import stat
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from maild.faces.cli.plain import block, columns, field_lines, line, mailbox
from maild.model.letter import Kind, Letter
from maild.model.machine import told_of
from maild.parse.pool import ReaderPool

if TYPE_CHECKING:
    from maild.core.inspect import WhatIf

FILE_MAX = 128 * 1024 * 1024
"""Octets of one file; no door takes a mail that large."""
TOGETHER = 32
"""Mails that are asked about in one look at the directory."""
STDIN = "-"


@dataclass(slots=True, kw_only=True)
class File:
    """One file that was asked for, and what became of reading it."""

    name: str
    size: int = 0
    error: tuple[str, str] | None = None
    """Code and sentence, if the file could not be opened."""
    outcome: Letter | Exception | None = None


def read_files(names: Iterable[str], pool: ReaderPool) -> Iterator[File]:
    """Read mails on all workers and yield each file in order; a file that cannot be opened stops nobody."""
    opened: deque[File] = deque()

    def contents() -> Iterator[bytes]:
        for name in names:
            file = File(name=name)
            opened.append(file)
            content = _content(file)
            if content is not None:
                file.size = len(content)
                yield content

    for outcome in pool.read_many(contents()):
        while opened[0].error is not None:
            yield opened.popleft()
        file = opened.popleft()
        file.outcome = outcome
        yield file
    yield from opened


def _content(file: File) -> bytes | None:
    """Return the mail in a file, its lines ending with CRLF, or say in `file` why there is none."""
    try:
        content = _bytes(file.name)
    except (OSError, ValueError) as error:
        file.error = _why(error)
        return None
    if len(content) > FILE_MAX:
        file.error = ("TOO_LARGE", f"The file has more than {FILE_MAX // 2**20} MiB.")
        return None
    # A file of an editor, a Maildir or an mbox has LF; with both in one mail, the difference matters and stays.
    if b"\n" in content and b"\r\n" not in content:
        content = content.replace(b"\n", b"\r\n")
    return content


def _bytes(name: str) -> bytes:
    if name == STDIN:
        return sys.stdin.buffer.read(FILE_MAX + 1) if sys.stdin is not None else b""
    with Path(name).open("rb", buffering=0) as stream:
        return _all_of(stream)


def _all_of(stream: BinaryIO | Any) -> bytes:
    """Read to the end or just beyond the limit, whatever the file says its size is."""
    size = os.fstat(stream.fileno()).st_size
    if size > FILE_MAX and stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        return bytes(FILE_MAX + 1)
    pieces = bytearray()
    while len(pieces) <= FILE_MAX and (piece := stream.read(1 << 20)):
        pieces += piece
    return bytes(pieces)


def _why(error: OSError | ValueError) -> tuple[str, str]:
    match error:
        case FileNotFoundError():
            return "NOT_FOUND", "There is no such file."
        case IsADirectoryError():
            return "IS_A_FOLDER", "It is a folder; name the files in it."
        case PermissionError():
            return "NOT_ALLOWED", "It may not be read by this user."
        case OSError():
            return "NOT_READABLE", f"It cannot be read: {error.strerror or 'no reason given'}."
        case _:
            return "NOT_FOUND", "No file can have such a name."


def documents(
    files: Iterable[File], what_if: WhatIf | None
) -> Iterator[tuple[File, dict[str, Any]]]:
    """Yield each file with its document."""
    if what_if is None:
        for file in files:
            yield file, document(file)
        return
    together: list[File] = []
    for file in files:
        together.append(file)
        if len(together) == TOGETHER:
            yield from _decided(together, what_if)
            together.clear()
    yield from _decided(together, what_if)


def _decided(files: Sequence[File], what_if: WhatIf) -> Iterator[tuple[File, dict[str, Any]]]:
    from maild.core.inspect import Sample

    asked = [file for file in files if file.outcome is not None]
    would = iter(
        what_if.would(
            [Sample(size=file.size, letter=file.outcome) for file in asked if file.outcome]
        )
    )
    for file in files:
        found = document(file)
        if file.outcome is not None and (answer := next(would)) is not None:
            found["would"] = answer
        yield file, found


def document(file: File) -> dict[str, Any]:
    """Return what was read from one file; every key is there whatever the bytes are."""
    if isinstance(file.outcome, Letter):
        told = "" if file.outcome.kind is Kind.NORMAL else told_of(file.outcome)
        return {"file": file.name, **file.outcome.as_dict(), "kind_text": told}
    code, message = file.error or ("UNPARSEABLE", str(file.outcome))
    return {
        "file": file.name,
        "readable": False,
        "error": {"code": code, "message": message},
        "degraded": [],
        "from": [],
        "sender": {"address": None, "unclear": "The mail could not be read."},
        "to": [],
        "cc": [],
        "reply_to": [],
        "subject": "",
        "date": None,
        "message_id": None,
        "kind": "normal",
        "kind_text": "",
        "returned": None,
        "text": "",
        "html": None,
        "note": "",
        "attachments": [],
        "forwarded": None,
    }


def in_words(found: dict[str, Any]) -> Iterator[str]:
    """Yield the lines that a person reads about one file."""
    yield line(found["file"])
    if not found["readable"]:
        yield f"  {line(found['error']['code'])}: {line(found['error']['message'])}"
    else:
        yield from _indented(_letter(found))
    if "would" in found:
        yield from _indented(_would(found["would"]))
    yield ""


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"  {one}" for one in lines)


def _letter(found: dict[str, Any]) -> Iterator[str]:
    sender = found["sender"]
    yield from field_lines(
        [
            ("From", ", ".join(mailbox(box["name"], box["address"]) for box in found["from"])),
            ("Sender", sender["address"] or f"nobody for sure: {sender['unclear']}"),
            ("To", ", ".join(found["to"])),
            ("Cc", ", ".join(found["cc"])),
            ("Reply-To", ", ".join(found["reply_to"])),
            ("Subject", found["subject"]),
            ("Date", found["date"]),
            ("Message-ID", found["message_id"]),
            ("Kind", f"{found['kind']}: {found['kind_text']}".removesuffix(": ")),
            ("About", (found["returned"] or {}).get("message_id")),
            ("Note", found["note"]),
            ("Degraded", "; ".join(found["degraded"])),
        ]
    )
    if found["forwarded"] is not None:
        yield from _forwarded(found["forwarded"])
    if found["attachments"]:
        yield "Attachments"
        yield from columns(
            [
                ("", str(part["size"]), line(part["type"]), line(part["name"] or "(no name)"))
                for part in found["attachments"]
            ]
        )
    if found["text"].strip():
        yield "Text"
        yield from _indented(block(found["text"].strip()).split("\n"))


def _forwarded(original: dict[str, Any]) -> Iterator[str]:
    author = original["from"]
    yield f"Forwarded ({original['how']}, {original['confidence']:.0%} sure)"
    yield from _indented(
        field_lines(
            [
                ("From", mailbox(author["name"], author["address"]) if author else "not readable"),
                ("To", ", ".join(original["to"])),
                ("Cc", ", ".join(original["cc"])),
                ("Subject", original["subject"]),
                ("Date", original["date"]),
            ]
        )
    )


def _would(would: dict[str, Any]) -> Iterator[str]:
    yield f"Would be {would['state']}: {would['reason']}, {line(would['reason_text'])}"
    yield from _indented(line(step) for step in would["trace"])
