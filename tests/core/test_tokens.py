"""Tokens: shown once, in one person's name, and worth nothing when they or their person end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import select, update

from maild.core.accounts import add_account
from maild.core.app import OPERATOR, Actor, App
from maild.core.inboxes import NewInbox, add_inbox
from maild.core.people import NewUser, add_communal_user, add_user, set_active
from maild.core.tokens import (
    PREFIX,
    list_tokens,
    look_up,
    make_token,
    revoke_token,
    user_of_token,
)
from maild.model.people import InboxKind
from maild.model.reason import Reason, RefusedError
from maild.model.scope import Scope
from maild.store.login_tables import tokens
from maild.store.metadata import metadata
from maild.store.people_tables import logins
from tests.core.conftest import Frozen
from tests.core.staff import EVA, JAN, Staff, some_staff


@pytest.fixture
def staff(app: App) -> Staff:
    return some_staff(app)


def refusal(act: Callable[[], object]) -> Reason:
    with pytest.raises(RefusedError) as refused:
        act()
    return refused.value.reason


def test_a_token_acts_in_its_persons_name(staff: Staff) -> None:
    made = make_token(staff.app, EVA, "backup", by=staff.actor(EVA))
    bearer = look_up(staff.app, made.secret)
    assert bearer is not None
    assert bearer.by == Actor(staff.actor(EVA).user_id, is_program=True)


def test_a_token_says_what_it_is_and_is_not_to_be_guessed(staff: Staff) -> None:
    secrets = {make_token(staff.app, EVA, "x", by=OPERATOR).secret for _ in range(3)}
    assert len(secrets) == 3
    assert all(secret.startswith(PREFIX) and len(secret) > 40 for secret in secrets)


def test_T16_a_tokens_secret_is_nowhere_in_the_database(
    staff: Staff, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    made = make_token(staff.app, EVA, "x", by=OPERATOR)
    look_up(staff.app, made.secret)
    assert staff.where(made.secret.removeprefix(PREFIX)) == []
    assert made.secret not in caplog.text
    assert made.secret not in repr(list_tokens(staff.app, EVA, by=OPERATOR))


def test_a_token_narrowed_to_an_account_opens_that_one_alone(staff: Staff) -> None:
    made = make_token(staff.app, EVA, "x", account="acme", by=staff.actor(EVA))
    bearer = look_up(staff.app, made.secret)
    with staff.app.store.read() as tx:
        account = tx.people.account("acme")
    assert bearer is not None
    assert account is not None
    assert bearer.by == Actor(staff.actor(EVA).user_id, account.id, is_program=True)


def test_who_is_narrowed_to_an_account_makes_no_wider_token(staff: Staff) -> None:
    narrow = look_up(staff.app, make_token(staff.app, EVA, "x", account="acme", by=OPERATOR).secret)
    assert narrow is not None
    made = make_token(staff.app, EVA, "y", by=narrow.by)
    assert made.token.account == "acme"


def test_a_token_for_an_account_that_the_person_is_not_in_is_refused(staff: Staff) -> None:
    add_account(staff.app, slug="globex", name="Globex", by=OPERATOR)
    assert (
        refusal(lambda: make_token(staff.app, EVA, "x", account="globex", by=OPERATOR))
        is Reason.NOT_ALLOWED
    )
    assert (
        refusal(lambda: make_token(staff.app, EVA, "x", account="globex", by=staff.actor(EVA)))
        is Reason.NOT_FOUND
    )


def test_the_operators_token_is_nobodys_and_opens_all(staff: Staff) -> None:
    made = make_token(staff.app, None, "backup", by=OPERATOR)
    bearer = look_up(staff.app, made.secret)
    assert bearer is not None
    assert bearer.by.is_operator


def test_nobody_but_the_operator_makes_an_operators_token(staff: Staff) -> None:
    assert (
        refusal(lambda: make_token(staff.app, None, "x", by=staff.actor(EVA))) is Reason.NOT_ALLOWED
    )


def test_an_admin_makes_no_token_in_somebody_elses_name(staff: Staff) -> None:
    assert (
        refusal(lambda: make_token(staff.app, JAN, "x", by=staff.actor(EVA))) is Reason.NOT_ALLOWED
    )


def test_M9_nobody_acts_in_a_communal_users_name(staff: Staff) -> None:
    new = NewInbox(address="info@acme.example", kind=InboxKind.SHARED, owner=EVA)
    add_inbox(staff.app, new, by=OPERATOR)
    add_communal_user(staff.app, inbox="info@acme.example", name="Info", by=OPERATOR)
    assert (
        refusal(lambda: make_token(staff.app, "info@acme.example", "x", by=OPERATOR))
        is Reason.NOT_ALLOWED
    )


@pytest.mark.parametrize("secret", ["", PREFIX, f"{PREFIX}x", "x", "\0", "\ud800", PREFIX * 9999])
def test_what_is_no_token_opens_nothing(staff: Staff, secret: str) -> None:
    assert look_up(staff.app, secret) is None


def test_a_revoked_token_opens_nothing_and_stays_in_the_list(staff: Staff) -> None:
    made = make_token(staff.app, EVA, "x", by=OPERATOR)
    revoke_token(staff.app, made.token.id, by=staff.actor(EVA))
    revoke_token(staff.app, made.token.id, by=staff.actor(EVA))
    assert look_up(staff.app, made.secret) is None
    assert [one.active for one in list_tokens(staff.app, EVA, by=OPERATOR)] == [False]


def test_a_token_ends_when_its_time_is_over(staff: Staff, clock: Frozen) -> None:
    made = make_token(staff.app, EVA, "x", lives=timedelta(days=1), by=OPERATOR)
    clock.advance(timedelta(days=1, seconds=-1))
    assert look_up(staff.app, made.secret) is not None
    clock.advance(timedelta(seconds=1))
    assert look_up(staff.app, made.secret) is None


def test_a_disabled_persons_token_rests_until_they_are_back(staff: Staff) -> None:
    made = make_token(staff.app, JAN, "x", by=OPERATOR)
    set_active(staff.app, JAN, active=False, by=OPERATOR)
    assert look_up(staff.app, made.secret) is None
    set_active(staff.app, JAN, active=True, by=OPERATOR)
    assert look_up(staff.app, made.secret) is not None


def test_U11_a_suspended_persons_token_opens_nothing(staff: Staff) -> None:
    made = make_token(staff.app, EVA, "x", by=OPERATOR)
    with staff.app.store.write() as tx:
        tx.connection.execute(update(logins).values(suspended_at=staff.app.clock()))
    assert look_up(staff.app, made.secret) is None


def test_a_token_says_when_it_was_used_last(staff: Staff, clock: Frozen) -> None:
    made = make_token(staff.app, EVA, "x", by=OPERATOR)
    clock.advance(timedelta(hours=1))
    look_up(staff.app, made.secret)
    [listed] = list_tokens(staff.app, EVA, by=OPERATOR)
    assert listed.last_used_at == clock()


def test_R15_a_token_of_another_company_is_revoked_as_one_that_is_not_there(staff: Staff) -> None:
    add_account(staff.app, slug="globex", name="Globex", by=OPERATOR)
    new = NewUser(email="max@globex.example", name="Max", password="long enough")
    add_user(staff.app, new, account="globex", by=OPERATOR)
    made = make_token(staff.app, "max@globex.example", "x", by=OPERATOR)
    told = []
    for token_id in (made.token.id, "01ARZ3NDEKTSV4RRFFQ69G5FAV"):
        with pytest.raises(RefusedError) as refused:
            revoke_token(staff.app, token_id, by=staff.actor(EVA))
        told.append(str(refused.value).replace(token_id, "ID"))
    assert told[0] == told[1]
    assert look_up(staff.app, made.secret) is not None


def test_an_admin_ends_a_colleagues_token_but_a_member_does_not(staff: Staff) -> None:
    made = make_token(staff.app, EVA, "x", by=OPERATOR)
    other = make_token(staff.app, JAN, "x", by=OPERATOR)
    assert (
        refusal(lambda: revoke_token(staff.app, made.token.id, by=staff.actor(JAN)))
        is Reason.NOT_FOUND
    )
    assert not revoke_token(staff.app, other.token.id, by=staff.actor(EVA)).active


def test_everybodys_tokens_are_the_operators_to_see(staff: Staff) -> None:
    make_token(staff.app, EVA, "x", by=OPERATOR)
    make_token(staff.app, None, "y", by=OPERATOR)
    assert [one.email for one in list_tokens(staff.app, by=OPERATOR)] == [None, EVA]
    assert refusal(lambda: list_tokens(staff.app, by=staff.actor(EVA))) is Reason.NOT_ALLOWED
    assert refusal(lambda: list_tokens(staff.app, EVA, by=staff.actor(JAN))) is Reason.NOT_ALLOWED


def test_what_was_made_and_ended_stands_in_the_events_without_the_secret(staff: Staff) -> None:
    made = make_token(staff.app, EVA, "x", by=OPERATOR)
    revoke_token(staff.app, made.token.id, by=OPERATOR)
    events = metadata.tables["events"]
    with staff.app.store.read() as tx:
        rows = tx.connection.execute(
            select(events.c.kind, events.c.subject).where(events.c.kind.like("token.%"))
        ).all()
    assert [row.kind for row in rows] == ["token.made", "token.revoked"]
    assert all(row.subject["token"] == made.token.id for row in rows)


def test_the_table_of_tokens_holds_a_digest(staff: Staff) -> None:
    make_token(staff.app, EVA, "x", by=OPERATOR)
    with staff.app.store.read() as tx:
        digest = tx.connection.execute(select(tokens.c.digest)).scalar_one()
    assert len(digest) == 64


class TestWhatATokenMakes:
    """Who stole a token and made others with it has nothing when it is revoked."""

    def test_U10_what_a_token_made_ends_with_it(self, staff: Staff) -> None:
        stolen = make_token(staff.app, EVA, "stolen", by=OPERATOR)
        others = (
            made_by(staff, stolen.secret),
            make_token(staff.app, EVA, "own", by=OPERATOR).secret,
        )
        grandchild = made_by(staff, others[0])
        revoke_token(staff.app, stolen.token.id, by=staff.actor(EVA))
        alive = [look_up(staff.app, one) is not None for one in (*others, grandchild)]
        assert alive == [False, True, False]

    def test_U10_a_token_that_is_ended_meanwhile_makes_none(self, staff: Staff) -> None:
        stolen = make_token(staff.app, EVA, "stolen", by=OPERATOR)
        maker = look_up(staff.app, stolen.secret)
        revoke_token(staff.app, stolen.token.id, by=staff.actor(EVA))
        act = partial(make_token, staff.app, EVA, "child", maker=maker, by=staff.actor(EVA))
        assert refusal(act) is Reason.TOKEN_REFUSED

    def test_U10_a_token_for_reading_makes_none_that_writes(self, staff: Staff) -> None:
        made = make_token(staff.app, EVA, "report", scope=Scope.READ, by=OPERATOR)
        child = look_up(staff.app, made_by(staff, made.secret))
        assert child is not None
        assert child.by.only_reads

    def test_U10_a_token_for_reading_sends_no_mail(self, staff: Staff) -> None:
        reads, writes = (
            make_token(staff.app, EVA, "x", scope=scope, by=OPERATOR).secret
            for scope in (Scope.READ, Scope.WRITE)
        )
        assert user_of_token(staff.app, reads) is None
        assert user_of_token(staff.app, writes) == staff.actor(EVA).user_id


def made_by(staff: Staff, secret: str) -> str:
    """Make a token with another one."""
    maker = look_up(staff.app, secret)
    assert maker is not None
    return make_token(staff.app, EVA, "child", maker=maker, by=maker.by).secret
