"""Mail that an inbox turns away at the door: its sender is nobody whom the account knows (unknown_policy = refuse)."""

from __future__ import annotations

from collections.abc import Sequence

from maild.core.share import Share
from maild.model.address import Address
from maild.model.envelope import Door
from maild.model.letter import LOOP_HEADER, Author
from maild.parse.header_block import fields, split
from maild.parse.strict_from import author_of, with_crlf
from maild.store.intake import IntakeRows

_REFUSING = frozenset({Door.SMTP, Door.LMTP, Door.PIPE, Door.HTTP})
"""Where somebody hears a refusal; what is collected or imported is held instead."""
_MACHINES = frozenset(
    {
        b"list-id",
        b"list-post",
        b"list-unsubscribe",
        b"mailing-list",
        b"precedence",
        b"x-autoreply",
        b"x-autorespond",
        b"x-autoresponder",
        b"x-mailing-list",
        LOOP_HEADER.lower().encode(),
    }
)
"""Fields of lists and programs: such mail is ignored with its reason, and a refusal would cost a list its subscriber."""


def unknown_senders(rows: IntakeRows, shares: Sequence[Share]) -> dict[int, str]:
    """Return the mails that nobody takes, by `id`, each with the one address that is in its From.

    Refused is only what would be held as SENDER_UNKNOWN in every inbox that it reaches: a mail that one of them takes is
    taken, because a door answers once for all.  A bounce, a retry of what is stored, a mail to a drop address, of
    somebody signed in, of a list or a program, marked as spam, or whose From is in doubt is never refused.  Only the account's own people count: the answer tells
    nobody whom another account knows (U9).
    """
    by_mail: dict[int, list[Share]] = {}
    for share in shares:
        by_mail.setdefault(id(share.mail), []).append(share)
    found = {}
    for key, some in by_mail.items():
        if not all(map(_may_refuse, some)):
            continue
        block = split(some[0].mail.raw.head).block
        author = author_of(with_crlf(block))
        if not isinstance(author, Author) or _may_be_a_machine(block):
            continue
        if not any(knows(rows, share.account_id, author) for share in some):
            found[key] = author.address
    return found


def knows(rows: IntakeRows, account_id: int, author: Author) -> bool:
    """Say whether an author may be one of the account's people."""
    return rows.knows(account_id, author.address, Address.parse(author.address).base.norm)


def _may_be_a_machine(block: bytes) -> bool:
    """Say whether a field speaks for a list or a program; what exactly it is, the reading says (F7)."""
    return any(
        field.name in _MACHINES
        or (field.name == b"auto-submitted" and field.value.strip().lower() != b"no")
        for field in fields(block)
    )


def _may_refuse(share: Share) -> bool:
    envelope = share.mail.envelope
    return (
        all(inbox.refuses_unknown for inbox in share.inboxes.values())
        and envelope.door in _REFUSING
        and bool(envelope.mail_from)
        and envelope.signed_in_user_id is None
        and not share.drop_users
        and share.retry_of is None
        and share.outline.spam_mark is None
    )
