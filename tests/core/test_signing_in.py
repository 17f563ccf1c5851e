"""Signing in: by which names, what is told to whom, and how often (U8, U10, T23)."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select, update

from maild.core.addresses import add_address
from maild.core.app import OPERATOR, App
from maild.core.passwords import is_password
from maild.core.people import set_active, set_user
from maild.core.signing_in import (
    MOST_OF_NAME,
    MOST_OF_PAIR,
    MOST_OF_PEER,
    WINDOW,
    _begin,
    _tries_of,
    check_submission,
)
from maild.core.tokens import make_token
from maild.model.reason import Reason, RefusedError
from maild.store.login_tables import throttles
from maild.store.people_tables import logins
from tests.core.conftest import Frozen
from tests.core.staff import EVA, JAN, PASSWORD, PEER, Staff, some_staff


@pytest.fixture
def staff(app: App) -> Staff:
    return some_staff(app)


def user_id(staff: Staff, email: str) -> int | None:
    return staff.actor(email).user_id


def test_U10_a_user_name_signs_in(staff: Staff) -> None:
    assert staff.sign_in("eva").user_id == user_id(staff, EVA)


def test_U10_a_verified_address_signs_in(staff: Staff) -> None:
    add_address(staff.app, EVA, "e.moser@acme.example", sends_as=False, confirm=True, by=OPERATOR)
    assert staff.sign_in("e.moser@acme.example").user_id == user_id(staff, EVA)


def test_U10_an_address_that_is_not_verified_does_not_sign_in(staff: Staff) -> None:
    add_address(staff.app, EVA, "e.moser@acme.example", sends_as=False, confirm=False, by=OPERATOR)
    assert staff.refusal("e.moser@acme.example") is Reason.SIGN_IN_REFUSED


@pytest.mark.parametrize("name", ["EVA", "  eva ", "Eva@ACME.example", "EVA@acme.EXAMPLE "])
def test_U2_a_name_is_the_same_in_any_case(staff: Staff, name: str) -> None:
    assert staff.sign_in(name).user_id == user_id(staff, EVA)


def test_U8_who_changes_the_user_name_still_signs_in_by_the_address(staff: Staff) -> None:
    set_user(staff.app, EVA, {"username": "moser"}, by=OPERATOR)
    assert staff.sign_in(EVA).user_id == user_id(staff, EVA)
    assert staff.refusal("eva") is Reason.SIGN_IN_REFUSED


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("eva", "not the password"),
        ("eva", ""),
        ("eva", PASSWORD + " "),
        ("eva", "\ud800"),
        ("eva", "x" * 100_000),
        ("nobody", PASSWORD),
        ("nobody@acme.example", PASSWORD),
        ("", PASSWORD),
        ("\0", PASSWORD),
        ("\ud800", PASSWORD),
        ("a@b@c", PASSWORD),
        ("e" * 100_000, PASSWORD),
    ],
)
def test_T23_whatever_is_wrong_hears_one_sentence(staff: Staff, name: str, password: str) -> None:
    assert staff.refusal(name, password) is Reason.SIGN_IN_REFUSED


def test_T23_a_disabled_user_hears_what_a_stranger_hears(staff: Staff) -> None:
    set_active(staff.app, JAN, active=False, by=OPERATOR)
    assert staff.refusal("jan") is Reason.SIGN_IN_REFUSED


def test_U10_a_login_without_a_password_opens_for_nobody(staff: Staff) -> None:
    with staff.app.store.write() as tx:
        tx.connection.execute(update(logins).values(password_hash=None))
    assert staff.refusal("eva", "nobody has this password") is Reason.SIGN_IN_REFUSED


def test_U11_a_suspended_login_says_to_sign_up_only_to_who_has_the_password(staff: Staff) -> None:
    with staff.app.store.write() as tx:
        tx.connection.execute(update(logins).values(suspended_at=staff.app.clock()))
    assert staff.refusal("eva", "not the password") is Reason.SIGN_IN_REFUSED
    assert staff.refusal("eva") is Reason.SIGN_UP_REQUIRED


def test_U8_a_name_that_is_one_persons_user_name_and_anothers_address_is_nobodys(
    staff: Staff,
) -> None:
    with staff.app.store.write() as tx:
        # What no command makes, and an old mistake in the data may.
        tx.connection.execute(update(logins).where(logins.c.username == "eva").values(username=JAN))
    assert staff.refusal(JAN) is Reason.SIGN_IN_REFUSED
    with staff.app.store.write() as tx:
        tx.connection.execute(update(logins).where(logins.c.username == JAN).values(username="eva"))


@pytest.mark.parametrize(
    ("name", "password"),
    [("eva", "wrong"), ("nobody", PASSWORD), ("\0", "x"), ("eva", "x" * 5000), ("jan", PASSWORD)],
)
def test_T23_every_refusal_costs_one_hash_so_that_its_time_tells_nothing(
    staff: Staff, monkeypatch: pytest.MonkeyPatch, name: str, password: str
) -> None:
    set_active(staff.app, JAN, active=False, by=OPERATOR)
    is_password(None, "whose first call makes the hash that stands in for one")
    made: list[str] = []
    real = PasswordHasher.verify

    def counted(hasher: PasswordHasher, kept: str, typed: str) -> bool:
        made.append(kept)
        return real(hasher, kept, typed)

    monkeypatch.setattr(PasswordHasher, "verify", counted)
    assert staff.refusal(name, password) is Reason.SIGN_IN_REFUSED
    assert len(made) == 1
    assert not PasswordHasher().check_needs_rehash(made[0])


def test_U10_a_hash_of_another_cost_is_made_anew_when_its_owner_signs_in(staff: Staff) -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    with staff.app.store.write() as tx:
        tx.connection.execute(update(logins).values(password_hash=weak))
    staff.sign_in("eva")
    with staff.app.store.read() as tx:
        now = tx.logins.named("eva")
    assert now is not None
    assert now.password_hash is not None
    assert not PasswordHasher().check_needs_rehash(now.password_hash)
    staff.sign_in("eva")


# -- tries -----------------------------------------------------------------------------------------------------------


def spend(staff: Staff, count: int, name: str = "eva", peer: str = PEER) -> None:
    """Count tries as wrong ones do, without their work."""
    for _ in range(count):
        with contextlib.suppress(RefusedError):
            _begin(staff.app, name, _tries_of(name, peer))


def test_T23_who_guesses_is_stopped_and_the_right_password_does_not_help(staff: Staff) -> None:
    spend(staff, MOST_OF_PAIR - 1)
    assert staff.refusal("eva", "wrong") is Reason.SIGN_IN_REFUSED
    assert staff.refusal("eva") is Reason.TOO_MANY_TRIES


def test_T23_a_name_that_does_not_exist_is_stopped_alike(staff: Staff) -> None:
    spend(staff, MOST_OF_PAIR, "nobody")
    assert staff.refusal("nobody") is Reason.TOO_MANY_TRIES


def test_T23_who_guesses_does_not_shut_the_owner_out_who_comes_from_elsewhere(
    staff: Staff,
) -> None:
    spend(staff, MOST_OF_NAME + MOST_OF_PAIR)
    assert staff.sign_in("eva", peer="198.51.100.1").user_id == user_id(staff, EVA)


def test_T23_guesses_at_the_same_time_all_count(staff: Staff) -> None:
    with ThreadPoolExecutor(6) as peers:
        told = list(peers.map(lambda _: staff.refusal("eva", "wrong"), range(MOST_OF_PAIR + 4)))
    assert told.count(Reason.SIGN_IN_REFUSED) == MOST_OF_PAIR
    assert told.count(Reason.TOO_MANY_TRIES) == 4


def test_T23_it_heals_by_itself(staff: Staff, clock: Frozen) -> None:
    spend(staff, MOST_OF_PAIR)
    assert staff.refusal("eva") is Reason.TOO_MANY_TRIES
    clock.advance(WINDOW + timedelta(seconds=1))
    assert staff.sign_in("eva").user_id == user_id(staff, EVA)


def test_T23_a_name_guessed_from_many_places_is_stopped(staff: Staff) -> None:
    for number in range(MOST_OF_NAME):
        spend(staff, 1, peer=f"192.0.2.{number}")
    assert staff.refusal("eva", peer="198.51.100.1") is Reason.TOO_MANY_TRIES


def test_T23_a_peer_that_tries_many_names_is_stopped(staff: Staff) -> None:
    for number in range(MOST_OF_PEER):
        spend(staff, 1, f"name{number}")
    assert staff.refusal("eva") is Reason.TOO_MANY_TRIES


def test_T23_one_network_of_ipv6_is_one_peer(staff: Staff) -> None:
    for number in range(MOST_OF_PAIR):
        spend(staff, 1, peer=f"2001:db8::{number:x}")
    assert staff.refusal("eva", peer="2001:db8::ffff") is Reason.TOO_MANY_TRIES
    assert staff.sign_in("eva", peer="2001:db8:0:1::1").user_id == user_id(staff, EVA)


def test_T23_signing_in_rightly_spends_nothing(staff: Staff) -> None:
    for _ in range(MOST_OF_PAIR + 2):
        staff.sign_in("eva")
    with staff.app.store.read() as tx:
        counts = set(tx.connection.execute(select(throttles.c.count)).scalars())
    assert counts <= {0}


def test_T16_what_was_typed_as_a_name_is_not_kept(staff: Staff) -> None:
    staff.refusal("hunter2-typed-into-the-wrong-field", "x")
    with staff.app.store.read() as tx:
        keys = list(tx.connection.execute(select(throttles.c.key)).scalars())
    assert keys
    assert not any("hunter2" in key for key in keys)


# -- mail programs ---------------------------------------------------------------------------------------------------


def token_of(staff: Staff, email: str) -> str:
    return make_token(staff.app, email, "phone", by=OPERATOR).secret


def test_U10_a_mail_program_signs_in_with_the_password(staff: Staff) -> None:
    found = check_submission(staff.app, EVA, PASSWORD, peer=PEER)
    assert found.user_id == user_id(staff, EVA)


def test_U10_a_mail_program_signs_in_with_a_token(staff: Staff) -> None:
    found = check_submission(staff.app, EVA, token_of(staff, EVA), peer=PEER)
    assert found.user_id == user_id(staff, EVA)


def test_U10_a_token_opens_nobody_elses_name(staff: Staff) -> None:
    with pytest.raises(RefusedError) as refused:
        check_submission(staff.app, JAN, token_of(staff, EVA), peer=PEER)
    assert refused.value.reason is Reason.SIGN_IN_REFUSED


def test_R15_a_token_narrowed_to_one_account_submits_no_mail(staff: Staff) -> None:
    secret = make_token(staff.app, EVA, "x", account="acme", by=OPERATOR).secret
    with pytest.raises(RefusedError) as refused:
        check_submission(staff.app, EVA, secret, peer=PEER)
    assert refused.value.reason is Reason.SIGN_IN_REFUSED


def test_U10_a_disabled_users_token_opens_nothing(staff: Staff) -> None:
    secret = token_of(staff, JAN)
    set_active(staff.app, JAN, active=False, by=OPERATOR)
    with pytest.raises(RefusedError) as refused:
        check_submission(staff.app, JAN, secret, peer=PEER)
    assert refused.value.reason is Reason.SIGN_IN_REFUSED
