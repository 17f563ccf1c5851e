"""Single lines of a forward: mailboxes, what wrapping and conversion tore, subjects (F1)."""

from __future__ import annotations

import pytest

from maild.model.letter import Mailbox
from maild.parse.forward.mailbox_line import read_many, read_one
from tests.parse.forwarding import JANE
from tests.parse.forwarding_by_hand import (
    APPLE,
    BODY,
    GMAIL_SEPARATOR,
    OUTLOOK,
    apple_mail,
    find,
    original_of,
    outlook_desktop,
    sender,
)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Jane Roe <j@c.example>", Mailbox("j@c.example", "Jane Roe")),
        ('"Roe, Jane" <j@c.example>', Mailbox("j@c.example", "Roe, Jane")),
        ("Roe, Jane <j@c.example>", Mailbox("j@c.example", "Roe, Jane")),
        ("Roe, Jane (Berlin) <j@c.example>", Mailbox("j@c.example", "Roe, Jane (Berlin)")),
        ("Jane Roe [mailto:j@c.example]", Mailbox("j@c.example", "Jane Roe")),
        ("Jane Roe <mailto:j@c.example>", Mailbox("j@c.example", "Jane Roe")),
        ("j@c.example <mailto:j@c.example>", Mailbox("j@c.example")),
        ("Jane Roe <j@c.example<mailto:j@c.example>>", Mailbox("j@c.example", "Jane Roe")),
        ("Jane Roe <J@C.example <mailto:j@c.example>>", Mailbox("J@C.example", "Jane Roe")),
        ("<mailto:j@c.example?subject=hello>", Mailbox("j@c.example")),
        ("j@c.example (Jane Roe)", Mailbox("j@c.example", "Jane Roe")),
        ("'j@c.example' <j@c.example>", Mailbox("j@c.example")),
        ("'Jane Roe' via Info <info@c.example>", Mailbox("info@c.example", "'Jane Roe' via Info")),
        ("Jane\u00a0Roe \u200e<\u200ej@c.example\u200e>", Mailbox("j@c.example", "Jane Roe")),
        ("Jane @ Client <j@c.example>", Mailbox("j@c.example", "Jane @ Client")),
        ("Jane O'Neil <o'neil@c.example>", Mailbox("o'neil@c.example", "Jane O'Neil")),
        ("Jane Roe <[j@c.example](mailto:j@c.example)>", Mailbox("j@c.example", "Jane Roe")),
        ("用户 <用户@例え.example>", Mailbox("用户@例え.example", "用户")),
        ("*Jane Roe* <j@c.example>", Mailbox("j@c.example", "Jane Roe")),
    ],
)
def test_one_mailbox_is_read_as_clients_write_it(line: str, expected: Mailbox) -> None:
    assert read_one(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Jane Roe",
        "Jane Roe </O=FIRM/OU=EXCHANGE/CN=JANE>",
        "a@b.example, c@d.example",
        '"boss@firm.example" <j@evil.example>',
        "jane@@c.example",
        "jane@c.example@d.example",
        "Jane <j@c.example",
        "Jane <j@\u200bc.example>",
        "Jane <j\u202e@c.example>",
        "Jane <j@c.exam\nple>",
        "j@c.exam\nple",
        "list@l.example [mailto:list@l.example] On Behalf Of Jane Roe",
        "list@l.example <list@l.example> im Auftrag von Jane Roe",
    ],
)
def test_a_from_line_with_any_doubt_names_nobody(line: str) -> None:
    assert read_one(line) is None


def test_lists_of_mailboxes_are_read_with_commas_and_semicolons() -> None:
    found = read_many(
        "Roe, Jane <j@c.example>; max@c.example <max@c.example>;\n'Li' <li@p.example>, <a@b.example>, Bob"
    )
    assert [(box.address, box.name) for box in found] == [
        ("j@c.example", "Roe, Jane"),
        ("max@c.example", ""),
        ("li@p.example", "Li"),
        ("a@b.example", ""),
    ]


# ------------------------------------------------------------------ layouts that wrapping and conversion tore


def test_long_recipient_lists_are_read_over_many_lines() -> None:
    many = [f"Person Number{number} <p{number}@c.example>" for number in range(30)]
    for comma in (",\n", ";\n ", ", "):
        text = "\n".join(
            [
                GMAIL_SEPARATOR,
                "From: Jane Roe <jane.roe@client.example>",
                "Date: 7 May 2025 9:31",
                "Subject: Offer",
                f"To: {comma.join(many)}",
                "Cc: <max@c.example>",
                "",
                "Hello",
            ]
        )
        original = original_of("Fwd: Offer", text)
        assert len(original.to) == 30
        assert [box.address for box in original.cc] == ["max@c.example"]
        assert original.body == "Hello"


def test_a_list_torn_inside_its_brackets_is_read_to_its_end() -> None:
    text = f"{GMAIL_SEPARATOR}\nFrom: Jane Roe <jane.roe@client.example>\nDate: 7 May 2025 9:31\nSubject: Offer\nTo: Max Mann <max@c.example>, Somebody With A Long Name <\nsomebody@c.example>\n\nHello"
    original = original_of("Fwd: Offer", text)
    assert [box.address for box in original.to] == ["max@c.example", "somebody@c.example"]
    assert original.body == "Hello"


def test_a_wrapped_subject_is_joined() -> None:
    middle = "Von: a@b.example\nGesendet: 7. Mai 2025 09:31\nBetreff: Ein langer\nBetreff\nAn: c@d.example\n\nHallo"
    assert original_of("WG: x", middle).subject == "Ein langer Betreff"
    last = "Von: a@b.example\nGesendet: 7. Mai 2025 09:31\nAn: c@d.example\nBetreff: Ein langer\nBetreff\n\nHallo"
    assert original_of("WG: Ein langer Betreff", last).subject == "Ein langer Betreff"
    assert original_of("WG: Ein langer Betreff", last).body == "Hallo"
    assert original_of("WG: anderes", last).body == "Betreff\n\nHallo"


def test_technical_fields_in_the_block_are_skipped() -> None:
    text = (
        "-------- Weitergeleitete Nachricht --------\nReturn-Path: <jane.roe@client.example>\nX-Mailer: Writer 5.1\n"
        "Betreff: Angebot\nMessage-ID: <1@client.example>\nDatum: Wed, 7 May 2025 09:31:20 +0200\n"
        "Von: Jane Roe <jane.roe@client.example>\nAn: sales@firm.example\nList-Id: <offers.client.example>\n"
        "References: <2@client.example>\n <3@client.example>\n\nHallo"
    )
    original = original_of("Fwd: Angebot", text)
    assert (original.from_, original.subject, original.body) == (JANE, "Angebot", "Hallo")
    assert original.confidence >= 0.95


def test_values_on_lines_of_their_own_are_read() -> None:
    text = "From:\nJane Roe <jane.roe@client.example>\nDate:\n7 May 2025 9:31\nTo:\nsales@firm.example\nSubject: Offer\n\nHi"
    original = original_of("Fwd: Offer", text)
    assert (original.from_, original.date, original.body) == (JANE, "7 May 2025 9:31", "Hi")


def test_an_empty_subject_does_not_swallow_the_body() -> None:
    text = "From: a@b.example\nSent: 7 May 2025 9:31\nTo: c@d.example\nSubject:\n\nHello"
    original = original_of("FW:", text)
    assert (original.subject, original.body) == ("", "Hello")


def test_marks_that_nobody_sees_do_not_matter() -> None:
    text = outlook_desktop(OUTLOOK["en"]).replace("From: ", "\u200eFrom:\u200f \u202a")
    assert sender("\u200eFW: Offer", text) == JANE.address


def test_what_stands_below_a_quoted_original_is_not_its_body() -> None:
    assert original_of("Fwd: Offer", apple_mail(APPLE["en"]) + "\n\nEva's signature").body == BODY


def test_a_mailto_form_and_yahoo_s_lost_line_ends_are_read() -> None:
    text = (
        '   ----- Forwarded Message ----- From: Jane Roe <jane.roe@client.example>To: "sales@firm.example" '
        "<sales@firm.example>Sent: Wednesday, May 7, 2025, 09:31:50 AM GMT+2Subject: Offer: new\n Hello"
    )
    original = original_of("Fwd: Offer: new", text)
    assert (original.from_, original.subject, original.body) == (JANE, "Offer: new", "Hello")
    twice = text.replace("To: ", "From: x@y.example To: ")
    assert original_of("Fwd: Offer", twice).from_ is None


def test_a_line_longer_than_any_header_is_none() -> None:
    long = "Jane " * 1_000
    text = (
        f"From: {long} <a@b.example>\nSent: 7 May 2025 9:31\nTo: c@d.example\nSubject: x\n\nHello"
    )
    assert sender("FW: x", text) is None


# ------------------------------------------------------------------ subjects


@pytest.mark.parametrize(
    "subject",
    [
        "Fwd: x",
        "FWD:x",
        "fw: x",
        "Fw : x",
        "WG: x",
        "TR\u00a0: x",
        "RV: x",
        "I: x",
        "Doorst: x",
        "[Fwd: x]",
        "Fwd[2]: x",
        "[EXTERN] FW: x",
        "***SPAM*** Fwd: x",
        "EXT: WG: x",
        "Fwd (2): x",
        "FW\uff1ax",
        "x (fwd)",
        "PD: x",
    ],
)
def test_forward_prefixes_are_known(subject: str) -> None:
    assert find(subject, "Hello").looks_forwarded


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "Forwards and backs",
        "Re: x",
        "Re: Fwd: x",
        "AW: x",
        "Vá: Fwd: x",
        "Odg: Fwd: x",
        "השב: Fwd: x",
        "I think: x",
        "fwd x",
        "Offer: x",
        "VS: x",
    ],
)
def test_other_subjects_forward_nothing(subject: str) -> None:
    assert not find(subject, "Hello").looks_forwarded


def test_a_prefix_that_means_two_things_is_told_by_the_language_of_the_block() -> None:
    danish = "Fra: a@b.example\nSendt: 7. maj 2025 09:31\nTil: c@d.example\nEmne: x\n\nHej"
    finnish = "Lähettäjä: a@b.example\nLähetetty: 7. toukokuuta 2025 9:31\nVastaanottaja: c@d.example\nAihe: x\n\nHei"
    assert original_of("VS: x", danish).confidence == 0.9
    assert find("VS: x", finnish).original is None
