"""What PostgreSQL plans once and what each time: lists are asked all day, and a search is never like the one before (M5, M6)."""

from __future__ import annotations

import pytest
from sqlalchemy import String, event, literal_column, make_url, select, text

from maild.core.app import Actor, App
from maild.core.lists import Wanted, list_mails
from maild.model.people import Role
from maild.model.reason import Reason
from maild.store.among import among, in_order
from maild.store.schema import deliveries
from maild.store.store import Tx
from tests.core.company import LEA, a_company
from tests.core.conftest import Frozen
from tests.core.firm import refusal
from tests.core.mailboxes import fill
from tests.core.test_search import Room

ASKED = 12
"""psycopg has a statement's plan kept after five times, PostgreSQL makes a plan for any value after five more."""


def kept(app: App) -> list[tuple[str, int]]:
    """Return the statements whose plans the connection keeps, and how many times it took one for any value."""
    with app.store.read() as tx:
        rows = tx.connection.execute(
            text("SELECT statement, generic_plans FROM pg_prepared_statements")
        )
        return [(row.statement, row.generic_plans) for row in rows]


on_postgresql = pytest.mark.parametrize(
    "app", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)


@pytest.fixture
def room(app: App, clock: Frozen) -> Room:
    made = Room(app, clock)
    for number in range(3):
        made.mail(f"m{number}", "Offer")
    made.settle()
    return made


@on_postgresql
def test_M5_the_plan_of_a_mailbox_is_kept_whatever_number_of_mails_it_has(room: Room) -> None:
    for number in range(ASKED):
        room.mail(f"more{number}", "Offer")
        room.settle()
        list_mails(room.app, Wanted(owner="lea@acme.example"), by=Actor(LEA))
    plans = dict(kept(room.app))
    [walked] = [one for one in plans if "ORDER BY entries.received_at DESC" in one]
    assert plans[walked] > 0
    [named] = [one for one in plans if "recipients.message_id = ANY" in one]
    assert plans[named] > 0


@on_postgresql
def test_M5_the_plan_of_a_large_mailbox_is_kept(app: App) -> None:
    a_company(app)
    fill(app, 900, LEA)
    with app.store.write() as tx:
        tx.connection.execute(text("ANALYZE"))
    for _ in range(ASKED):
        list_mails(app, Wanted(owner="lea@acme.example"), by=Actor(LEA))
    [walked] = [times for one, times in kept(app) if "ORDER BY entries.received_at DESC" in one]
    assert walked > 0


@on_postgresql
def test_a_refusal_forgets_no_plan(room: Room) -> None:
    for _ in range(ASKED):
        list_mails(room.app, Wanted(owner="lea@acme.example"), by=Actor(LEA))
    with refusal(Reason.NOT_FOUND):
        list_mails(room.app, Wanted(owner="nobody@acme.example"), by=Actor(LEA))
    assert [one for one, _ in kept(room.app) if "ORDER BY entries.received_at DESC" in one]


@on_postgresql
def test_a_database_that_its_operator_made_read_only_stays_so_after_a_view(room: Room) -> None:
    with room.app.store.write() as tx:
        tx.connection.execute(text("SET default_transaction_read_only = on"))
    with room.app.store.read() as tx:
        assert tx.rights.active_role(1, LEA) is Role.DISTRIBUTOR
    with room.app.store.write() as tx:
        assert tx.connection.execute(text("SHOW transaction_read_only")).scalar_one() == "on"
        tx.connection.execute(text("SET default_transaction_read_only = off"))


@on_postgresql
def test_M6_a_search_is_planned_for_its_own_values(room: Room) -> None:
    for _ in range(ASKED):
        list_mails(room.app, Wanted(search="offer from:rossi"), by=Actor(LEA))
        list_mails(room.app, Wanted(unread=True), by=Actor(LEA))
    statements = [statement for statement, _ in kept(room.app) if statement.startswith("SELECT")]
    assert not [one for one in statements if "search_words" in one or "address_book" in one]
    assert not [one for one in statements if "entries.unread" in one.partition("WHERE")[2]]
    assert [one for one in statements if "recipients.message_id" in one], "lists' other ones are"


@pytest.mark.parametrize("count", [0, 1, 40_000])
def test_any_number_of_numbers_and_ids_goes_in_one_parameter(app: App, count: int) -> None:
    numbers = list(range(count, 0, -1))
    with app.store.read() as tx:
        value, place = in_order(tx.connection, numbers)
        assert list(tx.connection.execute(select(value).order_by(place)).scalars()) == numbers
        one = select(deliveries.c.id).where(among(deliveries.c.id, numbers))
        assert tx.connection.execute(one).all() == []
        ids = ["it's", '"', "ü", "\\"][:count]
        for word, is_there in (("it's", count > 0), ("nobody", False)):
            known = literal_column(f"'{word.replace(chr(39), chr(39) * 2)}'", String())
            found = tx.connection.execute(select(among(known, ids))).scalar_one()
            assert bool(found) is is_there


def test_a_condition_on_many_numbers_is_one_that_an_index_answers() -> None:
    """SQLAlchemy appends `= 1` to what SQLite calls a truth, and no index answers that."""
    query = select(deliveries.c.id).where(among(deliveries.c.id, "some"))
    dialects = [make_url(one).get_dialect()() for one in ("sqlite://", "postgresql+psycopg://")]
    said = {one.name: str(query.compile(dialect=one)).partition("WHERE ")[2] for one in dialects}
    assert said == {
        "sqlite": "deliveries.id IN (SELECT value FROM json_each(?))",
        "postgresql": "deliveries.id = ANY (%(some)s::BIGINT[])",
    }
    compared = among(deliveries.c.id, "some").is_(None).compile(dialect=dialects[1])
    assert str(compared) == "(deliveries.id = ANY (%(some)s::BIGINT[])) IS NULL"


def test_a_role_is_asked_for_once_in_a_view_and_each_time_where_it_may_change(
    app: App, clock: Frozen
) -> None:
    Room(app, clock)
    with app.store.read() as tx:
        asked = count_statements(tx)
        assert [tx.rights.active_role(1, LEA) for _ in range(3)] == [Role.DISTRIBUTOR] * 3
        assert len([one for one in asked if one.startswith("SELECT memberships")]) == 1
    with app.store.write() as tx:
        assert tx.rights.active_role(1, LEA) is Role.DISTRIBUTOR
        tx.people.set_disabled(LEA, clock())
        assert tx.rights.active_role(1, LEA) is None


def count_statements(tx: Tx) -> list[str]:
    seen: list[str] = []
    event.listen(tx.connection, "before_cursor_execute", lambda *asked: seen.append(asked[2]))
    return seen
