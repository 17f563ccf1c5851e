"""Answers: as whom, to whom, under which client; and what is written before anything is sent (M8)."""

from __future__ import annotations

import pytest

from maild.core.app import OPERATOR
from maild.core.mailbox import set_status
from maild.core.templates import TemplateText, add_template
from maild.core.writing import reply
from maild.core.writing_desk import Asked
from maild.model.reason import Reason
from tests.core.company import READER
from tests.writing.conftest import ANNA, CRM, EVA, INFO, JAN, LEA, SALES, Office, refusal

FORWARD = (
    "---------- Forwarded message ---------\r\nFrom: Anna Rossi <anna@rossi.example>\r\n"
    "Date: Thu, 19 Nov 2026 at 10:00\r\nSubject: Order\r\nTo: <eva@acme.example>\r\n\r\nWe order."
)


def test_M8_an_answer_goes_as_the_address_that_the_client_wrote_to(office: Office) -> None:
    asked = office.asks(body="When do you come?", message_id="q1@rossi.example")
    written = office.reply(asked, text="On Monday.\nJan")
    letter = office.read(written)
    assert [box.address for box in letter.from_] == [INFO]
    assert [(box.address, box.name) for box in letter.to] == [(ANNA, "Anna Rossi")]
    assert letter.subject == "Re: When do you come?"
    assert letter.in_reply_to == ("q1@rossi.example",)
    assert letter.references == ("q1@rossi.example",)
    assert "On Monday." in letter.text
    assert "> When do you come?" in letter.text
    assert JAN.encode() not in office.octets(written)


def test_M8_it_is_kept_with_its_author_and_under_the_client_before_it_is_sent(
    office: Office,
) -> None:
    written = office.reply(office.asks())
    shown = office.shown(written)
    assert (shown["state"], shown["reason"], shown["direction"]) == ("filed", "FILED_THREAD", "out")
    assert [one["name"] for one in shown["clients"]] == ["Rossi Bau"]
    assert (shown["owner"], shown["unread"], shown["user"]) == (JAN, False, JAN)
    assert (shown["inbox"], shown["door"], shown["from"]) == (INFO, "written", INFO)
    assert office.fates(written) == [(ANNA, "queued")]
    (sent,) = office.sends()
    assert sent.content == office.octets(written)
    assert (sent.mail_from, sent.recipient) == (INFO, ANNA)
    assert office.fates(written) == [(ANNA, "sent")]
    assert any("250 2.0.0 queued as 4711" in line for line in office.history(shown["id"]))


def test_M8_the_answered_mail_says_who_answered_it_and_when(office: Office) -> None:
    asked = office.asks()
    written = office.reply(asked)
    assert f"Jan answered it ({written.id})." in office.history(asked)
    [answer] = office.shown(asked)["answers"]
    assert (answer["id"], answer["act"], answer["by"]) == (written.id, "reply", JAN)


def test_M8_who_has_no_right_is_told_what_to_do_and_nothing_is_written(office: Office) -> None:
    asked = office.asks()
    with refusal(Reason.SENDER_NOT_ALLOWED) as caught:
        office.reply(asked, by=EVA)
    assert INFO in str(caught.value)
    commands = [way.command for way in caught.value.ways]
    assert f"maild inbox senders {INFO} --add {EVA}" in commands
    assert len(office.post.lies()) == 1
    assert office.sends() == []


@pytest.mark.parametrize("address", [SALES, CRM, EVA, "nobody@nowhere.example"])
def test_M8_nobody_writes_as_what_is_not_theirs(office: Office, address: str) -> None:
    asked = office.asks()
    with refusal(Reason.SENDER_NOT_ALLOWED):
        office.reply(asked, sender=address)


def test_M8_an_address_of_ones_own_that_is_confirmed_will_do(office: Office) -> None:
    office.world.alias(JAN, "j.kern@acme.example")
    office.world.alias(JAN, "waits@acme.example", confirm=False)
    asked = office.asks()
    written = office.reply(asked, sender="j.kern@acme.example")
    assert [box.address for box in office.read(written).from_] == ["j.kern@acme.example"]
    assert office.shown(written)["inbox"] == INFO
    with refusal(Reason.SENDER_NOT_ALLOWED):
        office.reply(asked, sender="waits@acme.example")


def test_M8_the_operator_says_in_whose_name(office: Office) -> None:
    with refusal(Reason.NOT_ALLOWED):
        reply(office.app, READER, office.asks(), Asked(text="Yes."), by=OPERATOR)


def test_M8_reply_to_is_answered_and_an_inbox_of_ours_never(office: Office) -> None:
    asked = office.asks(more="Reply-To: Desk <desk@rossi.example>\r\n")
    assert office.reply(asked).to == ("desk@rossi.example",)
    looped = office.asks(more=f"Reply-To: <{INFO}>, info+x@acme.example\r\n")
    assert office.reply(looped).to == (ANNA,)


def test_M8_reply_all_leaves_our_own_addresses_out(office: Office) -> None:
    to = f"{INFO}, Boss <boss@rossi.example>, {JAN}"
    cc = f"Cc: {EVA}, info+3@acme.example, BOSS@rossi.example, not an address, x@y.example\r\n"
    asked = office.asks(to=to, more=cc)
    written = office.reply(asked, everyone=True)
    assert written.to == (ANNA,)
    assert written.cc == ("boss@rossi.example", EVA, "x@y.example")
    assert office.reply(asked).cc == ()


def test_M8_a_users_forward_is_answered_to_who_wrote_its_original(office: Office) -> None:
    forwarded = office.forwards(FORWARD)
    written = office.reply(forwarded, by=EVA)
    assert written.to == (ANNA,)
    assert written.sender == EVA
    assert office.shown(written)["clients"][0]["name"] == "Rossi Bau"


def test_M8_what_one_wrote_goes_on_to_whom_it_was_written_to(office: Office) -> None:
    first = office.reply(office.asks())
    assert first.id is not None
    second = office.reply(first.id)
    assert second.to == (ANNA,)
    assert second.subject.count("Re:") == 1
    assert office.read(second).references[-1] == first.message_id


def test_M8_of_a_report_nobody_is_answered(office: Office) -> None:
    bounce = office.asks(
        "MAILER-DAEMON@rossi.example",
        body="Undelivered Mail Returned to Sender",
        more="Return-Path: <>\r\nAuto-Submitted: auto-replied\r\nX-Failed-Recipients: a@b.example\r\n",
    )
    with refusal(Reason.CONFLICT):
        office.reply(bounce)


def test_M8_a_template_gives_sender_words_and_status(office: Office) -> None:
    words = TemplateText(
        text="Dear {sender.name},\nthank you for “{subject}”.\n{me.name}, {account.name}",
        sender=SALES,
        sets_status="Waiting",
    )
    add_template(office.app, "thanks", words, by=OPERATOR)
    asked = office.asks(body="Offer {me.name}")
    with refusal(Reason.SENDER_NOT_ALLOWED):
        office.reply(asked, text=None, template="thanks")
    written = office.reply(asked, by=LEA, text=None, template="Thanks")
    letter = office.read(written)
    assert letter.text.startswith("Dear Anna Rossi,\nthank you for “Offer {me.name}”.\nLea, Acme")
    assert [box.address for box in letter.from_] == [SALES]
    assert office.shown(asked)["status"] == "Waiting"
    assert "Lea set its status to Waiting." in office.history(asked)
    assert office.shown(written)["inbox"] == SALES


def test_M8_a_variable_without_a_value_sends_nothing(office: Office) -> None:
    add_template(office.app, "client", TemplateText(text="For {client.name}"), by=OPERATOR)
    stranger = office.asks("somebody@nowhere.example")
    with refusal(Reason.CONFLICT) as caught:
        office.reply(stranger, text=None, template="client")
    assert "{client.name}" in str(caught.value)
    assert office.sends() == []


def test_M8_a_dry_run_shows_the_mail_and_writes_nothing(office: Office) -> None:
    asked = office.asks()
    before = office.history(asked)
    shown = office.reply(asked, dry_run=True)
    assert (shown.id, shown.to, shown.sender) == (None, (ANNA,), INFO)
    assert len(office.post.lies()) == 1
    assert office.history(asked) == before
    assert office.sends() == []


def test_M8_without_a_relay_nothing_is_written(office: Office) -> None:
    from dataclasses import replace

    asked = office.asks()
    office.app = replace(office.app, has_relay=False)
    with refusal(Reason.CONFLICT):
        office.reply(asked)
    assert len(office.post.lies()) == 1


def test_M8_each_recipient_has_an_errand_and_a_fate_of_its_own(office: Office) -> None:
    from maild.model.errand import Later, Never

    written = office.compose(
        ANNA, "bob@x.example", cc=["c@x.example"], bcc=["d@x.example"], sender=INFO
    )
    assert b"d@x.example" not in office.octets(written)
    assert sorted(mail.recipient for mail in office.sends(Later("the relay says 451 busy"))) == [
        ANNA,
        "bob@x.example",
        "c@x.example",
        "d@x.example",
    ]
    assert {state for _, state in office.fates(written)} == {"later"}
    from datetime import timedelta

    office.clock.advance(timedelta(hours=1))
    office.sends(Never("the relay says 550 no such user"))
    told = office.shown(written)["written"]["recipients"]
    assert {one["state"] for one in told} == {"failed"}
    assert "maild outbox retry" in told[0]["text"]


def test_M8_the_same_text_twice_is_two_mails(office: Office) -> None:
    asked = office.asks()
    one, two = office.reply(asked), office.reply(asked)
    assert one.message_id != two.message_id
    assert len(office.sends()) == 2


def test_M8_what_is_set_by_hand_stays_when_it_is_decided_again(office: Office) -> None:
    from maild.core.rulings import file_by_hand, retry

    written = office.compose("new@nowhere.example", sender=INFO)
    assert written.id is not None
    assert office.shown(written)["reason"] == "CLIENT_NOT_FOUND"
    client = office.world.client("Nowhere", "other@nowhere.example").id
    file_by_hand(office.app, READER, [written.id], client=client, by=OPERATOR)
    set_status(office.app, [written.id], "Waiting", by=OPERATOR)
    retry(office.app, READER, [written.id], by=OPERATOR)
    shown = office.shown(written)
    assert (shown["state"], shown["owner"], shown["status"]) == ("filed", JAN, "Waiting")
    assert shown["direction"] == "out"
