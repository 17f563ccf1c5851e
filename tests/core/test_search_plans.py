"""No search reads a whole table: the common shapes walk an index, on both databases (M6)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import event, text

from maild.core.app import Actor, App
from maild.core.lists import Wanted, count_mails, list_mails
from tests.core.company import EVA, LEA
from tests.core.conftest import Frozen
from tests.core.test_search import Room

SHAPES = (
    "offer",
    "offer owner:me",
    "off* -plan",
    "to:info@",
    "to:info@ is:unread",
    "from:rossi has:attachment",
    "-offer",
    "is:unread owner:me",
    "status:waiting owner:me",
    "before:2026-11-20 owner:me",
    "client:rossi",
    "inbox:info is:held",
    "reason:SPAM",
)
BIG = {"deliveries", "messages", "entries", "recipients", "arrivals", "filings", "readings", "search_words"}  # fmt: skip


def statements_of(app: App, act: Any) -> list[tuple[str, Any]]:
    seen: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, ___: Any, many: bool) -> None:
        if statement.startswith("SELECT"):
            seen.append((statement, parameters))

    engine = app.store.database._readers
    event.listen(engine, "before_cursor_execute", note)
    try:
        act()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return seen


def whole_tables(app: App, statement: str, parameters: Any) -> list[str]:
    """Return the steps of a plan that read a whole table that grows with the mail."""
    with app.store.read() as tx:
        if app.store.database.is_sqlite:
            rows = tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            steps = [row[3].split() for row in rows]
            return [
                " ".join(step)
                for step in steps
                # The index of search is a virtual table: it is walked by what it is asked, M.
                if step[0] == "SCAN" and step[1] in BIG and "INDEX" not in step
            ]
        # With few rows reading all is cheapest; what no index could do is still done so.
        tx.connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = tx.connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars()
        return [line.strip() for line in plan if any(f"Seq Scan on {name}" in line for name in BIG)]


def test_M6_no_search_reads_a_whole_table(app: App, clock: Frozen) -> None:
    room = Room(app, clock)
    for number in range(3):
        room.mail(f"m{number}", "Offer")
    room.settle()
    with app.store.write() as tx:
        if not app.store.database.is_sqlite:
            tx.connection.execute(text("ANALYZE"))
    by = Actor(LEA)
    found = {}
    for shape in SHAPES:
        wanted = Wanted(search=shape)
        for act in (list_mails, count_mails):
            for statement, parameters in statements_of(app, lambda: act(app, wanted, by=by)):  # noqa: B023 - it is called at once
                if steps := whole_tables(app, statement, parameters):
                    found[shape, act.__name__] = steps
    assert found == {}


def test_M6_the_mails_of_a_client_of_few_are_looked_up_and_not_met_on_a_walk(
    app: App, clock: Frozen
) -> None:
    if not app.store.database.is_sqlite:
        return  # PostgreSQL knows how many they are.
    room = Room(app, clock)
    for number in range(3):
        room.mail(f"m{number}", "Offer")
    room.settle()
    for wanted in (Wanted(search="client:rossi", limit=2), Wanted(client="C1", limit=2)):
        first = list_mails(app, wanted, by=Actor(LEA))
        assert [mail["message_id"] for mail in first.mails] == ["m2@x", "m1@x"]
        rest = list_mails(app, replace(wanted, after=first.next), by=Actor(LEA))
        assert [mail["message_id"] for mail in rest.mails] == ["m0@x"]
        said = statements_of(app, lambda: list_mails(app, wanted, by=Actor(LEA)))  # noqa: B023 - at once
        [(statement, parameters)] = [one for one in said if "received_at DESC" in one[0]]
        with app.store.read() as tx:
            rows = tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plan = " ".join(row[3] for row in rows)
        assert "ix_filings_client_id_delivery_id" in plan
        assert "ix_deliveries_account_id_received_at" not in plan


def test_M6_unread_mail_is_walked_in_the_order_of_its_list(app: App, clock: Frozen) -> None:
    room = Room(app, clock)
    room.mail("m1", "Offer")
    room.settle()
    if not app.store.database.is_sqlite:
        return  # With one row its plan says nothing; the index is the same.
    for wanted in (
        Wanted(owner="lea@acme.example", unread=True),
        Wanted(search="is:unread owner:me"),
    ):
        said = statements_of(app, lambda: list_mails(app, wanted, by=Actor(LEA)))  # noqa: B023 - at once
        [(statement, parameters)] = [one for one in said if "received_at DESC" in one[0]]
        with app.store.read() as tx:
            rows = tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plan = [row[3] for row in rows]
        assert "SEARCH entries USING INDEX ix_entries_unread (owner_id=?)" in plan
        assert not any("TEMP B-TREE" in step for step in plan)


def test_M6_a_word_with_an_owner_of_few_mails_is_asked_of_these(app: App, clock: Frozen) -> None:
    if not app.store.database.is_sqlite:
        return
    room = Room(app, clock)
    room.mail("offer", "Offer")
    room.settle()
    with app.store.write() as tx:
        tx.connection.execute(text("UPDATE accounts SET settings = '{\"all_received\": false}'"))
    for query, by in (("offer owner:eva", LEA), ("offer", EVA)):
        wanted, plans = Wanted(search=query), []
        asked = statements_of(app, lambda: list_mails(app, wanted, by=Actor(by)))  # noqa: B023 - it is called at once
        with app.store.read() as tx:
            for statement, parameters in asked:
                if "MATCH" in statement:
                    rows = tx.connection.exec_driver_sql(
                        f"EXPLAIN QUERY PLAN {statement}", parameters
                    )
                    plans.append([row[3] for row in rows])
        [plan] = plans
        assert plan[0].startswith("SEARCH entries"), plan
        assert any("search_words VIRTUAL TABLE INDEX" in step and "=" in step for step in plan)
