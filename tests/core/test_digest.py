"""U14: once a day, once for each physical inbox, to nobody who cannot or does not want to read it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert, update

from maild.core.accounts import set_account
from maild.core.app import OPERATOR, Actor, App
from maild.core.delivers_to import set_address
from maild.core.digest import preview_digests, send_digests
from maild.core.full_mailboxes import is_full
from maild.core.inboxes import inbox_members
from maild.core.letters import Sender, compose
from maild.core.mailbox import give, set_unread
from maild.core.outbox import Hand, note_fate, take_hand
from maild.core.people import NewUser, add_communal_user, add_user, set_active, set_user
from maild.core.people_views import show_user
from maild.core.rulings import dismiss
from maild.core.seal import SealingKey
from maild.model.errand import Done, ErrandState, Fate, Later, Never, Topic
from maild.model.people import MemberState, Role
from maild.model.reason import Reason, RefusedError
from maild.store import people_tables
from maild.store.outbox import Errand
from tests.core.company import EVA, LEA, READER, Post, a_company
from tests.core.conftest import Frozen

KEY = SealingKey.of("0123456789abcdef" * 3)
SENDER = Sender(address="maild@acme.example", name="maild", hostname="mx.acme.example", key=KEY)


@pytest.fixture
def post(app: App, clock: Frozen) -> Post:
    clock.now = datetime(2026, 11, 20, 9, 42, tzinfo=UTC)
    a_company(app)
    set_account(app, "acme", {"digest": "07:00"}, by=OPERATOR)
    return Post(replace(app, key=KEY))


def some_mail(post: Post, count: int = 1, **more: Any) -> None:
    """Send mail to info@, which lies unread with Lea."""
    for _ in range(count):
        post.send(post.mail(**more), "info@acme.example")
    post.decide()


def give_all(post: Post, to: int) -> None:
    give(post.app, [row["ulid"] for row in post.lies()], to=to, by=OPERATOR)


def errands(post: Post) -> list[Errand]:
    with post.app.store.read() as tx:
        return list(reversed(tx.outbox.page(None, account_id=None, limit=100)))


def sent(post: Post) -> list[dict[str, Any]]:
    return [one.payload for one in errands(post)]


def digest_of(post: Post) -> dict[str, Any]:
    assert send_digests(post.app, UTC) == 1
    return sent(post)[-1]


def digest_state(post: Post, who: str = "lea") -> str:
    return show_user(post.app, f"{who}@acme.example", by=OPERATOR).digest


# --- what it says, and to whom -------------------------------------------------------------------------------------------


def test_U14_who_has_unread_mail_gets_one_mail_with_counts_and_the_newest(post: Post) -> None:
    some_mail(post, 2, body="An offer")
    post.send(post.mail("who@knows.example", to="crm@acme.example"), "crm@acme.example")
    post.decide()
    mail = digest_of(post)
    assert (mail["to"], mail["subject"]) == ("lea@acme.example", "3 mails wait for you")
    assert "crm@acme.example: 1 held" in mail["text"]
    assert "info@acme.example: 2 unread" in mail["text"]
    assert "2026-11-20 09:42 anna@rossi.example: An offer" in mail["text"]
    assert "(held) who@knows.example: Hello" in mail["text"]


def test_U14_who_has_read_everything_gets_none(post: Post) -> None:
    some_mail(post)
    set_unread(post.app, [post.lies()[0]["ulid"]], unread=False, by=OPERATOR)
    assert send_digests(post.app, UTC) == 0


def test_U14_held_mail_waits_though_it_was_read(post: Post) -> None:
    post.send(post.mail("who@knows.example", to="crm@acme.example"), "crm@acme.example")
    post.decide()
    set_unread(post.app, [post.lies()[0]["ulid"]], unread=False, by=OPERATOR)
    assert "crm@acme.example: 1 held" in digest_of(post)["text"]


def test_U14_what_was_put_away_waits_for_nobody(post: Post) -> None:
    some_mail(post)
    dismiss(post.app, READER, [post.lies()[0]["ulid"]], by=OPERATOR)
    assert send_digests(post.app, UTC) == 0


def test_U14_ten_are_named_the_newest_first(post: Post, clock: Frozen) -> None:
    for number in range(12):
        clock.advance(timedelta(minutes=1))
        some_mail(post, body=f"Mail {number:02}")
    lines = [line for line in digest_of(post)["text"].splitlines() if ": Mail " in line]
    assert [line[-2:] for line in lines] == [f"{number:02}" for number in range(11, 1, -1)]


def test_U14_a_hostile_subject_stays_one_line_of_text(post: Post) -> None:
    evil = "=?utf-8?b?TmV3DQpTdWJqZWN0OiBldmls4oCuIGxpYW0=?="
    mail = post.mail(body="x").replace(b"Subject: x", f"Subject: {evil}".encode())
    post.send(mail, "info@acme.example")
    post.decide()
    text = digest_of(post)["text"]
    [line] = [line for line in text.splitlines() if "evil" in line]
    assert "\u202e" not in text
    assert line.strip().startswith("2026-11-20")


def test_U14_it_is_plain_text_and_says_that_a_machine_made_it(post: Post) -> None:
    some_mail(post)
    send_digests(post.app, UTC)
    raw = compose(errands(post)[-1], SENDER).content
    assert b"Auto-Submitted: auto-generated" in raw
    assert b"text/plain" in raw
    assert b"text/html" not in raw


# --- when ----------------------------------------------------------------------------------------------------------------


def test_U14_before_its_hour_nothing_goes(post: Post, clock: Frozen) -> None:
    some_mail(post)
    clock.now = datetime(2026, 11, 21, 6, 59, tzinfo=UTC)
    assert send_digests(post.app, UTC) == 0
    clock.now = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
    assert send_digests(post.app, UTC) == 1


def test_U14_the_hour_is_that_of_the_configured_zone(post: Post, clock: Frozen) -> None:
    some_mail(post)
    clock.now = datetime(2026, 11, 21, 6, 5, tzinfo=UTC)
    assert send_digests(post.app, ZoneInfo("Europe/Berlin")) == 1


def test_U14_it_goes_once_a_day_whatever_comes_in_after_it(post: Post) -> None:
    some_mail(post)
    assert send_digests(post.app, UTC) == 1
    some_mail(post)
    assert send_digests(post.app, UTC) == 0


def test_U14_who_had_nothing_in_the_morning_gets_nothing_after_a_restart(post: Post) -> None:
    assert send_digests(post.app, UTC) == 0
    some_mail(post)
    assert send_digests(post.app, UTC) == 0


def test_U14_the_next_day_it_goes_again(post: Post, clock: Frozen) -> None:
    some_mail(post)
    assert send_digests(post.app, UTC) == 1
    clock.advance(timedelta(days=1))
    assert send_digests(post.app, UTC) == 1


def test_U14_after_days_of_silence_only_todays_goes(post: Post, clock: Frozen) -> None:
    some_mail(post)
    clock.advance(timedelta(days=9))
    assert send_digests(post.app, UTC) == 1


def test_U14_two_nodes_that_both_made_it_send_one(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_mail(post)
    assert send_digests(post.app, UTC) == 1
    # As if another node had looked before the first one had committed: its name alone keeps it from going twice.
    monkeypatch.setattr("maild.core.digest._is_done", lambda *_: False)
    monkeypatch.setattr("maild.store.throttles.ThrottleRows.count", lambda *_, **__: True)
    assert send_digests(post.app, UTC) == 0
    assert len(errands(post)) == 1


def test_U14_an_account_that_says_nothing_sends_none(app: App) -> None:
    a_company(app)
    post = Post(app)
    some_mail(post)
    assert send_digests(app, UTC) == 0


@pytest.mark.parametrize("value", ["7:00", "24:00", "noon", "", "07:60"])
def test_U14_an_hour_that_is_none_is_refused(post: Post, value: str) -> None:
    with pytest.raises(RefusedError) as caught:
        set_account(post.app, "acme", {"digest": value}, by=OPERATOR)
    assert caught.value.reason is Reason.INVALID_VALUE


# --- who gets none -------------------------------------------------------------------------------------------------------


def test_U14_never_to_an_address_that_is_not_verified(post: Post) -> None:
    some_mail(post)
    was_verified_at(post, None)
    assert send_digests(post.app, UTC) == 0
    was_verified_at(post, post.app.clock())


def was_verified_at(post: Post, at: datetime | None) -> None:
    with post.app.store.write() as tx:
        tx.connection.execute(
            update(people_tables.addresses)
            .where(people_tables.addresses.c.user_id == LEA)
            .values(verified_at=at)
        )


def test_U14_never_to_a_communal_user(post: Post) -> None:
    add_communal_user(post.app, inbox="info@acme.example", name="Front desk", by=OPERATOR)
    some_mail(post)
    with post.app.store.read() as tx:
        communal = tx.people.name("info@acme.example")
    assert communal is not None
    assert communal.user_id is not None
    inbox_members(post.app, "info@acme.example", add=["jan@acme.example"], by=OPERATOR)
    give_all(post, communal.user_id)
    assert send_digests(post.app, UTC) == 0


def test_U14_never_to_somebody_inactive(post: Post) -> None:
    some_mail(post)
    give_all(post, EVA)
    set_active(post.app, "eva@acme.example", active=False, by=OPERATOR)
    assert send_digests(post.app, UTC) == 0


def test_U14_who_switched_it_off_gets_none_until_it_is_on_again(post: Post, clock: Frozen) -> None:
    some_mail(post)
    set_user(post.app, "lea@acme.example", {"digest": "off"}, by=Actor(LEA))
    assert digest_state(post) == "off"
    assert send_digests(post.app, UTC) == 0
    set_user(post.app, "lea@acme.example", {"digest": "on"}, by=OPERATOR)
    clock.advance(timedelta(days=1))
    assert send_digests(post.app, UTC) == 1


def test_U14_nobody_but_an_admin_changes_somebody_elses(post: Post) -> None:
    with pytest.raises(RefusedError):
        set_user(post.app, "lea@acme.example", {"digest": "off"}, by=Actor(EVA))
    with pytest.raises(RefusedError):
        set_user(post.app, "eva@acme.example", {"digest": "off", "name": "E"}, by=Actor(EVA))


# --- one physical inbox --------------------------------------------------------------------------------------------------


def ends_in(post: Post, who: str, inbox: str) -> None:
    set_address(post.app, f"{who}@acme.example", {"delivers_to": inbox}, by=OPERATOR)


def test_U14_people_of_one_physical_inbox_get_one_copy_that_names_them_all(post: Post) -> None:
    some_mail(post)
    give_all(post, EVA)
    some_mail(post, 2)
    for who in ("lea", "eva"):
        ends_in(post, who, "office@acme.example")
    mail = digest_of(post)
    assert mail["to"] == "lea@acme.example"
    assert mail["subject"] == "3 mails wait for Lea and Eva"
    assert "For Lea:\n  info@acme.example: 2 unread" in mail["text"]
    assert "For Eva:\n  info@acme.example: 1 unread" in mail["text"]
    assert len(sent(post)) == 1


def test_U14_whose_address_the_inbox_has_gets_the_copy(post: Post) -> None:
    some_mail(post)
    ends_in(post, "lea", "jan@acme.example")
    assert digest_of(post)["to"] == "jan@acme.example"


def test_U14_the_inbox_itself_is_never_written_to_for_being_named(post: Post) -> None:
    some_mail(post)
    ends_in(post, "lea", "stranger@elsewhere.example")
    assert digest_of(post)["to"] == "lea@acme.example"


def test_U14_taken_back_each_gets_a_copy_again(post: Post) -> None:
    some_mail(post)
    give_all(post, EVA)
    some_mail(post)
    for who in ("lea", "eva"):
        ends_in(post, who, "office@acme.example")
    ends_in(post, "eva", "none")
    assert send_digests(post.app, UTC) == 2


def another_company(post: Post) -> None:
    with post.app.store.write() as tx:
        tx.connection.execute(
            insert(people_tables.accounts).values(
                id=9,
                slug="other",
                name="Other",
                settings={"digest": "07:00"},
                created_at=post.app.clock(),
            )
        )
    add_user(
        post.app,
        NewUser(email="olga@other.example", name="Olga", role=Role.ADMIN),
        account="other",
        by=OPERATOR,
    )


def test_U14_who_shares_an_inbox_and_works_elsewhere_too_gets_a_copy_of_their_own(
    post: Post,
) -> None:
    another_company(post)
    with post.app.store.write() as tx:
        tx.people.add_member(
            post.app.ids(),
            9,
            EVA,
            role=Role.MEMBER,
            state=MemberState.ACTIVE,
            now=post.app.clock(),
        )
    ends_in(post, "eva", "lea@acme.example")
    some_mail(post)
    give_all(post, EVA)
    some_mail(post)
    assert send_digests(post.app, UTC) == 2
    to_lea, to_eva = sorted(sent(post), key=lambda mail: str(mail["to"]), reverse=True)
    assert (to_lea["to"], to_lea["subject"]) == ("lea@acme.example", "1 mail waits for you")
    assert (to_eva["to"], to_eva["subject"]) == ("eva@acme.example", "1 mail waits for you")


def test_U14_what_lies_in_an_account_that_somebody_has_left_is_not_told(post: Post) -> None:
    another_company(post)
    some_mail(post)
    give_all(post, EVA)
    with post.app.store.write() as tx:
        tx.people.add_member(
            post.app.ids(),
            9,
            EVA,
            role=Role.MEMBER,
            state=MemberState.ACTIVE,
            now=post.app.clock(),
        )
        left = tx.people.member(1, EVA)
        assert left is not None
        tx.people.set_member(left.id, role=left.role, state=MemberState.REFUSED)
    assert send_digests(post.app, UTC) == 0
    with post.app.store.write() as tx:
        tx.people.set_member(left.id, role=left.role, state=MemberState.ACTIVE)


def test_U14_an_inbox_that_was_only_claimed_gets_nothing_of_another_account(post: Post) -> None:
    another_company(post)
    set_address(post.app, "olga@other.example", {"delivers_to": "lea@acme.example"}, by=OPERATOR)
    some_mail(post)
    assert send_digests(post.app, UTC) == 1
    [mail] = sent(post)
    assert (mail["to"], mail["subject"]) == ("lea@acme.example", "1 mail waits for you")
    assert "Olga" not in mail["text"]


def test_U14_somebody_in_two_accounts_gets_one_copy_for_both(post: Post) -> None:
    another_company(post)
    with post.app.store.write() as tx:
        tx.people.add_member(
            post.app.ids(), 9, LEA, role=Role.MEMBER, state=MemberState.ACTIVE, now=post.app.clock()
        )
    some_mail(post)
    assert send_digests(post.app, UTC) == 1
    assert "Acme, info@acme.example: 1 unread" in sent(post)[0]["text"]


# --- a full mailbox ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "full"),
    [
        ("the relay says 552 5.2.2 mailbox full", True),
        ("the relay says 452 4.2.2 over quota", True),
        ("the relay says 550 5.1.1 no such user", False),
        ("the relay says 552 5.2.21 something", False),
        ("the relay says 550 15.2.2", False),
        ("the relay says 552 5.2.2.", True),
        ("the relay says 552 (5.2.2)", True),
        ("4.2.2.1 refused it", False),
        ("10.4.2.2 refused it", False),
    ],
)
def test_U14_a_full_mailbox_is_known_by_its_code(said: str, full: bool) -> None:
    assert is_full(said) is full


def answered(post: Post, fate: Fate) -> None:
    hand: Hand = take_hand(post.app, Topic.MAIL)
    for errand in hand.errands:
        note_fate(post.app, hand, errand, fate)


def an_admin(post: Post) -> None:
    add_user(post.app, NewUser(email="ada@acme.example", name="Ada", role=Role.ADMIN), by=OPERATOR)


@pytest.mark.parametrize(
    "fate", [Never("the relay says 552 5.2.2 full"), Later("the relay says 452 4.2.2 full")]
)
def test_U14_a_full_mailbox_pauses_the_digest_and_the_admin_hears_of_it(
    post: Post, clock: Frozen, fate: Fate
) -> None:
    an_admin(post)
    some_mail(post)
    send_digests(post.app, UTC)
    answered(post, fate)
    assert digest_state(post) == "paused"
    assert errands(post)[0].state is ErrandState.DEAD, "a digest is not tried again"
    [notice] = sent(post)[1:]
    assert (notice["to"], notice["subject"]) == ("ada@acme.example", "The mailbox of Lea is full")
    assert "maild user set lea@acme.example digest=on" in notice["text"]
    clock.advance(timedelta(days=1))
    assert send_digests(post.app, UTC) == 0


def test_U14_the_admin_hears_of_it_once(post: Post) -> None:
    an_admin(post)
    some_mail(post)
    send_digests(post.app, UTC)
    answered(post, Never("552 5.2.2 full"))
    hand = take_hand(post.app, Topic.MAIL)
    for errand in hand.errands:
        note_fate(post.app, hand, errand, Done())
    with post.app.store.write() as tx:
        from maild.core.full_mailboxes import pause_digests

        assert pause_digests(tx, post.app, "lea@acme.example") == 0
    assert len(sent(post)) == 2


def test_U14_everybody_of_the_full_inbox_is_paused(post: Post) -> None:
    some_mail(post)
    for who in ("lea", "eva"):
        ends_in(post, who, "office@acme.example")
    send_digests(post.app, UTC)
    answered(post, Never("552 5.2.2 full"))
    assert (digest_state(post, "lea"), digest_state(post, "eva")) == ("paused", "paused")
    assert digest_state(post, "jan") == "on"


def test_U14_it_is_resumed_by_an_admin(post: Post, clock: Frozen) -> None:
    some_mail(post)
    send_digests(post.app, UTC)
    answered(post, Never("552 5.2.2 full"))
    set_user(post.app, "lea@acme.example", {"digest": "on"}, by=OPERATOR)
    clock.advance(timedelta(days=1))
    assert send_digests(post.app, UTC) == 1


def test_U14_another_refusal_pauses_nothing(post: Post) -> None:
    some_mail(post)
    send_digests(post.app, UTC)
    answered(post, Later("the relay says 451 4.3.0 busy"))
    assert digest_state(post) == "on"
    assert errands(post)[0].state is ErrandState.WAITING


# --- reports that come back ----------------------------------------------------------------------------------------------


def report(post: Post, code: str, *, mark: bytes | None = None) -> bytes:
    """Return a report on the newest errand's mail, as a mail server writes it."""
    ours = compose(errands(post)[0], SENDER).content
    head = ours.partition(b"\r\n\r\n")[0]
    if mark is not None:
        fields = [line for line in head.split(b"\r\n") if not line.startswith(b"X-Maild-Loop")]
        head = b"\r\n".join([*fields, b"X-Maild-Loop: " + mark])
    return (
        b"From: MAILER-DAEMON@mx.example\r\nTo: info@acme.example\r\nSubject: Undelivered Mail\r\n"
        b"Date: Fri, 20 Nov 2026 10:00:00 +0100\r\nMessage-ID: <report@mx.example>\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        b"--b\r\nContent-Type: text/plain\r\n\r\nIt could not be delivered.\r\n"
        b"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n"
        b"Final-Recipient: rfc822; lea@acme.example\r\nAction: failed\r\nStatus: "
        + code.encode()
        + b"\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\n"
        + head
        + b"\r\n\r\n--b--\r\n"
    )


def came_back(post: Post, content: bytes) -> None:
    post.send(content, "info@acme.example", mail_from="")
    post.decide()


def test_U14_a_report_that_the_mailbox_was_full_pauses_the_digest(post: Post) -> None:
    some_mail(post)
    send_digests(post.app, UTC)
    content = report(post, "5.2.2")
    answered(post, Done())
    came_back(post, content)
    assert digest_state(post) == "paused"


def test_F7_a_report_marks_the_mail_of_ours_that_it_is_about(post: Post) -> None:
    some_mail(post)
    send_digests(post.app, UTC)
    content = report(post, "5.1.1")
    answered(post, Done())
    came_back(post, content)
    assert errands(post)[0].last_error == "it came back: 5.1.1"
    assert digest_state(post) == "on"


def test_F7_a_report_of_a_delay_does_not_say_that_the_mail_came_back(post: Post) -> None:
    some_mail(post)
    send_digests(post.app, UTC)
    content = report(post, "4.4.7").replace(b"Action: failed", b"Action: delayed")
    answered(post, Done())
    came_back(post, content)
    assert errands(post)[0].last_error == "it is delayed: 4.4.7"
    assert digest_state(post) == "on"


def test_F7_a_servers_own_words_mark_the_mail_of_ours_whose_header_they_bring_back(
    post: Post,
) -> None:
    some_mail(post)
    send_digests(post.app, UTC)
    head = (
        report(post, "5.1.1").partition(b"text/rfc822-headers\r\n\r\n")[2].partition(b"\r\n\r\n")[0]
    )
    answered(post, Done())
    came_back(
        post,
        b"From: MAILER-DAEMON@mx.example\r\nSubject: failure notice\r\n\r\n"
        b"<jan@acme.example>:\r\n550 mailbox is full\r\n\r\nYour mail:\r\n" + head + b"\r\n",
    )
    assert errands(post)[0].last_error == "it came back: 5.2.2"
    assert digest_state(post) == "paused"


def test_F7_the_trace_of_the_report_says_that_it_is_about_ours(post: Post) -> None:
    some_mail(post)
    send_digests(post.app, UTC)
    came_back(post, report(post, "4.2.2"))
    from maild.core.views import explain_mail

    steps = explain_mail(post.app, post.lies()[-1]["ulid"], by=OPERATOR)["trace"]
    assert any("a mail of ours, which came back (4.2.2)" in step["text"] for step in steps)


def test_U14_a_report_without_our_mark_is_anybodys_word(post: Post) -> None:
    some_mail(post)
    send_digests(post.app, UTC)
    content = report(post, "5.2.2", mark=b"0" * 64)
    answered(post, Done())
    came_back(post, content)
    assert digest_state(post) == "on"
    assert errands(post)[0].last_error is None


def test_U14_deciding_a_report_again_does_not_pause_again(post: Post) -> None:
    from maild.core.rulings import retry

    some_mail(post)
    send_digests(post.app, UTC)
    content = report(post, "5.2.2")
    answered(post, Done())
    came_back(post, content)
    set_user(post.app, "lea@acme.example", {"digest": "on"}, by=OPERATOR)
    retry(post.app, READER, [post.lies()[-1]["ulid"]], by=OPERATOR)
    assert digest_state(post) == "on"


def test_U14_our_mails_ask_for_reports_only_where_maild_takes_them(post: Post) -> None:
    from maild.core.letters import returns_to

    assert returns_to(post.app, "info@acme.example") == "info@acme.example"
    assert returns_to(post.app, "maild@acme.example") == ""
    assert returns_to(post.app, "") == ""
    some_mail(post)
    send_digests(post.app, UTC)
    composed = compose(errands(post)[0], replace(SENDER, bounces_to="info@acme.example"))
    assert composed.mail_from == "info@acme.example"


# --- to look at it before it goes ----------------------------------------------------------------------------------------


def test_U14_an_admin_sees_what_would_go_and_nothing_is_sent(post: Post) -> None:
    some_mail(post)
    [view] = preview_digests(post.app, UTC, by=OPERATOR)
    assert (view.to, view.subject) == ("lea@acme.example", "1 mail waits for you")
    assert errands(post) == []


def test_U14_who_is_no_admin_does_not_see_what_waits_for_others(post: Post) -> None:
    some_mail(post)
    with pytest.raises(RefusedError) as caught:
        preview_digests(post.app, UTC, by=Actor(LEA))
    assert caught.value.reason is Reason.NOT_ALLOWED


def test_U14_an_admin_does_not_see_what_waits_in_another_account(post: Post) -> None:
    another_company(post)
    with post.app.store.write() as tx:
        tx.people.add_member(
            post.app.ids(),
            9,
            LEA,
            role=Role.MEMBER,
            state=MemberState.ACTIVE,
            now=post.app.clock(),
        )
        olga = tx.people.name("olga@other.example")
    assert olga is not None
    some_mail(post)
    assert preview_digests(post.app, UTC, account="other", by=Actor(olga.user_id)) == []
