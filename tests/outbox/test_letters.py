"""Mails of our own: headers that nobody can steer, marks for machines, refusals; and what comes back is stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP

import pytest
from hypothesis import example, given, strategies as st

from maild.core.app import App
from maild.core.letters import (
    NAME_MAX,
    SUBJECT_MAX,
    Composed,
    Notice,
    NotPosted,
    Posted,
    UnsafeLetterError,
    compose,
    is_ours,
    octets_of,
    one_line,
)
from maild.core.seal import SealingKey
from maild.model.address import InvalidAddressError
from maild.model.clock import new_ulid
from maild.model.errand import ErrandState, Topic
from maild.model.letter import LOOP_HEADER, Kind
from maild.parse import read_letter
from maild.store.outbox import Errand
from maild.testing.letters import a_letter
from tests.core.company import Post, a_company
from tests.outbox.conftest import KEY
from tests.outbox.post import SENDER, a_notice, queue, state, the_errand

NOW = datetime(2026, 11, 20, 9, 42, tzinfo=UTC)
NASTY = "Eva\r\nBcc: all@world.example\r\n\r\nbody"


def composed(app: App, notice: Notice, key: str = "k") -> Composed:
    assert isinstance(queue(app, key, notice), Posted)
    return compose(the_errand(app, key), SENDER)


def an_errand(**said: str) -> Errand:
    payload = {"to": "eva@world.example", "to_name": "", "subject": "S", "text": "T", **said}
    return Errand(
        id=1,
        ulid=new_ulid(),
        key="k",
        topic=Topic.MAIL,
        account_id=None,
        account=None,
        payload=payload,
        state=ErrandState.WAITING,
        due_at=None,
        give_up_at=NOW,
        attempts=1,
        last_error=None,
        created_at=NOW,
        done_at=None,
    )


def head(mail: Composed) -> list[str]:
    block = mail.content.partition(b"\r\n\r\n")[0].decode("ascii")
    return [line.partition(":")[0] for line in block.split("\r\n") if line[0] not in " \t"]


def test_a_mail_says_what_was_asked_and_from_whom(one_app: App) -> None:
    mail = composed(
        one_app,
        Notice(to="Eva@World.example", to_name="Eva Müller", subject="Grüße, Eva", text="Zeile\nü"),
    )
    letter = read_letter(mail.content)
    assert [box.as_dict() for box in letter.from_] == [
        {"address": "crm-bot@acme.example", "name": "Acme CRM"}
    ]
    assert [(box.address, box.name) for box in letter.to] == [("Eva@world.example", "Eva Müller")]
    assert (letter.subject, letter.text.split()) == ("Grüße, Eva", ["Zeile", "ü"])
    assert letter.date == one_app.clock()
    assert letter.message_id == mail.message_id
    assert mail.message_id.endswith("@mail.acme.example")
    assert mail.recipient == "Eva@world.example"


def test_T21_a_name_and_a_subject_with_line_breaks_make_no_field(one_app: App) -> None:
    plain = composed(one_app, a_notice(), "plain")
    nasty = Notice(to="eva@world.example", to_name=NASTY, subject=NASTY, text="Hi")
    mail = composed(one_app, nasty, "nasty")
    assert head(mail) == head(plain)
    letter = read_letter(mail.content)
    assert [box.address for box in letter.to] == ["eva@world.example"]
    assert letter.cc == ()


@pytest.mark.parametrize("name", ["to", "to_name", "subject", "in_reply_to"])
@pytest.mark.parametrize("end", ["\r\nBcc: x@y.example", "\n", "\r", "\0", "\u2028x"])
def test_T21_what_got_past_the_queue_with_a_line_break_is_never_sent(name: str, end: str) -> None:
    said = {"to": f"eva{end}@world.example"} if name == "to" else {name: f"words{end}"}
    with pytest.raises((UnsafeLetterError, InvalidAddressError)):
        compose(an_errand(**said), SENDER)


HIDDEN = "=?utf-8?q?x=0D=0ABcc=3A_mallory=40evil.example=0D=0A=0D=0APay_here?="


@pytest.mark.parametrize(
    "said", [{"subject": f"{HIDDEN} invites you"}, {"to_name": HIDDEN}, {"in_reply_to": HIDDEN}]
)
def test_T21_a_line_end_in_an_encoded_word_makes_no_field_and_no_body(said: dict[str, str]) -> None:
    mail = compose(an_errand(**said), SENDER)
    assert head(mail) == head(compose(an_errand(), SENDER))
    letter = read_letter(mail.content)
    assert [box.address for box in letter.to] == ["eva@world.example"]
    assert letter.text.strip() == "T"


def test_T21_the_name_of_the_installation_is_no_encoded_word_either() -> None:
    mail = compose(an_errand(), replace(SENDER, name=HIDDEN))
    assert head(mail) == head(compose(an_errand(), SENDER))


def test_T21_an_address_that_reads_as_an_encoded_word_is_not_written_to(one_app: App) -> None:
    odd = "=?utf-8?q?a=0D=0ABcc?=@world.example"
    assert isinstance(queue(one_app, notice=a_notice(odd)), NotPosted)
    with pytest.raises(UnsafeLetterError):
        compose(an_errand(to=odd), SENDER)


def test_T21_whatever_the_library_writes_other_fields_are_never_sent() -> None:
    mail = EmailMessage(SMTP)
    mail["Subject"] = HIDDEN
    mail.set_content("T")
    with pytest.raises(UnsafeLetterError, match="other fields"):
        octets_of(mail)


_HOSTILE = st.text(alphabet='=?utf-8qQbB_0DA"<>@,;:()\\. aü', max_size=80)


@given(name=_HOSTILE, subject=_HOSTILE)
@example(name='ü "x", evil@x.example', subject="=?utf-8?b?DQpCY2M6IHg=?=")
def test_T21_nothing_of_what_headers_are_made_of_makes_a_field(name: str, subject: str) -> None:
    made = {"to_name": one_line(name, NAME_MAX), "subject": one_line(subject, SUBJECT_MAX)}
    mail = compose(an_errand(**made), SENDER)
    assert head(mail) == head(compose(an_errand(), SENDER))
    assert [box.address for box in read_letter(mail.content).to] == ["eva@world.example"]


@given(name=st.text(max_size=60), subject=st.text(max_size=300))
def test_T21_whatever_is_typed_as_name_and_subject_the_fields_are_the_same(
    name: str, subject: str
) -> None:
    made = {"to_name": one_line(name, NAME_MAX), "subject": one_line(subject, SUBJECT_MAX)}
    mail = compose(an_errand(**made), SENDER)
    letter = read_letter(mail.content)
    assert head(mail)[:5] == ["From", "To", "Subject", "Date", "Message-ID"]
    assert [box.address for box in letter.to] == ["eva@world.example"]


def test_a_mail_tells_machines_that_a_machine_wrote_it_and_has_nobody_to_bounce_to(
    one_app: App,
) -> None:
    mail = composed(one_app, a_notice())
    assert mail.mail_from == ""
    assert b"\r\nAuto-Submitted: auto-generated\r\n" in mail.content
    assert read_letter(mail.content).kind is Kind.AUTO_REPLY
    assert b"Precedence" not in mail.content


def test_an_answer_says_what_it_answers(one_app: App) -> None:
    asked = a_letter(message_id="q@world.example")
    notice = Notice(
        to="eva@world.example", subject="Re", text="A", answers=asked, answers_to="eva@w.example"
    )
    letter = read_letter(composed(one_app, notice).content)
    assert letter.in_reply_to == ("q@world.example",)
    assert letter.kind_proof == "Auto-Submitted: auto-replied"


def test_the_same_errand_makes_the_same_octets_whenever_it_is_composed(one_app: App) -> None:
    first = composed(one_app, a_notice())
    assert compose(the_errand(one_app), SENDER) == first


def test_every_mail_is_seven_bits_in_lines_that_every_server_takes(one_app: App) -> None:
    text = "ä" * 5000 + "\n" + "x" * 5000 + "\n.\nFrom me\n\0\ud800"
    mail = composed(one_app, a_notice(text=text))
    assert mail.content.isascii()
    assert max(map(len, mail.content.split(b"\r\n"))) <= 998
    assert b"\n" not in mail.content.replace(b"\r\n", b"")
    assert read_letter(mail.content).text.startswith("ä" * 5000)


def test_only_an_address_beyond_ascii_needs_smtputf8(one_app: App) -> None:
    assert not composed(one_app, a_notice("eva@müller.example", subject="Ü"), "a").needs_utf8
    mail = composed(one_app, a_notice("évà@müller.example"), "b")
    assert mail.needs_utf8
    assert mail.recipient == "évà@xn--mller-kva.example"


@pytest.mark.parametrize("to", ["info@acme.example", "INFO+x@acme.example", "crm@acme.example"])
def test_a_mail_to_an_inbox_of_our_own_is_refused_with_the_reason(app: App, to: str) -> None:
    a_company(app)
    refused = queue(app, notice=a_notice(to))
    assert isinstance(refused, NotPosted)
    assert "circle" in refused.why


def test_a_mail_to_a_user_goes(app: App) -> None:
    a_company(app)
    assert isinstance(queue(app, notice=a_notice("eva@acme.example")), Posted)


@pytest.mark.parametrize("to", ["", "nobody", "a@b@", "eva@world.example\r\nBcc: x@y.example"])
def test_what_is_no_address_is_refused_with_the_reason(one_app: App, to: str) -> None:
    assert isinstance(queue(one_app, notice=a_notice(to)), NotPosted)


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.NORMAL])
def test_F7_no_machine_is_answered(one_app: App, kind: Kind) -> None:
    asked = a_letter(kind=kind, kind_proof="List-Id")
    notice = Notice(to="eva@w.example", subject="S", text="T", answers=asked, answers_to="e@w.ex")
    assert isinstance(queue(one_app, notice=notice), NotPosted)


@pytest.mark.parametrize(
    ("to", "envelope"),
    [
        ("eva@world.example", ""),
        ("mailer-daemon@world.example", "x@w.example"),
        ("no-reply@world.example", "x@w.example"),
        ("list-request@world.example", "x@w.example"),
    ],
)
def test_F7_nobody_who_reads_no_answers_is_answered(one_app: App, to: str, envelope: str) -> None:
    notice = Notice(to=to, subject="S", text="T", answers=a_letter(), answers_to=envelope)
    assert isinstance(queue(one_app, notice=notice), NotPosted)


# --- what comes back ---------------------------------------------------------------------------------------------------


def came_back(app: App, change: Callable[[bytes], bytes] = lambda mail: mail) -> Post:
    """Queue a mail to a user whose server sends everything on to info@, and let it come in."""
    a_company(app)
    mail = composed(app, a_notice("eva@world.example"))
    world = Post(app)
    trace = b"Received: from mx.world.example\r\nDelivered-To: eva@world.example\r\n"
    world.send(change(trace + mail.content), mail_from="")
    world.decide()
    return world


def outcome(world: Post) -> tuple[str, str]:
    [row] = world.lies()
    return row["state"], row["reason"]


def test_our_own_mail_that_comes_back_is_stopped(app: App) -> None:
    assert outcome(came_back(app)) == ("ignored", "LOOP_STOPPED")


def test_a_stranger_who_copies_our_mark_beside_another_message_id_stops_nothing(app: App) -> None:
    world = came_back(app, lambda mail: mail.replace(b"Message-ID: <", b"Message-ID: <x"))
    assert outcome(world) == ("unfiled", "AUTO_REPLY")


def test_a_mail_of_another_installation_is_not_ours(one_app: App) -> None:
    letter = read_letter(composed(one_app, a_notice()).content)
    assert is_ours(KEY, letter)
    assert not is_ours(SealingKey.of("another text of chance of another installation"), letter)
    assert not is_ours(None, letter)


def test_a_stopped_mail_can_be_released_and_is_then_treated_as_normal(app: App) -> None:
    from maild.core.app import Actor
    from maild.core.rulings import release_mails
    from tests.core.company import LEA, READER

    world = came_back(app)
    [row] = world.lies()
    release_mails(app, READER, [row["ulid"]], by=Actor(LEA))
    assert outcome(world)[0] == "unfiled"


@pytest.mark.parametrize("mark", ["", "x", "A" * 64, "0" * 63, "0" * 65, "é" * 64])
def test_what_does_not_look_like_a_mark_is_none(mark: str) -> None:
    raw = f"From: a@b.example\r\n{LOOP_HEADER}: {mark}\r\n\r\nHi\r\n".encode()
    assert read_letter(raw).loop_mark is None


def test_queueing_alone_sends_nothing(one_app: App) -> None:
    queue(one_app)
    assert state(one_app) is ErrandState.WAITING
