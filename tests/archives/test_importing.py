"""Old mail comes in silently, with its own dates, and once (D13)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from maild.core.app import OPERATOR, Actor, App
from maild.core.archives import Fate, Import, OldMail, bring_in, look_over
from maild.core.feed import events_after
from maild.core.rules import add_rule
from maild.model.envelope import Door
from maild.model.reason import RefusedError
from tests.core.company import READER, SIGNED_IN, Post, a_company
from tests.core.conftest import Frozen, app, clock

__all__ = ["app", "clock"]

INFO = Import(inbox="info@acme.example")
CRM = Import(inbox="crm@acme.example")
THEN = datetime(2020, 3, 1, 9, 30, tzinfo=UTC)
NEW, KNOWN = Fate.NEW, Fate.KNOWN


@pytest.fixture
def post(app: App) -> Post:
    a_company(app)
    return Post(app)


def bring(app: App, *contents: bytes, how: Import = INFO, unread: bool = False) -> Sequence[Fate]:
    mails = [OldMail(content=one, received_at=THEN, is_unread=unread) for one in contents]
    return bring_in(app, READER, mails, how, by=OPERATOR)


def test_D13_old_mail_is_decided_and_lies_read_under_its_own_date(app: App, post: Post) -> None:
    assert bring(app, post.mail(), post.mail("x@world.example")) == [NEW, NEW]
    rows = post.lies()
    assert {(row["state"], row["reason"], row["unread"], row["status"]) for row in rows} == {
        ("filed", "FILED_CONTACT", False, None),
        ("unfiled", "CLIENT_NOT_FOUND", False, None),
    }
    assert {row["received_at"] for row in rows} == {THEN}
    assert {row["owner"] for row in rows} == {"lea@acme.example"}


def test_D13_the_server_that_took_it_knows_best_when_that_was(app: App, post: Post) -> None:
    received = b"Received: from x by y; Mon, 2 Mar 2020 10:00:00 +0100\r\n"
    bring(app, received + post.mail())
    [row] = post.lies()
    assert row["received_at"] == datetime(2020, 3, 2, 9, tzinfo=UTC)


def test_D13_what_is_yet_to_come_is_believed_of_nobody(app: App, post: Post, clock: Frozen) -> None:
    bring(app, b"Received: x; Mon, 2 Mar 2037 10:00:00 +0100\r\n" + post.mail())
    [row] = post.lies()
    assert row["received_at"] == THEN


def test_D13_a_second_run_adds_nothing_whenever_it_is(app: App, post: Post, clock: Frozen) -> None:
    nightly = post.mail(message_id=None, body="backup OK")
    mails = [post.mail(), post.mail(message_id=None), nightly]
    assert bring(app, *mails, nightly) == [NEW, NEW, NEW, KNOWN]
    before = post.table("arrivals"), post.table("messages"), post.table("deliveries")
    clock.advance(timedelta(days=400))
    assert bring(app, *mails) == [KNOWN] * 3
    assert (post.table("arrivals"), post.table("messages"), post.table("deliveries")) == before


def test_D13_a_machines_nightly_mail_is_one_of_each_night(app: App, post: Post) -> None:
    nightly = post.mail(message_id=None, body="backup OK")
    nights = [OldMail(content=nightly, received_at=THEN + timedelta(days=n)) for n in range(3)]
    for _ in range(2):
        bring_in(app, READER, nights, INFO, by=OPERATOR)
    assert [row["received_at"] for row in post.lies()] == [night.received_at for night in nights]


def test_D13_what_came_by_a_door_is_known(app: App, post: Post) -> None:
    mail = post.mail()
    post.send(mail)
    post.decide()
    assert bring(app, mail) == [KNOWN]
    [row] = post.lies()
    assert row["unread"]


def test_D13_marks_of_a_mail_program_make_no_other_mail(app: App, post: Post) -> None:
    mail = post.mail(message_id=None)
    assert bring(app, mail) == [NEW]
    assert bring(app, b"Status: RO\r\nX-Mozilla-Status: 0001\r\n" + mail) == [KNOWN]


def test_D13_unread_is_what_lay_so(app: App, post: Post) -> None:
    bring(app, post.mail(), unread=True)
    bring(app, post.mail())
    assert sorted(row["unread"] for row in post.lies()) == [False, True]


def test_D13_nobody_hears_of_it_and_no_rule_acts(app: App, post: Post) -> None:
    add_rule(
        app, "All", "subject contains hello: owner = Eva, status = Waiting", by=OPERATOR, on=True
    )
    before = {event.id for event in events_after(app, by=OPERATOR).events}
    bring(app, post.mail(body="hello"))
    assert {event.id for event in events_after(app, by=OPERATOR).events} == before
    assert post.table("outbox") == 0
    [row] = post.lies()
    assert (row["owner"], row["status"]) == ("lea@acme.example", None)
    post.send(post.mail(body="hello"))
    post.decide()
    assert len({event.id for event in events_after(app, by=OPERATOR).events} - before) > 0


def test_D13_it_is_silent_where_another_inbox_had_the_mail_live(app: App, post: Post) -> None:
    add_rule(app, "All", "subject contains hello: status = Waiting", by=OPERATOR, on=True)
    mail = post.mail(body="hello")
    post.send(mail)
    post.decide()
    before = {event.id for event in events_after(app, by=OPERATOR).events}
    assert bring(app, mail, how=CRM) == [NEW]
    assert {event.id for event in events_after(app, by=OPERATOR).events} == before
    told = {row["inbox"]: (row["unread"], row["status"]) for row in post.lies()}
    assert told == {"info@acme.example": (True, "Waiting"), "crm@acme.example": (False, None)}


def test_D13_a_mail_that_is_not_decided_yet_is_no_past_by_an_import_elsewhere(
    app: App, post: Post
) -> None:
    mail = post.mail()
    post.send(mail)
    assert bring(app, mail, how=CRM) == [NEW]
    post.decide()
    told = {row["inbox"]: row["unread"] for row in post.lies()}
    assert told == {"info@acme.example": True, "crm@acme.example": False}


def test_D13_senders_are_proven_by_the_operators_word_and_else_only_recorded(
    app: App, post: Post
) -> None:
    eva = ("Eva <eva@acme.example>",)
    bring(app, post.mail(*eva))
    bring(app, post.mail(*eva), how=CRM)
    bring(
        app,
        post.mail(*eva),
        how=Import(inbox="crm@acme.example", authenticated_for=("acme.example",)),
    )
    rows = {(row["inbox"][:4], row["reason"], row["user"]) for row in post.lies()}
    assert ("info", "CLIENT_NOT_FOUND", None) in rows
    assert ("crm@", "SENDER_NOT_VERIFIED", None) in rows
    assert any(user == "eva@acme.example" for _, _, user in rows)
    vouched = Import(inbox="crm@acme.example", authenticated_for=("acme.example",))
    with pytest.raises(RefusedError, match="operator"):
        look_over(app, [], vouched, by=Actor(account_id=1))


def test_D13_a_mail_that_breaks_its_reader_is_stored_and_stops_nobody(
    app: App, post: Post, clock: Frozen
) -> None:
    assert bring(app, post.mail(body="kill-the-reader"), post.mail()) == [NEW, NEW]
    assert {row["state"] for row in post.lies()} == {"received", "filed"}
    for _ in range(4):
        clock.advance(timedelta(minutes=1))
        post.decide()
    assert {row["state"] for row in post.lies()} == {"failed", "filed"}


def test_D13_an_inbox_keeps_its_limit_and_a_day_is_a_bound(app: App, post: Post) -> None:
    small = Import(inbox="small@acme.example")
    assert bring(app, post.mail(body="x" * 2000), how=small) == [Fate.TOO_LARGE]
    late = Import(inbox="info@acme.example", since=THEN + timedelta(seconds=1))
    assert bring(app, post.mail(), how=late) == [Fate.OLDER]
    assert post.lies() == []


def test_D13_a_dry_run_says_the_same_and_stores_nothing(app: App, post: Post) -> None:
    mails = [OldMail(content=post.mail(), received_at=THEN) for _ in range(2)]
    bring_in(app, READER, mails[:1], INFO, by=OPERATOR)
    before = post.table("arrivals")
    assert look_over(app, mails, INFO, by=OPERATOR) == [KNOWN, NEW]
    assert post.table("arrivals") == before


def test_D13_a_mail_of_today_that_is_the_same_is_told_of(app: App, post: Post) -> None:
    """It lies in an archive and comes in by a door at last: that it came in is an arrival, and one mail."""
    mail = post.mail("Eva <eva@acme.example>")
    bring(app, mail, how=CRM)
    post.send(mail, "crm@acme.example", door=Door.SMTP, trust=SIGNED_IN)
    post.decide()
    [row] = post.lies()
    assert row["user"] == "eva@acme.example"
