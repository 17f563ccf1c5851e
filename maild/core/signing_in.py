"""Signing in: whose user name and password these are (U10).

What it tells, and to whom.  Whoever has not the right password, and the right code where there is a second step, hears
one sentence after one amount of work: whether there is such a login, whether it has a password, a second step, or a
disabled user.  Who has the right password may hear that a code is missing, or that the login is suspended and its person
signs up again (U11); a disabled user hears no more than a stranger.  Tries are counted before the work, by name and peer
together, by name, and by peer, and codes by login, too; the window ends by itself.  Never in an event loop: a check takes
tens of milliseconds.
"""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass, field, replace
from datetime import timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from maild.core import totp
from maild.core.app import Actor, App
from maild.core.passwords import better_hash, is_password
from maild.core.tokens import PREFIX, user_of_token
from maild.core.usernames import USERNAME_MAX
from maild.model.address import Address, InvalidAddressError
from maild.model.plain_text import storable
from maild.model.reason import Reason, RefusedError
from maild.store.logins import LoginRow
from maild.store.store import Tx

WINDOW = timedelta(minutes=15)
MOST_OF_PAIR, MOST_OF_NAME, MOST_OF_PEER = 10, 50, 100
"""Wrong tries within a window: of one name from one peer, of one name, from one peer.  Who guesses from one place does
not shut the owner out, who comes from another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """Who has shown that a login is theirs, all of it."""

    user_id: int
    login_id: int | None
    """None: by a token, which is the user's and of no login."""
    account_id: int | None = None
    """The one account that is open; None: all of the user's (U9)."""
    password_hash: str | None = field(default=None, repr=False)
    """What is kept of the password that opened it: a session begins only while it is that one; None: by none."""
    identity_id: int | None = None
    """The identity that opened it: a session begins only while it is attached; None: by none."""

    @property
    def by(self) -> Actor:
        """Who acts from now on."""
        return Actor(self.user_id, self.account_id)


def check_password(app: App, name: str, password: str, *, peer: str, code: str = "") -> SignedIn:
    """Return who signs in by user name, or by any verified address, which opens the general login alone.

    Commits a few small transactions: the count of tries, and what a right password or code changes.  Slow.  Raises
    RefusedError: SIGN_IN_REFUSED, TOO_MANY_TRIES; and with the right password CODE_NEEDED where `code` is empty,
    SIGN_UP_REQUIRED, CONFLICT where the second step cannot be checked for want of the key.
    """
    tried = _tries_of(name, peer)
    login = _require_password(app, _begin(app, name, tried), password)
    if login.has_second_step:
        if not code.strip():
            _half(app, tried)
            raise RefusedError(Reason.CODE_NEEDED)
        _require_code(app, login, code)
    _right(app, tried)
    return _opened(login)


def check_submission(app: App, name: str, secret: str, *, peer: str) -> SignedIn:
    """Return who signs in from a mail program: by a token of that user, else by the password alone.

    A login with a second step is not opened by its password; with the right one it is said that a token is needed.  What
    is narrowed to one account, a login of its own or a token, signs nobody in: the proof would hold in every account.  A
    token is not to be guessed, and so it works while others guess the password.  Commits and tells as `check_password`;
    slow.  Raises RefusedError SIGN_IN_REFUSED, TOO_MANY_TRIES, APP_PASSWORD_NEEDED, SIGN_UP_REQUIRED.
    """
    by_token = _by_token(app, name, secret)
    if by_token is not None:
        return by_token
    tried = _tries_of(name, peer)
    login = _begin(app, name, tried)
    if login is not None and login.account_id is not None:
        login = None
    login = _require_password(app, login, secret)
    if login.has_second_step:
        _half(app, tried)
        raise RefusedError(Reason.APP_PASSWORD_NEEDED)
    _right(app, tried)
    return _opened(login)


def _by_token(app: App, name: str, secret: str) -> SignedIn | None:
    """Return who signs in by a living token for all of their accounts, under a name of their own."""
    user_id = user_of_token(app, secret) if secret.startswith(PREFIX) else None
    if user_id is None:
        return None
    with app.store.read() as tx:
        login = find_login(tx, name)
    if login is None or login.account_id is not None or login.user_id != user_id:
        return None
    return SignedIn(user_id=user_id, login_id=None)


def find_login(tx: Tx, name: str) -> LoginRow | None:
    """Return the login that a name opens: a user name, else a verified live address of its user.

    A name that is one person's user name and another's address is nobody's.
    """
    folded = _folded(name)
    if folded is None:
        return None
    by_name = tx.logins.named(folded)
    if "@" not in folded:
        return by_name
    by_address = tx.logins.at_address(folded)
    if by_name is None or by_address is None:
        return by_name or by_address
    return by_name if by_name.user_id == by_address.user_id else None


def spelling_of(name: str) -> str:
    """Return what tells a name from others when tries are counted: its one spelling, or what was typed."""
    return _folded(name) or name


def _folded(name: str) -> str | None:
    """Return the one spelling of a name; None for what can be none."""
    text = unicodedata.normalize("NFC", name.strip()[: 2 * USERNAME_MAX])
    folded = unicodedata.normalize("NFC", text.casefold())
    # Not `isprintable`: a user name may hold a joiner, as Persian ones do, which is none.
    if not folded or storable(folded) != folded:
        return None
    if "@" not in folded:
        return folded
    try:
        return Address.parse(text).norm
    except InvalidAddressError:
        return None


# -- tries -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Tries:
    """What a try counts for."""

    pair: str
    name: str
    peer: str


def _tries_of(name: str, peer: str) -> _Tries:
    # Digests: what people type into the field of a name is sometimes their password.
    said = spelling_of(name).encode("utf-8", "replace")
    digest = hashlib.sha256(said).hexdigest()[:32]
    network = peer_network(peer)
    return _Tries(
        f"sign-in:pair:{digest}:{network}", f"sign-in:name:{digest}", f"sign-in:peer:{network}"
    )


def peer_network(peer: str) -> str:
    """Return what counts as one peer: an IPv4 address, a /64 of IPv6, or the peer's own word for itself."""
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return peer[:100]
    if isinstance(address, IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped or ip_network((address, 64), strict=False))
    return str(address)


def _begin(app: App, name: str, tried: _Tries) -> LoginRow | None:
    """Count a try before its work, so that parallel ones count, too; return the login, if there is one."""
    now = app.clock()
    with app.store.write() as tx:
        # One after the other: who is stopped for the pair does not spend what others share; and a peer that is stopped
        # does not fill the table with names of its own making.
        is_within = not tx.throttles.is_spent(
            tried.peer, now=now, window=WINDOW, most=MOST_OF_PEER
        ) and all(
            tx.throttles.count(key, now=now, window=WINDOW, most=most)
            for key, most in (
                (tried.pair, MOST_OF_PAIR),
                (tried.peer, MOST_OF_PEER),
                (tried.name, MOST_OF_NAME),
            )
        )
        login = find_login(tx, name)
        minutes = max(
            tx.throttles.minutes_left(key, now=now, window=WINDOW)
            for key in (tried.pair, tried.peer, tried.name)
        )
    if not is_within:
        raise RefusedError(Reason.TOO_MANY_TRIES, minutes=minutes)
    return login


def _right(app: App, tried: _Tries) -> None:
    with app.store.write() as tx:
        # In the order in which they are counted: two who sign in never wait for each other in a circle.
        tx.throttles.clear(tried.pair)
        tx.throttles.take_back(tried.peer)
        tx.throttles.take_back(tried.name)


def _half(app: App, tried: _Tries) -> None:
    """Uncount a try whose password was right, and no more: what was guessed before, codes among it, still counts."""
    with app.store.write() as tx:
        for key in (tried.pair, tried.peer, tried.name):
            tx.throttles.take_back(key)


# -- what is asked for -----------------------------------------------------------------------------------------------


def _require_password(app: App, login: LoginRow | None, password: str) -> LoginRow:
    """Return the login with what is kept of this password today."""
    kept = None if login is None else login.password_hash
    if not is_password(kept, password) or login is None or kept is None:
        raise RefusedError(Reason.SIGN_IN_REFUSED)
    _require_awake(login)
    better = better_hash(kept, password)
    if better is None:
        return login
    with app.store.write() as tx:
        is_kept = tx.logins.rehash(login.id, kept, better)
        now = tx.logins.login(login.id)
    # If not, another sign-in was quicker, or the password was changed.
    return (
        replace(login, password_hash=better) if is_kept else _require_password(app, now, password)
    )


def _require_awake(login: LoginRow) -> None:
    if login.disabled_at is not None:
        raise RefusedError(Reason.SIGN_IN_REFUSED)
    if login.suspended_at is not None:
        raise RefusedError(Reason.SIGN_UP_REQUIRED)


def _require_code(app: App, login: LoginRow, code: str) -> None:
    with app.store.write() as tx:
        is_right = totp.use_code(tx, app, login.id, code)
    if not is_right:
        raise RefusedError(Reason.SIGN_IN_REFUSED)


def _opened(login: LoginRow) -> SignedIn:
    return SignedIn(
        user_id=login.user_id,
        login_id=login.id,
        account_id=login.account_id,
        password_hash=login.password_hash,
    )
