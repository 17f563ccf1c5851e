"""Signing in through a provider (OpenID Connect): by issuer and subject, never by the address that it asserts (U10).

An address is looked at once: a person who is signed in may attach an identity, where the provider asserts as verified an
address that is a verified one of exactly that person.  From then on the subject counts, whatever the address becomes.  How
a provider is spoken with is `maild.oauth.oidc`'s; here is what its word means.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from maild.core.app import Actor, App
from maild.core.letters import Notice, post
from maild.core.logins import LoginView, login_of, login_view
from maild.core.seal import SealError, seal, unseal
from maild.core.sessions import SessionSeen, hold_session
from maild.core.signing_in import SignedIn
from maild.core.standing import find_user, note, require_over
from maild.model.address import Address, InvalidAddressError
from maild.model.plain_text import short
from maild.model.reason import Reason, RefusedError
from maild.store.identities import IdentityRow
from maild.store.store import Tx

ASKING_LIFE = timedelta(minutes=10)
"""How long a person may be at the provider."""
SUBJECT_MAX = 255
"""Letters of a subject (OpenID Connect Core 2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asserted:
    """What a provider said about who signed in, checked."""

    provider: str
    issuer: str
    subject: str
    address: str | None
    """None: it asserts no address as verified."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A sign-in that a browser began at a provider: what its answer must fit."""

    provider: str
    redirect_uri: str
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)


def keep_asking(app: App, asking: Asking) -> str:
    """Return what the browser keeps, sealed, until it comes back.  Raises RefusedError CONFLICT without a key."""
    if app.key is None:
        raise RefusedError(
            Reason.CONFLICT,
            why="Signing in through a provider needs the installation's key: set secret_key_file, then restart.",
        )
    until = (app.clock() + ASKING_LIFE).timestamp()
    return seal(app.key, json.dumps({**asdict(asking), "until": until}), ("oidc", asking.provider))


def kept_asking(app: App, provider: str, kept: str) -> Asking:
    """Return what `keep_asking` sealed for this provider.  Raises RefusedError PROVIDER_REFUSED: too old, or not ours."""
    found = _opened(app, provider, kept)
    if datetime.fromtimestamp(found.pop("until", 0), UTC) <= app.clock():
        raise RefusedError(
            Reason.PROVIDER_REFUSED, provider=provider, why="it took too long; begin again"
        )
    return Asking(**found)


def _opened(app: App, provider: str, kept: str) -> dict[str, Any]:
    """Return what was sealed; nothing where it does not open."""
    if app.key is None:
        return {}
    try:
        found: dict[str, Any] = json.loads(unseal(app.key, kept, ("oidc", provider)))
    except SealError:
        return {}
    return found


def sign_in_by(app: App, asserted: Asserted) -> SignedIn:
    """Return whose identity it is.  The provider's own second step stands in for ours.

    Reads only.  Raises RefusedError: PROVIDER_REFUSED where nobody has attached it, whatever address it asserts;
    SIGN_UP_REQUIRED where it or its login is suspended (U11); SIGN_IN_REFUSED for a disabled user.
    """
    with app.store.read() as tx:
        identity = tx.identities.named(asserted.issuer, asserted.subject)
        login = None if identity is None else tx.logins.login(identity.login_id)
    if identity is None or login is None or login.account_id is not None:
        raise RefusedError(
            Reason.PROVIDER_REFUSED,
            provider=asserted.provider,
            why="nobody here has attached this identity; sign in with your password, then attach it",
        )
    if login.disabled_at is not None:
        raise RefusedError(Reason.SIGN_IN_REFUSED)
    if login.suspended_at is not None or identity.suspended_at is not None:
        raise RefusedError(Reason.SIGN_UP_REQUIRED)
    return SignedIn(user_id=login.user_id, login_id=login.id, identity_id=identity.id)


def attach_identity(app: App, session: SessionSeen, asserted: Asserted) -> LoginView:
    """Attach an identity to the general login that somebody is signed in with, who is told by mail.  Safe to repeat.

    Commits one transaction.  Raises RefusedError TOKEN_REFUSED when the session has ended while the provider was asked;
    PROVIDER_REFUSED: no address is asserted as verified, it is not a verified one of this very person, the identity is
    somebody else's, or the login is an account's own, which opens by its user name alone.
    """
    if len(asserted.subject) > SUBJECT_MAX:
        raise _refused(asserted, "its name for you is too long")
    with app.store.write() as tx:
        login = hold_session(tx, app, session)
        if login.account_id is not None:
            raise _refused(asserted, "only your general login opens by it; sign in with that one")
        norm = _norm(asserted)
        if norm not in _own_addresses(tx, login.user_id):
            raise _refused(asserted, f"{short(norm)} is not a confirmed address of yours")
        there = tx.identities.named(asserted.issuer, asserted.subject)
        if there is None:
            tx.identities.attach(
                login.id,
                issuer=asserted.issuer,
                subject=asserted.subject,
                address=norm,
                now=app.clock(),
            )
            there = tx.identities.named(asserted.issuer, asserted.subject)
            note(tx, app, session.by, "identity.attached", login.account_id, login=login.id)
            _tell(tx, app, login.user_id, asserted.provider)
        if there is None or there.login_id != login.id:
            raise _refused(asserted, "this identity belongs to another login")
        if there.suspended_at is not None:
            why = "it was laid aside when your address was changed; detach it, then attach it anew"
            raise _refused(asserted, why)
        return login_view(tx, login)


def detach_identity(app: App, email: str, issuer: str, subject: str, *, by: Actor) -> LoginView:
    """Take an identity from a person's general login: they, an admin over them, or the operator; its sessions end.

    Commits one transaction.  Raises RefusedError (INVALID_EMAIL, NOT_FOUND, NOT_ALLOWED, CONFLICT).
    """
    with app.store.write() as tx:
        user = find_user(tx, email, by)
        is_self = by.user_id == user.id
        if not is_self:
            require_over(tx, user.id, by)
        login = login_of(tx, user, by.account_id if is_self else None)
        tx.logins.hold(login.id)  # Who is just signing in by it waits, and is refused then.
        identity = _among(tx.identities.of(login.id), issuer, subject)
        tx.identities.detach(identity.id)
        tx.sessions.end_of_login(login.id)
        note(tx, app, by, "identity.detached", login.account_id, login=login.id)
        return login_view(tx, login)


def _among(rows: list[IdentityRow], issuer: str, subject: str) -> IdentityRow:
    for row in rows:
        if (row.issuer, row.subject) == (issuer, subject):
            return row
    raise RefusedError(
        Reason.NOT_FOUND,
        noun="identity",
        value=short(f"{subject} at {issuer}"),
        hint="`maild login show EMAIL` lists them.",
    )


def _norm(asserted: Asserted) -> str:
    try:
        return Address.parse(asserted.address or "").norm
    except InvalidAddressError:
        raise _refused(asserted, "it does not say that it has verified your address") from None


def _own_addresses(tx: Tx, user_id: int) -> set[str]:
    return {
        row.norm
        for row in tx.people.addresses_of(user_id)
        if row.valid_to is None and row.verified_at is not None
    }


def _refused(asserted: Asserted, why: str) -> RefusedError:
    return RefusedError(Reason.PROVIDER_REFUSED, provider=asserted.provider, why=why)


def _tell(tx: Tx, app: App, user_id: int, provider: str) -> None:
    user = tx.people.user(user_id)
    post(
        tx,
        app,
        Notice(
            to=user.email or "",
            to_name=user.display_name,
            subject=f"You can sign in through {provider}",
            text=f"Hello {user.display_name},\n\nfrom now on you can sign in through {provider}. If it was not you who "
            "set this up, change your password and tell whoever runs this service.",
        ),
        key=f"identity:{user_id}:{app.ids()}",
    )
