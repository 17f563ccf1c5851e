"""What of a mail the questions of kind look at, each read when it is first asked for."""

from __future__ import annotations

from collections.abc import Sequence, Set as AbstractSet
from functools import cached_property

from maild.parse.bounces import Said, said_in
from maild.parse.charsets import decode_field
from maild.parse.header_block import Field, unfold
from maild.parse.headers import Headers
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
    """The fields, parts and words of one mail."""

    def __init__(
        self,
        raw: bytes,
        found: Sequence[Field],
        root: Part,
        leaves: Sequence[Part],
        *,
        headers: Headers,
        text: str,
    ) -> None:
        """Decode the few fields that nearly every question looks at."""
        self.raw = raw
        self.root = root
        self.leaves = leaves
        self.subject = headers.subject
        author = headers.from_[0].address if headers.from_ else ""
        self.local = author.rpartition("@")[0].strip("<\"' ").lower()
        self.text = text[:_LOOKED_AT]
        self.types = {part.type for part in leaves}
        # The topmost of two fields of a name is put in last.
        self._topmost = {field.name: field.value for field in reversed(found)}
        path = self.value(b"return-path").strip("<>")
        self.has_null_sender = not path and self.has(b"return-path")
        """Whether the mail came from nobody: what bounces and most automatic answers do (RFC 5321 4.5.5)."""
        self.is_daemons = (
            self.local in _SURE_DAEMONS or path.partition("@")[0].lower() in _SURE_DAEMONS
        )
        """Whether it is from an address that only mail servers have."""
        self.submitted = self._submitted()
        """What Auto-Submitted says beyond "no", in lower case (RFC 3834 5)."""
        self.precedence = self.value(b"precedence").lower()[:60]

    def has(self, name: bytes) -> bool:
        """Whether the mail has that field."""
        return name in self._topmost

    def value(self, name: bytes) -> str:
        """Return the topmost field of that name on one line, or an empty text."""
        value = self._topmost.get(name)
        return "" if value is None else " ".join(decode_field(unfold(value))[:_VALUE_MAX].split())

    def _submitted(self) -> str:
        value = self.value(b"auto-submitted").partition(";")[0].partition("(")[0].strip().lower()
        return "" if value == "no" else value[:60]

    def has_any(self, names: AbstractSet[bytes]) -> bool:
        """Whether the mail has a field of any of those names."""
        return not names.isdisjoint(self._topmost)

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
