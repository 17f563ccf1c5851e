"""Whatever people and mails say is words in what is written, and never a field (T21)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from maild.core.app import OPERATOR
from maild.core.drafts import made
from maild.core.send_rights import inbox_senders
from maild.core.templates import TemplateText, add_template
from maild.model.letter import Author, Mailbox
from maild.model.reason import Reason
from maild.model.writing import Attached, Draft
from maild.parse import read_letter
from tests.writing.conftest import ANNA, INFO, JAN, KEY, Office, refusal

AT = datetime(2026, 11, 20, 9, 42, tzinfo=UTC)
ANY = st.text(st.characters(), max_size=120)
NASTY = st.one_of(
    ANY,
    st.sampled_from(
        [
            "x\r\nBcc: evil@nowhere.example",
            "=?utf-8?q?a=0D=0ABcc:_evil@nowhere.example?=",
            '"; evil@nowhere.example, "',
            "a, b <evil@nowhere.example>",
            "ä" * 90,
            "\u202eevil\u2028x\x00y",
            "name (comment) ;:",
        ]
    ),
)


def draft(**said: Any) -> Draft:
    words: dict[str, Any] = {
        "sender": Mailbox(INFO, "Acme"),
        "to": (Mailbox(ANNA, "Anna"),),
        "subject": "Hello",
        "text": "Hi",
    }
    return Draft(**(words | said))


@settings(max_examples=40, deadline=None)
@given(subject=NASTY, name=NASTY, other=NASTY, file=NASTY, text=ANY)
def test_T21_no_word_becomes_a_field_or_a_recipient(
    subject: str, name: str, other: str, file: str, text: str
) -> None:
    attached = Attached(name=file, type="text/plain", content=b"x")
    mail = made(
        draft(
            sender=Mailbox(INFO, name),
            to=(Mailbox(ANNA, name), Mailbox("b@x.example", other)),
            cc=(Mailbox("c@x.example", other),),
            subject=subject,
            text=text,
            attached=(attached,),
        ),
        ulid="01K" + "0" * 23,
        at=AT,
        key=KEY,
    )
    letter = read_letter(mail.content)
    assert letter.sender == Author(INFO)
    assert [box.address for box in letter.to] == [ANNA, "b@x.example"]
    assert [box.address for box in letter.cc] == ["c@x.example"]
    assert letter.message_id == mail.message_id
    assert len(letter.attachments) == 1
    assert mail.content.isascii()
    head = mail.content.partition(b"\r\n\r\n")[0]
    assert b"\nBcc:" not in head
    assert all(len(line) <= 998 for line in mail.content.split(b"\r\n"))


def test_T21_words_beyond_ascii_are_read_as_they_were_written() -> None:
    name, subject, text = "Jörg Ångström, 北京", "Größe — 見積書 🙂", "Grüße\nzweite Zeile"
    mail = made(
        draft(to=(Mailbox(ANNA, name),), subject=subject, text=text),
        ulid="01K" + "0" * 23,
        at=AT,
        key=KEY,
    )
    letter = read_letter(mail.content)
    assert (letter.to[0].name, letter.subject) == (name, subject)
    assert letter.text.split() == text.split()


def test_T21_an_address_beyond_ascii_needs_a_relay_that_takes_it() -> None:
    mail = made(
        draft(to=(Mailbox("jörg@xn--bcher-kva.example", "J"),)),
        ulid="01K" + "0" * 23,
        at=AT,
        key=KEY,
    )
    assert mail.needs_utf8
    assert [box.address for box in read_letter(mail.content).to] == ["jörg@xn--bcher-kva.example"]


def test_T21_ids_from_outside_stand_only_where_they_are_plain(one_office: Office) -> None:
    long = "a" * 240 + "@x.example"
    refs = " ".join(f"<{n}@rossi.example>" for n in range(60))
    asked = one_office.asks(message_id=long, more=f"References: <=?utf-8?q?x?=@y> {refs}\r\n")
    written = one_office.reply(asked)
    letter = one_office.read(written)
    assert letter.in_reply_to == (long,)
    assert letter.references[0] == "0@rossi.example"
    assert letter.references[-1] == long
    assert len(letter.references) == 21
    head = one_office.octets(written).partition(b"\r\n\r\n")[0]
    assert b"=?utf-8?q?x" not in head


def test_M8_a_value_is_text_and_no_variable_and_no_field(one_office: Office) -> None:
    words = TemplateText(subject="For {sender.name}", text="{subject}")
    add_template(one_office.app, "t", words, by=OPERATOR)
    asked = one_office.asks("A B <a@x.example>", body="{me.name} {x}")
    written = one_office.reply(asked, text=None, template="t")
    letter = one_office.read(written)
    assert letter.text.startswith("{me.name} {x}")
    assert b"\nBcc" not in one_office.octets(written)
    assert one_office.fates(written) == [("a@x.example", "queued")]


def test_M8_an_unknown_variable_is_refused_with_the_list(one_office: Office) -> None:
    with refusal(Reason.INVALID_VALUE) as caught:
        add_template(one_office.app, "t", TemplateText(text="{client.nmae}"), by=OPERATOR)
    assert "{client.name}" in str(caught.value)
    add_template(one_office.app, "t", TemplateText(text="a {b c} {} {X}"), by=OPERATOR)


def test_M8_a_mail_is_passed_on_as_it_came_or_as_text(one_office: Office) -> None:
    asked = one_office.asks(body="The plan")
    whole = one_office.forward(asked, "bob@x.example", text="See below.")
    letter = one_office.read(whole)
    assert letter.subject == "Fwd: The plan"
    assert [one.type for one in letter.attachments] == ["message/rfc822"]
    assert letter.forwarded is not None
    assert letter.forwarded.from_ is not None
    assert letter.forwarded.from_.address == ANNA
    assert one_office.shown(whole)["reason"] == "FILED_THREAD"
    inline = one_office.forward(asked, "bob@x.example", inline=True)
    again = one_office.read(inline)
    assert again.forwarded is not None
    assert again.forwarded.body.strip() == "The plan"
    odd = one_office.asks(body="Grüße")
    letter = one_office.read(one_office.forward(odd, "bob@x.example"))
    assert [(one.type, one.name) for one in letter.attachments] == [
        ("application/octet-stream", "Grüße.eml")
    ]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"to": ["no address"]}, Reason.INVALID_EMAIL),
        ({"to": ["a@x.example"] * 101}, Reason.INVALID_VALUE),
        (
            {
                "to": [f"a{n}@x.example" for n in range(60)],
                "cc": [f"b{n}@x.example" for n in range(60)],
            },
            Reason.INVALID_VALUE,
        ),
        ({"text": "x" * 200_001}, Reason.INVALID_VALUE),
        ({"text": " \n"}, Reason.INVALID_VALUE),
        (
            {"attached": [Attached(name="a", type="text/html\r\nX: y", content=b"")]},
            Reason.INVALID_VALUE,
        ),
        (
            {"attached": [Attached(name="a", type="multipart/mixed", content=b"")]},
            Reason.INVALID_VALUE,
        ),
        ({"attached": [Attached(name="a", type="a/b", content=b"")] * 51}, Reason.INVALID_VALUE),
        (
            {"attached": [Attached(name="a", type="a/b", content=bytes(21 * 2**20))]},
            Reason.INVALID_VALUE,
        ),
        ({"template": "nothing"}, Reason.NOT_FOUND),
    ],
    ids=range(10),
)
def test_M8_what_is_too_much_or_wrong_is_refused_and_nothing_is_written(
    one_office: Office, asked: dict[str, Any], code: Reason
) -> None:
    mail = one_office.asks()
    with refusal(code):
        one_office.reply(mail, **asked)
    assert len(one_office.post.lies()) == 1
    assert one_office.sends() == []


def test_M8_a_large_file_goes_with_the_mail_and_lies_beside_the_database(
    one_office: Office,
) -> None:
    file = Attached(
        name="plan.bin", type="application/octet-stream", content=bytes(range(256)) * 2000
    )
    written = one_office.reply(one_office.asks(), attached=[file])
    (sent,) = one_office.sends()
    assert sent.content == one_office.octets(written)
    assert [(one.name, one.size) for one in read_letter(sent.content).attachments] == [
        ("plan.bin", 512_000)
    ]


def test_M8_a_right_that_was_taken_is_none(one_office: Office) -> None:
    asked = one_office.asks()
    one_office.reply(asked)
    inbox_senders(one_office.app, INFO, remove=[JAN], by=OPERATOR)
    with refusal(Reason.SENDER_NOT_ALLOWED):
        one_office.reply(asked)
