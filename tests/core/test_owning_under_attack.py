"""Several people at one mail, and people who have left.  Each once broke something (M1, M4)."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from typing_extensions import override

from maild.core import rulings
from maild.core.app import OPERATOR, Actor, App
from maild.core.mailbox import give, set_status, take, undo
from maild.model.reason import RefusedError
from maild.store import people_tables, schema
from tests.core.company import EVA, JAN, LEA, READER, InProcess, Post, a_company


@pytest.fixture
def post(app: App) -> Post:
    a_company(app)
    return Post(app)


def run(app: App, statement: Any) -> None:
    with app.store.write() as tx:
        tx.connection.execute(statement)


def a_mail(post: Post) -> str:
    post.send(post.mail())
    post.decide()
    return str(post.lies()[-1]["ulid"])


def test_M1_however_many_take_it_at_once_it_has_one_owner_and_the_others_are_told(
    post: Post,
) -> None:
    mail = a_mail(post)
    gate = threading.Barrier(3)

    def one(user: int) -> str:
        gate.wait()
        try:
            take(post.app, mail, by=Actor(user), seen_version=1)
        except RefusedError as error:
            return error.reason.code
        return "taken"

    with ThreadPoolExecutor(3) as threads:
        said = sorted(threads.map(one, [EVA, JAN, EVA]))
    assert said in (
        ["OWNER_CHANGED", "OWNER_CHANGED", "taken"],
        ["OWNER_CHANGED", "taken", "taken"],
    )
    assert (post.table("entries"), post.table("transfers")) == (1, 1)


def test_M4_bulk_acts_in_opposite_orders_at_once_do_not_fail(post: Post) -> None:
    mails = [a_mail(post) for _ in range(12)]
    gate = threading.Barrier(2)

    def one(order: list[str], to: int) -> str:
        gate.wait()
        try:
            give(post.app, order, to=to, by=OPERATOR)
        except RefusedError as error:
            return error.reason.code
        return "given"

    with ThreadPoolExecutor(2) as threads:
        said = list(threads.map(one, [mails, mails[::-1]], [EVA, JAN]))
    assert "given" in said
    assert set(said) <= {"given", "OWNER_CHANGED"}


def test_M4_an_undo_that_meets_a_bulk_act_fails_neither(post: Post) -> None:
    mails = [a_mail(post) for _ in range(12)]
    for _ in range(3):
        change = give(post.app, mails[::-1], to=JAN, by=OPERATOR).id
        gate = threading.Barrier(2)

        def undoes(change: str = change, gate: threading.Barrier = gate) -> None:
            gate.wait()
            undo(post.app, READER, by=OPERATOR, change_id=change)

        def gives(gate: threading.Barrier = gate) -> str:
            gate.wait()
            try:
                give(post.app, mails, to=EVA, by=OPERATOR)
            except RefusedError as error:
                return error.reason.code
            return "given"

        with ThreadPoolExecutor(2) as threads:
            undone, given = threads.submit(undoes), threads.submit(gives)
            undone.result(60)
            assert given.result(60) in {"given", "OWNER_CHANGED"}


def test_M4_a_mail_that_was_given_away_while_it_was_dismissed_comes_back_to_its_new_owner(
    post: Post,
) -> None:
    mail = a_mail(post)
    given: list[int] = []

    class Meanwhile(InProcess):
        @override
        def read_many(self, items: Iterable[bytes | Path]) -> Iterator[Any]:
            if not given:
                given.append(1)
                give(post.app, [mail], to=JAN, by=OPERATOR)
            return super().read_many(items)

    change = rulings.dismiss(post.app, Meanwhile(), [mail], by=Actor(LEA))
    undo(post.app, READER, by=OPERATOR, change_id=change.id)
    assert post.outcome()[2] == "jan@acme.example"


def test_M4_undoing_a_dismissal_brings_the_status_back_too(post: Post) -> None:
    mail = a_mail(post)
    set_status(post.app, [mail], "Waiting", by=OPERATOR)
    change = rulings.dismiss(post.app, READER, [mail], by=Actor(LEA))
    undo(post.app, READER, by=Actor(LEA), change_id=change.id)
    assert post.lies()[0]["status"] == "Waiting"


@pytest.mark.parametrize("moved", [False, True])
def test_M1_a_released_mail_whose_owner_has_left_comes_to_the_owner_chain(
    post: Post, *, moved: bool
) -> None:
    mail = a_mail(post)
    give(post.app, [mail], to=JAN if moved else LEA, by=OPERATOR)
    if not moved:
        run(post.app, update(schema.entries).values(owner_id=JAN))
    change = rulings.dismiss(post.app, READER, [mail], by=OPERATOR)
    run(
        post.app,
        people_tables.memberships.delete().where(people_tables.memberships.c.user_id == JAN),
    )
    undo(post.app, READER, by=OPERATOR, change_id=change.id)
    assert post.outcome()[2:] == ("lea@acme.example", True)


def test_M1_undo_gives_nothing_back_to_somebody_who_has_left(post: Post) -> None:
    mail = a_mail(post)
    give(post.app, [mail], to=JAN, by=OPERATOR)
    change = give(post.app, [mail], to=EVA, by=OPERATOR)
    run(
        post.app,
        people_tables.memberships.delete().where(people_tables.memberships.c.user_id == JAN),
    )
    assert undo(post.app, READER, by=OPERATOR, change_id=change.id).unchanged == (mail,)
    assert post.outcome()[2] == "eva@acme.example"
