"""A mail that waits, as one person looks at it within a transaction: what a repair may go by.  Only reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from maild.auth.finding import Verdict
from maild.auth.trusted import Trustable, trustable
from maild.core.accept import find_inbox
from maild.core.app import Actor, App
from maild.core.standing import is_admin
from maild.model.address import Address, InvalidAddressError
from maild.model.letter import PARSER_VERSION, Letter
from maild.model.people import InboxKind, MemberState, Role
from maild.model.reason import Reason
from maild.parse import codec
from maild.store.healing import WaitingRow
from maild.store.intake import InboxRow
from maild.store.mailbox import EntryRow
from maild.store.sources import SourceRow
from maild.store.store import Tx
from maild.store.users import UserRow


@dataclass(kw_only=True)
class Look:
    """One mail as somebody looks at it, within a transaction."""

    tx: Tx
    app: App
    row: EntryRow
    mail: WaitingRow
    by: Actor

    @cached_property
    def letter(self) -> Letter | None:
        """The stored reading; None where there is none of this version."""
        key = self.row.message_id
        stored = self.tx.deliveries.readings([key], PARSER_VERSION).get(key)
        return None if stored is None else codec.load_or_none(stored)

    @cached_property
    def trustable(self) -> tuple[Trustable, ...]:
        """Whom an admin could trust for this mail."""
        stored = self.tx.verdicts.of([self.row.message_id]).get(self.row.message_id)
        if stored is None or self.mail.from_norm is None:
            return ()
        return trustable(Verdict.from_dict(stored))

    @cached_property
    def claimed(self) -> UserRow | None:
        """The user who is in question, as they are called today (U13), if that is a member of the account."""
        user = self.mail.claimed_user_id
        if user is None and self.mail.from_norm is not None:
            name = self.tx.people.name(self.mail.from_norm)
            user = None if name is None else name.user_id
        if user is not None:
            user = self.tx.people.heirs([user])[user]
        member = None if user is None else self.tx.people.member(self.row.account_id, user)
        if member is None or member.state is not MemberState.ACTIVE:
            return None
        return member.user

    @cached_property
    def source(self) -> SourceRow | None:
        """The source that collected it first, if one did."""
        names = (one["source"] for one in self.tx.lists.arrivals(self.row.message_id))
        first = next((name for name in names if name is not None), None)
        return None if first is None else self.tx.sources.by_name(self.row.account_id, first)

    @cached_property
    def marks(self) -> frozenset[str]:
        """The codes that stand beside its own reason."""
        return frozenset(mark["code"] for mark in self.tx.lists.mail(self.row.id)["beside"])

    @cached_property
    def filed_under(self) -> dict[str, str]:
        """The clients under which it is filed: names by ids."""
        return {one["id"]: one["name"] for one in self.tx.lists.mail(self.row.id)["clients"]}

    def inbox_among(self, texts: Sequence[str]) -> InboxRow | None:
        """Return the account's inbox that the first of these addresses reaches, if one does."""
        found = find_inbox(self.tx.intake, texts)
        there = (found[text] for text in texts if text in found)
        return next((one for one in there if one.account_id == self.row.account_id), None)

    @property
    def is_admins(self) -> bool:
        """Whether the account's people are this person's to change."""
        return is_admin(self.tx, self.row.account_id, self.by)

    @property
    def is_trusted(self) -> bool:
        """Whether this person's word says who sent a mail: its owner's, a distributor's, an admin's, the operator's.

        A member who only sees All Received cannot make a stranger's mail a colleague's, also not by taking it first, or
        by giving it to somebody who does.
        """
        if self._distributes(self.by.user_id):
            return True
        if self.by.user_id != self.row.owner_id:
            return False
        given = next(reversed(self.tx.mailbox.transfers(self.row.id)), None)
        is_open = self.row.inbox_kind is InboxKind.SHARED
        return not is_open or given is None or self._distributes(given.by_user_id)

    def _distributes(self, user_id: int | None) -> bool:
        if user_id is None:
            return True
        role = self.tx.rights.active_role(self.row.account_id, user_id)
        return role in {Role.ADMIN, Role.DISTRIBUTOR}

    def outsiders(self, texts: Iterable[str]) -> list[str]:
        """Return those of the texts that are addresses and neither a user's nor an inbox's of the account."""
        found: dict[str, None] = {}
        for text in texts:
            try:
                address = Address.parse(text)
            except InvalidAddressError:
                continue
            if self.tx.client_lists.kind(self.row.account_id, address) is None:
                found[address.norm] = None
        return list(found)

    def counterparts(self) -> list[str]:
        """Return the outside addresses that this mail is about, as far as that is certain."""
        facts = self.mail.facts
        noted = [*str(facts.get("tried", "")).split(", "), str(facts.get("address", ""))]
        found = self.outsiders(noted)
        if found:
            return found
        original = None if self.letter is None else self.letter.forwarded
        author = None if original is None or original.from_ is None else original.from_.address
        if self.mail.sender_user_id is None:
            is_either = self.mail.reason == Reason.FORWARD_BY_STRANGER.code
            return self.outsiders([self.mail.from_norm or "", (author or "") if is_either else ""])
        return self._written_to() if author is None else self.outsiders([author])

    def _written_to(self) -> list[str]:
        if self.letter is None:
            return []
        return self.outsiders(box.address for box in (*self.letter.to, *self.letter.cc))
