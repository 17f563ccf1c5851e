"""The second step: set up in two acts, one code for one use, switched off by who may (U10; RFC 6238)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest

from maild.core import totp
from maild.core.app import OPERATOR, App
from maild.core.logins import show_logins
from maild.core.seal import SealingKey
from maild.core.second_step import (
    begin_second_step,
    confirm_second_step,
    end_second_step,
)
from maild.core.signing_in import check_submission
from maild.core.tokens import make_token
from maild.core.totp import MOST_CODES
from maild.model.reason import Reason, RefusedError
from tests.core.conftest import Frozen
from tests.core.staff import EVA, JAN, PASSWORD, PEER, Staff, some_staff


@pytest.fixture
def staff(app: App) -> Staff:
    return some_staff(app)


def refusal(act: Callable[[], object]) -> Reason:
    with pytest.raises(RefusedError) as refused:
        act()
    return refused.value.reason


def code_of(staff: Staff, secret: str, steps: int = 0) -> str:
    """Return what an app shows now, or so many steps from now."""
    return pyotp.TOTP(secret).at(staff.app.clock() + timedelta(seconds=30 * steps))


@pytest.fixture
def secret(staff: Staff, clock: Frozen) -> str:
    """Eva's, who has a second step; its first code is a minute old."""
    by = staff.actor(EVA)
    secret = begin_second_step(staff.app, EVA, by=by).secret
    confirm_second_step(staff.app, EVA, code_of(staff, secret), by=by)
    clock.advance(timedelta(minutes=1))
    return secret


# -- the codes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "code"),
    # RFC 6238, appendix B, SHA-1; the last six of its eight digits.
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_RFC_6238_codes_are_those_of_the_standard(seconds: int, code: str) -> None:
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    at = datetime.fromtimestamp(seconds, UTC)
    assert totp.step_of(secret, code, at) == seconds // 30


@pytest.mark.parametrize("text", ["", "12345", "1234567", "abcdef", "１２３４５６", "\0" * 6])
def test_what_is_no_code_is_wrong(text: str) -> None:
    assert totp.step_of(totp.new_secret(), text, datetime.now(UTC)) is None


def test_U10_where_there_is_no_second_step_no_code_is_right(staff: Staff) -> None:
    with staff.app.store.write() as tx:
        login = tx.logins.named("jan")
        assert login is not None
        assert not totp.use_code(tx, staff.app, login.id, "000000")


# -- signing in ------------------------------------------------------------------------------------------------------


def test_U10_password_and_code_sign_in(staff: Staff, secret: str) -> None:
    found = staff.sign_in("eva", code=code_of(staff, secret))
    assert found.user_id == staff.actor(EVA).user_id


def test_U10_a_code_may_be_typed_as_it_is_shown(staff: Staff, secret: str) -> None:
    code = code_of(staff, secret)
    staff.sign_in("eva", code=f" {code[:3]} {code[3:]} ")


def test_U10_without_a_code_it_is_asked_for(staff: Staff, secret: str) -> None:
    assert staff.refusal("eva") is Reason.CODE_NEEDED


def test_T23_who_has_not_the_password_does_not_learn_of_the_second_step(
    staff: Staff, secret: str
) -> None:
    assert staff.refusal("eva", "wrong") is Reason.SIGN_IN_REFUSED
    assert staff.refusal("eva", "wrong", code=code_of(staff, secret)) is Reason.SIGN_IN_REFUSED


def test_U10_a_wrong_code_does_not_sign_in(staff: Staff, secret: str) -> None:
    wrong = f"{(int(code_of(staff, secret)) + 1) % 1_000_000:06}"
    assert staff.refusal("eva", code=wrong) is Reason.SIGN_IN_REFUSED


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_U10_clocks_may_be_half_a_minute_apart(staff: Staff, secret: str, steps: int) -> None:
    staff.sign_in("eva", code=code_of(staff, secret, steps))


@pytest.mark.parametrize("steps", [-2, 2])
def test_U10_and_no_further(staff: Staff, secret: str, steps: int) -> None:
    assert staff.refusal("eva", code=code_of(staff, secret, steps)) is Reason.SIGN_IN_REFUSED


def test_U10_a_code_counts_once(staff: Staff, secret: str) -> None:
    code = code_of(staff, secret)
    staff.sign_in("eva", code=code)
    assert staff.refusal("eva", code=code) is Reason.SIGN_IN_REFUSED


def test_U10_of_four_who_use_a_code_at_once_one_signs_in(staff: Staff, secret: str) -> None:
    code = code_of(staff, secret)

    def use(number: int) -> Reason | None:
        try:
            staff.sign_in("eva", code=code, peer=f"192.0.2.{number}")
        except RefusedError as refused:
            return refused.reason
        return None

    with ThreadPoolExecutor(4) as several:
        told = list(several.map(use, range(4)))
    assert told.count(None) == 1
    assert told.count(Reason.SIGN_IN_REFUSED) == 3


def test_U10_an_older_code_counts_no_more_after_a_newer_one(staff: Staff, secret: str) -> None:
    staff.sign_in("eva", code=code_of(staff, secret))
    assert staff.refusal("eva", code=code_of(staff, secret, -1)) is Reason.SIGN_IN_REFUSED


def test_T23_codes_are_not_to_be_guessed(staff: Staff, secret: str) -> None:
    told = [staff.refusal("eva", code="000000", peer="203.0.113.9") for _ in range(12)]
    assert told[-1] is Reason.TOO_MANY_TRIES


def test_U10_a_mail_program_is_told_to_use_a_token_only_with_the_right_password(
    staff: Staff, secret: str
) -> None:
    for password, reason in (
        ("wrong", Reason.SIGN_IN_REFUSED),
        (PASSWORD, Reason.APP_PASSWORD_NEEDED),
    ):
        with pytest.raises(RefusedError) as refused:
            check_submission(staff.app, EVA, password, peer=PEER)
        assert refused.value.reason is reason


def test_U10_a_mail_program_signs_in_with_a_token_in_spite_of_the_second_step(
    staff: Staff, secret: str
) -> None:
    token = make_token(staff.app, EVA, "phone", by=OPERATOR).secret
    assert check_submission(staff.app, EVA, token, peer=PEER).by == staff.actor(EVA)


# -- setting it up ---------------------------------------------------------------------------------------------------


def test_U10_a_secret_that_no_code_confirmed_asks_for_nothing(staff: Staff) -> None:
    begin_second_step(staff.app, EVA, by=staff.actor(EVA))
    staff.sign_in("eva")


def test_U10_a_wrong_first_code_confirms_nothing(staff: Staff) -> None:
    by = staff.actor(EVA)
    secret = begin_second_step(staff.app, EVA, by=by).secret
    wrong = f"{(int(code_of(staff, secret)) + 1) % 1_000_000:06}"
    assert (
        refusal(lambda: confirm_second_step(staff.app, EVA, wrong, by=by)) is Reason.INVALID_VALUE
    )
    staff.sign_in("eva")


def test_U10_the_code_that_confirmed_does_not_sign_in(staff: Staff) -> None:
    by = staff.actor(EVA)
    secret = begin_second_step(staff.app, EVA, by=by).secret
    code = code_of(staff, secret)
    confirm_second_step(staff.app, EVA, code, by=by)
    assert staff.refusal("eva", code=code) is Reason.SIGN_IN_REFUSED


def test_U10_an_app_reads_secret_name_and_issuer_from_the_uri(staff: Staff) -> None:
    begun = begin_second_step(staff.app, EVA, by=staff.actor(EVA))
    place = urlsplit(begun.uri)
    asked = parse_qs(place.query)
    assert (place.scheme, place.netloc, place.path) == ("otpauth", "totp", "/maild:eva")
    assert (asked["secret"], asked["issuer"]) == ([begun.secret], ["maild"])


def test_U10_a_second_secret_takes_the_place_of_one_that_waits(staff: Staff) -> None:
    by = staff.actor(EVA)
    first = begin_second_step(staff.app, EVA, by=by).secret
    second = begin_second_step(staff.app, EVA, by=by).secret
    old = code_of(staff, first)
    assert refusal(lambda: confirm_second_step(staff.app, EVA, old, by=by)) is Reason.INVALID_VALUE
    assert confirm_second_step(staff.app, EVA, code_of(staff, second), by=by).second_step


def test_U10_one_that_counts_is_not_replaced_in_passing(staff: Staff, secret: str) -> None:
    by = staff.actor(EVA)
    assert refusal(lambda: begin_second_step(staff.app, EVA, by=by)) is Reason.ALREADY_EXISTS
    staff.sign_in("eva", code=code_of(staff, secret))


def test_U10_nobody_sets_up_a_second_step_for_a_colleague(staff: Staff) -> None:
    by = staff.actor(EVA)
    assert refusal(lambda: begin_second_step(staff.app, JAN, by=by)) is Reason.NOT_ALLOWED


def test_U10_without_the_key_none_is_set_up(staff: Staff) -> None:
    app = replace(staff.app, key=None)
    assert refusal(lambda: begin_second_step(app, EVA, by=OPERATOR)) is Reason.CONFLICT


def test_D7_a_secret_under_another_key_signs_nobody_in(staff: Staff, secret: str) -> None:
    other = SealingKey.of("another text of chance that is long enough")
    stranger = Staff(replace(staff.app, key=other))
    assert stranger.refusal("eva", code=code_of(staff, secret)) is Reason.CONFLICT


def test_T16_the_secret_is_stored_sealed_and_told_to_no_log(
    staff: Staff, secret: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    staff.sign_in("eva", code=code_of(staff, secret))
    assert staff.where(secret) == []
    assert secret not in caplog.text
    assert secret not in repr(show_logins(staff.app, EVA, by=OPERATOR))


# -- switching it off ------------------------------------------------------------------------------------------------


def test_U10_a_person_switches_it_off_with_a_code(staff: Staff, secret: str) -> None:
    by = staff.actor(EVA)
    assert refusal(lambda: end_second_step(staff.app, EVA, by=by)) is Reason.INVALID_VALUE
    end_second_step(staff.app, EVA, code=code_of(staff, secret), by=by)
    staff.sign_in("eva")


def test_T23_the_code_for_that_is_not_to_be_guessed_either(staff: Staff, secret: str) -> None:
    by = staff.actor(EVA)
    act = lambda: end_second_step(staff.app, EVA, code="000000", by=by)  # noqa: E731 - said many times
    told = [refusal(act) for _ in range(MOST_CODES + 1)]
    assert told[-1] is Reason.TOO_MANY_TRIES


def test_U10_the_operator_switches_it_off_and_the_person_is_told(staff: Staff, secret: str) -> None:
    assert not end_second_step(staff.app, EVA, by=OPERATOR).second_step
    assert [mail["to"] for mail in staff.mails()] == [EVA]
    staff.sign_in("eva")


def test_U10_a_member_does_not_switch_a_colleagues_off(staff: Staff, secret: str) -> None:
    by = staff.actor(JAN)
    assert refusal(lambda: end_second_step(staff.app, EVA, by=by)) is Reason.NOT_ALLOWED
    assert staff.refusal("eva") is Reason.CODE_NEEDED
