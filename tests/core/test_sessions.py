"""Sessions: who is signed in, for how long, what ends them, and the terms that come first (U9, U10)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from maild.core.accounts import add_account, set_account
from maild.core.app import OPERATOR, App
from maild.core.doctor import examine
from maild.core.joining import MemberView, answer_invitation, invite, list_members
from maild.core.logins import add_own_login, show_logins
from maild.core.people import NewUser, add_user, set_active, set_password
from maild.core.seal import SealingKey
from maild.core.sessions import (
    IDLE,
    LONGEST,
    begin_session,
    end_session,
    end_sessions,
    list_sessions,
    look,
)
from maild.core.signing_in import SignedIn, check_submission
from maild.core.tickets import Purpose, Ticket, opened_ticket, sealed_ticket
from maild.core.tokens import look_up, make_token, revoke_token
from maild.model.people import Role
from maild.model.reason import Reason, RefusedError
from maild.settings import TermsSettings
from tests.core.conftest import Frozen
from tests.core.staff import EVA, JAN, PASSWORD, PEER, Staff, some_staff


@pytest.fixture
def staff(app: App) -> Staff:
    return some_staff(app)


def signed_in(staff: Staff, email: str = EVA) -> SignedIn:
    """Sign in without the work of a password, which other tests are about."""
    with staff.app.store.read() as tx:
        login = tx.logins.general(staff.actor(email).user_id or 0)
    assert login is not None
    return SignedIn(user_id=login.user_id, login_id=login.id)


def begin(staff: Staff, email: str = EVA) -> str:
    """Begin a session; return its secret."""
    return begin_session(staff.app, signed_in(staff, email), peer=PEER, agent="Firefox").secret


def refusal(act: Callable[[], object]) -> Reason:
    with pytest.raises(RefusedError) as refused:
        act()
    return refused.value.reason


@pytest.mark.parametrize("purpose", Purpose)
def test_U11_a_ticket_ends_with_the_session_or_the_token_by_which_it_was_made(
    staff: Staff, purpose: Purpose
) -> None:
    app = replace(staff.app, key=SealingKey.of("0123456789abcdef" * 3))
    secret = begin(staff)
    token = make_token(app, EVA, "x", by=OPERATOR)
    seen, bearer = look(app, secret), look_up(app, token.secret)
    assert seen is not None
    assert bearer is not None
    for by, end in (
        (seen.by, lambda: end_session(app, secret)),
        (bearer.by, lambda: revoke_token(app, token.token.id, by=OPERATOR)),
    ):
        sealed, _ = sealed_ticket(app, purpose, "A", Ticket(by=by))
        assert opened_ticket(app, purpose, "A", sealed).by == by
        end()
        with pytest.raises(RefusedError) as refused:
            opened_ticket(app, purpose, "A", sealed)
        assert refused.value.reason is Reason.TICKET_REFUSED


def test_U10_a_session_says_who_it_is(staff: Staff) -> None:
    seen = look(staff.app, begin(staff))
    assert seen is not None
    assert seen.by == staff.actor(EVA)


@pytest.mark.parametrize("secret", ["", "x", "\0", "\ud800", "x" * 100_000])
def test_what_is_no_session_is_nobodys(staff: Staff, secret: str) -> None:
    begin(staff)
    assert look(staff.app, secret) is None


def test_T16_a_sessions_secret_is_nowhere_in_the_database_and_no_log(
    staff: Staff, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = begin(staff)
    look(staff.app, secret)
    assert staff.where(secret) == []
    assert secret not in caplog.text


def test_U10_a_session_lives_while_it_is_used(staff: Staff, clock: Frozen) -> None:
    secret = begin(staff)
    for _ in range(4):
        clock.advance(IDLE - timedelta(hours=1))
        assert look(staff.app, secret) is not None


def test_U10_a_session_that_rests_ends(staff: Staff, clock: Frozen) -> None:
    secret = begin(staff)
    clock.advance(IDLE)
    assert look(staff.app, secret) is None


def test_U10_no_session_lives_for_ever(staff: Staff, clock: Frozen) -> None:
    secret = begin(staff)
    for _ in range(9):
        clock.advance(LONGEST / 9 - timedelta(minutes=2))
        assert look(staff.app, secret) is not None
    clock.advance(timedelta(minutes=18))
    assert look(staff.app, secret) is None


def test_U10_signing_out_ends_this_session_alone(staff: Staff) -> None:
    one, other = begin(staff), begin(staff)
    end_session(staff.app, one)
    end_session(staff.app, one)
    assert look(staff.app, one) is None
    assert look(staff.app, other) is not None


def test_U10_a_changed_password_ends_every_session_of_its_person_alone(staff: Staff) -> None:
    evas, jans = begin(staff), begin(staff, JAN)
    set_password(staff.app, EVA, "another horse battery", by=OPERATOR)
    assert look(staff.app, evas) is None
    assert look(staff.app, jans) is not None


def test_U10_disabling_ends_sessions_for_good(staff: Staff) -> None:
    secret = begin(staff, JAN)
    set_active(staff.app, JAN, active=False, by=OPERATOR)
    assert look(staff.app, secret) is None
    set_active(staff.app, JAN, active=True, by=OPERATOR)
    assert look(staff.app, secret) is None


def test_U11_a_suspended_logins_session_is_nobodys(staff: Staff) -> None:
    secret = begin(staff)
    with staff.suspended():
        assert look(staff.app, secret) is None


def test_U11_the_doctor_finds_who_is_signed_in_with_a_login_that_is_shut(staff: Staff) -> None:
    begin(staff)
    with staff.suspended():
        [found] = examine(staff.app).broken
    assert "nobody is signed in" in found.check


def test_T20_a_login_that_changed_hands_while_its_owner_signed_in_opens_nothing(
    staff: Staff,
) -> None:
    found = signed_in(staff)
    stale = replace(found, user_id=found.user_id + 1)
    assert refusal(lambda: begin_session(staff.app, stale, peer=PEER)) is Reason.SIGN_IN_REFUSED


def test_a_token_opens_no_session(staff: Staff) -> None:
    by_token = replace(signed_in(staff), login_id=None)
    assert refusal(lambda: begin_session(staff.app, by_token, peer=PEER)) is Reason.NOT_ALLOWED


# -- seeing and ending -----------------------------------------------------------------------------------------------


def test_a_person_sees_where_they_are_signed_in_and_ends_one(staff: Staff) -> None:
    one = begin(staff)
    begin(staff)
    by = staff.actor(EVA)
    listed = list_sessions(staff.app, EVA, by=by)
    assert [(row.peer, row.agent) for row in listed] == [(PEER, "Firefox")] * 2
    end_sessions(staff.app, EVA, listed[1].id, by=by)
    assert look(staff.app, one) is None
    assert len(list_sessions(staff.app, EVA, by=by)) == 1


def test_an_operator_signs_a_person_out_everywhere(staff: Staff) -> None:
    secrets = [begin(staff), begin(staff)]
    assert len(end_sessions(staff.app, EVA, by=OPERATOR)) == 2
    assert [look(staff.app, secret) for secret in secrets] == [None, None]


def test_a_member_neither_sees_nor_ends_a_colleagues_sessions(staff: Staff) -> None:
    secret = begin(staff)
    jan = staff.actor(JAN)
    assert refusal(lambda: list_sessions(staff.app, EVA, by=jan)) is Reason.NOT_ALLOWED
    assert refusal(lambda: end_sessions(staff.app, EVA, by=jan)) is Reason.NOT_ALLOWED
    assert look(staff.app, secret) is not None


def test_another_persons_session_is_ended_as_one_that_is_not_there(staff: Staff) -> None:
    secret = begin(staff, JAN)
    [jans] = list_sessions(staff.app, JAN, by=OPERATOR)
    eva = staff.actor(EVA)
    assert refusal(lambda: end_sessions(staff.app, EVA, jans.id, by=eva)) is Reason.NOT_FOUND
    assert look(staff.app, secret) is not None


# -- terms of service ------------------------------------------------------------------------------------------------


def with_terms(staff: Staff, version: str = "2026-11") -> App:
    terms = TermsSettings(version=version, url="https://acme.example/terms")
    return replace(staff.app, terms=terms)


def test_U10_the_terms_come_before_the_session(staff: Staff) -> None:
    app = with_terms(staff)
    with pytest.raises(RefusedError) as refused:
        begin_session(app, signed_in(staff), peer=PEER)
    assert refused.value.reason is Reason.TERMS_NEEDED
    assert "https://acme.example/terms" in str(refused.value)


def test_U10_accepting_the_terms_is_kept_with_version_and_time(staff: Staff) -> None:
    app = with_terms(staff)
    begin_session(app, signed_in(staff), peer=PEER, accepts_terms="2026-11")
    [login] = show_logins(app, EVA, by=OPERATOR)
    assert (login.terms_version, login.terms_at) == ("2026-11", app.clock())
    assert begin_session(app, signed_in(staff), peer=PEER).secret


def test_U10_new_terms_are_asked_for_again_and_old_ones_do_not_do(staff: Staff) -> None:
    begin_session(with_terms(staff), signed_in(staff), peer=PEER, accepts_terms="2026-11")
    newer = with_terms(staff, "2027-01")
    old = {"peer": PEER, "accepts_terms": "2026-11"}
    assert refusal(lambda: begin_session(newer, signed_in(staff), **old)) is Reason.TERMS_NEEDED


# -- an account's own login ------------------------------------------------------------------------------------------


@pytest.fixture
def globex(staff: Staff) -> Staff:
    """Eva is invited to another company, which asks for a login of its own."""
    add_account(staff.app, slug="globex", name="Globex", by=OPERATOR)
    set_account(staff.app, "globex", {"own_login_required": "true"}, by=OPERATOR)
    new = NewUser(email="max@globex.example", name="Max", role=Role.ADMIN)
    add_user(staff.app, new, account="globex", by=OPERATOR)
    invite(staff.app, EVA, role=Role.MEMBER, account="globex", by=OPERATOR)
    return staff


def own_login(staff: Staff, username: str = "eva-at-globex") -> None:
    add_own_login(
        staff.app, EVA, username, "a second password", account="globex", by=staff.actor(EVA)
    )


def test_U9_an_accounts_own_login_opens_that_account_alone(globex: Staff) -> None:
    own_login(globex)
    found = globex.sign_in("eva-at-globex", "a second password")
    seen = look(globex.app, begin_session(globex.app, found, peer=PEER).secret)
    with globex.app.store.read() as tx:
        account = tx.people.account("globex")
    assert seen is not None
    assert account is not None
    assert (seen.by.user_id, seen.by.account_id) == (globex.actor(EVA).user_id, account.id)


def test_U9_the_address_opens_the_general_login_never_an_accounts_own(globex: Staff) -> None:
    own_login(globex)
    assert globex.refusal(EVA, "a second password") is Reason.SIGN_IN_REFUSED
    assert globex.sign_in(EVA, PASSWORD).account_id is None


@pytest.fixture
def joined(globex: Staff) -> Staff:
    """Eva works in that other company."""
    own_login(globex)
    [membership] = [one for one in list_invitations(globex) if one.email == EVA]
    answer_invitation(globex.app, membership.id, accept=True, by=globex.actor(EVA))
    return globex


def list_invitations(staff: Staff) -> list[MemberView]:
    return list(list_members(staff.app, account="globex", by=OPERATOR))


def test_U9_the_general_login_does_not_open_an_account_that_asks_for_its_own(
    joined: Staff,
) -> None:
    seen = look(joined.app, begin(joined))
    assert seen is not None
    assert (
        refusal(lambda: list_members(joined.app, account="globex", by=seen.by)) is Reason.NOT_FOUND
    )
    assert list_members(joined.app, account="acme", by=seen.by)


def test_U9_its_own_login_opens_it(joined: Staff) -> None:
    found = joined.sign_in("eva-at-globex", "a second password")
    seen = look(joined.app, begin_session(joined.app, found, peer=PEER).secret)
    assert seen is not None
    assert list_members(joined.app, account="globex", by=seen.by)
    assert refusal(lambda: list_members(joined.app, account="acme", by=seen.by)) is Reason.NOT_FOUND


def test_U9_neither_does_a_token_for_all_of_a_persons_accounts(joined: Staff) -> None:
    bearer = look_up(joined.app, make_token(joined.app, EVA, "x", by=OPERATOR).secret)
    assert bearer is not None
    act = lambda: list_members(joined.app, account="globex", by=bearer.by)  # noqa: E731 - it is the one act
    assert refusal(act) is Reason.NOT_FOUND
    narrow = lambda: make_token(joined.app, EVA, "y", account="globex", by=bearer.by)  # noqa: E731 - and the other
    assert refusal(narrow) is Reason.NOT_FOUND


def test_U9_an_accounts_own_login_submits_no_mail(globex: Staff) -> None:
    own_login(globex)
    act = lambda: check_submission(globex.app, "eva-at-globex", "a second password", peer=PEER)  # noqa: E731 - it is the one act
    assert refusal(act) is Reason.SIGN_IN_REFUSED


@pytest.mark.parametrize(
    ("username", "reason"),
    [
        ("jan", Reason.USERNAME_IN_USE),
        ("EVA", Reason.USERNAME_IN_USE),
        (EVA, Reason.INVALID_VALUE),
        ("", Reason.INVALID_VALUE),
    ],
)
def test_U8_the_second_user_name_is_nobodys_and_no_address(
    globex: Staff, username: str, reason: Reason
) -> None:
    assert refusal(lambda: own_login(globex, username)) is reason


def test_U9_an_own_address_as_second_user_name_is_refused_with_what_it_is(globex: Staff) -> None:
    with pytest.raises(RefusedError, match="addresses open the general login"):
        own_login(globex, EVA)


def test_U9_there_is_one_own_login_for_an_account(globex: Staff) -> None:
    own_login(globex)
    assert refusal(lambda: own_login(globex, "another")) is Reason.ALREADY_EXISTS


def test_U9_an_account_that_asks_for_none_gets_none(staff: Staff) -> None:
    act = lambda: add_own_login(  # noqa: E731 - it is the one act of this test
        staff.app, EVA, "second", "a second password", account="acme", by=staff.actor(EVA)
    )
    assert refusal(act) is Reason.CONFLICT


def test_R15_an_account_that_the_person_is_not_in_is_not_there(globex: Staff) -> None:
    told = []
    for slug in ("globex", "nowhere"):
        with pytest.raises(RefusedError) as refused:
            add_own_login(globex.app, JAN, "j", "long enough", account=slug, by=globex.actor(JAN))
        told.append(str(refused.value).replace(slug, "SLUG"))
    assert told[0] == told[1]


def test_U9_whoever_came_by_an_accounts_own_login_sees_its_sessions_alone(globex: Staff) -> None:
    own_login(globex)
    found = globex.sign_in("eva-at-globex", "a second password")
    begin_session(globex.app, found, peer=PEER)
    begin(globex)
    assert [row.account for row in list_sessions(globex.app, EVA, by=OPERATOR)].count(None) == 1
    assert len(list_sessions(globex.app, EVA, by=OPERATOR)) == 2
