"""Notices: people are told of mail that they were given, once for many, and never too much (M12)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import event, update

from maild.core import notices
from maild.core.absence import NewAbsence, add_absence
from maild.core.app import OPERATOR, Actor, App
from maild.core.inboxes import inbox_members
from maild.core.mailbox import give, take, undo
from maild.core.notices import CAPS, WAIT, send_notices
from maild.core.outbox import note_fate, take_hand
from maild.core.people import add_communal_user, set_user
from maild.core.standing import actor_for
from maild.model.errand import Done, Topic
from maild.model.reason import Reason
from maild.store import people_tables
from tests.core.company import READER
from tests.core.conftest import Frozen
from tests.core.firm import EVA, INFO, JAN, LEA, Firm, a_firm, refusal


@pytest.fixture
def firm(app: App) -> Firm:
    return a_firm(replace(app, has_relay=True, public_url="https://mail.acme.example"))


def by(firm: Firm, email: str) -> Actor:
    return actor_for(firm.app, email)


def given(firm: Firm, to: str, *, giver: str = LEA, count: int = 1, note: str = "") -> list[str]:
    """Let mails come to info@ and be given to somebody."""
    mails = []
    for number in range(count):
        firm.post.send(firm.post.mail(body=f"Offer {number}"), INFO)
        firm.post.decide()
        mails.append(str(firm.newest()["ulid"]))
    with firm.app.store.read() as tx:
        name = tx.people.name(to)
    assert name is not None
    give(firm.app, mails, to=name.user_id or 0, by=by(firm, giver), note=note)
    return mails


def told(firm: Firm, clock: Frozen) -> int:
    clock.advance(WAIT)
    return send_notices(firm.app)


class TestTelling:
    def test_M12_the_new_owner_is_told_once_for_all_of_some_minutes(
        self, firm: Firm, clock: Frozen
    ) -> None:
        mails = given(firm, EVA, count=2, note="please call them")
        mails += given(firm, EVA)
        assert send_notices(firm.app) == 0, "more may come"
        assert told(firm, clock) == 1
        assert told(firm, clock) == 0
        [letter] = firm.letters()[EVA]
        for ulid in mails:
            assert letter.count(ulid) == 1
        assert "anna@rossi.example: Offer 0" in letter
        assert "Lea gave it to you, 09:42 UTC" in letter
        assert letter.count("Lea wrote: please call them") == 2
        assert "https://mail.acme.example" in letter
        assert firm.rows("outbox", "payload")[0][0]["subject"] == "Lea gave you 3 mails"
        assert firm.rows("owed_notices", "id") == []

    def test_H_a_letter_that_went_keeps_nothing_of_the_mail(
        self, firm: Firm, clock: Frozen
    ) -> None:
        given(firm, EVA)
        assert told(firm, clock) == 1
        assert firm.rows("outbox", "payload")[0][0]["subject"] == "Lea gave you a mail: Offer 0"
        hand = take_hand(firm.app, Topic.MAIL)
        for errand in hand.errands:
            note_fate(firm.app, hand, errand, Done())
        assert firm.rows("outbox", "payload")[0][0] == {"to": EVA}

    def test_M12_many_are_counted_and_some_are_named(self, firm: Firm, clock: Frozen) -> None:
        given(firm, EVA, count=33)
        assert told(firm, clock) == 1
        [letter] = firm.letters()[EVA]
        assert "… and 3 more." in letter

    def test_M12_never_of_ones_own_act_and_not_of_what_is_gone_again(
        self, firm: Firm, clock: Frozen
    ) -> None:
        [first] = given(firm, EVA)
        take(firm.app, first, by=by(firm, JAN))
        given(firm, LEA, giver=LEA)
        assert told(firm, clock) == 0
        change = give(firm.app, [first], to=2, by=by(firm, LEA)).id
        undo(firm.app, READER, by=by(firm, LEA), change_id=change)
        assert told(firm, clock) == 0
        assert firm.letters() == {}

    def test_M12_what_a_stranger_wrote_is_one_short_line(self, firm: Firm, clock: Frozen) -> None:
        mail = firm.post.mail().replace(
            b"Subject: Hello", b"Subject: =?utf-8?q?Hi=0AYour_password=E2=80=AE_is?= " + b"x" * 300
        )
        firm.post.send(mail, INFO)
        firm.post.decide()
        give(firm.app, [firm.newest()["ulid"]], to=2, by=by(firm, LEA))
        assert told(firm, clock) == 1
        [letter] = firm.letters()[EVA]
        assert "\nYour password" not in letter
        assert "\u202e" not in letter
        assert max(len(line) for line in letter.splitlines()) < 200


class TestNotTold:
    def test_M12_who_switched_it_off_is_not_told_and_says_so_themselves(
        self, firm: Firm, clock: Frozen
    ) -> None:
        with refusal(Reason.NOT_ALLOWED):
            set_user(firm.app, EVA, {"notices": "off"}, by=by(firm, JAN))
        assert set_user(firm.app, EVA, {"notices": "off"}, by=by(firm, EVA)).notices == "off"
        given(firm, EVA)
        assert told(firm, clock) == 0
        assert set_user(firm.app, EVA, {"notices": "on"}, by=by(firm, EVA)).notices == "on"
        assert told(firm, clock) == 0, "what was not to be told stays so"
        given(firm, EVA)
        assert told(firm, clock) == 1

    def test_M12_who_is_away_inactive_or_not_confirmed_is_not_told(
        self, firm: Firm, clock: Frozen
    ) -> None:
        away = NewAbsence(begins="2026-11-20", until="2026-11-20", substitute=JAN)
        add_absence(firm.app, EVA, away, by=OPERATOR)
        given(firm, EVA)
        given(firm, JAN)
        with firm.app.store.write() as tx:
            table = people_tables.addresses
            tx.connection.execute(update(table).where(table.c.norm == JAN).values(verified_at=None))
        assert told(firm, clock) == 0
        with firm.app.store.write() as tx:
            tx.connection.execute(
                update(table).where(table.c.norm == JAN).values(verified_at=clock())
            )

    def test_M12_a_communal_user_has_nobody_to_tell(self, firm: Firm, clock: Frozen) -> None:
        add_communal_user(firm.app, inbox=INFO, name="Desk", by=OPERATOR)
        mails = given(firm, JAN)
        inbox_members(firm.app, INFO, add=[EVA], by=OPERATOR)
        with firm.app.store.read() as tx:
            desk = tx.people.name(INFO)
        assert desk is not None
        give(firm.app, mails, to=desk.user_id or 0, by=by(firm, JAN))
        assert told(firm, clock) == 0

    def test_M12_without_a_relay_nothing_is_kept_to_be_told(
        self, firm: Firm, clock: Frozen
    ) -> None:
        given(firm, EVA)
        clock.advance(WAIT)
        assert send_notices(replace(firm.app, has_relay=False)) == 0
        assert firm.rows("owed_notices", "id") == []


def test_M12_letters_are_capped_and_the_last_one_says_so(firm: Firm, clock: Frozen) -> None:
    window, most = CAPS[0]
    for _ in range(most):
        given(firm, EVA)
        assert told(firm, clock) == 1
    ends = ["there will be no more for" in letter for letter in firm.letters()[EVA]]
    assert sum(ends) == 1
    [late] = given(firm, EVA)
    assert told(firm, clock) == 0
    clock.advance(window)
    assert told(firm, clock) == 1
    assert sum(late in letter for letter in firm.letters()[EVA]) == 1


def test_M12_who_had_enough_keeps_nobody_else_waiting(
    firm: Firm, clock: Frozen, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(CAPS[0][1]):
        given(firm, EVA)
        assert told(firm, clock) == 1
    monkeypatch.setattr(notices, "PEOPLE", 1)
    given(firm, EVA)
    clock.advance(WAIT)
    given(firm, JAN)
    assert told(firm, clock) == 1
    assert len(firm.letters()[JAN]) == 1


def test_M12_a_mail_that_was_given_again_is_told_once(firm: Firm, clock: Frozen) -> None:
    ulids = given(firm, EVA, count=2)
    give(firm.app, ulids[:1], to=by(firm, JAN).user_id or 0, by=by(firm, EVA))
    give(firm.app, ulids[:1], to=by(firm, EVA).user_id or 0, by=by(firm, JAN), note="after all")
    assert told(firm, clock) == 1
    [letter] = firm.letters()[EVA]
    assert [letter.count(ulid) for ulid in ulids] == [1, 1]
    assert "Jan wrote: after all" in letter


def test_M12_what_is_owed_is_counted_for_all_mails_at_once(firm: Firm) -> None:
    """A look for each mail among all of them would hold the writer for minutes after a gift of many."""
    seen: list[str] = []
    with firm.app.store.read() as tx:
        event.listen(
            tx.connection, "before_cursor_execute", lambda *arguments: seen.append(arguments[2])
        )
        tx.notices.count_owed(1, 1, 100)
        tx.notices.owed(1, 1, 100, 30)
    asked = [statement for statement in seen if "owed_notices" in statement]
    assert len(asked) == 2
    assert not any("EXISTS" in statement for statement in asked)
