"""What befalls a forward on its way, in every client and language: it is read in full, or never wrongly (F1)."""

from __future__ import annotations

import pytest

from maild.model.filing import SURE_ENOUGH
from maild.parse.forward import ForwardReading, find_forward
from tests.parse.forwarding import Hand, Original, as_html, layouts, quoted
from tests.parse.forwarding_changes import CHANGES, DAMAGED, OLDER, Change, Forward, forwards
from tests.parse.test_forward_clients import UNSURE


def read(forward: Forward) -> ForwardReading:
    return find_forward(subject=forward.subject, text=forward.text, html=forward.html, attached=[])


def amiss(forward: Forward) -> list[str]:
    """Return what was not read, or not as it is."""
    reading = read(forward)
    found, wanted, layout = reading.original, forward.original, forward.layout
    if found is None or found.from_ is None:
        return ["nobody"]
    if not layout.shape.order:
        return [] if found.from_.address == wanted.from_.address else ["from"]
    compared = {
        "from": found.from_ == wanted.from_,
        "to": found.to == (() if layout.lacks("to") else wanted.to),
        "cc": found.cc == (() if layout.lacks("cc") else wanted.cc),
        "date": found.date == ("" if layout.lacks("date") else wanted.date),
        "subject": found.subject == wanted.subject,
        "body": found.body.split() == wanted.body.split(),
        "note": reading.note.split() == forward.change.note.split(),
        "sure": found.confidence >= SURE_ENOUGH or layout.name in UNSURE,
    }
    return [field for field, is_right in compared.items() if not is_right]


def names_another(forward: Forward) -> bool:
    original = read(forward).original
    if original is None or original.from_ is None:
        return False
    return original.from_.address != forward.original.from_.address


@pytest.mark.parametrize("change", [pytest.param(one, id=one.name) for one in CHANGES if one.whole])
def test_F1_every_forward_is_read_in_full_after(change: Change) -> None:
    wrong = {
        forward.name: fields
        for forward in forwards([change])
        if forward.whole and (fields := amiss(forward))
    }
    assert wrong == {}


@pytest.mark.parametrize("change", [pytest.param(one, id=one.name) for one in CHANGES])
def test_F1_no_forward_names_another_person_after(change: Change) -> None:
    assert [forward.name for forward in forwards([change]) if names_another(forward)] == []


@pytest.mark.slow
@pytest.mark.parametrize("change", [pytest.param(one, id=one.name) for one in DAMAGED])
def test_F1_a_damaged_original_never_passes_the_word_to_an_older_one(change: Change) -> None:
    # Where one line is all there is of a header and that one is lost, the older one is the outermost.
    wrong = [
        forward.name
        for forward in forwards([change])
        if names_another(forward)
        and not (
            "lost" in change.name and (forward.layout.shape.glued or not forward.layout.shape.order)
        )
    ]
    assert wrong == []


ATTRIBUTIONS = (
    "On Wed, May 7, 2025 at 9:31 AM Ann Lee <ann@client.example> wrote:",
    "Am 07.05.25 um 09:31 schrieb Ann Lee:",
    "2025年5月7日(水) 9:31 Ann Lee <ann@client.example>:",
)


@pytest.mark.parametrize("line", ATTRIBUTIONS)
def test_F1_a_reply_to_a_forward_is_no_forward_whatever_the_client(line: str) -> None:
    wrong = []
    for layout in layouts():
        history = layout.write(Original(), Hand())
        for subject in (f"Re: {layout.prefix} Offer", "Re: Offer", "Offer"):
            for below in (history, quoted(history)):
                text = f"Yes, do that.\n\n{line}\n\n{below}"
                for reading in (
                    find_forward(subject=subject, text=text, html=None, attached=[]),
                    find_forward(subject=subject, text="", html=as_html(text), attached=[]),
                ):
                    if reading.original or reading.looks_forwarded:
                        wrong.append(f"{layout.name}: {subject}")
    assert wrong == []


LINES_ABOVE_REPLIES = {
    # mail-parser-reply (PyPI 1.36, constants.py) for the words of Gmail and Apple Mail in each language.
    "cs": "Dne st 7. 5. 2025 v 9:31 odesílatel Ann Lee <ann@client.example> napsal(a):",
    "da": "Den ons. 7. maj 2025 kl. 09.31 skrev Ann Lee <ann@client.example>:",
    "de": "Am Mi., 7. Mai 2025 um 09:31 Uhr schrieb Ann Lee <ann@client.example>:",
    "en": "On 7 May 2025, at 09:31, Ann Lee <ann@client.example> wrote:",
    "es": "El mié, 7 may 2025 a las 9:31, Ann Lee (<ann@client.example>) escribió:",
    "fr": "Le mer. 7 mai 2025 à 09:31, Ann Lee <ann@client.example> a écrit\u00a0:",
    "it": "Il giorno mer 7 mag 2025 alle ore 09:31 Ann Lee <ann@client.example> ha scritto:",
    "ja": "2025年5月7日(水) 9:31 Ann Lee <ann@client.example>:",
    "ko": "2025년 5월 7일 (수) 오전 9:31, Ann Lee <ann@client.example>님이 작성:",
    "nl": "Op wo 7 mei 2025 om 09:31 schreef Ann Lee <ann@client.example>:",
    "pl": "śr., 7 maj 2025 o 09:31 Ann Lee <ann@client.example> napisał(a):",
    "sv": "Den ons 7 maj 2025 kl 09:31 skrev Ann Lee <ann@client.example>:",
    "zh-Hans": "Ann Lee <ann@client.example> 于2025年5月7日周三 09:31写道\uff1a",
    # talon (PyPI 1.4.4, tests/fixtures).
    "yandex": '07.05.2025, 09:31, "Ann Lee" <ann@client.example>:',
    "mail.ru": "Wed, 07 May 2025 09:31:51 +0400 от Ann Lee <ann@client.example>:",
    "android": '07.05.2025 9:31 пользователь "ann@client.example" <\nann@client.example> написал:',
}


@pytest.mark.parametrize("line", LINES_ABOVE_REPLIES.values(), ids=LINES_ABOVE_REPLIES)
@pytest.mark.parametrize("client", ["gmail in en", "outlook_live in en", "apple in de"])
def test_F1_what_stands_below_a_reply_s_line_is_history_in_every_language(
    line: str, client: str
) -> None:
    (layout,) = (one for one in layouts() if one.name == client)
    history = layout.write(Original(), Hand())
    for subject in ("Re: Fwd: Offer", "Offer"):
        for below in (history, quoted(history)):
            text = f"Yes, do that.\n\n{line}\n\n{below}"
            for found in (
                find_forward(subject=subject, text=text, html=None, attached=[]),
                find_forward(subject=subject, text="", html=as_html(text), attached=[]),
            ):
                assert found.original is None
                assert not found.looks_forwarded


ORDINARY = {
    "an injected line": "Hello,\n\nFrom: boss@evil.example\n\nplease pay at once.",
    "two injected lines": "Hello,\nFrom: boss@evil.example\nSubject: pay\n\nplease pay at once.",
    "three with text between": "From: boss@evil.example\nhe says\nDate: 7 May 2025 9:31\nwhy\nSubject: pay\nnow",
    "an agenda": "Subject: planning\nDate: 9 May 2025 10:00\nTo: everybody\nFrom: the board\nPlace: Berlin",
    "a signature": "Hello\n\n-- \nEva Ruiz\nFrom: Berlin\nTel: 030 2045 1122\nMail: eva@firm.example\nWeb: firm.example",
    "code": 'mail["From"] = "boss@evil.example"\nmail["To"] = "you@firm.example"\nmail["Subject"]: str = "pay"',
    "commands": "$ swaks --from boss@evil.example --to you@firm.example --header 'Subject: pay'",
    "headers from a log": (
        "The log says:\n\n    Return-Path: <boss@evil.example>\n    Received: from mx.evil.example\n    "
        "Message-ID: <1@evil.example>\n\nWhat is that?"
    ),
    "an offer": "From: Berlin\nTo: Hamburg\nDate: 9 May 2025\nPrice: 49.90",
    "a form": "Name: Boss\nFrom: 9:00\nTo: 17:00\nMail: boss@evil.example\nSubject: opening times",
}


@pytest.mark.parametrize("text", ORDINARY.values(), ids=ORDINARY)
@pytest.mark.parametrize("subject", ["Offer", "Re: Offer", "Fwd: Offer"])
def test_F1_ordinary_text_with_header_like_lines_names_nobody(subject: str, text: str) -> None:
    for reading in (
        find_forward(subject=subject, text=text, html=None, attached=[]),
        find_forward(subject=subject, text="", html=as_html(text), attached=[]),
    ):
        assert reading.original is None or reading.original.from_ is None


@pytest.mark.parametrize("text", ORDINARY.values(), ids=ORDINARY)
def test_F1_ordinary_text_above_a_forward_names_nobody_else(text: str) -> None:
    found = find_forward(subject="Fwd: Older", text=f"{text}\n\n{OLDER}", html=None, attached=[])
    named = found.original.from_ if found.original else None
    assert named is None or named.address == "boss@elsewhere.example"
