"""Users: one person (or one communal user) each, with addresses, a login, and memberships."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from maild.core.app import Actor, App
from maild.core.asking import answering
from maild.core.joining import JoinView, answer_known, is_join
from maild.core.keys import nearest_key, word_among, yes_or_no
from maild.core.logins import login_of
from maild.core.names import (
    claim_for_user,
    require_no_client,
    require_no_tag_of_an_inbox,
    warnings_about,
)
from maild.core.passwords import hash_password
from maild.core.people_views import UserView, view_of
from maild.core.readers import keeping_readers
from maild.core.sessions import close_user
from maild.core.standing import (
    active_accounts,
    find_user,
    home,
    note,
    parse_address,
    require_admin,
    require_over,
    require_signed_in,
)
from maild.core.tags import Question, question_about
from maild.core.usernames import canonical_username, username_taken
from maild.core.waiting import let_heal
from maild.model.address import Address
from maild.model.people import AddressKind, InboxKind, MemberState, Role
from maild.model.plain_text import one_line
from maild.model.reason import Reason, RefusedError
from maild.store.accounts import AccountRow
from maild.store.store import Tx
from maild.store.users import UserRow


@dataclass(frozen=True, slots=True, kw_only=True)
class UserAdded:
    """The user is there now."""

    user: UserView
    warnings: tuple[str, ...] = ()
    question: Question | None = None
    """What to ask about a +tag (U6)."""
    outcome: Literal["added"] = "added"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser:
    """What is asked for."""

    email: str
    name: str
    role: Role = Role.MEMBER
    username: str | None = None
    """None: the address itself."""
    password: str | None = None


def add_user(
    app: App, new: NewUser, *, account: str | None = None, by: Actor
) -> UserAdded | JoinView:
    """Add a person with a primary address, a login and an active membership; or invite whom maild knows (U9).

    By adding, the admin vouches for the address: it counts as verified.  Commits one transaction.  Raises RefusedError
    (INVALID_EMAIL, INVALID_VALUE, EMAIL_IN_USE, EMAIL_IN_USE_OTHER_KIND, USERNAME_IN_USE, NOT_ALLOWED, TOO_MANY_TRIES,
    account's).
    """
    ready = _ready(new)

    def add(tx: Tx) -> UserAdded | JoinView:
        where = home(tx, account, by, hold=True)
        require_admin(tx, where, by)
        return add_in(tx, app, where, ready, by)

    return answering(app, by, add, is_join)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A new user whose every word was checked."""

    address: Address
    shown: str
    name: str
    role: Role
    username: str
    password_hash: str | None


def _ready(new: NewUser) -> Ready:
    """Check the words and hash the password, before any transaction."""
    address = parse_address(new.email)
    return Ready(
        address=address,
        shown=new.email.strip(),
        name=one_line("The name", new.name),
        role=new.role,
        username=canonical_username(new.username or address.norm, {address.norm}),
        password_hash=None if new.password is None else hash_password(new.password),
    )


def ready(new: NewUser) -> Ready:
    """Check the words of a new user.  Slow when there is a password.  Raises RefusedError."""
    return _ready(new)


def add_in(tx: Tx, app: App, where: AccountRow, new: Ready, by: Actor) -> UserAdded | JoinView:
    """Add within an open transaction; the account is held.  Raises RefusedError, and then nothing may be kept."""
    require_no_tag_of_an_inbox(tx, new.address)
    known = answer_known(tx, app, where, new.address, role=new.role, by=by)
    if known is not None:
        return known
    require_no_client(tx, new.address, [where.id])
    now = app.clock()
    user_id = tx.people.add_user(app.ids(), new.name, kind="person", now=now)
    address_id = tx.people.add_address(
        user_id,
        new.address,
        kind=AddressKind.PRIMARY,
        shown=new.shown,
        verified_at=now,
        now=now,
    )
    claim_for_user(tx, new.address, address_id, account_id=where.id, by=by)
    if tx.logins.add(user_id, new.username, new.password_hash, now=now) is None:
        raise username_taken(new.username)
    tx.people.add_member(
        app.ids(), where.id, user_id, role=new.role, state=MemberState.ACTIVE, now=now
    )
    note(tx, app, by, "user.added", where.id, user=user_id)
    return UserAdded(
        user=view_of(tx, tx.people.user(user_id), by),
        warnings=warnings_about(tx, new.address, by),
        question=question_about(tx, new.address, new.address.norm),
    )


def add_communal_user(
    app: App, *, inbox: str, name: str, account: str | None = None, by: Actor
) -> UserAdded:
    """Add a user without a person for a shared inbox, which becomes communal (M9).

    It has no login and no address but the inbox's.  Commits one transaction.  Raises RefusedError.
    """
    address = parse_address(inbox)
    name = one_line("The name", name)
    now = app.clock()
    with app.store.write() as tx:
        where = home(tx, account, by, hold=True)
        require_admin(tx, where, by)
        place = tx.people.inbox(address.norm)
        if place is None or place.account_id != where.id:
            raise RefusedError(
                Reason.NOT_FOUND,
                noun="inbox",
                value=address.norm,
                hint="`maild inbox add ADDR --kind shared` makes one.",
            )
        if place.kind is not InboxKind.SHARED:
            raise RefusedError(
                Reason.CONFLICT,
                why=f"{place.norm} is a forward inbox; only a shared one is communal.",
            )
        if place.communal_user_id is not None:
            raise RefusedError(
                Reason.ALREADY_EXISTS,
                noun="communal user of",
                value=place.norm,
                hint=f"`maild user show {place.norm}` shows it.",
            )
        user_id = tx.people.add_user(app.ids(), name, kind="communal", now=now)
        tx.people.set_inbox(place.id, {"mode": "communal", "communal_user_id": user_id})
        tx.people.add_member(
            app.ids(), where.id, user_id, role=Role.MEMBER, state=MemberState.ACTIVE, now=now
        )
        note(tx, app, by, "user.added", where.id, user=user_id)
        return UserAdded(user=view_of(tx, tx.people.user(user_id), by))


def set_password(app: App, email: str, password: str, *, by: Actor) -> UserView:
    """Set the password of a user's login; its sessions end.  Commits one transaction.  Raises RefusedError."""
    hashed = hash_password(password)
    with app.store.write() as tx:
        user = find_user(tx, email, by)
        is_self = by.user_id == user.id
        if is_self:
            require_signed_in(by)
        else:
            require_over(tx, user.id, by)
        # Whose one account is open changes the login of that one, if it has its own.
        login = login_of(tx, user, by.account_id if is_self else None)
        tx.logins.hold(login.id)
        tx.logins.set_password(login.id, hashed)
        # A link to sign up would set another one, and take the second step away; who was suspended needs it still.
        tx.logins.end_links(login.id, None if login.suspended_at is None else "reset")
        tx.sessions.end_of_login(login.id)
        note(tx, app, by, "user.password_set", None, user=user.id)
        return view_of(tx, tx.people.user(user.id), by)


def set_active(app: App, email: str, *, active: bool, by: Actor) -> UserView:
    """Disable a user, or enable one again.  Their addresses stay theirs.

    Refused where mail would have no reader.  Safe to repeat.  Commits one transaction.  Raises RefusedError.
    """
    with app.store.write() as tx:
        return set_active_in(tx, app, find_user(tx, email, by), active=active, by=by)


def set_active_in(tx: Tx, app: App, user: UserRow, *, active: bool, by: Actor) -> UserView:
    """Disable or enable within an open transaction.  Raises as `set_active`, and then nothing may be kept."""
    require_over(tx, user.id, by)
    # Mail that is being put into a communal mailbox comes before, or finds them gone.  By id, as all who hold several.
    opened = set() if active else set(tx.people.mailboxes_opened_by(user.id))
    for one in sorted({user.id, *opened}):
        (tx.changes.hold_wholly if one in opened else tx.people.hold_user)(one)
    accounts = sorted(active_accounts(tx, user.id))
    for account in accounts:
        tx.people.hold_account(account)
    user = tx.people.user(user.id)
    if active == (user.disabled_at is None):
        return view_of(tx, user, by)
    if active:
        # Whoever was just merged is somebody else now, and stays out (U13); else the mail of who is back heals (I4).
        if tx.people.heirs([user.id])[user.id] != user.id:
            raise RefusedError(
                Reason.CONFLICT, why=f"{user.display_name} was merged into another user meanwhile."
            )
        own = [row.norm for row in tx.people.addresses_of(user.id) if row.valid_to is None]
        let_heal(tx, app, accounts, own)
    else:
        close_user(tx, user.id)
    with keeping_readers(tx, accounts, app.clock()):
        tx.people.set_disabled(user.id, None if active else app.clock())
    kind = "user.enabled" if active else "user.disabled"
    for account in accounts:
        note(tx, app, by, kind, account, user=user.id)
    return view_of(tx, tx.people.user(user.id), by)


_OWN_KEYS = {"digest", "notices", "outcome_line"}
"""What is one's own to change."""
_USER_KEYS = ("name", "role", "username", "digest", "notices", "outcome_line")


def set_user(
    app: App, email: str, changes: Mapping[str, str], *, account: str | None = None, by: Actor
) -> UserView:
    """Change a user's name, role in an account, or user name, or have digest and notices on or off (U8, U14, M12).

    The address is never changed by it.  Digest and notices are also one's own to change, the role any admin's of that account: it is
    of the membership, wherever else the person works (U9).  Commits one transaction.  Raises RefusedError; then nothing is
    changed.
    """
    for key in changes:
        if key not in _USER_KEYS:
            raise nearest_key(key, _USER_KEYS)
    with app.store.write() as tx:
        user = find_user(tx, email, by)
        is_own = by.user_id == user.id and set(changes) <= _OWN_KEYS
        if not is_own and set(changes) != {"role"}:
            require_over(tx, user.id, by)
        tx.people.hold_user(user.id)
        if "digest" in changes:
            is_on = yes_or_no("digest")(changes["digest"])
            tx.digest.resume(user.id, off_at=None if is_on else app.clock())
        _set_notices(tx, app, user, changes)
        if "name" in changes:
            tx.people.set_user_name(user.id, one_line("The name", changes["name"]))
        if "role" in changes:
            where = home(tx, account, by, hold=True)
            require_admin(tx, where, by)
            _set_role(tx, user, where, changes["role"])
        if "username" in changes:
            _set_username(tx, user, changes["username"])
        note(tx, app, by, "user.changed", None, user=user.id, keys=sorted(changes))
        return view_of(tx, tx.people.user(user.id), by)


def _set_notices(tx: Tx, app: App, user: UserRow, changes: Mapping[str, str]) -> None:
    for key, column in (("notices", "notices_off_at"), ("outcome_line", "outcome_off_at")):
        if key in changes:
            is_on = yes_or_no(key)(changes[key])
            tx.notices.set_off(user.id, column, None if is_on else app.clock())


def _set_role(tx: Tx, user: UserRow, account: AccountRow, role: str) -> None:
    wanted = Role(word_among("role", tuple(Role))(role))
    member = tx.people.member(account.id, user.id)
    if member is None or member.state is not MemberState.ACTIVE or user.kind != "person":
        raise RefusedError(
            Reason.NOT_ALLOWED, why=f"{user.display_name} is no active person of {account.name}."
        )
    tx.people.set_member(member.id, role=wanted, state=member.state)


def _set_username(tx: Tx, user: UserRow, username: str) -> None:
    own = {row.norm for row in tx.people.addresses_of(user.id) if row.valid_to is None}
    wanted = canonical_username(username, own)
    login = tx.logins.general(user.id)
    if login is None:
        raise RefusedError(
            Reason.CONFLICT, why=f"{user.display_name} is a communal user and has no login."
        )
    if not tx.logins.set_username(login.id, wanted):
        raise username_taken(wanted)
