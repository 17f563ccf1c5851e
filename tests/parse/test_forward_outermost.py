"""What is no forward, which original is the outermost, and what is not sure (F1)."""

from __future__ import annotations

import html as html_module
from dataclasses import replace
from typing import Any

import pytest

from maild.model.letter import Forwarded, How, Mailbox
from maild.parse.forward import ForwardReading, find_forward
from tests.parse.forwarding import JANE, NOTE, UNDERLINE, quoted
from tests.parse.forwarding_by_hand import (
    APPLE,
    GMAIL,
    GMAIL_SEPARATOR,
    OUTLOOK,
    D,
    F,
    S,
    T,
    apple_mail,
    find,
    gmail,
    header,
    original_of,
    outlook_desktop,
    outlook_mac,
    outlook_old,
    outlook_web,
    sender,
    thunderbird,
)

# ------------------------------------------------------------------ what is not this mail's forward


def test_an_injected_from_line_in_ordinary_text_is_no_forward() -> None:
    reading = find("Fwd: Offer", "Hello,\n\nFrom: boss@evil.example\n\nplease pay at once.")
    assert reading.original is None
    assert reading.looks_forwarded


def test_a_from_line_with_one_more_label_is_no_forward_either() -> None:
    text = "Hello,\nFrom: boss@evil.example\nSubject: pay\n\nat once."
    assert find("Fwd: Offer", text).original is None


def test_a_short_block_without_separator_and_prefix_is_no_forward() -> None:
    text = "Hello,\n\nFrom: boss@evil.example\nTo: you@firm.example\nSubject: pay\n\nat once."
    reading = find("Offer", text)
    assert reading.original is None
    assert not reading.looks_forwarded


def test_labels_of_two_languages_make_no_block() -> None:
    text = "From: boss@evil.example\nGesendet: heute 10:00\nAan: you@firm.example\nObjet: pay\n\nat once."
    assert sender("FW: Offer", text) is None


def test_header_lines_with_text_between_them_make_no_block() -> None:
    text = "From: boss@evil.example\nis what he said.\nDate: we do not know\nwhy not\nSubject: pay\n\nat once."
    assert sender("FW: Offer", text) is None


@pytest.mark.parametrize("prefix", ["RE:", "AW:", "Antw:", "R:", "Re[2]:", "RE: FW:"])
def test_an_outlook_block_below_a_reply_prefix_is_history(prefix: str) -> None:
    for write in (outlook_desktop, outlook_web, outlook_old, outlook_mac):
        reading = find(f"{prefix} Offer", write(OUTLOOK["de"]))
        assert reading.original is None
        assert not reading.looks_forwarded


@pytest.mark.parametrize(
    "attribution",
    [
        "On Wed, May 7, 2025 at 9:31 AM Jane Roe <jane.roe@client.example> wrote:",
        "On Wed, May 7, 2025 at 9:31 AM Jane Roe <\njane.roe@client.example> wrote:",
        "On 7 May 2025, at 09:31, Jane Roe wrote:",
        "Am Mi., 7. Mai 2025 um 09:31 Uhr schrieb Jane Roe <\njane.roe@client.example>:",
        "Am 07.05.25 um 09:31 schrieb Jane Roe:",
        "Le mer. 7 mai 2025 à 09:31, Jane Roe <jane.roe@client.example> a écrit\u00a0:",
        "El mié, 7 may 2025 a las 9:31, Jane Roe (<jane.roe@client.example>)\nescribió:",
        "Il giorno mer 7 mag 2025 alle ore 09:31 Jane Roe <\njane.roe@client.example> ha scritto:",
        "Op wo 7 mei 2025 om 09:31 schreef Jane Roe <jane.roe@client.example>:",
        "2025年5月7日(水) 9:31 Jane Roe <jane.roe@client.example>:",
    ],
)
def test_a_forward_in_a_reply_s_history_is_not_this_mail_s(attribution: str) -> None:
    history = gmail(GMAIL["en"])
    for subject in ("Re: Fwd: Offer", "Re: Offer", "Offer"):
        for text in (
            f"Yes, do that.\n\n{attribution}\n\n{quoted(history)}",
            f"Yes, do that.\n\n{attribution}\n\n{history}",
        ):
            reading = find(subject, text)
            assert reading.original is None
            assert not reading.looks_forwarded


def test_a_separator_below_an_outlook_reply_header_belongs_to_the_history() -> None:
    outer = header(OUTLOOK["en"], (F, D, T, S))
    text = "\n".join(["Thank you", "", UNDERLINE, *outer, "", gmail(GMAIL["en"])])
    reading = find("RE: Fwd: Offer", text)
    assert reading.original is None
    assert not reading.looks_forwarded


def test_a_quoted_separator_in_a_reply_is_history_even_without_attribution() -> None:
    reading = find("Re: Offer", "Yes.\n\n" + quoted(gmail(GMAIL["en"])))
    assert reading.original is None
    assert not reading.looks_forwarded


def test_a_reply_stays_a_reply_whatever_its_html_shows() -> None:
    page = "<br>".join(html_module.escape(line) for line in gmail(GMAIL["en"]).split("\n"))
    text = (
        "Yes.\n\nOn Wed, May 7, 2025 at 9:31 AM Jane Roe <jane.roe@client.example> wrote:\n> Offer?"
    )
    assert find("Offer", text, page).original is None


def test_an_ordinary_mail_is_left_alone() -> None:
    text = "Hello,\n\nnote: the price is 5:1\n\n--\nEva Ruiz\nTel: 030 2045 1122\nMail: eva@firm.example\nWeb: firm.example"
    assert find("Offer", text) == ForwardReading(original=None, note="", looks_forwarded=False)


# ------------------------------------------------------------------ the outermost original decides


def test_the_outermost_of_nested_originals_is_the_answer() -> None:
    inner = gmail(GMAIL["de"]).replace("jane.roe", "inner").replace(NOTE, "inner note")
    text = "\n".join(["note", "", *header(OUTLOOK["en"], (F, D, T, S)), "", inner])
    original = original_of("FW: Offer", text)
    assert original.from_ == JANE
    assert "inner@client.example" in original.body


def test_a_header_block_in_an_unknown_language_hides_what_stands_below_it() -> None:
    outer = "Xel: Kim <kim@client.example>\nXun dat: 2025-05-07 9:31\nXto: sales@firm.example\nXsub: Offer\n\n"
    reading = find("FW: Offer", outer + outlook_desktop(OUTLOOK["en"]))
    assert reading.original is None
    assert reading.looks_forwarded


def test_gmail_s_from_label_is_known_by_its_place_in_any_language() -> None:
    text = gmail(GMAIL["en"]).replace("From: ", "Mai i: ")
    assert sender("Fwd: Offer", text) == JANE.address


def test_a_signature_above_the_block_does_not_hide_it() -> None:
    signature = "Eva Ruiz\nTel: 030 2045 1122\nMail: eva@firm.example\nOffice hours: 9:00-17:00\n\n"
    assert sender("FW: Offer", signature + outlook_desktop(OUTLOOK["en"])) == JANE.address


def test_an_attached_original_wins_over_the_text() -> None:
    first = Forwarded(from_=JANE, how=How.ATTACHED, confidence=1.0)
    second = Forwarded(from_=None, how=How.ATTACHED, confidence=1.0)
    reading = find_forward(
        subject="Offer",
        text=" see attached \n" + gmail(GMAIL["en"]),
        html=None,
        attached=[first, second],
    )
    # The second is nobody's that we could name, so whom the mail is about is not sure (F5).
    assert reading.original == replace(first, confidence=0.6)
    assert reading.looks_forwarded
    assert reading.note.startswith("see attached")


def _attached(*addresses: str) -> list[Forwarded]:
    return [
        Forwarded(from_=Mailbox(address), how=How.ATTACHED, confidence=0.98)
        for address in addresses
    ]


def _confidence(subject: str, text: str, attached: list[Forwarded]) -> float:
    reading = find_forward(subject=subject, text=text, html=None, attached=attached)
    assert reading.original is not None
    assert reading.original.from_ == attached[0].from_
    return reading.original.confidence


def test_F5_attached_originals_of_two_people_are_not_sure() -> None:
    assert _confidence("Fwd: x", "", _attached("a@x.example", "b@y.example")) == 0.6
    assert _confidence("Fwd: x", "", _attached("a@x.example", "A@X.example")) == 0.98


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        (
            "FW: Offer",
            "From: Doe, Jane\nSent: 7 May 2025 09:31\nTo: sales@firm.example\nSubject: Offer\n\nHello",
        ),
        ("Fwd: Offer", "see below\n\nBegin forwarded message:\nHello"),
        ("Re: Offer", "Here it is.\n\nOn 7 May 2025, at 09:31, Jane Roe wrote:\n> Offer?"),
    ],
)
def test_F1_an_attached_original_below_what_the_text_shows_of_nobody_known_is_not_sure(
    subject: str, text: str
) -> None:
    assert _confidence(subject, text, _attached("boss@evil.example")) == 0.6
    assert _confidence(subject, "see attached", _attached("boss@evil.example")) == 0.98


@pytest.mark.parametrize("write", [outlook_desktop, outlook_web, gmail, apple_mail])
def test_a_header_in_the_midst_of_a_quotation_is_not_the_outermost(write: Any) -> None:
    """A client that forwards by quoting, without a header: whose the quoted text is, nobody can tell."""
    words = GMAIL["en"] if write is gmail else APPLE["en"] if write is apple_mail else OUTLOOK["en"]
    history = quoted("Text of the one who wrote to us.\n\n" + write(words))
    for text in (f"See below\n\n{history}", f"See below\n\n{quoted(history)}"):
        reading = find("Fwd: Offer", text)
        assert reading.original is None
        assert reading.looks_forwarded


@pytest.mark.parametrize("lost", [F, D, T, S])
@pytest.mark.parametrize(
    "write", [outlook_desktop, outlook_web, outlook_old, gmail, apple_mail, thunderbird]
)
def test_a_damaged_outermost_header_never_passes_the_word_to_an_inner_one(
    write: Any, lost: int
) -> None:
    words = GMAIL["en"] if write is gmail else APPLE["en"] if write is apple_mail else OUTLOOK["en"]
    inner = write(words).replace("jane.roe@", "boss@")
    for damaged in (words.labels[lost].replace(":", ""), f"is what he said\n{words.labels[lost]}"):
        outer = write(words).replace(words.labels[lost], damaged, 1)
        for text in (f"{outer}\n\n{inner}", f"{outer}\n\n{quoted(inner)}"):
            assert sender("FW: Offer", text) in {JANE.address, None}


def test_an_agenda_in_the_note_does_not_hide_the_original() -> None:
    agenda = "Subject: planning\nDate: 9 May 2025\nPlace: Berlin\n\n"
    assert sender("Fwd: Offer", agenda + gmail(GMAIL["en"])) == JANE.address


# ------------------------------------------------------------------ what is not sure says so


def test_a_separator_with_nothing_below_names_nobody() -> None:
    original = original_of("Fwd: hello", "note\n\nBegin forwarded message:\nHello")
    assert (original.from_, original.body, original.confidence) == (None, "Hello", 0.0)
    unsure = find("hello", "note\n\nBegin forwarded message:\nHello")
    assert unsure.original is None
    assert unsure.looks_forwarded


def test_a_partial_block_is_unsure() -> None:
    below = "\n\nHello"
    assert (
        original_of("Fwd: x", f"{GMAIL_SEPARATOR}\nFrom: a@b.example\nSubject: x{below}").confidence
        == 0.7
    )
    assert original_of("Fwd: x", f"{GMAIL_SEPARATOR}\nFrom: a@b.example{below}").confidence == 0.5
    assert (
        original_of("Fwd: x", f"From: a@b.example\nTo: c@d.example\nSubject: x{below}").confidence
        == 0.7
    )


def test_two_from_lines_name_nobody() -> None:
    text = f"{GMAIL_SEPARATOR}\nFrom: a@b.example\nFrom: c@d.example\nDate: 1 May 2025 9:00\nSubject: x\n\nHello"
    assert original_of("Fwd: x", text).from_ is None


def test_a_block_with_cc_only_is_read_and_unsure() -> None:
    text = "From: a@b.example\nCc: c@d.example\nSubject: x\n\nHello"
    original = original_of("FW: x", text)
    assert original.from_ == Mailbox("a@b.example")
    assert original.confidence < 0.8
    assert find("x", text).original is None


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("Agent <agent@x.example> en representación de Jane Roe", False),
        ("agent@x.example w imieniu: Jane Roe", False),
        ("Agent <agent@x.example> [mailto:agent@x.example] για Jane Roe", False),
        ("agent@x.example (Jane Roe)", True),
        ("Agent <mailto:agent@x.example?subject=Hi>", True),
        ("Agent [mailto:agent@x.example] ", True),
        ("Agent agent@x.example <mailto:agent@x.example>", True),
    ],
)
def test_F1_words_behind_the_address_name_nobody_in_any_language(value: str, named: bool) -> None:
    text = f"{GMAIL_SEPARATOR}\nFrom: {value}\nDate: 1 May 2025 9:00\nTo: c@d.example\nSubject: x\n\nHello"
    assert sender("Fwd: x", text) == ("agent@x.example" if named else None)


@pytest.mark.parametrize("prefix", ["Ats", "ATB", "TL", "Отв"])
def test_F1_a_reply_in_any_known_language_is_no_forward(prefix: str) -> None:
    assert find(f"{prefix}: FW: Offer", outlook_desktop(OUTLOOK["en"])).original is None


def test_F1_an_unknown_word_before_the_prefix_may_be_a_reply_s() -> None:
    text = outlook_desktop(OUTLOOK["en"])
    for subject in ("Qzx: FW: Offer", "Spam: FW: Offer"):
        assert original_of(subject, text).confidence == 0.75
    for subject in ("EXT: FW: Offer", "SPAM: FW: Offer", "[Qzx] FW: Offer", "FW: Qzx: Offer"):
        assert original_of(subject, text).confidence == 0.9


def test_F1_labels_in_a_stranger_s_wrapped_subject_name_nobody() -> None:
    """Thunderbird writes Subject first, and programs wrap it at words."""
    forged = [
        "Offer for the house",
        "From: anna@client.example",
        "To: x@y.example",
        "Date: 1.5.2025 9:00",
    ]
    own = "Date: Wed, 7 May 2025 09:31\nFrom: boss@evil.example\nTo: sales@firm.example"
    text = "\n".join(
        [
            "-------- Forwarded Message --------",
            "Subject: " + forged[0],
            *forged[1:],
            own,
            "",
            "Hello",
        ]
    )
    found = original_of("Fwd: " + " ".join(forged), text)
    assert found.from_ == Mailbox("boss@evil.example")
    # Where the outer subject is another, the subject's end is not known.
    assert original_of("Fwd: look", text).confidence < 0.8


def test_F1_a_header_pasted_into_the_note_is_not_surely_the_original_s() -> None:
    pasted = "From: boss@evil.example\nSent: 6 May 2025 9:00\nTo: c@d.example\nSubject: Other\n\nas he said.\n\n"
    assert original_of("Fwd: Offer 4711", pasted + gmail(GMAIL["en"])).confidence == 0.75
    same = pasted.replace("Other", "Offer 4711")
    assert original_of("Fwd: Offer 4711", same + gmail(GMAIL["en"])).confidence == 0.9
