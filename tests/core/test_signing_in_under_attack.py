"""Whoever guesses, and whoever would come by another door.  Each once opened something (U10, R15, T23)."""

from __future__ import annotations

from datetime import timedelta

import pyotp
import pytest
from sqlalchemy import func, select, update

from maild.core.accounts import add_account, set_account
from maild.core.addresses import add_address
from maild.core.app import OPERATOR, App
from maild.core.identities import attach_identity, detach_identity, sign_in_by
from maild.core.joining import invite
from maild.core.logins import add_own_login, show_logins
from maild.core.people import NewUser, add_user, set_user
from maild.core.resets import WINDOW, ask_reset
from maild.core.second_step import end_second_step
from maild.core.sessions import (
    begin_session,
    end_sessions,
    list_sessions,
    look,
)
from maild.core.signing_in import (
    MOST_OF_PAIR,
    MOST_OF_PEER,
    _begin,
    _tries_of,
    check_submission,
)
from maild.core.tokens import look_up, make_token
from maild.core.totp import MOST_CODES, use_code
from maild.model.people import Role
from maild.model.reason import Reason, RefusedError
from maild.store.login_tables import identities, throttles
from tests.core.conftest import Frozen
from tests.core.moments import ISSUER, asserted, general, refusal, second_step_of_eva, session_of
from tests.core.staff import EVA, JAN, PASSWORD, PEER, Staff, some_staff

NEW = "a new horse battery"
ALIAS = "e.moser@acme.example"


@pytest.fixture
def staff(app: App) -> Staff:
    return some_staff(app)


def spend(staff: Staff, count: int, name: str = "eva") -> None:
    """Count tries as wrong ones do, without their work."""
    for _ in range(count):
        _begin(staff.app, name, _tries_of(name, PEER))


# -- guessing --------------------------------------------------------------------------------------------------------


@pytest.fixture
def secret(staff: Staff, clock: Frozen) -> str:
    return second_step_of_eva(staff, clock)


def test_T23_the_right_password_of_a_mail_program_takes_no_guess_back_that_was_made_before(
    staff: Staff, secret: str
) -> None:
    spend(staff, MOST_OF_PAIR - 1)
    act = lambda: check_submission(staff.app, "eva", PASSWORD, peer=PEER)  # noqa: E731 - twice
    assert [refusal(act) for _ in range(3)] == [Reason.APP_PASSWORD_NEEDED] * 3
    assert staff.refusal("eva", "wrong") is Reason.SIGN_IN_REFUSED
    assert staff.refusal("eva", "wrong") is Reason.TOO_MANY_TRIES


def test_T23_neither_does_the_right_password_without_a_code(staff: Staff, secret: str) -> None:
    spend(staff, MOST_OF_PAIR - 1)
    assert [staff.refusal("eva") for _ in range(3)] == [Reason.CODE_NEEDED] * 3
    assert staff.refusal("eva", "wrong") is Reason.SIGN_IN_REFUSED
    assert staff.refusal("eva") is Reason.TOO_MANY_TRIES


@pytest.mark.slow
def test_T23_codes_are_counted_by_login_whatever_the_name_and_the_place(
    staff: Staff, secret: str, clock: Frozen
) -> None:
    add_address(staff.app, EVA, ALIAS, sends_as=False, confirm=True, by=OPERATOR)
    names = ("eva", EVA, ALIAS)
    told = [
        staff.refusal(names[number % 3], code="000000", peer=f"192.0.2.{number}")
        for number in range(MOST_CODES + 1)
    ]
    assert told == [Reason.SIGN_IN_REFUSED] * MOST_CODES + [Reason.TOO_MANY_TRIES]
    clock.advance(timedelta(minutes=15))
    staff.sign_in("eva", code=pyotp.TOTP(secret).at(clock()), peer="198.51.100.1")


def test_T23_a_right_code_takes_the_wrong_ones_back(staff: Staff, secret: str) -> None:
    for _ in range(MOST_CODES - 1):
        with staff.app.store.write() as tx:
            assert not use_code(tx, staff.app, general(staff).login_id or 0, "000000")
    staff.sign_in("eva", code=pyotp.TOTP(secret).at(staff.app.clock()))
    assert staff.refusal("eva", code="000000") is Reason.SIGN_IN_REFUSED


def test_T23_a_peer_that_is_stopped_fills_no_table_with_names_of_its_making(staff: Staff) -> None:
    for number in range(MOST_OF_PEER):
        spend(staff, 1, f"name{number}")

    def rows() -> int:
        with staff.app.store.read() as tx:
            return tx.connection.execute(select(func.count()).select_from(throttles)).scalar_one()

    before = rows()
    for number in range(20):
        assert staff.refusal(f"another{number}") is Reason.TOO_MANY_TRIES
    assert rows() == before


def test_T23_who_guesses_a_password_does_not_stop_the_mail_programs_of_its_owner(
    staff: Staff,
) -> None:
    token = make_token(staff.app, EVA, "phone", by=OPERATOR).secret
    spend(staff, MOST_OF_PAIR)
    assert check_submission(staff.app, EVA, token, peer=PEER).by == staff.actor(EVA)
    assert refusal(lambda: check_submission(staff.app, "eva", PASSWORD, peer=PEER)) is (
        Reason.TOO_MANY_TRIES
    )
    assert check_submission(staff.app, "eva", token, peer=PEER).by == staff.actor(EVA)


def test_T23_a_token_that_is_none_is_a_try_like_any_other(staff: Staff) -> None:
    token = make_token(staff.app, JAN, "phone", by=OPERATOR).secret
    spend(staff, MOST_OF_PAIR - 1)
    assert refusal(lambda: check_submission(staff.app, "eva", token, peer=PEER)) is (
        Reason.SIGN_IN_REFUSED
    )
    assert staff.refusal("eva") is Reason.TOO_MANY_TRIES


def test_T23_a_reset_says_in_how_many_minutes_there_is_another(staff: Staff, clock: Frozen) -> None:
    for _ in range(5):
        ask_reset(staff.app, "nobody", peer=PEER)
    clock.advance(WINDOW - timedelta(minutes=7))
    with pytest.raises(RefusedError) as refused:
        ask_reset(staff.app, "nobody", peer=PEER)
    assert refused.value.facts["minutes"] == 7


def test_U8_a_user_name_with_a_joiner_signs_in(staff: Staff) -> None:
    name = "می\u200cخواهم"
    set_user(staff.app, EVA, {"username": name}, by=OPERATOR)
    assert staff.sign_in(name).user_id == staff.actor(EVA).user_id


# -- other companies ---------------------------------------------------------------------------------------------------


@pytest.fixture
def globex(staff: Staff) -> Staff:
    """Eva, who works at Acme, was invited by another company, and has chosen the login of its own that it asks for."""
    add_account(staff.app, slug="globex", name="Globex", by=OPERATOR)
    set_account(staff.app, "globex", {"own_login_required": "true"}, by=OPERATOR)
    new = NewUser(email="max@globex.example", name="Max", role=Role.ADMIN)
    add_user(staff.app, new, account="globex", by=OPERATOR)
    for email in (EVA, JAN):
        invite(staff.app, email, role=Role.MEMBER, account="globex", by=OPERATOR)
    by = staff.actor(JAN)
    add_own_login(staff.app, JAN, "jan-at-globex", PASSWORD, account="globex", by=by)
    return staff


def test_R15_an_admin_sees_no_login_of_a_company_that_they_do_not_work_in(globex: Staff) -> None:
    eva, jan = globex.actor(EVA), globex.actor(JAN)
    assert [one.username for one in show_logins(globex.app, JAN, by=eva)] == ["jan"]
    assert len(show_logins(globex.app, JAN, by=jan)) == 2
    assert len(show_logins(globex.app, JAN, by=OPERATOR)) == 2


def test_R15_an_admin_neither_sees_nor_ends_sessions_at_a_company_that_they_do_not_work_in(
    globex: Staff,
) -> None:
    eva, jan = globex.actor(EVA), globex.actor(JAN)
    there = begin_session(globex.app, globex.sign_in("jan-at-globex", PASSWORD), peer=PEER).secret
    here = begin_session(globex.app, general(globex, JAN), peer=PEER).secret
    assert [one.account for one in list_sessions(globex.app, JAN, by=eva)] == [None]
    assert len(list_sessions(globex.app, JAN, by=jan)) == 2
    assert len(end_sessions(globex.app, JAN, by=eva)) == 1
    assert look(globex.app, here) is None
    assert look(globex.app, there) is not None


def test_R15_a_token_for_one_company_makes_no_login_for_another(globex: Staff) -> None:
    made = make_token(globex.app, EVA, "crm", account="acme", by=OPERATOR)
    narrow = look_up(globex.app, made.secret)
    assert narrow is not None
    told = []
    for slug in ("globex", "nowhere"):
        with pytest.raises(RefusedError) as refused:
            add_own_login(globex.app, EVA, "back-door", NEW, account=slug, by=narrow.by)
        told.append(str(refused.value).replace(slug, "SLUG"))
    assert told[0] == told[1]
    assert globex.refusal("back-door", NEW) is Reason.SIGN_IN_REFUSED


def test_U10_an_accounts_own_login_opens_by_its_user_name_only_and_by_no_provider(
    globex: Staff,
) -> None:
    own = session_of(globex.app, globex.sign_in("jan-at-globex", PASSWORD))
    act = lambda: attach_identity(globex.app, own, asserted("jan", JAN))  # noqa: E731 - it is the one act
    assert refusal(act) is Reason.PROVIDER_REFUSED
    with globex.app.store.write() as tx:
        # As an older version let it be.
        tx.identities.attach(
            own.login_id, issuer=ISSUER, subject="jan", address=JAN, now=globex.app.clock()
        )
    assert refusal(lambda: sign_in_by(globex.app, asserted("jan", JAN))) is Reason.PROVIDER_REFUSED


def test_R15_a_member_does_not_learn_whether_a_colleague_has_a_login_for_an_account(
    globex: Staff,
) -> None:
    jan = globex.actor(JAN)
    for slug in ("acme", "globex", "nowhere"):
        with pytest.raises(RefusedError) as refused:
            end_second_step(globex.app, EVA, account=slug, by=jan)
        assert refused.value.reason is Reason.NOT_ALLOWED


def test_U11_an_identity_that_was_laid_aside_says_so_and_is_attached_anew(staff: Staff) -> None:
    session = session_of(staff.app, general(staff))
    attach_identity(staff.app, session, asserted())
    with staff.app.store.write() as tx:
        tx.connection.execute(update(identities).values(suspended_at=staff.app.clock()))
    with pytest.raises(RefusedError, match="laid aside when your address was changed"):
        attach_identity(staff.app, session, asserted())
    detach_identity(staff.app, EVA, ISSUER, "eva-at-corp", by=session.by)
    attach_identity(staff.app, session_of(staff.app, general(staff)), asserted())
    assert sign_in_by(staff.app, asserted()).by == staff.actor(EVA)
