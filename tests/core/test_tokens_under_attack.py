"""Tokens while others change what they hang on, and those who make too many."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import update

from maild.core import tokens as under_test
from maild.core.accounts import set_account
from maild.core.app import OPERATOR, App
from maild.core.logins import add_own_login
from maild.core.tokens import list_tokens, look_up, make_token
from maild.model.reason import Reason, RefusedError
from maild.store.people_tables import addresses
from tests.core.conftest import Frozen
from tests.core.staff import EVA, JAN, Staff, some_staff

PASSWORD = "A password of good length"


@pytest.fixture
def staff(app: App) -> Staff:
    return some_staff(app)


def test_U11_who_makes_a_token_amid_a_change_of_addresses_makes_none(staff: Staff) -> None:
    """The change has ended the tokens that there were; one that comes behind it would be somebody else's."""
    by, jan = staff.actor(EVA), staff.actor(JAN).user_id
    eva = by.user_id
    assert eva is not None
    with ThreadPoolExecutor(1) as pool:
        with staff.app.store.write() as tx:
            tx.people.hold_user(eva)
            tx.tokens.revoke_of(eva, staff.app.clock())
            making = pool.submit(make_token, staff.app, EVA, "x", by=by)
            with pytest.raises(TimeoutError):
                making.result(0.5)
            tx.connection.execute(
                update(addresses).where(addresses.c.norm == EVA).values(user_id=jan, kind="alias")
            )
        with pytest.raises(RefusedError) as refused:
            making.result(30)
    assert refused.value.reason in {Reason.CONFLICT, Reason.NOT_ALLOWED}
    with staff.app.store.write() as tx:
        assert tx.tokens.count_living(eva, staff.app.clock()) == 0
        tx.connection.execute(
            update(addresses).where(addresses.c.norm == EVA).values(user_id=eva, kind="primary")
        )


def test_one_person_has_so_many_living_tokens_and_no_more(
    staff: Staff, clock: Frozen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(under_test, "LIVING_MAX", 2)
    make_token(staff.app, EVA, "x", lives=timedelta(days=1), by=OPERATOR)
    make_token(staff.app, EVA, "y", by=OPERATOR)
    with pytest.raises(RefusedError) as refused:
        make_token(staff.app, EVA, "z", by=staff.actor(EVA))
    assert refused.value.reason is Reason.CONFLICT
    assert "maild token revoke ID" in refused.value.actions
    make_token(staff.app, JAN, "x", by=OPERATOR)
    clock.advance(timedelta(days=2))
    make_token(staff.app, EVA, "z", by=OPERATOR)


@pytest.mark.parametrize("days", [-1, 0, 36501, 999_999_999])
def test_a_life_that_no_token_has_is_refused(staff: Staff, days: int) -> None:
    with pytest.raises(RefusedError) as refused:
        make_token(staff.app, EVA, "x", lives=timedelta(days=days), by=OPERATOR)
    assert refused.value.reason is Reason.INVALID_VALUE


def test_everybodys_tokens_are_the_living_ones(staff: Staff, clock: Frozen) -> None:
    make_token(staff.app, EVA, "x", lives=timedelta(days=1), by=OPERATOR)
    make_token(staff.app, None, "y", by=OPERATOR)
    clock.advance(timedelta(days=2))
    assert [one.name for one in list_tokens(staff.app, by=OPERATOR)] == ["y"]


def test_of_a_persons_tokens_the_newest_are_listed_in_their_order(
    staff: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(under_test, "LISTED_MAX", 2)
    for name in "xyz":
        make_token(staff.app, EVA, name, by=OPERATOR)
    assert [one.name for one in list_tokens(staff.app, EVA, by=OPERATOR)] == ["y", "z"]


def test_U9_a_token_for_an_account_that_asks_for_its_own_login_waits_for_that_login(
    staff: Staff,
) -> None:
    made = make_token(staff.app, EVA, "x", account="acme", by=OPERATOR)
    set_account(staff.app, "acme", {"own_login_required": "yes"}, by=OPERATOR)
    assert look_up(staff.app, made.secret) is None
    add_own_login(staff.app, EVA, "eva-at-acme", PASSWORD, account="acme", by=OPERATOR)
    assert look_up(staff.app, made.secret) is not None
