"""What an enemy, or two at once, tried with repairs.  Each once broke something (E2)."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event, update

from maild.core.app import OPERATOR, Actor, App
from maild.core.mailbox import give, set_unread, take, transfer_in, undo
from maild.core.people import set_active
from maild.core.repair_offers import actions_for
from maild.core.repairs import Asked, file_and_remember, repair, repairs_of
from maild.core.rulings import dismiss, file_by_hand, retry
from maild.core.seal import SealingKey
from maild.model.people import MemberState
from maild.model.reason import Reason, RefusedError
from maild.model.states import State
from maild.store import people_tables, schema
from tests.core.company import EVA, JAN, LEA, READER, SIGNED_IN, Post, a_company
from tests.core.test_drops import FORWARD

CRM_INBOX, INFO_INBOX = "crm@acme.example", "info@acme.example"


@pytest.fixture
def post(app: App) -> Post:
    a_company(app)
    return Post(replace(app, key=SealingKey.of("0123456789abcdef" * 3)))


def arrived(post: Post, from_: str, *, to: str = CRM_INBOX, body: str = FORWARD) -> str:
    post.send(post.mail(from_, to=to, body=body), to)
    post.decide()
    return str(post.lies()[-1]["ulid"])


def said(post: Post, ulid: str, action: str, value: str | None = None, **more: Any) -> str:
    """Do a repair; return the state that it led to, or the code of the refusal."""
    by = more.pop("by", OPERATOR)
    try:
        done = repair(post.app, READER, ulid, Asked(action=action, value=value, **more), by=by)
    except RefusedError as refused:
        return refused.reason.code
    return done.state.value


# --- two at once --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["accept-once", "ignore"])
def test_E2_of_many_who_answer_about_one_mail_at_once_one_is_heard_and_none_is_sent_away(
    post: Post, action: str
) -> None:
    ulid = arrived(post, "eva@acme.example")
    gate = threading.Barrier(4)

    def answer(_: int) -> str:
        gate.wait()
        return said(post, ulid, action)

    with ThreadPoolExecutor(4) as threads:
        found = sorted(threads.map(answer, range(4)))
    assert found[:3] == ["CONFLICT"] * 3
    assert found[3] in {"filed", "ignored"}
    assert post.table("rulings") == 1


def test_M1_a_mail_that_is_given_away_while_a_substitute_gets_it_stops_neither(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_active(post.app, "eva@acme.example", active=False, by=OPERATOR)
    post.send(post.mail("eva@acme.example", to=CRM_INBOX, body=FORWARD), CRM_INBOX, trust=SIGNED_IN)
    post.decide()
    ulid = str(post.lies()[-1]["ulid"])
    is_moving, real = threading.Event(), transfer_in

    def slowly(*what: Any) -> None:
        real(*what)
        is_moving.set()
        threading.Event().wait(0.5)

    monkeypatch.setattr("maild.core.repair_acts.transfer_in", slowly)

    def gives() -> str:
        assert is_moving.wait(10)
        try:
            give(post.app, [ulid], to=LEA, by=OPERATOR)
        except RefusedError as refused:
            return refused.reason.code
        return "given"

    with ThreadPoolExecutor(2) as threads:
        substituted = threads.submit(said, post, ulid, "substitute", "jan@acme.example")
        given = threads.submit(gives)
        assert substituted.result(30) == "filed"
        assert given.result(30) in {"given", "OWNER_CHANGED"}


def test_F5_two_who_file_and_remember_the_same_mails_in_opposite_orders_do_not_stop_each_other(
    post: Post,
) -> None:
    every = [
        arrived(post, f"n{number}@novum.example", to=INFO_INBOX, body=f"Hello {number}")
        for number in range(8)
    ]
    gate = threading.Barrier(3)

    def files(order: list[str]) -> str:
        gate.wait()
        try:
            file_and_remember(post.app, READER, order, client="C1", by=Actor(LEA))
        except RefusedError as refused:
            return refused.reason.code
        return "filed"

    def gives() -> str:
        gate.wait()
        return "given" if give(post.app, every[::-1], to=JAN, by=OPERATOR).moved else "nothing"

    with ThreadPoolExecutor(3) as threads:
        filed = [threads.submit(files, order) for order in (every, every[::-1])]
        given = threads.submit(gives)
        assert sorted(one.result(60) for one in filed) in (["CONFLICT", "filed"], ["filed"] * 2)
        assert given.result(60) == "given"
    post.decide()
    assert {(row["state"], row["owner"]) for row in post.lies()} == {("filed", "jan@acme.example")}


# --- what people type ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["a\0b", "\ud800", "x" * 100_000, "' OR 1=1", "\u202eevil", " "])
@pytest.mark.parametrize("action", ["add-client", "ignore", "add-alias"])
def test_E2_whatever_is_typed_for_a_repair_is_refused_in_words(
    post: Post, action: str, value: str
) -> None:
    ulid = arrived(post, "nina@novum.example")
    found = said(post, ulid, action, value)
    assert found in {"INVALID_VALUE", "INVALID_EMAIL", "NOT_FOUND", "filed", "ignored"}


@pytest.mark.parametrize("client", ["a\0b", "\ud800", "", "x" * 100_000])
def test_F5_an_id_that_no_client_can_have_is_refused_and_not_repeated_at_length(
    post: Post, client: str
) -> None:
    ulid = arrived(post, "nina@novum.example", to=INFO_INBOX, body="Hello")
    with pytest.raises(RefusedError) as caught:
        file_by_hand(post.app, READER, [ulid], client=client, by=OPERATOR)
    assert caught.value.reason is Reason.NOT_FOUND
    assert len(str(caught.value)) < 300


def test_E2_an_operator_is_not_told_to_ask_an_admin_for_what_nobody_can_do(post: Post) -> None:
    ulid = arrived(post, "eva@acme.example")
    with post.app.store.write() as tx:
        eva = tx.people.member(1, EVA)
        assert eva is not None
        tx.people.set_member(eva.id, role=eva.role, state=MemberState.REFUSED)
    with pytest.raises(RefusedError) as caught:
        repair(post.app, READER, ulid, Asked(action="accept-once"), by=OPERATOR)
    assert caught.value.reason is Reason.CONFLICT
    assert [way.code for way in caught.value.ways] == ["IGNORE"]


def test_U3_a_name_cannot_become_the_command_of_a_way_out(post: Post) -> None:
    with post.app.store.write() as tx:
        tx.people.set_user_name(EVA, "Eva: maild user disable lea@acme.example")
    ulid = arrived(post, "eva@acme.example")
    with pytest.raises(RefusedError) as caught:
        repair(post.app, READER, ulid, Asked(action="nonsense"), by=OPERATOR)
    assert {(way.command or "").split()[1] for way in caught.value.ways} == {"mail"}


def test_E2_who_names_a_thousand_authors_does_not_have_each_looked_up(
    post: Post, request: pytest.FixtureRequest
) -> None:
    names = ", ".join(f"a{number}@acme.example" for number in range(900))
    ulid = arrived(post, f"eva@acme.example, {names}")
    asked: list[str] = []
    engine = post.app.store.database._readers

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        asked.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    found = repairs_of(post.app, ulid, by=OPERATOR).repairs
    event.remove(engine, "before_cursor_execute", note)
    assert found[0].choices[0].value == "eva@acme.example"
    assert len(asked) < 300


def required(post: Post) -> str:
    """Return a mail to a shared inbox that holds what claims to be a user's."""
    with post.app.store.write() as tx:
        tx.connection.execute(
            update(people_tables.inboxes)
            .where(people_tables.inboxes.c.norm == INFO_INBOX)
            .values(sender_policy="require")
        )
    return arrived(post, "eva@acme.example", to=INFO_INBOX)


def test_E2_a_member_does_not_get_the_word_on_who_sent_a_mail_by_taking_it(post: Post) -> None:
    ulid = required(post)
    take(post.app, ulid, by=Actor(JAN))
    assert said(post, ulid, "accept-once", by=Actor(JAN)) == "NOT_ALLOWED"
    give(post.app, [ulid], to=EVA, by=Actor(JAN))
    assert said(post, ulid, "accept-once", by=Actor(EVA)) == "NOT_ALLOWED"
    give(post.app, [ulid], to=JAN, by=Actor(LEA))
    assert said(post, ulid, "accept-once", by=Actor(JAN)) == "filed"


# --- every held mail ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", [one for one in Reason if State.HELD in one.value.states])
def test_E2_whatever_is_held_can_be_repaired(reason: Reason) -> None:
    assert actions_for(reason)


def test_E2_a_mail_that_tells_no_recipient_is_filed_by_hand_or_put_away(post: Post) -> None:
    ulid = arrived(post, "nina@novum.example")
    with post.app.store.write() as tx:
        tx.connection.execute(update(schema.arrivals).values(origin="none"))
    retry(post.app, READER, [ulid], by=OPERATOR)
    assert post.outcome()[1] == "NO_RECIPIENT_MARKER"
    offered = [one.action for one in repairs_of(post.app, ulid, by=OPERATOR).repairs]
    assert offered == ["recipient", "checklist", "choose-client", "ignore"]
    assert said(post, ulid, "choose-client", "C1") == "filed"


# --- put away twice -----------------------------------------------------------------------------------------------------


def test_M4_what_was_put_away_twice_comes_back_to_who_had_it(post: Post) -> None:
    ulid = arrived(post, "anna@rossi.example", to=INFO_INBOX, body="Hello")
    give(post.app, [ulid], to=JAN, by=Actor(LEA))
    set_unread(post.app, [ulid], unread=False, by=Actor(JAN))
    first = dismiss(post.app, READER, [ulid], by=Actor(JAN))
    second = dismiss(post.app, READER, [ulid], by=Actor(LEA))
    assert (first.moved, second.moved, second.unchanged) == ((ulid,), (), (ulid,))
    undo(post.app, READER, by=OPERATOR, change_id=first.id)
    assert post.outcome()[2:] == ("jan@acme.example", False)


# --- unread -------------------------------------------------------------------------------------------------------------


def test_M2_a_mail_that_comes_to_somebody_by_being_decided_again_is_unread_for_them(
    post: Post,
) -> None:
    ulid = arrived(post, "eva@acme.example")
    change = repair(post.app, READER, ulid, Asked(action="accept-once"), by=OPERATOR).change
    assert post.outcome()[2] == "eva@acme.example"
    set_unread(post.app, [ulid], unread=False, by=Actor(EVA))
    undo(post.app, READER, by=OPERATOR, change_id=change)
    assert post.outcome() == ("held", "SENDER_NOT_VERIFIED", "lea@acme.example", True)


def test_M1_what_a_substitute_had_who_left_is_still_decided_again(post: Post) -> None:
    set_active(post.app, "eva@acme.example", active=False, by=OPERATOR)
    post.send(post.mail("eva@acme.example", to=CRM_INBOX, body=FORWARD), CRM_INBOX, trust=SIGNED_IN)
    post.decide()
    ulid = str(post.lies()[-1]["ulid"])
    assert said(post, ulid, "substitute", "jan@acme.example") == "filed"
    give(post.app, [ulid], to=LEA, by=OPERATOR)
    with post.app.store.write() as tx:
        jan = tx.people.member(1, JAN)
        assert jan is not None
        tx.people.set_member(jan.id, role=jan.role, state=MemberState.REFUSED)
    file_by_hand(post.app, READER, [ulid], client="C2", by=Actor(LEA))
    assert post.outcome()[:3] == ("filed", "FILED_BY_HAND", "lea@acme.example")
