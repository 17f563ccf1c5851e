"""An inside for door tests: it keeps what it is given, in memory, and answers as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from maild.core.raw import Raw, Spool
from maild.model.envelope import Envelope
from maild.model.reason import Answer, Reason


@dataclass(frozen=True, slots=True)
class Kept:
    """One mail as the inside got it."""

    envelope: Envelope
    size: int
    digest: str
    content: bytes
    """Empty when `FakeIntake.keep_content` is off."""


@dataclass
class FakeIntake:
    """Implements `maild.core.intake.Intake`; every field may be changed while a test runs."""

    folder: Path
    inline_max: int = 32 * 1024
    inboxes: dict[str, int | None] = field(
        default_factory=lambda: {"info@acme.example": None, "crm@acme.example": None}
    )
    """The addresses there are, in lower case, and the size limit of each."""
    logins: dict[tuple[str, str], int] = field(default_factory=dict)
    """Users by name and password."""
    refusal: Answer = field(default_factory=lambda: Answer(Reason.SIGN_IN_REFUSED))
    """What everybody else hears who signs in."""
    tried: list[tuple[str, str, str]] = field(default_factory=list)
    """Names, passwords and peers of everybody who tried."""
    full: Answer | None = None
    """What `room` says."""
    gate: asyncio.Event | None = None
    """While it is not set, `accept` waits."""
    answer: Callable[[Envelope, Raw, str], Answer] | None = None
    """How to answer for one recipient; None: by its size limit.  May raise."""
    make_spool: Callable[[], Spool] | None = None
    keep_content: bool = True
    kept: list[Kept] = field(default_factory=list)
    entered: int = 0
    """How many mails came to `accept`, answered or not."""

    def room(self, size: int) -> Answer | None:
        """Say what the test wants."""
        return self.full

    def spool(self) -> Spool:
        """Return a place in the test's folder."""
        return Spool(self.folder, self.inline_max) if self.make_spool is None else self.make_spool()

    async def recipient(self, address: str, size: int | None) -> tuple[Answer, int | None]:
        """Look the address up in `inboxes`."""
        if address.lower() not in self.inboxes:
            return Answer(Reason.NO_SUCH_RECIPIENT, {"address": address}), None
        return Answer(Reason.RECIPIENT_OK), self.inboxes[address.lower()]

    async def sign_in(self, name: str, secret: str, peer: str) -> int | Answer:
        """Look name and password up in `logins`."""
        self.tried.append((name, secret, peer))
        return self.logins.get((name, secret), self.refusal)

    async def accept(self, envelope: Envelope, raw: Raw) -> list[Answer]:
        """Keep the mail if anybody accepts it."""
        self.entered += 1
        try:
            if self.gate is not None:
                await self.gate.wait()
            answers = [self._answer(envelope, raw, path) for path in envelope.recipients]
            if any(answer.is_accepted for answer in answers):
                content = _content(raw) if self.keep_content else b""
                self.kept.append(Kept(envelope, raw.size, raw.digest, content))
        finally:
            raw.discard()
        return answers

    def _answer(self, envelope: Envelope, raw: Raw, path: str) -> Answer:
        if self.answer is not None:
            return self.answer(envelope, raw, path)
        limit = self.inboxes.get(path.lower())
        if limit is not None and raw.size > limit:
            return Answer(Reason.TOO_LARGE, {"size": raw.size, "limit": limit})
        return Answer(Reason.ACCEPTED, {"ref": f"T{self.entered}"})


def _content(raw: Raw) -> bytes:
    if raw.inline is not None:
        return raw.inline
    return raw.spooled.read_bytes() if raw.spooled is not None else b""
