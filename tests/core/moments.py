"""What tests of signing in share: who is signed in without the work of a password, and two acts at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta

import pyotp
import pytest

from maild.core.app import App
from maild.core.identities import Asserted
from maild.core.second_step import begin_second_step, confirm_second_step
from maild.core.sessions import SessionSeen, begin_session, look
from maild.core.signing_in import SignedIn
from maild.model.reason import Reason, RefusedError
from maild.store.store import Tx
from tests.core.conftest import Frozen
from tests.core.staff import EVA, PEER, Staff

ISSUER = "https://id.example/"


def refusal(act: Callable[[], object]) -> Reason:
    with pytest.raises(RefusedError) as refused:
        act()
    return refused.value.reason


def general(staff: Staff, email: str = EVA) -> SignedIn:
    """Sign in without the work of a password."""
    with staff.app.store.read() as tx:
        login = tx.logins.general(staff.actor(email).user_id or 0)
    assert login is not None
    return SignedIn(user_id=login.user_id, login_id=login.id)


def session_of(app: App, signed_in: SignedIn) -> SessionSeen:
    seen = look(app, begin_session(app, signed_in, peer=PEER).secret)
    assert seen is not None
    return seen


def asserted(subject: str = "eva-at-corp", address: str = EVA) -> Asserted:
    return Asserted(provider="corp", issuer=ISSUER, subject=subject, address=address)


def overlapping(app: App, first: Callable[[Tx], object], then: Callable[[], object]) -> object:
    """Do the second act on another thread while the first one's transaction is open; return what came of it."""
    with ThreadPoolExecutor(1) as threads:
        with app.store.write() as tx:
            first(tx)
            doing = threads.submit(then)
            wait([doing], timeout=0.3)  # Where nothing stops it, it is through by then.
        try:
            return doing.result(60)
        except RefusedError as refused:
            return refused.reason


def second_step_of_eva(staff: Staff, clock: Frozen) -> str:
    """Give Eva a second step, whose first code is a minute old, and return its secret."""
    by = staff.actor(EVA)
    secret = begin_second_step(staff.app, EVA, by=by).secret
    confirm_second_step(staff.app, EVA, pyotp.TOTP(secret).at(clock()), by=by)
    clock.advance(timedelta(minutes=1))
    return secret
