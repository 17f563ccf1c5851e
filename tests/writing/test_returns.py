"""What comes back: reports on what was written, answers of clients, and our own mail (F7, M7)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from maild.core.app import OPERATOR
from maild.core.mailbox import set_status
from maild.core.rulings import retry
from maild.core.statuses import set_status_role
from maild.core.writing import WrittenView
from maild.model.errand import GIVE_UP_AFTER, Later, Never
from maild.model.letter import UnreadableError
from maild.store.schema import events
from tests.core.company import READER, InProcess
from tests.writing.conftest import ANNA, CRM, INFO, JAN, PAUL, SALES, Office

DONE, AGAIN = "Done", "In progress"


def report(office: Office, written: WrittenView, *failed: str, action: str = "failed") -> bytes:
    """Return a server's report on a mail, with its header, as Postfix writes one."""
    header = office.octets(written).partition(b"\r\n\r\n")[0].decode()
    code = "5.1.1" if action == "failed" else "4.4.1"
    groups = "\r\n".join(
        f"Final-Recipient: rfc822; {one}\r\nAction: {action}\r\nStatus: {code}\r\n"
        for one in failed
    )
    return (
        f"From: MAILER-DAEMON@rossi.example\r\nTo: {INFO}\r\nSubject: Undelivered\r\n"
        f"Date: Fri, 20 Nov 2026 11:00:00 +0100\r\nMessage-ID: <{action}{len(failed)}@rossi.example>\r\n"
        "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
        "--b\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.rossi.example\r\n\r\n"
        f"{groups}\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\n{header}\r\n\r\n--b--\r\n"
    ).encode()


def test_F7_a_report_marks_the_mail_that_it_is_about_and_is_filed_with_it(office: Office) -> None:
    written = office.reply(office.asks())
    assert written.id is not None
    office.sends()
    came = office.comes(report(office, written, ANNA))
    assert office.fates(written) == [(ANNA, "bounced")]
    shown = office.shown(came)
    assert (shown["state"], shown["reason"]) == ("filed", "BOUNCE")
    assert [one["name"] for one in shown["clients"]] == ["Rossi Bau"]
    told = office.shown(written)
    assert told["written"]["recipients"][0]["report"] == came
    assert told["unread"] is True
    assert any(
        "It came back from" in line and "5.1.1" in line for line in office.history(written.id)
    )


def test_F7_it_comes_back_to_the_inbox_for_forwards_too(office: Office) -> None:
    written = office.compose(ANNA, by=JAN)
    office.sends()
    assert office.shown(written)["inbox"] == CRM
    came = office.comes(report(office, written, ANNA), CRM)
    assert office.shown(came)["state"] == "filed"
    assert office.fates(written) == [(ANNA, "bounced")]


def test_F7_only_whom_it_names_is_marked_and_waiting_says_nothing_after_failing(
    office: Office,
) -> None:
    written = office.compose(ANNA, "bob@x.example", sender=INFO)
    office.sends()
    office.comes(report(office, written, ANNA))
    office.comes(report(office, written, ANNA, "bob@x.example", action="delayed"))
    assert office.fates(written) == [(ANNA, "bounced"), ("bob@x.example", "delayed")]


def test_F7_who_never_had_the_mail_cannot_report_on_it(office: Office) -> None:
    written = office.reply(office.asks())
    office.sends()
    forged = report(office, written, ANNA).replace(b"X-Maild-Loop: ", b"X-Maild-Loop: 0")
    office.comes(forged)
    assert office.fates(written) == [(ANNA, "sent")]


def test_F7_a_report_that_names_nobody_marks_none_of_several(office: Office) -> None:
    written = office.compose(ANNA, "bob@x.example", sender=INFO)
    assert written.id is not None
    office.sends()
    named = f"Final-Recipient: rfc822; {ANNA}\r\n".encode()
    came = office.comes(report(office, written, ANNA).replace(named, b""))
    assert office.fates(written) == [(ANNA, "sent"), ("bob@x.example", "sent")]
    assert office.shown(written)["unread"] is True
    assert any("does not name them" in line and came in line for line in office.history(written.id))
    alone = office.compose(ANNA, sender=INFO)
    office.sends()
    office.comes(report(office, alone, ANNA).replace(named, b"").replace(b"failed1", b"failed2"))
    assert office.fates(alone) == [(ANNA, "bounced")]


def events_of(office: Office, kind: str) -> list[dict[str, Any]]:
    with office.app.store.read() as tx:
        found = tx.connection.execute(
            select(events.c.subject).where(events.c.kind == kind).order_by(events.c.id)
        )
        return [dict(subject) for subject in found.scalars()]


def test_M8_a_mail_that_the_relay_refuses_is_told_to_its_owner(office: Office) -> None:
    written = office.reply(office.asks())
    assert written.id is not None
    assert office.shown(written)["unread"] is False
    office.sends(Later("the relay says 451 busy"))
    assert office.shown(written)["unread"] is False
    office.clock.advance(timedelta(hours=1))
    office.sends(Never("the relay says 550 no such user"))
    shown = office.shown(written)
    assert (shown["unread"], office.fates(written)) == (True, [(ANNA, "failed")])
    assert any("550 no such user" in line for line in office.history(written.id))
    [event] = events_of(office, "returned")
    assert event == {"fate": "failed", "errand": shown["written"]["recipients"][0]["errand"]}


def test_M8_a_mail_that_is_given_up_is_told_to_its_owner(office: Office) -> None:
    written = office.reply(office.asks())
    office.sends(Later("the relay says 451 busy"))
    office.clock.advance(GIVE_UP_AFTER)
    assert office.sends() == []
    assert office.shown(written)["unread"] is True
    assert len(events_of(office, "returned")) == 1


def test_M7_an_answer_from_the_client_re_opens_what_was_done(office: Office) -> None:
    asked = office.asks(message_id="q@rossi.example")
    written = office.reply(asked)
    set_status(office.app, [asked], DONE, by=OPERATOR)
    office.asks(
        body="And when?",
        more=f"In-Reply-To: <{written.message_id}>\r\n"
        f"References: <q@rossi.example> <{written.message_id}>\r\n",
    )
    assert office.shown(asked)["status"] == AGAIN
    assert any("its status is In progress again" in line for line in office.history(asked))


def _answers(office: Office, from_: str, **more: Any) -> str:
    """Let somebody answer a mail that is done; return its status then."""
    asked = office.asks(message_id="q@rossi.example")
    set_status(office.app, [asked], DONE, by=OPERATOR)
    fields = f"In-Reply-To: <q@rossi.example>\r\n{more.pop('more', '')}"
    office.asks(from_, more=fields, **more)
    return str(office.shown(asked)["status"])


def test_M7_a_contact_of_the_client_re_opens_too_and_another_clients_does_not(
    office: Office,
) -> None:
    office.world.client("Dupont", "marc@dupont.example")
    asked = office.asks(message_id="q@rossi.example")
    set_status(office.app, [asked], DONE, by=OPERATOR)
    for author, status in (("marc@dupont.example", DONE), (PAUL, AGAIN)):
        office.asks(author, more="In-Reply-To: <q@rossi.example>\r\n")
        assert office.shown(asked)["status"] == status


@pytest.mark.parametrize(
    ("from_", "more"),
    [
        ("stranger@nowhere.example", ""),
        (ANNA, "Auto-Submitted: auto-replied\r\n"),
        (ANNA, "List-Id: <list.rossi.example>\r\nList-Unsubscribe: <mailto:x@rossi.example>\r\n"),
        (JAN, ""),
    ],
    ids=["a stranger", "a machine", "a list", "a colleague's name"],
)
def test_M7_nobody_else_re_opens_it(office: Office, from_: str, more: str) -> None:
    assert _answers(office, from_, more=more) == DONE


def test_M7_the_account_says_what_closes_and_what_re_opens(office: Office) -> None:
    set_status_role(office.app, "Waiting", reopens=True, by=OPERATOR)
    assert _answers(office, ANNA) == "Waiting"
    set_status_role(office.app, DONE, closes=False, by=OPERATOR)
    second = office.asks(message_id="r@rossi.example")
    set_status(office.app, [second], DONE, by=OPERATOR)
    office.asks(more="In-Reply-To: <r@rossi.example>\r\n")
    assert office.shown(second)["status"] == DONE


def test_M7_a_program_that_quotes_our_answer_alone_re_opens_what_it_answered(
    office: Office,
) -> None:
    office.world.client("Dupont", "marc@dupont.example")
    asked = office.asks()
    written = office.reply(asked)
    passed = office.forward(asked, "bob@supplier.example", sender=INFO)
    set_status(office.app, [asked], DONE, by=OPERATOR)
    for author, mail, status in (
        ("marc@dupont.example", written, DONE),
        (ANNA, passed, DONE),
        (ANNA, written, AGAIN),
    ):
        office.asks(author, more=f"In-Reply-To: <{mail.message_id}>\r\n")
        assert office.shown(asked)["status"] == status


def test_M7_an_answer_that_could_not_be_read_at_once_re_opens_when_it_is(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = office.asks(message_id="q@rossi.example")
    set_status(office.app, [asked], DONE, by=OPERATOR)

    def fails(_: object, contents: Iterable[object]) -> Iterator[Exception]:
        for _ in contents:
            yield UnreadableError("too deep")

    with monkeypatch.context() as patched:
        patched.setattr(InProcess, "read_many", fails)
        came = office.asks(more="In-Reply-To: <q@rossi.example>\r\n")
    assert (office.shown(came)["state"], office.shown(asked)["status"]) == ("failed", DONE)
    retry(office.app, READER, [came], by=OPERATOR)
    assert office.shown(asked)["status"] == AGAIN


def test_M8_our_own_copy_is_no_second_mail(office: Office) -> None:
    written = office.reply(office.asks(), cc=[INFO])
    before = len(office.post.lies())
    office.post.send(office.octets(written), INFO)
    office.post.decide()
    assert len(office.post.lies()) == before
    shown = office.shown(written)
    assert (shown["state"], shown["owner"], shown["direction"]) == ("filed", JAN, "out")


def test_M8_a_colleagues_inbox_that_it_was_written_to_has_it_unread(office: Office) -> None:
    written = office.reply(office.asks(), cc=[SALES])
    came = office.comes(office.octets(written), SALES)
    shown = office.shown(came)
    assert (shown["state"], shown["inbox"], shown["user"]) == ("filed", SALES, JAN)
    assert (shown["owner"], shown["unread"]) == ("lea@acme.example", True)


def test_M8_a_copy_that_nobody_sent_there_is_stopped(office: Office) -> None:
    written = office.reply(office.asks())
    came = office.comes(office.octets(written), SALES)
    assert office.shown(came)["reason"] == "LOOP_STOPPED"
