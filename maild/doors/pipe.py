"""The pipe: one mail on stdin, recipients on the command line, a sysexits status for the answer (D2).

All or nothing: if one recipient cannot have the mail, nothing is stored.  Odd bytes are kept, because whoever pipes
has accepted the mail already; only LF becomes CRLF, and an mbox separator in front is not mail.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Protocol

from maild import failpoint
from maild.core.given_bytes import LineEnds, Separator
from maild.core.raw import Raw, Spool
from maild.model.envelope import Door, Envelope
from maild.model.reason import Answer, Reason

PIECE = 64 * 1024
"""Octets read at a time."""


class Inside(Protocol):
    """What the pipe needs from the inside (`maild.core.direct`)."""

    def room(self, size: int) -> Answer | None:
        """Return a temporary Answer when the disk has no room for that many octets, else None."""

    def spool(self) -> Spool:
        """Return a place for a mail's bytes."""

    def recipient(self, address: str, size: int | None = None) -> Answer:
        """Say whether maild answers for the address, and takes mail of that size there."""

    def accept(self, envelope: Envelope, raw: Raw) -> list[Answer]:
        """Store one mail; answer for each recipient after it is durable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piped:
    """What the caller said about the mail."""

    sender: str
    recipients: tuple[str, ...]
    at: datetime
    max_size: int
    """Octets; more is TOO_LARGE."""


def take(inside: Inside, stream: BinaryIO, said: Piped) -> list[Answer]:
    """Read a mail to its end and store it for every recipient, or for none.

    Returns an answer for each recipient, or fewer: then these are why nothing was stored.  Raises OSError.
    """
    if refusals := _refusals(inside, said.recipients):
        return refusals
    if (full := inside.room(0)) is not None:
        return [full]
    read = _read(inside, stream, said.max_size)
    if isinstance(read, Answer):
        return [read]
    try:
        failpoint.reached("pipe.after_end")
        refusals = _refusals(inside, said.recipients, read.size)
    except BaseException:
        read.discard()
        raise
    if not refusals and (full := inside.room(0)) is not None:
        refusals = [full]
    if refusals:
        read.discard()
        return refusals
    envelope = Envelope(
        door=Door.PIPE,
        mail_from=said.sender,
        recipients=said.recipients,
        peer="local",
        received_at=said.at,
    )
    return inside.accept(envelope, read)


def _refusals(inside: Inside, recipients: Sequence[str], size: int | None = None) -> list[Answer]:
    answers = [inside.recipient(address, size) for address in recipients]
    return [answer for answer in answers if not answer.is_accepted]


def _read(inside: Inside, stream: BinaryIO, max_size: int) -> Raw | Answer:
    spool = inside.spool()
    try:
        for piece in with_crlf(without_separator(pieces(stream))):
            spool.write(piece)
            if spool.size > max_size:
                spool.abandon()
                return Answer(Reason.TOO_LARGE, {"size": f"over {max_size}", "limit": max_size})
        if not spool.size:
            return Answer(Reason.EMPTY_MAIL)
        return spool.finish()
    except BaseException:
        spool.abandon()
        raise


def pieces(stream: BinaryIO) -> Iterator[bytes]:
    """Yield what comes, as it comes."""
    while piece := stream.read(PIECE):
        yield piece


def without_separator(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Drop a first line that is an mbox separator (RFC 4155)."""
    return _through(Separator(), parts)


def with_crlf(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Make every lone LF a CRLF; what ends with CRLF stays, and every other odd octet, too."""
    return _through(LineEnds(), parts)


def _through(change: Separator | LineEnds, parts: Iterator[bytes]) -> Iterator[bytes]:
    for part in parts:
        if piece := change.feed(part):
            yield piece
    if rest := change.end():
        yield rest


def exit_status(answers: Sequence[Answer]) -> int:
    """Return the status for the caller: temporary comes before final, for then the whole mail is offered again."""
    if all(answer.is_accepted for answer in answers):
        return 0
    statuses = {answer.reason.value.exit for answer in answers if not answer.is_accepted}
    return max(statuses)
