"""What one mail is to one account that it reaches: everything is stored per account."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from maild.auth.results import trusted_text
from maild.core.raw import Raw
from maild.core.spam import mark_of
from maild.model.envelope import Envelope, Trust
from maild.model.plain_text import storable
from maild.parse import header_block
from maild.store.intake import InboxRow, KnownArrival, KnownMessage

_CONTENT = (
    b"message-id",
    b"from",
    b"date",
    b"to",
    b"cc",
    b"subject",
    b"in-reply-to",
    b"references",
    b"content-type",
    b"content-transfer-encoding",
    b"auto-submitted",
)
"""The fields that make a mail, with its body, the same mail (D6): those that deciding and reading go by.

A copy that differs in one of them is another mail.  Else whoever saw a user's mail could send it on before it comes in,
with other recipients or another thread, and the proof that comes with the true one would speak for the false one (I3).
"""


@dataclass(frozen=True, slots=True)
class Incoming:
    """One mail on its way in: how it came, and its bytes."""

    envelope: Envelope
    raw: Raw
    published_for: frozenset[int] = frozenset()
    """The accounts in whose folders a large body lies already (`publish`)."""


@dataclass(slots=True)
class Share:
    """One mail's part in one account: everything is stored per account."""

    mail: Incoming
    account_id: int
    inboxes: dict[int, InboxRow]
    outline: Outline
    retry_key: str
    recipients: list[str]
    message_id: int = 0
    is_new_message: bool = False
    retry_of: KnownArrival | None = None
    drop_users: set[int] = field(default_factory=set)
    """Whose drop addresses are among the recipients."""
    refs: dict[int, str] = field(default_factory=dict)
    """Delivery ULIDs by inbox."""

    @property
    def identity(self) -> str:
        """What the same mail in one batch has in common."""
        return self.outline.content_key if self.outline.names_itself else self.retry_key

    def join(self, alike: Sequence[KnownMessage]) -> None:
        """Take the deliveries that inboxes have of this mail already, and the message that the others' can be of.

        Where a message left a tombstone, none can be: an inbox that has nothing else of this mail gets it anew.
        """
        for one in alike:
            for inbox_id in self.inboxes.keys() & one.delivered.keys():
                self.refs.setdefault(inbox_id, one.delivered[inbox_id])
        missing = self.inboxes.keys() - self.refs.keys()
        fit = [one for one in alike if not missing & one.erased_in]
        # With those that its inboxes have, an arrival speaks for them, too (I4).
        near = [one for one in fit if self.inboxes.keys() & one.delivered.keys()]
        self.message_id = next((one.id for one in (*near, *fit)), 0)


@dataclass(frozen=True, slots=True)
class Outline:
    """What accepting reads of a header block."""

    message_id: str | None
    has_date: bool
    content_key: str
    trusted_results: str | None
    spam_mark: str | None

    @property
    def names_itself(self) -> bool:
        """Whether Message-ID and Date tell it from every other mail; a device may use one Message-ID for ever (D6)."""
        return self.message_id is not None and self.has_date


def retry_key(envelope: Envelope, digest: str) -> str:
    """Name door, listener's trust, envelope and bytes: what another listener, or who signs in, vouches for is no retry (I3)."""
    trust = envelope.trust
    parts = (
        envelope.door.value,
        *(",".join(sorted(names)) for names in (trust.authenticated_for, trust.authserv_ids)),
        envelope.mail_from,
        *sorted(envelope.recipients),
        digest,
        # Behind the digest, and nothing where there are none: keys of earlier versions stay what they are.
        *map(str, trust.spam_headers),
        *(() if envelope.collected is None else (f"copy {envelope.collected.copy_id}",)),
        *(() if envelope.imported is None else (f"import {envelope.imported.mark}",)),
        *(() if envelope.signed_in_user_id is None else (f"user {envelope.signed_in_user_id}",)),
    )
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def outline_of(mail: Incoming) -> Outline:
    """Read what accepting has to know of a mail; the rest is read later, by another process."""
    return outline_of_raw(mail.raw, mail.envelope.trust)


def outline_of_raw(raw: Raw, trust: Trust) -> Outline:
    """Do the same for octets that came by no envelope."""
    fields = header_block.fields(raw.head)
    message_id = header_block.topmost(fields, b"message-id")
    date = header_block.topmost(fields, b"date")
    key = hashlib.sha256()
    for name in _CONTENT:
        for value in header_block.every(fields, name):
            key.update(name + b"\0" + b" ".join(value.split()) + b"\0")
    key.update(raw.body_digest.encode())
    trusted = trusted_text(((one.name, one.value) for one in fields), trust.authserv_ids)
    return Outline(
        message_id=header_block.message_id_of(message_id) if message_id is not None else None,
        has_date=bool(date),
        content_key=key.hexdigest(),
        trusted_results=None if trusted is None else storable(trusted),
        spam_mark=mark_of(fields, trust.spam_headers),
    )
