"""What of a mail the questions of kind look at, each read when it is first asked for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from maild.parse.bounces import Said, said_in
from maild.parse.charsets import decode_field
from maild.parse.header_block import Field, unfold
from maild.parse.kinds.subjects import begins_with, subjects
from maild.parse.parts import Part

_SURE_DAEMONS = frozenset(
    {"mailer-daemon", "mailerdaemon", "mail-daemon", "mail.delivery.system", "mailer_daemon"}
)
_OTHER_SERVERS = frozenset(
    {
        "mdaemon",
        "ndr",
        "noreply",
        "no-reply",
        "donotreply",
        "do-not-reply",
        "system administrator",
        "e500_smtp_mail_service",
        "symantec_antivirus_for_smtp_gateways",
    }
)
"""Accounts from which programs write; what they write may be a bounce, or anything else."""
_EXCHANGE = "microsoftexchange329e71ec88ae4615bbc36ab6ce41109e"
_VALUE_MAX = 500
_LOOKED_AT = 16 * 1024
"""Characters of the text; a server says what it has to say at the beginning."""


class Marks:
    """The fields, parts and words of one mail.  `author` is the first From address as it stands."""

    def __init__(
        self,
        raw: bytes,
        found: Sequence[Field],
        root: Part,
        *,
        subject: str,
        author: str,
        text: str,
    ) -> None:
        """Keep what is at hand; nothing is decoded yet."""
        self.raw = raw
        self.root = root
        self.subject = subject
        self.local = author.rpartition("@")[0].strip("<\"' ").lower()
        self.text = text[:_LOOKED_AT]
        self.leaves = list(root.leaves())
        self.types = [part.type for part in self.leaves]
        self._topmost: dict[bytes, bytes] = {}
        for field in found:
            self._topmost.setdefault(field.name, field.value)

    def has(self, name: bytes) -> bool:
        """Whether the mail has that field."""
        return name in self._topmost

    def value(self, name: bytes) -> str:
        """Return the topmost field of that name on one line, or an empty text."""
        value = self._topmost.get(name)
        return "" if value is None else " ".join(decode_field(unfold(value))[:_VALUE_MAX].split())

    @cached_property
    def submitted(self) -> str:
        """What Auto-Submitted says beyond "no", in lower case (RFC 3834 5)."""
        value = self.value(b"auto-submitted").partition(";")[0].partition("(")[0].strip().lower()
        return "" if value == "no" else value[:60]

    @cached_property
    def precedence(self) -> str:
        """The word of Precedence, in lower case."""
        return self.value(b"precedence").lower()[:60]

    @cached_property
    def has_null_sender(self) -> bool:
        """Whether the mail came from nobody: what bounces and most automatic answers do (RFC 5321 4.5.5)."""
        return self.has(b"return-path") and self.value(b"return-path") in {"", "<>"}

    @cached_property
    def is_daemons(self) -> bool:
        """Whether it is from an address that only mail servers have."""
        path = self.value(b"return-path").strip("<>").partition("@")[0].lower()
        return self.local in _SURE_DAEMONS or path in _SURE_DAEMONS

    @property
    def is_postmasters(self) -> bool:
        """Whether it is from an address from which a server writes, or the person who minds it."""
        return self.local == "postmaster" or self.local.startswith(_EXCHANGE)

    @property
    def may_be_servers(self) -> bool:
        """Whether it is from an address of a program."""
        return self.is_postmasters or self.local in _OTHER_SERVERS

    @cached_property
    def is_titled_bounce(self) -> bool:
        """Whether the subject is like that of a bounce."""
        return begins_with(self.subject, subjects().likely_bounce)

    @cached_property
    def is_titled_exactly(self) -> bool:
        """Whether the subject is one that only servers give."""
        return begins_with(self.subject, subjects().exact_bounce)

    @cached_property
    def said(self) -> Said:
        """What the text says if a server wrote it."""
        return said_in(self.text, self.subject)

    @property
    def names_somebody(self) -> bool:
        """Whether the text names whom a mail may not have reached."""
        return bool(self.said.recipients)

    @property
    def tells_of_a_failure(self) -> bool:
        """Whether the text names whom a mail did not reach, or brings it back, and says why."""
        said = self.said
        return bool((said.status or said.is_delayed) and (said.recipients or said.is_above_a_mail))

    @property
    def brings_a_mail(self) -> bool:
        """Whether a mail, or the header of one, is attached."""
        return not {"message/rfc822", "text/rfc822-headers"}.isdisjoint(self.types)
