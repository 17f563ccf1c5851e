"""No statement on a mail's way reads a whole table: what is quick with a hundred mails stays so with a million."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from maild.core.app import App
from maild.store import migrate
from maild.store.store import Store
from tests.core.company import Post, a_company
from tests.core.conftest import Frozen

WHOLE_TABLE = re.compile(
    # A subquery is no table; the plan says of what it reads, too.
    r"SCAN (?!CONSTANT|\(subquery|anon_\d)(\w+)(?! USING (?:COVERING )?INDEX ix_deliveries_due_at)"
)


@pytest.fixture
def post(tmp_path: Path) -> Post:
    store = Store(f"sqlite:///{tmp_path}/maild.db", tmp_path / "bodies")
    migrate.upgrade(store.database)
    app = App(store=store, clock=Frozen())
    a_company(app)
    return Post(app)


def test_no_statement_between_dot_and_mailbox_reads_a_whole_table(
    post: Post, tmp_path: Path
) -> None:
    seen: dict[str, Any] = {}

    def note(_: Any, __: Any, statement: str, parameters: Any, ___: Any, many: bool) -> None:
        seen.setdefault(statement, parameters[0] if many else parameters)

    engines = (post.app.store.database.writer, post.app.store.database._readers)
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    for body in ("first", "second", "x" * 200_000):
        post.send(post.mail(body=body))
    post.send(post.mail(from_="eva@acme.example", to="crm@acme.example"), "crm@acme.example")
    post.decide()
    plans = {
        statement: _plan(tmp_path, statement, parameters)
        for statement, parameters in seen.items()
        if statement.split()[0] in {"SELECT", "UPDATE", "DELETE"}
    }
    whole = {
        statement: plan
        for statement, plan in plans.items()
        if any(WHOLE_TABLE.match(step) for step in plan)
    }
    assert len(seen) > 20
    assert whole == {}
    post.app.store.close()


def _plan(folder: Path, statement: str, parameters: Any) -> list[str]:
    with sqlite3.connect(folder / "maild.db") as database:
        rows = database.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
    database.close()
    return [row[3] for row in rows]
