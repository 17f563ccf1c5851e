"""What is counted of mailboxes is what lies in them, after whatever people did (M2, M7); and who opened what (M9)."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from sqlalchemy import event, select, text

from maild.core.app import OPERATOR, Actor, App
from maild.core.giving import give_found
from maild.core.lists import Wanted
from maild.core.mailbox import give, newest_change, set_status, set_unread, take, undo
from maild.core.mailbox_counts import MailboxCount, count_mailboxes
from maild.core.marking import mark_opened, readers_of
from maild.core.rulings import dismiss, release_mails
from maild.model.reason import Reason, RefusedError
from maild.store import people_tables, schema
from tests.core.company import CRM, EVA, INFO, JAN, LEA, READER, Post, a_company
from tests.core.conftest import Frozen
from tests.core.firm import refusal
from tests.core.mailboxes import fill

FULL = bool(os.environ.get("MAILD_TEST_FULL"))
PEOPLE = {LEA: "lea", EVA: "eva", JAN: "jan"}
STATUSES = ("New", "In progress", "Waiting", "Done")


@pytest.fixture
def post(app: App) -> Post:
    a_company(app)
    return Post(app)


def recount(app: App) -> tuple[dict[str, Any], dict[str, int]]:
    """Count by hand, mail by mail."""
    mailboxes: dict[str, Any] = {}
    inboxes: Counter[str] = Counter()
    with app.store.read() as tx:
        names = {number: name for name, number in tx.mailbox.status_names(1).items()}
        rows = tx.connection.execute(
            select(
                schema.entries.c.owner_id,
                schema.entries.c.unread,
                schema.entries.c.status_id,
                people_tables.inboxes.c.norm,
            )
            .join(schema.deliveries, schema.deliveries.c.id == schema.entries.c.delivery_id)
            .join(people_tables.inboxes, people_tables.inboxes.c.id == schema.deliveries.c.inbox_id)
        ).all()
    for row in rows:
        box = mailboxes.setdefault(PEOPLE[row.owner_id], Counter())
        status = names[row.status_id] if row.status_id else "New"
        box.update(["all", status, *(["unread", f"unread {status}"] if row.unread else [])])
        inboxes[row.norm] += bool(row.unread)
    return mailboxes, +inboxes


def told(one: MailboxCount) -> Counter[str]:
    """Return a mailbox's figures as `recount` has them."""
    found = Counter({"all": one.all or 0, "unread": one.unread})
    for status in one.statuses:
        found[status.status] = status.all or 0
        found[f"unread {status.status}"] = status.unread
    return +found


def counted(app: App) -> tuple[dict[str, Any], dict[str, int]]:
    found = count_mailboxes(app, by=OPERATOR)
    return (
        {str(one.owner).partition("@")[0]: told(one) for one in found.mailboxes},
        {one.inbox: one.unread for one in found.inboxes if one.unread},
    )


SOMEBODY = st.sampled_from(sorted(PEOPLE))
WALKS = st.lists(
    st.tuples(st.integers(0, 8), st.integers(0, 11), SOMEBODY, st.sampled_from(STATUSES)),
    min_size=30,
    max_size=30,
)


def act_on(app: App, act: int, ulid: str, who: int, status: str) -> None:
    """Do one of the things that people do."""
    by = Actor(who)
    acts: tuple[Callable[[], object], ...] = (
        lambda: give(app, [ulid], to=who, by=OPERATOR),
        lambda: give_found(app, Wanted(unread=True), to=who, by=OPERATOR),
        lambda: take(app, ulid, by=by),
        lambda: undo(app, READER, by=OPERATOR, change_id=newest_change(app, 1, by=OPERATOR)),
        lambda: set_unread(app, [ulid], unread=False, by=OPERATOR),
        lambda: set_unread(app, [ulid], unread=True, by=by),
        lambda: set_status(app, [ulid], status, by=by),
        lambda: dismiss(app, READER, [ulid], by=by),
        lambda: release_mails(app, READER, [ulid], by=by),
    )
    with suppress(RefusedError):
        acts[act]()


@pytest.mark.slow
def test_M2_counts_are_exact_after_any_walk_of_acts(post: Post, clock: Frozen) -> None:
    for _ in range(12):
        post.send(post.mail())
    post.decide()
    some = [str(row["ulid"]) for row in post.lies()]

    @settings(
        max_examples=30 if FULL else 3,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(WALKS)
    def walk(steps: list[tuple[int, int, int, str]]) -> None:
        for act, mail, who, status in steps:
            clock.advance(timedelta(seconds=1))
            act_on(post.app, act, some[mail], who, status)
        assert counted(post.app) == recount(post.app)

    walk()


def test_M5_a_member_counts_the_own_mailbox_and_the_shared_inboxes(post: Post) -> None:
    fill(post.app, 2, EVA)
    fill(post.app, 3, EVA, inbox=CRM, unread=False)
    fill(post.app, 4, LEA, inbox=CRM)
    found = count_mailboxes(post.app, by=Actor(EVA))
    [own] = found.mailboxes
    assert (own.owner, own.all, own.unread) == ("eva@acme.example", 5, 2)
    assert {one.inbox: one.unread for one in found.inboxes} == {
        "info@acme.example": 2,
        "small@acme.example": 0,
    }
    with refusal(Reason.NOT_ALLOWED):
        count_mailboxes(post.app, "lea@acme.example", by=Actor(EVA))
    everything = count_mailboxes(post.app, by=Actor(LEA))
    assert {one.name: one.unread for one in everything.mailboxes} == {"Eva": 2, "Lea": 4}
    assert {one.inbox: one.unread for one in everything.inboxes}["crm@acme.example"] == 4


def test_M2_an_empty_mailbox_that_is_asked_for_counts_nothing(post: Post) -> None:
    [jans] = count_mailboxes(post.app, "jan@acme.example", by=OPERATOR).mailboxes
    assert (jans.name, jans.all, jans.unread) == ("Jan", 0, 0)
    assert [one.status for one in jans.statuses] == list(STATUSES)


def test_M2_unread_mails_alone_are_counted_as_they_are_beside_all(post: Post) -> None:
    fill(post.app, 2, EVA)
    fill(post.app, 3, EVA, inbox=CRM, unread=False)
    fill(post.app, 4, LEA, inbox=CRM, unread=False)
    [evas] = count_mailboxes(post.app, unread_only=True, by=OPERATOR).mailboxes
    assert (evas.owner, evas.all, evas.unread) == ("eva@acme.example", None, 2)
    assert [(one.status, one.all, one.unread) for one in evas.statuses][:2] == [
        ("New", None, 2),
        ("In progress", None, 0),
    ]
    [leas] = count_mailboxes(
        post.app, "lea@acme.example", unread_only=True, by=Actor(LEA)
    ).mailboxes
    assert (leas.all, leas.unread) == (None, 0)


def test_M2_unread_mails_are_counted_along_the_index_that_holds_them_alone(post: Post) -> None:
    if not post.app.store.database.is_sqlite:
        pytest.skip("PostgreSQL chooses by what the tables hold")
    fill(post.app, 2, LEA, inbox=INFO)
    seen: list[str] = []
    engine = post.app.store.database._readers
    event.listen(engine, "before_cursor_execute", lambda *arguments: seen.append(str(arguments[2])))
    count_mailboxes(post.app, by=OPERATOR)
    [of_owners, of_inboxes] = [one for one in seen if "entries.unread" in one]
    with post.app.store.read() as tx:
        for statement in (of_owners, of_inboxes):
            plan = tx.connection.execute(
                text(f"EXPLAIN QUERY PLAN {statement.replace('?', '1')}")
            ).all()
            assert "USING INDEX ix_entries_unread_of_account" in str(plan)


def test_M9_each_reader_leaves_a_mark_and_nobodys_unread_changes(post: Post, clock: Frozen) -> None:
    [ulid] = fill(post.app, 1, LEA)
    for who in (JAN, EVA, JAN):
        mark_opened(post.app, [ulid], by=Actor(who))
        clock.advance(timedelta(minutes=1))
    found = [(one.name, f"{one.at:%H:%M}") for one in readers_of(post.app, ulid, by=Actor(LEA))]
    assert found == [("Jan", "09:42"), ("Eva", "09:43")]
    with post.app.store.read() as tx:
        row = tx.mailbox.entry(ulid)
        assert row is not None
        assert row.unread is True
        assert tx.marks.opened(JAN, [row.id]) == {row.id}
        assert tx.marks.opened(LEA, [row.id]) == set()
    with refusal(Reason.NOT_ALLOWED):
        mark_opened(post.app, [ulid], by=OPERATOR)
