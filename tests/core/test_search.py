"""Lists by search: the index follows the commit, and every term finds what it says, on both databases (M6)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from maild.core import indexing
from maild.core.app import OPERATOR, Actor, App
from maild.core.indexing import backlog, index_all, index_round
from maild.core.lists import Wanted, count_mails, list_mails
from maild.core.mailbox import give
from maild.model.envelope import Trust
from maild.model.reason import Reason, RefusedError
from maild.store.engine import StoreDownError
from tests.core.company import EVA, JAN, LEA, Post, a_company
from tests.core.conftest import Frozen

MIXED = """MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain; charset=utf-8

See the enclosed.
--b
Content-Type: application/pdf
Content-Disposition: attachment; filename="floor-plan 2026.pdf"
Content-Transfer-Encoding: base64

JVBERi0=
--b--
"""


class Room:
    """A company with mails that are found by their Message-IDs."""

    def __init__(self, app: App, clock: Frozen) -> None:
        a_company(app)
        self.app = app
        self.clock = clock
        self.post = Post(app)

    def mail(
        self,
        name: str,
        subject: str = "Hello",
        body: str = "Good morning",
        from_: str = "Anna Rossi <anna@rossi.example>",
        to: str = "info@acme.example",
        *,
        more: str = "",
        recipients: tuple[str, ...] = (),
        trust: Trust | None = None,
    ) -> None:
        head = [f"From: {from_}", f"To: {to}", f"Subject: {subject}", f"Message-ID: <{name}@x>"]
        head += ["Date: Fri, 20 Nov 2026 10:00:00 +0100"]
        separator = "" if "Content-Type" in body else "Content-Type: text/plain; charset=utf-8\n\n"
        text = "\n".join(head) + "\n" + more + separator + body + "\n"
        self.post.send(text.replace("\n", "\r\n").encode(), *recipients, trust=trust)
        self.clock.advance(timedelta(minutes=1))

    def settle(self) -> None:
        self.post.decide()
        index_all(self.app)

    def found(self, query: str, by: Actor = OPERATOR, **wanted: Any) -> list[str]:
        page = list_mails(self.app, Wanted(search=query, **wanted), by=by)
        return [mail["message_id"].removesuffix("@x") for mail in page.mails]

    def id_of(self, name: str) -> str:
        found = list_mails(self.app, Wanted(), by=OPERATOR).mails
        return next(str(mail["id"]) for mail in found if mail["message_id"] == f"{name}@x")


@pytest.fixture
def room(app: App, clock: Frozen) -> Room:
    return Room(app, clock)


@pytest.fixture
def full(room: Room) -> Room:
    room.mail("offer", "Offer for the Größe", "We offer you a good price, 日本語 as well.")
    room.mail("plan", "The plan", MIXED, from_="marc@dupont.example")
    room.mail("long", "invoice", "word " * 2000, from_="Bob <bob@stranger.example>")
    room.mail(
        "small", "invoice", "late", to="small@acme.example", recipients=("small@acme.example",)
    )
    room.settle()
    return room


FINDS = {
    "offer": "offer",
    "OFFER price": "offer",
    '"offer you"': "offer",
    '"you offer"': "",
    "grosse": "offer",
    "日本": "offer",
    "語": "offer",
    "offe": "",
    "offe*": "offer",
    "-offer": "small long plan",
    "offer -price": "",
    "subject:invoice": "small long",
    "subject:word": "",
    "word": "long",
    "attachment:plan": "plan",
    "attachment:floor*": "plan",
    "has:attachment": "plan",
    "-has:attachment invoice": "small long",
    "from:rossi": "small offer",
    "from:@rossi.example": "small offer",
    "from:=marc@dupont.example": "plan",
    'from:"anna rossi"': "small offer",
    "from:bob": "long",
    "-from:rossi": "long plan",
    "to:info@": "long plan offer",
    "to:@acme.example": "small long plan offer",
    "to:=small@acme.example": "small",
    "cc:info@": "",
    "client:rossi": "small offer",
    "client:none": "long",
    "-client:rossi -client:none": "plan",
    "client:=Dupont": "plan",
    "has:client": "small plan offer",
    "state:unfiled": "long",
    "is:filed invoice": "small",
    "reason:client_not_found": "long",
    "is:unread": "small long plan offer",
    "is:read": "",
    "is:shared is:in": "small long plan offer",
    "owner:lea invoice": "small long",
    "owner:none": "",
    "-owner:lea": "",
    "user:none": "small long plan offer",
    "inbox:small": "small",
    "-inbox:small": "long plan offer",
    "status:new": "small long plan offer",
    "-status:new": "",
    "larger:5k": "long",
    "smaller:1k invoice": "small",
    "before:2026-11-20T09:43": "offer",
    "after:2026-11-20T09:43 -on:2026-11-20T09:45": "long",
    "on:2026-11-20T09:43": "plan",
    "on:2026-11-20T09:43 has:attachment": "plan",
    "after:2026-11-20T09:43 invoice": "small long",
    "after:2026-11-20": "",
}
"""What each query finds of them, newest first."""


def test_M6_each_term_finds_what_it_says(full: Room) -> None:
    assert {query: " ".join(full.found(query)) for query in FINDS} == FINDS
    assert {
        query: count_mails(full.app, Wanted(search=query), by=OPERATOR).number for query in FINDS
    } == {query: len(names.split()) for query, names in FINDS.items()}


def test_M6_To_says_which_of_its_places_matched(room: Room) -> None:
    room.mail(
        "many",
        to="sales@acme.example",
        more="Cc: info@acme.example\nDelivered-To: info@acme.example\n",
    )
    room.settle()
    [mail] = list_mails(room.app, Wanted(search="to:info@"), by=OPERATOR).mails
    assert {(one["in"], one["address"]) for one in mail["matched"]} == {
        ("Cc", "info@acme.example"),
        ("Delivered-To or X-Original-To", "info@acme.example"),
        ("envelope", "info@acme.example"),
    }
    [mail] = list_mails(room.app, Wanted(search="to:sales@"), by=OPERATOR).mails
    assert mail["matched"] == [{"field": "to", "in": "To", "address": "sales@acme.example"}]
    assert room.found("cc:info@") == ["many"]
    assert room.found("cc:sales@") == []


def test_M6_pages_of_a_search_follow_each_other(full: Room) -> None:
    for query in ("to:info@", "is:unread inbox:info"):
        wanted = Wanted(search=query, limit=2)
        first = list_mails(full.app, wanted, by=OPERATOR)
        rest = list_mails(full.app, Wanted(search=query, limit=2, after=first.next), by=OPERATOR)
        names = [mail["message_id"] for page in (first, rest) for mail in page.mails]
        assert names == ["long@x", "plan@x", "offer@x"]
        assert rest.next is None


def test_M6_what_changes_hands_is_found_where_it_is_now(full: Room) -> None:
    give(full.app, [full.id_of("offer")], to=EVA, by=OPERATOR, note="yours")
    assert full.found("offer owner:eva") == ["offer"]
    assert full.found("offer owner:me", by=Actor(LEA)) == []
    assert full.found("owner:me", by=Actor(EVA)) == ["offer"]
    assert full.found("has:note") == []


def test_M6_a_search_shows_nobody_more_than_they_see(full: Room) -> None:
    with full.app.store.write() as tx:
        tx.connection.exec_driver_sql("UPDATE accounts SET settings = '{\"all_received\": false}'")
    give(full.app, [full.id_of("offer")], to=JAN, by=OPERATOR)
    for query in ("price", "-xyz", "owner:jan", "is:unread", "to:info@"):
        assert full.found(query, by=Actor(EVA)) == []
        assert full.found(query, by=Actor(JAN)) == ["offer"]


def test_M6_what_names_nothing_is_said(full: Room) -> None:
    for query, note in (
        ("owner:xena", "Nobody in this account is called “xena”."),
        ("status:lost", "There is no status “lost”; there are New, In progress, Waiting, Done."),
        ("client:lost", "There is no client “lost”."),
        ("to:nowhere.example", "No mail is known that has “nowhere.example” in to."),
        ("owner:me", "“me” is nobody here: you are not signed in as a user."),
    ):
        page = list_mails(full.app, Wanted(search=query), by=OPERATOR)
        assert (page.mails, page.notes) == ([], [note])
    page = list_mails(full.app, Wanted(search="-client:lost offer"), by=OPERATOR)
    assert len(page.mails) == 1
    assert page.notes == ["There is no client “lost”."]


def test_M6_what_cannot_be_read_or_is_too_wide_is_refused(
    full: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maild.core.searching.NAMED_MAX", 1)
    for query, reason in (
        ("form:anna", Reason.SEARCH_FIELD_UNKNOWN),
        ("from:", Reason.SEARCH_UNREADABLE),
        ("from:example", Reason.SEARCH_TOO_WIDE),
    ):
        with pytest.raises(RefusedError) as refused:
            full.found(query)
        assert refused.value.reason is reason
        assert "{" not in str(refused.value)


def test_M6_the_index_follows_the_commit_and_a_crash_forgets_nothing(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.mail("offer", "Offer")
    room.post.decide()
    assert room.found("offer") == []
    assert room.found("is:unread") == ["offer"], "what is no matter of words is found at once"
    assert backlog(room.app) == 1

    def cut(_: object) -> list[str]:
        raise StoreDownError("the power is gone")

    with monkeypatch.context() as broken:
        broken.setattr(indexing, "tokens_of", cut)
        with pytest.raises(StoreDownError):
            index_round(room.app)
    assert backlog(room.app) == 1
    assert index_round(room.app) == 1
    assert (index_round(room.app), backlog(room.app)) == (0, 0)
    assert room.found("offer") == ["offer"]


def test_M6_what_is_settled_while_it_is_indexed_is_indexed_again(room: Room) -> None:
    room.mail("offer", "Offer")
    room.post.decide()
    with room.app.store.read() as tx:
        [due] = tx.indexing.due(10)
    with room.app.store.write() as tx:
        tx.indexing.queue([due.id])
    with room.app.store.write() as tx:
        tx.indexing.put([(due, ["1", "1_stale"])])
    assert room.found("stale") == ["offer"]
    assert index_all(room.app) == 1
    assert (room.found("stale"), room.found("offer")) == ([], ["offer"])


def test_M6_a_second_coming_of_a_mail_is_found_by_its_new_recipient(room: Room) -> None:
    for recipients in (("info@acme.example",), ("info@acme.example", "crm@acme.example")):
        room.mail("same", recipients=recipients)
        room.settle()
    assert room.found("to:crm@ inbox:info") == ["same"]


def test_M6_what_is_erased_is_not_found_any_more(full: Room) -> None:
    with full.app.store.write() as tx:
        tx.connection.exec_driver_sql(
            "UPDATE deliveries SET state = 'erased' WHERE message_id IN "
            "(SELECT id FROM messages WHERE message_id_header = 'long@x')"
        )
        tx.connection.exec_driver_sql(
            "DELETE FROM entries WHERE delivery_id IN (SELECT id FROM deliveries WHERE state = 'erased')"
        )
        row = tx.connection.exec_driver_sql(
            "SELECT id FROM deliveries WHERE state = 'erased'"
        ).one()
        tx.indexing.queue([row.id])
    index_all(full.app)
    assert full.found("word") == []
    assert full.found("-xyz invoice") == ["small"]


def test_M6_dates_and_sizes_beyond_all_numbers_find_what_they_say(full: Room) -> None:
    for query, found in (
        ("before:2107-01-01 offer", ["offer"]),
        ("before:9999-12-30 offer", ["offer"]),
        ("on:2200-01-01 offer", []),
        ("after:2200-01-01 offer", []),
        ("larger:9000000TB", []),
        ("smaller:999999999999999TB offer", ["offer"]),
        ("before:1900-01-01 offer", []),
    ):
        assert full.found(query) == found, query
        assert count_mails(full.app, Wanted(search=query), by=OPERATOR).number == len(found)


def test_M5_a_member_does_not_learn_from_notes_who_writes_to_colleagues(full: Room) -> None:
    with full.app.store.write() as tx:
        tx.connection.exec_driver_sql("UPDATE accounts SET settings = '{\"all_received\": false}'")
    for address in ("=marc@dupont.example", "=nobody@dupont.example", "@hunter.example"):
        for name in ("from", "to", "cc"):
            page = list_mails(full.app, Wanted(search=f"{name}:{address}"), by=Actor(EVA))
            assert (page.mails, page.notes) == ([], [])
    page = list_mails(full.app, Wanted(search="from:=nobody@dupont.example"), by=Actor(LEA))
    assert page.notes == ["No mail is known that has “nobody@dupont.example” in from."]


@pytest.mark.parametrize("query", ["owner:acme", "-owner:acme", "user:acme"])
def test_M6_more_people_than_a_term_may_name_are_refused(
    full: Room, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    monkeypatch.setattr("maild.core.searching.NAMED_MAX", 1)
    with pytest.raises(RefusedError) as refused:
        full.found(query)
    assert refused.value.reason is Reason.SEARCH_TOO_WIDE


def test_M6_what_few_mails_have_is_asked_of_each_and_found_alike(
    full: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(full.app, [full.id_of("offer"), full.id_of("long")], to=EVA, by=OPERATOR)
    queries = [f"{query} owner:{who}" for query in FINDS for who in ("eva", "lea")]
    few = [full.found(query) for query in queries]
    monkeypatch.setattr("maild.store.list_walks.FEW_OWNED", 0)
    for common in (0, 10**9):
        monkeypatch.setattr("maild.store.list_walks.COMMON", common)
        assert [full.found(query) for query in queries] == few
    assert full.found("from:example owner:eva") == ["long", "offer"]
    monkeypatch.undo()
    wanted = Wanted(search="from:example owner:eva", limit=1)
    first = list_mails(full.app, wanted, by=OPERATOR)
    rest = list_mails(
        full.app,
        Wanted(search="from:example owner:eva", limit=1, after=first.next),
        by=OPERATOR,
    )
    names = [mail["message_id"] for page in (first, rest) for mail in page.mails]
    assert names == ["long@x", "offer@x"]


def test_M6_a_domain_of_other_letters_is_found_as_it_is_typed(room: Room) -> None:
    room.mail("book", to="info@acme.example, Post <post@bücher.example>", from_="oe@grün.example")
    room.settle()
    for query in ("to:bücher", "to:post@BÜCHER.example", "to:@bücher.example", "from:@grün"):
        assert room.found(query) == ["book"], query
    [mail] = list_mails(room.app, Wanted(search="to:bücher"), by=OPERATOR).mails
    assert [one["in"] for one in mail["matched"]] == ["To"]
    assert room.found("to:bücherei") == []
