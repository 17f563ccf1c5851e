"""What people are shown of mail: lists, one mail, its history, and why (M2, M3, M5, E1, E3)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from maild.core import mailbox, rulings
from maild.core.app import OPERATOR, Actor, App
from maild.core.inspect import Asked, Sample, WhatIf
from maild.core.lists import Wanted, list_mails, mails_with_reason
from maild.core.views import explain_mail, mail_history, raw_mail, show_mail
from maild.model.envelope import Trust
from maild.model.letter import UnreadableError
from maild.model.reason import Reason, RefusedError
from maild.model.states import State
from maild.parse import read_letter
from maild.store import people_tables
from tests.core.company import READER, SIGNED_IN, Post, a_company
from tests.core.conftest import Frozen

LEA, EVA, JAN = "lea@acme.example", "eva@acme.example", "jan@acme.example"
WHO = {LEA: 1, EVA: 2, JAN: 3}
CRM, INFO = "crm@acme.example", "info@acme.example"


class World:
    """A small company, with mails that come in and are decided."""

    def __init__(self, app: App, clock: Frozen) -> None:
        a_company(app)
        self.app = app
        self.store = app.store
        self.post = Post(app)
        self.clock = clock
        self.reader = READER

    def later(self, minutes: int = 1) -> None:
        self.clock.advance(timedelta(minutes=minutes))

    def a_mail(
        self, from_: str = "Anna Rossi <anna@rossi.example>", to: str = INFO, **more: Any
    ) -> str:
        """Let a mail come in and be decided; return its id."""
        self.later()
        trust = more.pop("trust", None)
        return self.raw(self.post.mail(from_, to=to, **more), to, trust=trust)

    def raw(self, content: bytes, to: str = INFO, trust: Trust | None = None) -> str:
        [answer] = self.post.send(content, to, trust=trust)
        self.post.decide()
        return str(answer.facts["ref"])

    def show(self, ulid: str, by: Actor = OPERATOR) -> dict[str, Any]:
        return show_mail(self.app, self.reader, ulid, by=by)

    def ids(self, by: Actor = OPERATOR, **wanted: Any) -> list[str]:
        return [mail["id"] for mail in list_mails(self.app, Wanted(**wanted), by=by).mails]


@pytest.fixture
def world(app: App, clock: Frozen) -> World:
    return World(app, clock)


def test_E1_a_mail_has_the_keys_and_values_of_the_interface(world: World) -> None:
    ulid = world.a_mail()
    page = list_mails(world.app, Wanted(), by=OPERATOR)
    [mail] = page.mails
    assert page.next is None
    assert mail | {"size": 0, "digest": ""} == {
        "id": ulid,
        "account": "acme",
        "inbox": INFO,
        "state": "filed",
        "reason": "FILED_CONTACT",
        "reason_text": "Filed under Rossi Bau because anna@rossi.example is one of its contacts",
        "received_at": "2026-11-20T09:43:00Z",
        "door": "smtp",
        "from": "anna@rossi.example",
        "from_name": "Anna Rossi",
        "to": [INFO],
        "cc": [],
        "subject": "Hello",
        "message_id": "1@test",
        "size": 0,
        "digest": "",
        "user": None,
        "owner": LEA,
        "unread": True,
        "unread_because": None,
        "status": "New",
        "clients": [{"id": "C1", "name": "Rossi Bau", "how": "FILED_CONTACT"}],
        "direction": "in",
        "version": 1,
        "beside": [],
        "answering": None,
    }
    assert mail["digest"].startswith("sha256:")
    assert mail["size"] > 0


def test_M2_a_mail_that_was_given_says_who_made_it_unread_and_when(world: World) -> None:
    ulid = world.a_mail()
    mailbox.give(world.app, [ulid], to=WHO[JAN], by=Actor(WHO[LEA]))
    assert world.show(ulid)["unread_because"] == "Lea gave it to you, 09:43"
    world.later(24 * 60)
    assert world.show(ulid)["unread_because"] == "Lea gave it to you, 2026-11-20 09:43"


def test_M1_a_mail_that_lies_in_no_mailbox_has_no_owner_flag_or_status(world: World) -> None:
    ulid = world.a_mail()
    rulings.dismiss(world.app, world.reader, [ulid], by=OPERATOR)
    mail = world.show(ulid)
    assert mail["state"] == "ignored"
    assert [mail[key] for key in ("owner", "unread", "unread_because", "status")] == [None] * 4


def test_a_list_is_walked_page_by_page_without_gaps(world: World) -> None:
    sent = [world.a_mail(body=str(number)) for number in range(5)]
    seen: list[str] = []
    cursor = None
    for _ in range(3):
        page = list_mails(world.app, Wanted(limit=2, after=cursor), by=OPERATOR)
        seen += [mail["id"] for mail in page.mails]
        cursor = page.next
    assert cursor is None
    assert seen == list(reversed(sent))


def test_an_owners_list_is_walked_page_by_page_too(world: World) -> None:
    sent = [world.a_mail() for _ in range(3)]
    first = list_mails(world.app, Wanted(owner=LEA, limit=2), by=OPERATOR)
    second = list_mails(world.app, Wanted(owner=LEA, limit=2, after=first.next), by=OPERATOR)
    assert [mail["id"] for mail in (*first.mails, *second.mails)] == list(reversed(sent))


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"state": State.HELD}, 1),
        ({"reason": Reason.FILED_CONTACT}, 1),
        ({"reason": Reason.SPAM}, 0),
        ({"inbox": "CRM@ACME.example"}, 1),
        ({"unread": True}, 2),
        ({"owner": LEA}, 2),
        ({"owner": JAN}, 0),
        ({"all_received": True}, 1),
        ({"status": "new"}, 2),
        ({"status": "Done"}, 0),
    ],
)
def test_a_filter_keeps_what_fits(world: World, wanted: dict[str, Any], found: int) -> None:
    world.a_mail()
    world.a_mail(from_="who@other.example", to=CRM)
    assert len(world.ids(**wanted)) == found


def test_a_client_filter_keeps_that_clients_mail(world: World) -> None:
    filed = world.a_mail()
    world.a_mail(from_="who@other.example")
    assert world.ids(client="C1") == [filed]


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"owner": "nobody@acme.example"}, "NOT_FOUND"),
        ({"owner": "no address"}, "INVALID_EMAIL"),
        ({"inbox": "no@acme.example"}, "NOT_FOUND"),
        ({"client": "\x1b[31m"}, "NOT_FOUND"),
        ({"status": "Nope"}, "NOT_FOUND"),
        ({"after": "nowhere"}, "NOT_FOUND"),
        ({"account": "other"}, "NOT_FOUND"),
        ({"limit": 0}, "INVALID_VALUE"),
        ({"limit": 1001}, "INVALID_VALUE"),
    ],
)
def test_a_filter_that_names_nothing_is_refused(
    world: World, wanted: dict[str, Any], code: str
) -> None:
    with pytest.raises(RefusedError) as refused:
        world.ids(**wanted)
    assert refused.value.reason.code == code


def test_M5_a_member_sees_the_own_mailbox_and_all_received(world: World) -> None:
    shared = world.a_mail()
    own = world.a_mail(from_=EVA, to=CRM, body="no original", trust=SIGNED_IN)
    mailbox.give(world.app, [own], to=WHO[EVA], by=OPERATOR)
    assert world.ids(Actor(WHO[EVA])) == [own, shared]
    assert world.ids(Actor(WHO[JAN])) == [shared]
    assert world.ids(Actor(WHO[LEA])) == [own, shared]


def test_M5_a_member_without_the_right_sees_the_own_mailbox_alone(world: World) -> None:
    shared = world.a_mail()
    with world.store.write() as tx:
        tx.connection.execute(
            people_tables.accounts.update().values(settings={"all_received": False})
        )
    assert world.ids(Actor(WHO[EVA])) == []
    for act in (
        lambda: world.ids(Actor(WHO[EVA]), all_received=True),
        lambda: world.show(shared, Actor(WHO[EVA])),
        lambda: explain_mail(world.app, shared, by=Actor(WHO[EVA])),
        lambda: mail_history(world.app, shared, by=Actor(WHO[EVA])),
        lambda: raw_mail(world.app, shared, by=Actor(WHO[EVA])),
    ):
        with pytest.raises(RefusedError) as refused:
            act()
        assert refused.value.reason is Reason.NOT_ALLOWED


def test_one_mail_is_shown_with_its_reading_and_arrivals(world: World) -> None:
    ulid = world.a_mail(body="Dear all")
    mail = world.show(ulid)
    assert mail["text"].strip() == "Dear all"
    assert mail["readable"] is True
    [arrival] = mail["arrivals"]
    assert arrival["door"] == "smtp"
    assert arrival["peer"] == "192.0.2.1"
    assert arrival["recipients"] == [INFO]


def test_D11_a_mail_that_cannot_be_read_is_shown_and_its_bytes_are_given(world: World) -> None:
    ulid = world.raw(b" \r\n\r\n")
    mail = world.show(ulid)
    assert mail["state"] == "failed"
    assert mail["reason"] == "UNPARSEABLE"
    assert mail["text"] is None
    assert mail["owner"] == LEA
    assert raw_mail(world.app, ulid, by=OPERATOR) == b" \r\n\r\n"


def test_a_large_mail_is_given_as_its_file(world: World) -> None:
    ulid = world.a_mail(body="x" * 150_000)
    raw = raw_mail(world.app, ulid, by=OPERATOR)
    assert isinstance(raw, Path)
    assert raw.stat().st_size == world.show(ulid)["size"]


def test_M3_the_history_tells_who_when_and_why(world: World) -> None:
    ulid = world.a_mail()
    world.later(5)
    mailbox.give(world.app, [ulid], to=WHO[JAN], by=Actor(WHO[LEA]), note="please")
    world.later(5)
    mailbox.add_note(world.app, ulid, "called her", by=Actor(WHO[JAN]))
    mailbox.set_status(world.app, [ulid], "done", by=Actor(WHO[JAN]))
    world.later(5)
    mailbox.take(world.app, ulid, by=Actor(WHO[EVA]))
    rulings.unfile(world.app, world.reader, [ulid], client="C1", by=Actor(WHO[EVA]))
    told = mail_history(world.app, ulid, by=OPERATOR)
    assert [one.text for one in told] == [
        "It came in by smtp from 192.0.2.1.",
        "Decided: filed, FILED_CONTACT.",
        "Lea gave it to Jan, unread.",
        "Jan wrote a note.",
        "Jan set its status to Done.",
        "Eva took it from Jan.",
        "Eva took it off Rossi Bau.",
        "Decided: unfiled, UNFILED_BY_HAND.",
    ]
    assert told[2].note == "please"
    assert told[3].note == "called her"
    assert told[2].by == LEA


def test_E1_a_mail_is_explained_in_steps_with_its_repair(world: World) -> None:
    ulid = world.a_mail(from_="who@other.example", to=CRM)
    found = explain_mail(world.app, ulid, by=OPERATOR)
    assert found["reason"] == "SENDER_UNKNOWN"
    assert found["reason_text"] == "No user has the address who@other.example"
    assert found["repair"].startswith("add the address as an alias")
    assert found["trace"][0]["verb"] == "accept"
    assert found["trace"][-1]["text"].startswith("SENDER_UNKNOWN")
    assert found["earlier"] == []


def test_E1_earlier_decisions_stay_and_the_latest_is_the_trace(world: World) -> None:
    ulid = world.a_mail()
    world.later()
    rulings.dismiss(world.app, world.reader, [ulid], by=Actor(WHO[LEA]))
    found = explain_mail(world.app, ulid, by=OPERATOR)
    assert len(found["earlier"]) == 1
    assert found["trace"][-1]["text"].startswith("DISMISSED")
    assert found["reason_text"] == "Put away by Lea"


def test_D6_a_retry_is_told_with_its_arrival(world: World) -> None:
    content = b"From: a@x.example\r\nDate: Fri, 20 Nov 2026 09:00:00 +0100\r\nMessage-ID: <r@x>\r\n\r\nx\r\n"
    ulid = world.raw(content)
    assert world.raw(content) == ulid
    [arrival] = explain_mail(world.app, ulid, by=OPERATOR)["arrivals"]
    assert arrival["retries"] == 1
    assert "offered again once." in mail_history(world.app, ulid, by=OPERATOR)[0].text


def test_an_unknown_mail_is_not_found(world: World) -> None:
    for ulid in ("", "nope", "0" * 5000, "\x00\x1b[2J", "\udcff"):
        with pytest.raises(RefusedError) as refused:
            world.show(ulid)
        assert refused.value.reason is Reason.NOT_FOUND


def test_mails_with_a_reason_are_found_in_portions(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maild.core.lists.RETRY_PAGE", 2)
    sent = [world.a_mail(from_="who@other.example", to=CRM) for _ in range(5)]
    world.a_mail()
    found = list(mails_with_reason(world.app, None, Reason.SENDER_UNKNOWN, by=OPERATOR))
    assert [len(some) for some in found] == [2, 2, 1]
    assert [ulid for some in found for ulid in some] == sent


# --- what-if ----------------------------------------------------------------------------------------------------------


def _would(world: World, content: str, **asked: Any) -> dict[str, Any] | None:
    letter = read_letter(content.replace("\n", "\r\n").encode())
    [found] = WhatIf(world.app, None, Asked(**asked)).would([Sample(size=100, letter=letter)])
    return found


def test_E3_a_what_if_decides_as_the_real_thing_and_stores_nothing(world: World) -> None:
    found = _would(world, f"From: Anna <anna@rossi.example>\nTo: {INFO}\nSubject: x\n\nHi\n")
    assert found is not None
    trace, steps = found.pop("trace"), found.pop("steps")
    assert found == {
        "state": "filed",
        "reason": "FILED_CONTACT",
        "reason_text": "Filed under Rossi Bau because anna@rossi.example is one of its contacts",
        "inbox": INFO,
        "user": None,
        "owner": LEA,
        "clients": [{"id": "C1", "name": "Rossi Bau", "how": "FILED_CONTACT"}],
        "direction": "in",
    }
    assert trace == [step["text"] for step in steps]
    assert world.ids() == []


def test_E3_without_proof_a_users_forward_is_held_and_with_it_filed(world: World) -> None:
    mail = f"From: Eva <{EVA}>\nTo: {CRM}\nCc: anna@rossi.example\nSubject: Our offer\n\nx\n"
    unproven = _would(world, mail)
    proven = _would(world, mail, proven=True)
    assert unproven is not None
    assert proven is not None
    assert unproven["reason"] == "SENDER_NOT_VERIFIED"
    assert proven["reason"] == "FILED_CAPTURE"
    assert proven["user"] == EVA
    assert proven["owner"] == EVA
    assert unproven["owner"] == LEA


def test_E3_the_inbox_is_told_by_rcpt_or_by_the_mail_or_is_the_first(world: World) -> None:
    mail = f"From: anna@rossi.example\nTo: x@y.example\nDelivered-To: {INFO}\n\nx\n"
    assert (_would(world, mail) or {})["inbox"] == INFO
    assert (_would(world, mail, rcpt=CRM) or {})["inbox"] == CRM
    assert (_would(world, "From: anna@rossi.example\n\nx\n") or {})["inbox"] == CRM
    assert (_would(world, mail, rcpt="no@acme.example") or {})["reason"] == "NO_SUCH_RECIPIENT"
    with pytest.raises(RefusedError):
        _would(world, mail, rcpt="not an address")


def test_E3_what_cannot_be_read_would_fail(world: World) -> None:
    [found] = WhatIf(world.app, None, Asked()).would([Sample(size=0, letter=UnreadableError("?"))])
    assert found is not None
    assert found["state"] == "failed"
    assert found["owner"] == LEA
