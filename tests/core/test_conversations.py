"""Mails that answer each other lie together, in sight of whoever may see each (M14, F4)."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from maild.core.app import OPERATOR, Actor, App
from maild.core.conversations import give_conversation, show_conversation
from maild.core.lists import Wanted, list_mails
from maild.core.mailbox import give, undo
from maild.core.quoting import join_old
from maild.core.rulings import dismiss
from maild.model.reason import Reason
from maild.store import schema, threads
from maild.store.thread_tables import thread_links
from maild.store.threads import Quoting
from tests.core.company import EVA, JAN, LEA, READER, Post, a_company
from tests.core.conftest import Frozen
from tests.core.firm import refusal


class Letters(Post):
    """Mails by their Message-IDs."""

    def comes(self, name: str, *quotes: str, to: str = "info@acme.example", more: str = "") -> str:
        """Let a mail come in that quotes others; return its id."""
        references = f"References: {' '.join(f'<{one}@x>' for one in quotes)}\r\n" if quotes else ""
        content = self.mail(to=to, body=name, message_id=f"{name}@x", more=references + more)
        self.send(content, to)
        self.decide()
        return str(self.lies()[-1]["ulid"])

    def together(self, ulid: str, by: Actor = OPERATOR) -> list[str]:
        """Return the subjects of a mail's conversation, in order."""
        return [mail["subject"] for mail in show_conversation(self.app, ulid, by=by).mails]

    def groups(self) -> set[frozenset[str]]:
        """Return the conversations, as subjects."""
        found: dict[int | None, set[str]] = {}
        with self.app.store.read() as tx:
            columns = schema.messages.c.thread_id, schema.messages.c.subject
            for thread, subject in tx.connection.execute(select(*columns)):
                found.setdefault(thread, set()).add(subject)
        assert None not in found
        return set(map(frozenset, found.values()))


@pytest.fixture
def post(app: App) -> Letters:
    a_company(app)
    return Letters(app)


def owner(app: App, ulid: str) -> int | None:
    with app.store.read() as tx:
        row = tx.mailbox.entry(ulid)
    assert row is not None
    return row.owner_id


# --- what belongs together ------------------------------------------------------------------------------------------------


def test_M14_answers_lie_with_what_they_answer_across_inboxes_oldest_first(post: Letters) -> None:
    first = post.comes("offer")
    post.comes("other")
    answer = post.comes("answer", "offer", to="crm@acme.example")
    post.comes("again", "offer", "answer")
    assert post.together(first) == post.together(answer) == ["offer", "answer", "again"]


def test_M14_answers_to_a_mail_that_never_came_lie_together_and_it_finds_them(
    post: Letters,
) -> None:
    post.comes("one", "lost")
    post.comes("two", "lost")
    assert post.groups() == {frozenset({"one", "two"})}
    post.comes("lost")
    assert post.groups() == {frozenset({"one", "two", "lost"})}


def test_M14_a_link_that_comes_late_makes_two_conversations_one(post: Letters) -> None:
    post.comes("a1")
    post.comes("a2", "a1")
    post.comes("b1")
    post.comes("b2", "b1")
    assert post.groups() == {frozenset({"a1", "a2"}), frozenset({"b1", "b2"})}
    post.comes("link", "a2", "b2")
    assert post.groups() == {frozenset({"a1", "a2", "b1", "b2", "link"})}
    post.comes("late", "b1")
    assert len(post.groups()) == 1


def test_M14_in_reply_to_alone_links_and_no_message_id_is_a_conversation_of_its_own(
    post: Letters,
) -> None:
    first = post.comes("offer")
    post.comes("answer", more="In-Reply-To: <offer@x>\r\n")
    for _ in range(2):
        post.send(post.mail(body="device", message_id=None))
        post.decide()
    assert post.together(first) == ["offer", "answer"]
    assert post.together(str(post.lies()[-1]["ulid"])) == ["device"]


def test_M14_a_mail_decided_again_stays_where_it_is(post: Letters) -> None:
    first = post.comes("offer")
    post.comes("answer", "offer")
    dismiss(post.app, READER, [first], by=OPERATOR)
    assert post.together(first) == ["offer", "answer"]


def test_M14_a_full_conversation_goes_on_as_a_new_one(
    post: Letters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "THREAD_MAX", 3)
    names = [f"m{number}" for number in range(7)]
    for number, name in enumerate(names):
        post.comes(name, *names[max(number - 1, 0) : number])
    assert post.groups() == {frozenset(names[:3]), frozenset(names[3:6]), frozenset(names[6:])}


def test_M14_conversations_that_do_not_fit_together_stay_two(
    post: Letters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "THREAD_MAX", 3)
    for name in ("a", "b"):
        post.comes(f"{name}1")
        post.comes(f"{name}2", f"{name}1")
    post.comes("link", "b2", "a2")
    assert post.groups() == {frozenset({"a1", "a2", "link"}), frozenset({"b1", "b2"})}


def test_M14_of_a_thousand_references_a_few_are_kept_and_the_mail_is_found_by_them(
    post: Letters,
) -> None:
    root = post.comes("root")
    post.comes("bomb", "root", *(f"r{number}" for number in range(1000)))
    assert post.table("thread_links") <= 2 + threads.QUOTED_MAX
    assert post.together(root) == ["root", "bomb"]
    assert post.together(post.comes("next", "r999")) == ["root", "bomb", "next"]
    assert post.together(post.comes("far", "r7")) == ["far"]


def test_M14_two_writers_who_see_nothing_of_each_other_make_one_conversation(
    post: Letters,
) -> None:
    app = post.app
    for name in ("one", "two"):
        post.comes(name)
    with app.store.write() as tx:
        tx.connection.execute(update(schema.messages).values(thread_id=None))
        tx.connection.execute(thread_links.delete())
        ids = list(tx.connection.execute(select(schema.messages.c.id)).scalars())
    has_written = threading.Event()

    def join(message: int, *, waits: bool) -> None:
        with app.store.write() as tx:
            tx.threads.join([Quoting(message_id=message, quotes=["common@x"])])
            if waits:
                has_written.set()
                has_looked.wait(0.5)

    has_looked = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(join, ids[0], waits=True)
        assert has_written.wait(10)
        second = pool.submit(join, ids[1], waits=False)
        first.result(20)
        second.result(20)
    assert len(post.groups()) == 1


def test_M14_mails_of_an_older_version_are_joined_later_and_from_where_it_ended(
    post: Letters, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, quotes in (("a", ()), ("b", ("a",)), ("c", ("b",)), ("d", ())):
        post.comes(name, *quotes)
    before = post.groups()
    with post.app.store.write() as tx:
        tx.connection.execute(update(schema.messages).values(thread_id=None))
        tx.connection.execute(thread_links.delete())
    monkeypatch.setattr("maild.core.quoting.OLD_PORTION", 3)
    assert join_old(post.app, 0) is not None  # And then the process dies.
    after: int | None = 0
    while after is not None:
        after = join_old(post.app, after)
    assert post.groups() == before == {frozenset("abc"), frozenset("d")}


def test_M14_history_that_is_brought_in_later_stands_where_it_belongs(
    post: Letters, clock: Frozen, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = post.comes("answer", "offer")
    newest = post.comes("newest", "offer", "answer")
    clock.advance(timedelta(days=-2000))
    post.comes("offer")
    old = str(list_mails(post.app, Wanted(limit=3), by=OPERATOR).mails[-1]["id"])
    for one in (answer, newest, old):
        assert post.together(one) == ["offer", "answer", "newest"]
    monkeypatch.setattr("maild.core.conversations.SHOWN_MAX", 2)
    assert post.together(answer) == ["answer", "newest"]
    assert post.together(old) == ["offer", "newest"], "the mail that was asked for is among them"


# --- who sees and moves what --------------------------------------------------------------------------------------------


def test_F4_quoting_a_mail_shows_nobody_more_of_a_conversation_than_mail_by_mail(
    post: Letters,
) -> None:
    hidden = post.comes("secret", to="crm@acme.example")
    shown = post.comes("nosy", "secret")
    give(post.app, [shown], to=EVA, by=OPERATOR)
    assert post.together(shown, by=Actor(EVA)) == ["nosy"]
    assert post.together(shown, by=Actor(LEA)) == ["secret", "nosy"]
    with refusal(Reason.NOT_ALLOWED):
        show_conversation(post.app, hidden, by=Actor(EVA))
    done = give_conversation(post.app, shown, to=JAN, by=Actor(EVA))
    assert (done.moved, done.unchanged) == ((shown,), ())
    assert owner(post.app, hidden) == LEA


def test_M14_giving_moves_one_mail_or_the_whole_conversation_and_undo_takes_it_back(
    post: Letters,
) -> None:
    names = ["m0", "m1", "m2", "m3"]
    some = [post.comes(name, *names[:number]) for number, name in enumerate(names)]
    other = post.comes("other")
    give(post.app, [some[1]], to=JAN, by=OPERATOR)
    assert [owner(post.app, one) for one in some] == [LEA, JAN, LEA, LEA]
    dismiss(post.app, READER, [some[3]], by=OPERATOR)
    done = give_conversation(post.app, some[2], to=JAN, by=Actor(LEA), note="yours")
    assert set(done.moved) == {some[0], some[2]}
    assert set(done.unchanged) == {some[1], some[3]}
    assert owner(post.app, other) == LEA
    undo(post.app, READER, by=Actor(LEA), change_id=done.id)
    assert [owner(post.app, one) for one in some[:3]] == [LEA, JAN, LEA]


def test_M1_who_saw_an_older_version_of_the_named_mail_gives_no_conversation(
    post: Letters,
) -> None:
    first = post.comes("m0")
    then = post.comes("m1", "m0")
    give(post.app, [first], to=EVA, by=OPERATOR)
    with refusal(Reason.OWNER_CHANGED):
        give_conversation(post.app, first, to=JAN, by=Actor(LEA), seen_version=1)
    assert owner(post.app, then) == LEA


def test_M14_the_same_message_ids_in_another_account_are_another_conversation(
    post: Letters,
) -> None:
    from maild.testing.world import a_world

    beta = a_world(replace(post.app), "beta")
    beta.user("bea@beta.example")
    beta.inbox("info@beta.example", owner="bea@beta.example")
    first = post.comes("offer")
    post.send(
        post.mail(
            to="info@beta.example",
            body="theirs",
            message_id="their@x",
            more="References: <offer@x>\r\n",
        ),
        "info@beta.example",
    )
    post.decide()
    assert post.together(first) == ["offer"]
    assert len(post.groups()) == 2
