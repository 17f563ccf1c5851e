"""A new password by mail: the same answer and the same work for everybody, one link for one use (U10)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event, select, update

from maild.core.addresses import add_address, make_primary
from maild.core.app import OPERATOR, App
from maild.core.merging import merge_users, plan_merging
from maild.core.people import NewUser, add_user, set_active
from maild.core.resets import (
    MOST_OF_NAME,
    MOST_OF_PEER,
    RESET_LIFE,
    SIGN_UP_LIFE,
    WINDOW,
    ask_reset,
    send_link,
    send_sign_up,
    sign_up,
    use_reset,
)
from maild.core.sessions import begin_session, look
from maild.model.reason import Reason, RefusedError
from maild.settings import TermsSettings
from maild.store.login_tables import login_links
from maild.store.people_tables import logins
from tests.core.conftest import Frozen
from tests.core.staff import EVA, JAN, PASSWORD, PEER, Staff, some_staff

NEW = "a new horse battery"


@pytest.fixture
def staff(app: App) -> Staff:
    return some_staff(app)


def refusal(act: Callable[[], object]) -> Reason:
    with pytest.raises(RefusedError) as refused:
        act()
    return refused.value.reason


def a_link(staff: Staff, name: str = "eva") -> str:
    """Ask for a reset; return the secret that the mail brings."""
    ask_reset(staff.app, name, peer=PEER)
    return staff.secret_in_mail()


# -- asking ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["eva", "EVA", EVA])
def test_U10_a_reset_is_found_by_user_name_and_by_address(staff: Staff, name: str) -> None:
    use_reset(staff.app, a_link(staff, name), NEW)
    assert staff.sign_in("eva", NEW).user_id == staff.actor(EVA).user_id


def test_U10_the_mail_goes_to_the_primary_address_whatever_was_asked(staff: Staff) -> None:
    add_address(staff.app, EVA, "e.moser@acme.example", sends_as=False, confirm=True, by=OPERATOR)
    make_primary(staff.app, "e.moser@acme.example", by=OPERATOR)
    ask_reset(staff.app, EVA, peer=PEER)
    assert [mail["to"] for mail in staff.mails()] == ["e.moser@acme.example"]


@pytest.mark.parametrize("name", ["nobody", "nobody@acme.example", "", "\0", "\ud800", "x" * 9999])
def test_U10_a_name_that_nobody_has_is_answered_alike_and_mails_nobody(
    staff: Staff, name: str
) -> None:
    ask_reset(staff.app, name, peer=PEER)
    assert staff.mails() == []


def test_U10_a_disabled_person_gets_nothing_and_nobody_is_told(staff: Staff) -> None:
    set_active(staff.app, JAN, active=False, by=OPERATOR)
    ask_reset(staff.app, "jan", peer=PEER)
    assert staff.mails() == []


@contextmanager
def statements(app: App) -> Iterator[list[str]]:
    """Note every statement that is run."""
    run: list[str] = []

    def note(_: Connection, __: Any, statement: str, *___: Any) -> None:
        run.append(statement.partition("(")[0])

    engine = app.store.database.writer
    event.listen(engine, "before_cursor_execute", note)
    yield run
    event.remove(engine, "before_cursor_execute", note)


def test_U10_the_same_work_is_done_whether_there_is_such_a_login_or_not(staff: Staff) -> None:
    work = {}
    for name in ("eva", "nobody"):
        with statements(staff.app) as run:
            ask_reset(staff.app, name, peer=PEER)
        work[name] = [one for one in run if not one.startswith("SAVEPOINT")]
    # What is done for nobody is found, written and taken back; only the first look for the login may differ.
    assert [one for one in work["nobody"] if one.startswith(("INSERT", "UPDATE", "DELETE"))] == [
        one for one in work["eva"] if one.startswith(("INSERT", "UPDATE", "DELETE"))
    ]
    assert abs(len(work["eva"]) - len(work["nobody"])) <= 2


def test_U10_nor_does_it_differ_where_the_first_person_was_merged_into_another(
    staff: Staff,
) -> None:
    digest = plan_merging(staff.app, EVA, JAN, by=OPERATOR).plan.digest
    merge_users(staff.app, EVA, JAN, digest=digest, by=OPERATOR)
    work = {}
    for name in ("jan", "nobody"):
        with statements(staff.app) as run:
            ask_reset(staff.app, name, peer=PEER)
        work[name] = [one for one in run if one.startswith(("INSERT", "UPDATE", "DELETE"))]
    assert work["jan"] == work["nobody"]


def test_U10_what_is_done_for_nobody_leaves_no_trace(staff: Staff) -> None:
    a_link(staff)
    ask_reset(staff.app, "nobody", peer=PEER)
    with staff.app.store.read() as tx:
        assert len(tx.connection.execute(select(login_links)).all()) == 1
    use_reset(staff.app, staff.secret_in_mail(), NEW)


@pytest.mark.parametrize("name", ["eva", "nobody"])
def test_T23_a_name_is_asked_for_a_few_times_and_then_a_while_not(
    staff: Staff, clock: Frozen, name: str
) -> None:
    for _ in range(MOST_OF_NAME):
        ask_reset(staff.app, name, peer=PEER)
    assert refusal(lambda: ask_reset(staff.app, name, peer=PEER)) is Reason.TOO_MANY_TRIES
    clock.advance(WINDOW)
    ask_reset(staff.app, name, peer=PEER)


def test_T23_a_peer_that_asks_for_many_names_is_stopped(staff: Staff) -> None:
    for number in range(MOST_OF_PEER):
        ask_reset(staff.app, f"nobody{number}", peer=PEER)
    assert refusal(lambda: ask_reset(staff.app, "eva", peer=PEER)) is Reason.TOO_MANY_TRIES


# -- using -----------------------------------------------------------------------------------------------------------


def test_U10_the_old_password_is_over_with_the_new_one(staff: Staff) -> None:
    use_reset(staff.app, a_link(staff), NEW)
    assert staff.refusal("eva", PASSWORD) is Reason.SIGN_IN_REFUSED


def test_U10_a_reset_ends_every_session(staff: Staff) -> None:
    secret = begin_session(staff.app, staff.sign_in("eva"), peer=PEER).secret
    use_reset(staff.app, a_link(staff), NEW)
    assert look(staff.app, secret) is None


def test_U10_the_person_is_told_by_mail(staff: Staff) -> None:
    use_reset(staff.app, a_link(staff), NEW)
    assert (staff.mails()[-1]["to"], staff.mails()[-1]["subject"]) == (
        EVA,
        "Your password was changed",
    )


def test_U10_a_link_is_good_once(staff: Staff) -> None:
    secret = a_link(staff)
    use_reset(staff.app, secret, NEW)
    assert refusal(lambda: use_reset(staff.app, secret, NEW)) is Reason.LINK_ENDED


def test_U10_of_four_who_use_a_link_at_once_one_succeeds(staff: Staff) -> None:
    secret = a_link(staff)

    def use(number: int) -> Reason | None:
        try:
            use_reset(staff.app, secret, f"{NEW} {number}")
        except RefusedError as refused:
            return refused.reason
        return None

    with ThreadPoolExecutor(4) as several:
        told = list(several.map(use, range(4)))
    assert sorted(map(str, told)) == sorted(map(str, [None, *[Reason.LINK_ENDED] * 3]))
    staff.sign_in("eva", f"{NEW} {told.index(None)}")


def test_U10_a_link_is_good_for_an_hour(staff: Staff, clock: Frozen) -> None:
    secret = a_link(staff)
    clock.advance(RESET_LIFE)
    assert refusal(lambda: use_reset(staff.app, secret, NEW)) is Reason.LINK_ENDED


def test_U10_a_newer_link_ends_the_one_before(staff: Staff) -> None:
    first = a_link(staff)
    second = a_link(staff)
    assert refusal(lambda: use_reset(staff.app, first, NEW)) is Reason.LINK_ENDED
    use_reset(staff.app, second, NEW)


def test_U10_a_password_that_is_none_leaves_the_link_as_it_was(staff: Staff) -> None:
    secret = a_link(staff)
    assert refusal(lambda: use_reset(staff.app, secret, "short")) is Reason.INVALID_VALUE
    use_reset(staff.app, secret, NEW)


@pytest.mark.parametrize("secret", ["", "x", "\0", "\ud800", "../.."])
def test_what_is_no_link_is_refused(staff: Staff, secret: str) -> None:
    a_link(staff)
    assert refusal(lambda: use_reset(staff.app, secret, NEW)) is Reason.LINK_ENDED
    assert refusal(lambda: sign_up(staff.app, secret, NEW)) is Reason.LINK_ENDED


def test_U10_a_link_of_one_kind_does_not_do_for_the_other(staff: Staff) -> None:
    secret = a_link(staff)
    assert refusal(lambda: sign_up(staff.app, secret, NEW)) is Reason.LINK_ENDED


def test_U10_disabling_ends_the_links(staff: Staff) -> None:
    secret = a_link(staff, "jan")
    set_active(staff.app, JAN, active=False, by=OPERATOR)
    set_active(staff.app, JAN, active=True, by=OPERATOR)
    assert refusal(lambda: use_reset(staff.app, secret, NEW)) is Reason.LINK_ENDED


def test_T16_of_a_link_the_database_keeps_what_the_mail_says_until_it_is_sent_and_else_a_digest(
    staff: Staff, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = a_link(staff)
    assert staff.where(secret) == ["outbox"]
    assert secret not in caplog.text


def test_T16_a_mail_that_does_not_go_within_the_links_life_never_goes(staff: Staff) -> None:
    a_link(staff)
    with staff.app.store.read() as tx:
        [errand] = tx.outbox.page(None, account_id=None, limit=10)
    assert errand.give_up_at == staff.app.clock() + RESET_LIFE


def test_U10_without_pages_the_mail_brings_the_code_by_itself(staff: Staff) -> None:
    ask_reset(replace(staff.app, public_url=""), "eva", peer=PEER)
    lines = staff.mails()[-1]["text"].splitlines()
    [secret] = [line for line in lines if len(line) > 40 and " " not in line]
    use_reset(staff.app, secret, NEW)


# -- signing up ------------------------------------------------------------------------------------------------------


def suspend(staff: Staff) -> None:
    """Do to Eva's login what a change of e-mail does (U11)."""
    with staff.app.store.write() as tx:
        tx.connection.execute(
            update(logins)
            .where(logins.c.username == "eva")
            .values(suspended_at=staff.app.clock(), totp="sealed", totp_step=1)
        )
        send_sign_up(tx, staff.app, staff_id(staff), by=OPERATOR)


def staff_id(staff: Staff) -> int:
    with staff.app.store.read() as tx:
        login = tx.logins.named("eva")
    assert login is not None
    return login.user_id


def test_U11_who_signs_up_again_chooses_a_password_and_is_in(staff: Staff) -> None:
    suspend(staff)
    sign_up(staff.app, staff.secret_in_mail(), NEW)
    assert staff.sign_in("eva", NEW).user_id == staff.actor(EVA).user_id


def test_U11_who_signs_up_again_has_no_second_step_of_who_was_there_before(staff: Staff) -> None:
    suspend(staff)
    sign_up(staff.app, staff.secret_in_mail(), NEW)
    with staff.app.store.read() as tx:
        login = tx.logins.named("eva")
    assert login is not None
    assert login.totp is None


def test_U11_a_suspended_person_who_asks_for_a_reset_gets_the_link_to_sign_up(
    staff: Staff,
) -> None:
    suspend(staff)
    sign_up(staff.app, a_link(staff), NEW)
    staff.sign_in("eva", NEW)


def test_U11_signing_up_needs_the_terms(staff: Staff) -> None:
    suspend(staff)
    terms = TermsSettings(version="2026-11", url="https://acme.example/terms")
    app, secret = replace(staff.app, terms=terms), staff.secret_in_mail()
    assert refusal(lambda: sign_up(app, secret, NEW)) is Reason.TERMS_NEEDED
    sign_up(app, secret, NEW, accepts_terms="2026-11")
    with app.store.read() as tx:
        login = tx.logins.named("eva")
    assert login is not None
    assert (login.terms_version, login.terms_at) == ("2026-11", app.clock())


def test_U10_a_person_who_was_added_without_a_password_signs_up_by_a_link(staff: Staff) -> None:
    add_user(staff.app, NewUser(email="lea@acme.example", name="Lea"), by=OPERATOR)
    sent = send_link(staff.app, "lea@acme.example", by=staff.actor(EVA))
    assert (sent.to, sent.kind) == ("lea@acme.example", "sign_up")
    sign_up(staff.app, staff.secret_in_mail(), NEW)
    staff.sign_in("lea@acme.example", NEW)


def test_U10_a_link_to_sign_up_is_good_for_a_week(staff: Staff, clock: Frozen) -> None:
    suspend(staff)
    secret = staff.secret_in_mail()
    clock.advance(SIGN_UP_LIFE - timedelta(seconds=1))
    sign_up(staff.app, secret, NEW)


def test_U10_an_admin_sends_a_colleague_a_link_and_a_member_does_not(staff: Staff) -> None:
    assert send_link(staff.app, JAN, by=staff.actor(EVA)).kind == "reset"
    assert refusal(lambda: send_link(staff.app, EVA, by=staff.actor(JAN))) is Reason.NOT_ALLOWED


def test_U10_without_a_relay_the_operator_is_told_and_who_asks_is_not(staff: Staff) -> None:
    app = replace(staff.app, has_relay=False)
    assert refusal(lambda: send_link(app, JAN, by=OPERATOR)) is Reason.CONFLICT
    ask_reset(app, "jan", peer=PEER)
