"""What an enemy, a crash, or many people did to the digest.  Each once broke something (U14)."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, update

from maild.core import digest, full_mailboxes
from maild.core.accounts import set_account
from maild.core.addresses import add_address
from maild.core.app import OPERATOR, App
from maild.core.change_email import EmailRequest, change_email, plan_change
from maild.core.delivers_to import set_address
from maild.core.digest import send_digests
from maild.core.full_mailboxes import pause_digests
from maild.core.mailbox import give
from maild.core.people import NewUser, add_user, set_user
from maild.core.seal import SealingKey
from maild.model.people import Role
from maild.store import people_tables
from maild.store.engine import StoreDownError
from tests.core.company import EVA, JAN, LEA, Post, a_company
from tests.core.conftest import Frozen
from tests.core.test_digest import (
    an_admin,
    another_company,
    came_back,
    digest_state,
    ends_in,
    errands,
    give_all,
    report,
    sent,
    some_mail,
)

KEY = SealingKey.of("0123456789abcdef" * 3)


@pytest.fixture
def post(app: App, clock: Frozen) -> Post:
    clock.now = datetime(2026, 11, 20, 9, 42, tzinfo=UTC)
    a_company(app)
    set_account(app, "acme", {"digest": "07:00"}, by=OPERATOR)
    return Post(replace(app, key=KEY))


def some_mail_each(post: Post) -> None:
    """Let one mail wait for each of Lea, Eva and Jan."""
    some_mail(post, 3)
    for row, to in zip(post.lies(), (LEA, EVA, JAN), strict=True):
        give(post.app, [row["ulid"]], to=to, by=OPERATOR)


# --- once, whatever happens ---------------------------------------------------------------------------------------------


def test_U14_who_dies_among_the_copies_sends_the_others_later_and_none_twice(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_mail_each(post)
    monkeypatch.setattr(digest, "_PORTION", 1)
    real = digest._send
    done: list[int] = []

    def dies(*what: Any) -> int:
        if len(done) == 2:
            raise StoreDownError("as if the process had died")
        done.append(1)
        return real(*what)

    with monkeypatch.context() as patched:
        patched.setattr(digest, "_send", dies)
        with pytest.raises(StoreDownError):
            send_digests(post.app, UTC)
    assert len(sent(post)) == 2
    assert send_digests(post.app, UTC) == 1
    assert {mail["to"] for mail in sent(post)} == {
        f"{who}@acme.example" for who in ("lea", "eva", "jan")
    }
    assert len(sent(post)) == 3


def test_U14_two_nodes_at_once_send_each_copy_once(post: Post) -> None:
    some_mail_each(post)
    gate = threading.Barrier(2)

    def node(_: int) -> int:
        gate.wait()
        return send_digests(post.app, UTC)

    with ThreadPoolExecutor(2) as threads:
        assert sum(threads.map(node, range(2))) == 3
    assert len(sent(post)) == 3


def test_U14_another_account_that_names_the_same_inbox_first_keeps_nobody_from_the_copy(
    post: Post, clock: Frozen
) -> None:
    """Olga's admin says so for a minute at midnight, with a digest of their own at that hour, and takes it back."""
    another_company(post)
    set_account(post.app, "other", {"digest": "00:01"}, by=OPERATOR)
    ends_in(post, "lea", "office@elsewhere.example")
    some_mail(post)
    post.send(post.mail(to="crm@acme.example"), "crm@acme.example")
    post.decide()
    with post.app.store.write() as tx:
        tx.connection.execute(
            update(people_tables.users)
            .where(people_tables.users.c.id == LEA)
            .values(digest_off_at=clock())
        )
    clock.now = datetime(2026, 11, 21, 0, 2, tzinfo=UTC)
    set_address(
        post.app, "olga@other.example", {"delivers_to": "office@elsewhere.example"}, by=OPERATOR
    )
    _mail_for_olga(post)
    assert send_digests(post.app, UTC) == 1
    assert sent(post)[-1]["to"] == "olga@other.example"
    set_address(post.app, "olga@other.example", {"delivers_to": "none"}, by=OPERATOR)
    set_user(post.app, "lea@acme.example", {"digest": "on"}, by=OPERATOR)
    clock.now = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
    assert send_digests(post.app, UTC) == 1
    assert sent(post)[-1]["to"] == "lea@acme.example"


def _mail_for_olga(post: Post) -> None:
    from maild.core.inboxes import NewInbox, add_inbox
    from maild.model.people import InboxKind

    add_inbox(
        post.app,
        NewInbox(address="info@other.example", kind=InboxKind.SHARED),
        account="other",
        by=OPERATOR,
    )
    post.send(post.mail(to="info@other.example"), "info@other.example")
    post.decide()


# --- the work of one run ------------------------------------------------------------------------------------------------


def test_U14_what_is_held_is_looked_through_once_however_many_have_mail(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_mail_each(post)
    monkeypatch.setattr(digest, "_PORTION", 1)
    looked: list[str] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        values = parameters.values() if isinstance(parameters, dict) else parameters
        if "entries" in statement and "held" in values and "!=" not in statement:
            looked.append(statement)

    engine = post.app.store.database._readers
    event.listen(engine, "before_cursor_execute", note)
    assert send_digests(post.app, UTC) == 3
    event.remove(engine, "before_cursor_execute", note)
    assert len(looked) == 1


@pytest.mark.parametrize("app", ["sqlite"], indirect=True)
def test_U14_no_copy_looks_through_the_mails_of_the_account(post: Post) -> None:
    some_mail_each(post)
    post.send(post.mail("who@knows.example", to="crm@acme.example"), "crm@acme.example")
    post.decide()
    seen: dict[str, Any] = {}

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if "entries.unread" in statement or "messages.subject" in statement:
            seen[statement] = parameters

    engine = post.app.store.database._readers
    event.listen(engine, "before_cursor_execute", note)
    assert send_digests(post.app, UTC) == 3
    event.remove(engine, "before_cursor_execute", note)
    with post.app.store.read() as tx:
        plans = [
            str(row[3])
            for statement, parameters in seen.items()
            for row in tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
    assert len(seen) >= 3
    assert [one for one in plans if "ix_deliveries_account" in one or one.startswith("SCAN")] == []


def test_U14_what_is_held_and_unread_is_counted_once(post: Post) -> None:
    post.send(post.mail("who@knows.example", to="crm@acme.example"), "crm@acme.example")
    some_mail(post)
    assert send_digests(post.app, UTC) == 1
    assert sent(post)[-1]["subject"] == "2 mails wait for you"


# --- a full mailbox -----------------------------------------------------------------------------------------------------


def test_U14_a_full_alias_does_not_pause_the_digest_that_goes_elsewhere(post: Post) -> None:
    add_address(
        post.app, "lea@acme.example", "lea@home.example", sends_as=False, confirm=True, by=OPERATOR
    )
    with post.app.store.write() as tx:
        assert pause_digests(tx, post.app, "lea@home.example") == 0
    assert digest_state(post) == "on"
    set_address(post.app, "lea@home.example", {"delivers_to": "lea@acme.example"}, by=OPERATOR)
    with post.app.store.write() as tx:
        assert pause_digests(tx, post.app, "lea@home.example") == 1


def test_U14_who_had_the_address_before_cannot_pause_the_digest_of_who_has_it_now(
    post: Post, clock: Frozen
) -> None:
    some_mail(post)
    send_digests(post.app, UTC)
    forged = report(post, "5.2.2")
    clock.advance(timedelta(hours=1))
    asked = EmailRequest(old="lea@acme.example", new="eva@acme.example", swap_roles=True)
    plan = plan_change(post.app, asked, by=OPERATOR).plan
    change_email(post.app, asked, reason="Married", digest=plan.digest, by=OPERATOR)
    clock.advance(timedelta(hours=1))
    came_back(post, forged)
    assert (digest_state(post, "lea"), digest_state(post, "eva")) == ("on", "on")


def test_U14_a_report_on_a_mail_of_long_ago_says_nothing_of_today(
    post: Post, clock: Frozen
) -> None:
    some_mail(post)
    send_digests(post.app, UTC)
    content = report(post, "5.2.2")
    clock.advance(full_mailboxes.REPORTED_FOR + timedelta(minutes=1))
    came_back(post, content)
    assert digest_state(post) == "on"
    assert errands(post)[0].last_error == "it came back: 5.2.2"


def test_U14_of_a_full_inbox_of_many_an_admin_hears_once(post: Post) -> None:
    an_admin(post)
    for number in range(12):
        add_user(
            post.app, NewUser(email=f"u{number}@acme.example", name=f"User {number}"), by=OPERATOR
        )
        ends_in(post, f"u{number}", "office@acme.example")
    with post.app.store.write() as tx:
        assert pause_digests(tx, post.app, "u3@acme.example") == 12
    [notice] = sent(post)
    assert notice["to"] == "ada@acme.example"
    assert notice["subject"].endswith("User 9 and 2 more is full")
    assert notice["text"].count("digest=on") == 10


def test_U14_a_command_in_a_digest_is_safe_in_a_shell(post: Post) -> None:
    add_user(post.app, NewUser(email="`id`@acme.example", name="Id", role=Role.ADMIN), by=OPERATOR)
    some_mail(post)
    with post.app.store.read() as tx:
        name = tx.people.name("`id`@acme.example")
    assert name is not None
    assert name.user_id is not None
    give_all(post, name.user_id)
    send_digests(post.app, UTC)
    assert "maild user set '`id`@acme.example' digest=off" in sent(post)[-1]["text"]
