"""One repair on one mail: what is handed to its act, what that tells, and in which order it may hold rows.

People come first, then accounts, and the mail last; nothing is written about the mail before it is held.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from maild.core.acts import Act, mails
from maild.core.look import Look
from maild.core.standing import parse_address
from maild.model.people import MemberState
from maild.model.reason import Reason, RefusedError
from maild.store.accounts import AccountRow
from maild.store.users import UserRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What was done."""

    text: str
    """One sentence."""
    lines: tuple[str, ...] = ()
    """What was asked to be shown."""
    names: tuple[str, ...] = ()
    """Addresses, or @domains, about which something is known now that other mails may wait for."""


@dataclass(slots=True, kw_only=True)
class Work:
    """One repair on one mail."""

    look: Look
    act: Act
    where: AccountRow
    value: str | None
    remember: bool
    _is_held: bool = field(default=False, init=False)

    @property
    def from_norm(self) -> str:
        """The From.  Raises RefusedError CONFLICT where the mail names no one author."""
        if self.look.mail.from_norm is None:
            raise RefusedError(
                Reason.CONFLICT, why="The mail does not name one author, so there is no address."
            )
        return self.look.mail.from_norm

    @property
    def claimed(self) -> UserRow:
        """The user in question.  Raises RefusedError CONFLICT."""
        if self.look.claimed is None:
            raise RefusedError(Reason.CONFLICT, why="No user of this account is in question here.")
        return self.look.claimed

    def hold_account(self) -> None:
        """Let changes to the account's directory, and to what it remembers, wait for each other."""
        self.look.tx.people.hold_account(self.where.id)

    def hold_mail(self) -> None:
        """Hold the mail, before anything is written about it; once.  Raises RefusedError CONFLICT.

        A row that refers to it keeps others from holding it: two who wrote first would wait for each other for ever.
        """
        if not self._is_held:
            _require_unchanged(self.look)
            self._is_held = True

    def needed(self, what: str) -> str:
        """Return the value that this repair needs.  Raises RefusedError INVALID_VALUE."""
        if not self.value:
            raise RefusedError(
                Reason.INVALID_VALUE, what="VALUE", value="", why=f"this repair needs {what}"
            )
        return self.value

    def member(self, text: str) -> UserRow:
        """Return the account's active person with an address; people of other accounts do not exist."""
        address = parse_address(text)
        name = self.look.tx.people.name(address.norm)
        user = None if name is None else name.user_id
        member = None if user is None else self.look.tx.people.member(self.where.id, user)
        if member is None or member.state is not MemberState.ACTIVE or member.user.kind != "person":
            raise RefusedError(
                Reason.NOT_FOUND,
                noun="user with the address",
                value=address.norm,
                hint="`maild user list` shows them.",
            )
        return member.user


def require_decided(look: Look) -> None:
    """Refuse while somebody's answer, or a worker, is about to change what is known of the mail."""
    if look.mail.reason is None or look.mail.is_in_doubt(look.app.clock()):
        raise RefusedError(
            Reason.CONFLICT,
            why=f"The mail {look.row.ulid} is being decided; look at it again in a moment.",
        )


def _require_unchanged(look: Look) -> None:
    """Hold the mail, and refuse if somebody answered or decided something about it meanwhile.

    That it is to be decided soon says nothing: the repair itself may have let it heal.
    """
    mails(look.tx, [look.row.ulid], look.by)
    was, now = look.mail, look.tx.healing.mail(look.row.id)
    is_same = (was.state, was.reason, was.version, was.newest_answer) == (
        now.state,
        now.reason,
        now.version,
        now.newest_answer,
    )
    if not is_same or now.lease is not None:
        raise RefusedError(
            Reason.CONFLICT,
            why=f"The mail {look.row.ulid} was decided anew at this moment; look at it again.",
        )
