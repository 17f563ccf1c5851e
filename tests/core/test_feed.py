"""The feed of events: nothing is skipped, nothing told twice, and nobody hears of mails that are not theirs to see."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event
from typing import Any

import pytest
from sqlalchemy import update

from maild.core.app import OPERATOR, Actor, App
from maild.core.feed import FeedPage, events_after, feed_end
from maild.core.mailbox import add_note, give, set_status, set_unread
from maild.core.sources import NewSource, add_source, note_round
from maild.core.standing import note
from maild.model.public_event import EVENT_TYPES
from maild.model.reason import Reason, RefusedError
from maild.model.source import SignIn, SourceKind
from maild.store.people_tables import accounts
from maild.store.store import Tx
from tests.core.company import EVA, JAN, LEA, Post, a_company
from tests.core.conftest import Frozen


@pytest.fixture
def post(app: App) -> Post:
    a_company(app)
    return Post(app)


def read_all(
    app: App, by: Actor = OPERATOR, cursor: str | None = None, limit: int = 3
) -> list[Any]:
    """Follow the feed to its end, in small pages."""
    found = []
    while True:
        page = events_after(app, cursor=cursor, limit=limit, by=by)
        found += page.events
        cursor = page.next
        if not page.more:
            return found


def told(app: App, **more: Any) -> list[str]:
    return [one.type for one in read_all(app, **more)]


def test_G_the_life_of_a_mail_is_told_in_order(app: App, post: Post) -> None:
    post.send(post.mail(), "info@acme.example")
    post.decide()
    ulid = read_all(app)[0].mail
    assert ulid is not None
    give(app, [ulid], to=EVA, by=Actor(LEA))
    set_unread(app, [ulid], unread=False, by=Actor(EVA))
    set_unread(app, [ulid], unread=False, by=Actor(EVA))
    set_status(app, [ulid], "Waiting", by=Actor(EVA))
    add_note(app, ulid, "They will call again", by=Actor(EVA))
    events = read_all(app)
    assert [one.type for one in events] == [
        "mail.received",
        "mail.filed",
        "mail.owner_changed",
        "mail.read",
        "mail.status_changed",
        "mail.noted",
    ]
    assert {one.mail for one in events} == {ulid}
    assert {one.account for one in events} == {"acme"}
    assert {one.schema for one in events} == {1}
    assert events[1].detail == {"reason": "FILED_CONTACT"}
    with app.store.read() as tx:
        people = tx.feed.user_ids([LEA, EVA])
    assert (events[0].actor, events[2].actor) == (None, people[LEA])
    assert events[2].detail == {"from": people[LEA], "to": people[EVA]}
    assert events[4].detail == {"status": "Waiting"}
    assert {one.type for one in events} <= set(EVENT_TYPES)


def test_G_no_address_name_or_subject_stands_in_an_event(app: App, post: Post) -> None:
    post.send(post.mail(more="X-Tell: tale\r\n"), "info@acme.example")
    post.decide()
    ulid = read_all(app)[0].mail
    assert ulid is not None
    give(app, [ulid], to=EVA, by=Actor(LEA), note="A word for Eva")
    words = repr(read_all(app))
    assert not any(word in words for word in ("@", "Rossi", "Eva", "Lea", "Hello", "word"))


def test_G_a_source_that_fails_and_heals_is_told_once_each(app: App, post: Post) -> None:
    new = NewSource(
        name="box",
        kind=SourceKind.IMAP,
        host="imap.acme.example",
        username="box@acme.example",
        inbox="info@acme.example",
        sign_in=SignIn.PASSWORD,
    )
    add_source(app, new, by=OPERATOR)
    with app.store.read() as tx:
        source = next(tx.sources.of_account(1))
    start = feed_end(app, by=OPERATOR)
    for trouble in (None, "REFUSED_LOGIN", "REFUSED_LOGIN", None, None):
        note_round(app, source, {"last_trouble": trouble})
    note_round(app, source, {"backlog": 3})
    events = read_all(app, cursor=start)
    assert [(one.type, dict(one.detail)) for one in events] == [
        ("source.failed", {"trouble": "REFUSED_LOGIN", "source": "box"}),
        ("source.recovered", {"source": "box"}),
    ]


class TestOrder:
    """A reader with a cursor beside transactions that commit late."""

    def test_an_event_that_commits_late_is_not_skipped(self, app: App, post: Post) -> None:
        """One act takes its id first and commits last; meanwhile another one commits, and a reader reads to the end."""
        has_written, may_commit = Event(), Event()

        def late() -> None:
            with app.store.write() as tx:
                _noted(app, tx, "late")
                has_written.set()
                assert may_commit.wait(30)

        def early() -> None:
            with app.store.write() as tx:
                _noted(app, tx, "early")

        start = feed_end(app, by=OPERATOR)
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(late)
            assert has_written.wait(30)
            second = pool.submit(early)
            if not app.store.database.is_sqlite:
                second.result(30)  # PostgreSQL lets it pass; on SQLite it waits for the first.
            seen = _questions(page := events_after(app, cursor=start, by=OPERATOR))
            may_commit.set()
            first.result(30)
            second.result(30)
        seen += _questions(events_after(app, cursor=page.next, by=OPERATOR))
        assert sorted(seen) == ["early", "late"]
        assert seen == _questions(events_after(app, cursor=start, by=OPERATOR))

    def test_many_writers_and_readers_miss_and_repeat_nothing(self, app: App, post: Post) -> None:
        """Readers follow while writers commit in whatever order; each reader has heard the same in the end."""
        start = feed_end(app, by=OPERATOR)
        writers, each = 4, 12
        done = Event()

        def write(number: int) -> None:
            for count in range(each):
                with app.store.write() as tx:
                    _noted(app, tx, f"{number}-{count}")
                    _noted(app, tx, f"{number}-{count} too")

        def follow() -> list[str]:
            seen: list[str] = []
            cursor = start
            while True:
                is_last = done.is_set()
                page = events_after(app, cursor=cursor, limit=7, by=OPERATOR)
                seen += _questions(page)
                cursor = page.next
                if is_last and not page.more:
                    return seen

        with ThreadPoolExecutor(writers + 3) as pool:
            readers = [pool.submit(follow) for _ in range(3)]
            for writing in [pool.submit(write, number) for number in range(writers)]:
                writing.result(60)
            done.set()
            heard = [reader.result(60) for reader in readers]
        assert len(heard[0]) == len(set(heard[0])) == writers * each * 2
        assert heard[0] == heard[1] == heard[2]

    def test_an_act_that_was_given_up_leaves_no_gap_to_wait_for(self, app: App, post: Post) -> None:
        start = feed_end(app, by=OPERATOR)

        def given_up() -> None:
            with app.store.write() as tx:
                _noted(app, tx, "never")
                raise RuntimeError

        with pytest.raises(RuntimeError):
            given_up()
        with app.store.write() as tx:
            _noted(app, tx, "after")
        assert _questions(events_after(app, cursor=start, by=OPERATOR)) == ["after"]


def _noted(app: App, tx: Tx, word: str) -> None:
    note(tx, app, OPERATOR, "client.changed", 1, question=word)


def _questions(page: FeedPage) -> list[str]:
    return [one.detail["question"] for one in page.events]


class TestSight:
    def test_M5_a_member_hears_of_mails_that_they_may_see(self, app: App, post: Post) -> None:
        """A forward lies in its forwarder's mailbox alone; mail of info@ is everybody's."""
        post.send(post.mail("eva@acme.example", to="crm@acme.example"), "crm@acme.example")
        post.send(post.mail(), "info@acme.example")
        post.decide()
        mails = list(dict.fromkeys(one.mail for one in read_all(app)))
        assert len(mails) == 2
        assert {one.mail for one in read_all(app, Actor(LEA))} == set(mails)
        [shared] = {one.mail for one in read_all(app, Actor(JAN))}
        [private] = set(mails) - {shared}
        assert private is not None
        note_of = [one.type for one in read_all(app, Actor(JAN)) if one.mail == private]
        assert note_of == []
        give(app, [private], to=JAN, by=OPERATOR)
        assert private in {one.mail for one in read_all(app, Actor(JAN))}

    def test_M1_who_had_a_mail_hears_that_it_went(self, app: App, post: Post) -> None:
        post.send(post.mail(), "info@acme.example")
        post.decide()
        ulid = read_all(app)[0].mail
        assert ulid is not None
        give(app, [ulid], to=JAN, by=OPERATOR)
        with app.store.write() as tx:
            tx.connection.execute(update(accounts).values(settings={"all_received": False}))
        assert told(app, by=Actor(EVA)) == []
        start = feed_end(app, by=OPERATOR)
        give(app, [ulid], to=EVA, by=OPERATOR)
        set_unread(app, [ulid], unread=False, by=Actor(EVA))
        assert told(app, by=Actor(JAN), cursor=start) == ["mail.owner_changed"]
        assert told(app, by=Actor(EVA), cursor=start) == ["mail.owner_changed", "mail.read"]

    def test_a_member_gets_on_where_there_is_much_that_they_may_not_see(
        self, app: App, post: Post
    ) -> None:
        """A page looks at a bounded number of events; its cursor goes on even where it is empty."""
        with app.store.write() as tx:
            for _ in range(2100):
                _noted(app, tx, "not for members")
        post.send(post.mail(), "info@acme.example")
        page = events_after(app, by=Actor(JAN))
        assert (page.events, page.more) == ([], True)
        page = events_after(app, cursor=page.next, by=Actor(JAN))
        assert [one.type for one in page.events] == ["mail.received"]
        assert not page.more


def test_a_cursor_that_is_none_is_refused_in_words(app: App, post: Post) -> None:
    for cursor in ("", "x", "-1", "٣", "9" * 19):
        with pytest.raises(RefusedError) as refused:
            events_after(app, cursor=cursor, by=OPERATOR)
        assert refused.value.reason is Reason.INVALID_VALUE


def test_H_a_cursor_from_before_a_restore_is_refused_and_skips_nothing(
    app: App, post: Post
) -> None:
    post.send(post.mail(), "info@acme.example")
    end = events_after(app, by=OPERATOR).next
    assert events_after(app, cursor=end, by=OPERATOR).events == []
    with pytest.raises(RefusedError) as refused:
        events_after(app, cursor=str(int(end) + 1), by=OPERATOR)
    assert refused.value.reason is Reason.CURSOR_AHEAD


def test_an_end_is_where_what_comes_begins(app: App, post: Post, clock: Frozen) -> None:
    assert events_after(app, cursor=feed_end(app, by=OPERATOR), by=OPERATOR).events == []
    end = feed_end(app, by=OPERATOR)
    clock.advance(timedelta(minutes=1))
    post.send(post.mail(), "info@acme.example")
    [event] = events_after(app, cursor=end, by=OPERATOR).events
    assert (event.type, event.at) == ("mail.received", clock.now)
