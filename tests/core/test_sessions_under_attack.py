"""Whoever is half signed in when a login is shut, and what a link leaves.  Each once opened something (U10, T20)."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pyotp
import pytest
from argon2 import PasswordHasher
from sqlalchemy import select, update

from maild.core import passwords, sessions as sessions_of_core, signing_in, standing
from maild.core.app import OPERATOR, App
from maild.core.identities import attach_identity, detach_identity, sign_in_by
from maild.core.merging import merge_users, plan_merging
from maild.core.people import NewUser, add_user, set_active, set_active_in, set_password
from maild.core.resets import ask_reset, send_link, sign_up, use_reset
from maild.core.sessions import (
    begin_session,
    end_sessions,
    look,
)
from maild.core.tokens import make_token
from maild.model.reason import Reason
from maild.store.login_tables import login_links, sessions
from maild.store.people_tables import logins
from maild.store.store import Tx
from tests.core.conftest import Frozen
from tests.core.moments import (
    ISSUER,
    asserted,
    general,
    overlapping,
    refusal,
    second_step_of_eva,
    session_of,
)
from tests.core.staff import EVA, JAN, PASSWORD, PEER, Staff, some_staff

NEW = "a new horse battery"


@pytest.fixture
def staff(app: App) -> Staff:
    return some_staff(app)


# -- between the password and the session ------------------------------------------------------------------------------


def test_T20_a_password_that_was_changed_in_this_moment_begins_no_session(staff: Staff) -> None:
    by_old = staff.sign_in("eva")
    ask_reset(staff.app, "eva", peer=PEER)
    use_reset(staff.app, staff.secret_in_mail(), NEW)
    assert refusal(lambda: begin_session(staff.app, by_old, peer=PEER)) is Reason.SIGN_IN_REFUSED
    assert session_of(staff.app, staff.sign_in("eva", NEW)).by == staff.actor(EVA)


def weaken(staff: Staff) -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    with staff.app.store.write() as tx:
        tx.connection.execute(update(logins).values(password_hash=weak))


def test_U10_a_hash_that_is_made_anew_still_begins_a_session(staff: Staff) -> None:
    weaken(staff)
    assert session_of(staff.app, staff.sign_in("eva")).by == staff.actor(EVA)


@pytest.mark.parametrize(("to", "is_in"), [(PASSWORD, True), (NEW, False)])
def test_U10_a_hash_that_somebody_changed_while_it_was_made_anew_is_looked_at_again(
    staff: Staff, monkeypatch: pytest.MonkeyPatch, to: str, is_in: bool
) -> None:
    weaken(staff)
    real = passwords.better_hash

    def overtaken(kept: str, password: str) -> str | None:
        found = real(kept, password)
        if found is not None:
            set_password(staff.app, EVA, to, by=OPERATOR)
        return found

    monkeypatch.setattr(signing_in, "better_hash", overtaken)
    if is_in:
        assert session_of(staff.app, staff.sign_in("eva")).by == staff.actor(EVA)
    else:
        assert staff.refusal("eva") is Reason.SIGN_IN_REFUSED


def test_T20_an_identity_that_was_detached_in_this_moment_begins_no_session(staff: Staff) -> None:
    attach_identity(staff.app, session_of(staff.app, general(staff)), asserted())
    signed_in = sign_in_by(staff.app, asserted())
    detach_identity(staff.app, EVA, ISSUER, "eva-at-corp", by=OPERATOR)
    act = lambda: begin_session(staff.app, signed_in, peer=PEER)  # noqa: E731 - it is the one act
    assert refusal(act) is Reason.SIGN_IN_REFUSED


@pytest.mark.parametrize("end", ["password", "disabled", "one"])
def test_T20_a_session_that_ended_while_the_provider_was_asked_attaches_nothing(
    staff: Staff, end: str
) -> None:
    session = session_of(staff.app, general(staff, JAN))
    if end == "password":
        set_password(staff.app, JAN, NEW, by=OPERATOR)
    elif end == "disabled":
        set_active(staff.app, JAN, active=False, by=OPERATOR)
    else:
        end_sessions(staff.app, JAN, by=OPERATOR)
    act = lambda: attach_identity(staff.app, session, asserted("jan", JAN))  # noqa: E731 - it is the one act
    assert refusal(act) is Reason.TOKEN_REFUSED
    set_active(staff.app, JAN, active=True, by=OPERATOR)
    assert refusal(lambda: sign_in_by(staff.app, asserted("jan", JAN))) is Reason.PROVIDER_REFUSED


def about_to_begin(staff: Staff, secret: str, email: str) -> Callable[[Tx], None]:
    """Return the beginning of a session, but for its commit."""

    def begin(tx: Tx) -> None:
        login = tx.logins.hold(general(staff, email).login_id or 0)
        assert login is not None
        digest = hashlib.sha256(secret.encode()).hexdigest()
        now = staff.app.clock()
        tx.sessions.add(
            login.id, digest, now=now, expires_at=now + timedelta(days=1), peer="", agent=""
        )

    return begin


def test_U10_who_is_disabled_while_they_sign_in_is_not_signed_in_when_they_are_back(
    staff: Staff,
) -> None:
    begin = about_to_begin(staff, "a secret", JAN)
    overlapping(staff.app, begin, lambda: set_active(staff.app, JAN, active=False, by=OPERATOR))
    set_active(staff.app, JAN, active=True, by=OPERATOR)
    assert look(staff.app, "a secret") is None


def test_U10_an_identity_that_is_detached_while_it_signs_in_leaves_no_session(
    staff: Staff,
) -> None:
    attach_identity(staff.app, session_of(staff.app, general(staff)), asserted())
    overlapping(
        staff.app,
        about_to_begin(staff, "a secret", EVA),
        lambda: detach_identity(staff.app, EVA, ISSUER, "eva-at-corp", by=OPERATOR),
    )
    assert look(staff.app, "a secret") is None


def disabling(staff: Staff) -> Callable[[Tx], object]:
    def disable(tx: Tx) -> None:
        user = tx.people.user(staff.actor(JAN).user_id or 0)
        set_active_in(tx, staff.app, user, active=False, by=OPERATOR)

    return disable


def test_U10_who_signs_in_while_they_are_disabled_is_refused(staff: Staff) -> None:
    disable, signed_in = disabling(staff), general(staff, JAN)
    begin = lambda: begin_session(staff.app, signed_in, peer=PEER)  # noqa: E731 - it is the one act
    assert overlapping(staff.app, disable, begin) is Reason.SIGN_IN_REFUSED
    with staff.app.store.read() as tx:
        assert tx.connection.execute(select(sessions)).all() == []


@pytest.mark.parametrize("asked", ["by themselves", "by an admin"])
def test_U10_who_is_disabled_while_a_link_is_mailed_gets_none(staff: Staff, asked: str) -> None:
    def ask() -> None:
        if asked == "by an admin":
            send_link(staff.app, JAN, by=OPERATOR)
        else:
            ask_reset(staff.app, "jan", peer=PEER)

    overlapping(staff.app, disabling(staff), ask)
    with staff.app.store.read() as tx:
        assert tx.connection.execute(select(login_links)).all() == []
    assert staff.mails() == []


def test_U13_who_signs_in_while_they_are_merged_waits_for_nobody_in_a_circle(
    staff: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_in, is_held = general(staff), threading.Event()
    digest = plan_merging(staff.app, EVA, JAN, by=OPERATOR).plan.digest
    real = standing.note

    def after_a_while(*said: Any, **more: Any) -> None:
        is_held.set()
        time.sleep(0.4)  # Long enough for the merge to have taken what it can.
        real(*said, **more)

    monkeypatch.setattr(sessions_of_core, "note", after_a_while)
    with ThreadPoolExecutor(1) as threads:
        begun = threads.submit(begin_session, staff.app, signed_in, peer=PEER)
        assert is_held.wait(30)
        merge_users(staff.app, EVA, JAN, digest=digest, by=OPERATOR)
        assert look(staff.app, begun.result(30).secret) is None


# -- what a link leaves ------------------------------------------------------------------------------------------------


@pytest.fixture
def secret(staff: Staff, clock: Frozen) -> str:
    return second_step_of_eva(staff, clock)


def test_U10_who_reads_the_mail_of_a_person_without_a_password_does_not_get_past_the_second_step(
    staff: Staff, secret: str, clock: Frozen
) -> None:
    with staff.app.store.write() as tx:
        # As of somebody who comes by a provider alone.
        tx.connection.execute(
            update(logins).where(logins.c.username == "eva").values(password_hash=None)
        )
    ask_reset(staff.app, "eva", peer=PEER)
    sign_up(staff.app, staff.secret_in_mail(), NEW)
    assert staff.refusal("eva", NEW) is Reason.CODE_NEEDED
    staff.sign_in("eva", NEW, code=pyotp.TOTP(secret).at(clock()))


@pytest.mark.parametrize("count", [0, 2])
def test_U10_the_mail_after_a_reset_says_that_tokens_go_on(
    staff: Staff, clock: Frozen, count: int
) -> None:
    made = [make_token(staff.app, EVA, "phone", by=OPERATOR) for _ in range(count)]
    make_token(staff.app, EVA, "ended", lives=timedelta(days=1), by=OPERATOR)
    clock.advance(timedelta(days=1))
    ask_reset(staff.app, "eva", peer=PEER)
    use_reset(staff.app, staff.secret_in_mail(), NEW)
    text = staff.mails()[-1]["text"]
    assert ("Your tokens (2) go on working" in text) is bool(made)
    assert "signed out everywhere" in text


def test_U10_a_link_says_how_long_it_is_good(staff: Staff) -> None:
    ask_reset(staff.app, "eva", peer=PEER)
    assert "once, within an hour." in staff.mails()[-1]["text"]
    add_user(staff.app, NewUser(email="lea@acme.example", name="Lea"), by=OPERATOR)
    send_link(staff.app, "lea@acme.example", by=OPERATOR)
    assert "once, within 7 days." in staff.mails()[-1]["text"]
