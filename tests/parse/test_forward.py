"""What a forward's original is, in what real clients write.  Layouts are the clients'; every word in them is ours."""

from __future__ import annotations

import html as html_module
import sys
from dataclasses import dataclass
from types import FrameType
from typing import Any

import pytest
from hypothesis import example, given, settings, strategies as st

from maild.model.letter import Forwarded, How, Mailbox
from maild.parse.forward import ForwardReading, find_forward
from maild.parse.forward.languages import tables
from maild.parse.forward.lines import MAX_LINES
from maild.parse.forward.mailbox_line import read_many, read_one

JANE = Mailbox("jane.roe@client.example", "Jane Roe")
TO = "sales@firm.example"
CC = ("max@client.example", "li.wei@partner.example")
BODY = "Could you send the offer again?\n\nThe old one ran out in May.\n\nJane"
NOTE = "Please file this.\n\nEva"


def find(subject: str, text: str, html: str | None = None) -> ForwardReading:
    return find_forward(subject=subject, text=text, html=html, attached=[])


def sender(subject: str, text: str, html: str | None = None) -> str | None:
    original = find(subject, text, html).original
    return original.from_.address if original and original.from_ else None


def original_of(subject: str, text: str, html: str | None = None) -> Forwarded:
    original = find(subject, text, html).original
    assert original is not None
    return original


@dataclass(frozen=True)
class Words:
    """How one client in one language writes its header block: labels with whatever stands up to the value."""

    prefix: str
    separator: str
    labels: tuple[str, str, str, str, str]
    """From, date, To, Cc, Subject."""
    date: str


GMAIL_SEPARATOR = "---------- Forwarded message ---------"
UNDERLINE = "________________________________"

GMAIL = {
    "en": Words(
        "Fwd:",
        GMAIL_SEPARATOR,
        ("From: ", "Date: ", "To: ", "Cc: ", "Subject: "),
        "Wed, May 7, 2025 at 9:31 AM",
    ),
    "de": Words(
        "Fwd:",
        GMAIL_SEPARATOR,
        ("Von: ", "Date: ", "To: ", "Cc: ", "Subject: "),
        "Mi., 7. Mai 2025 um 09:31 Uhr",
    ),
    "fr": Words(
        "Fwd:",
        GMAIL_SEPARATOR,
        ("De : ", "Date: ", "To: ", "Cc: ", "Subject: "),
        "mer. 7 mai 2025 à 09:31",
    ),
    "es": Words(
        "Fwd:",
        GMAIL_SEPARATOR,
        ("De: ", "Date: ", "To: ", "Cc: ", "Subject: "),
        "mié, 7 may 2025 a las 9:31",
    ),
    "it": Words(
        "Fwd:",
        GMAIL_SEPARATOR,
        ("Da: ", "Date: ", "To: ", "Cc: ", "Subject: "),
        "mer 7 mag 2025 alle ore 09:31",
    ),
    "nl": Words(
        "Fwd:",
        GMAIL_SEPARATOR,
        ("Van: ", "Date: ", "To: ", "Cc: ", "Subject: "),
        "wo 7 mei 2025 om 09:31",
    ),
}
OLD_GMAIL = {
    "de": Words(
        "Fwd:",
        "---------- Weitergeleitete Nachricht ----------",
        ("Von: ", "Datum: ", "An: ", "Cc: ", "Betreff: "),
        "7. Mai 2025 um 09:31",
    ),
    "fr": Words(
        "Fwd:",
        "---------- Message transféré ----------",
        ("De : ", "Date : ", "À : ", "Cc : ", "Objet : "),
        "7 mai 2025 09:31",
    ),
    "es": Words(
        "Fwd:",
        "---------- Mensaje reenviado ----------",
        ("De: ", "Fecha: ", "Para: ", "Cc: ", "Asunto: "),
        "7 de mayo de 2025, 9:31",
    ),
    "it": Words(
        "Fwd:",
        "---------- Messaggio inoltrato ----------",
        ("Da: ", "Data: ", "A: ", "Cc: ", "Oggetto: "),
        "07 maggio 2025 09:31",
    ),
    "nl": Words(
        "Fwd:",
        "---------- Doorgestuurd bericht ----------",
        ("Van: ", "Datum: ", "Aan: ", "Cc: ", "Onderwerp: "),
        "7 mei 2025 09:31",
    ),
}
OUTLOOK = {
    "en": Words(
        "FW:",
        "-----Original Message-----",
        ("From: ", "Sent: ", "To: ", "Cc: ", "Subject: "),
        "Wednesday, May 7, 2025 9:31 AM",
    ),
    "de": Words(
        "WG:",
        "-----Ursprüngliche Nachricht-----",
        ("Von: ", "Gesendet: ", "An: ", "Cc: ", "Betreff: "),
        "Mittwoch, 7. Mai 2025 09:31",
    ),
    "fr": Words(
        "TR:",
        "-----Message d'origine-----",
        ("De\u00a0: ", "Envoyé\u00a0: ", "À\u00a0: ", "Cc\u00a0: ", "Objet\u00a0: "),
        "mercredi 7 mai 2025 09:31",
    ),
    "es": Words(
        "RV:",
        "-----Mensaje original-----",
        ("De: ", "Enviado el: ", "Para: ", "CC: ", "Asunto: "),
        "miércoles, 7 de mayo de 2025 9:31",
    ),
    "it": Words(
        "I:",
        "-----Messaggio originale-----",
        ("Da: ", "Inviato: ", "A: ", "Cc: ", "Oggetto: "),
        "mercoledì 7 maggio 2025 09:31",
    ),
    "nl": Words(
        "Doorst:",
        "-----Oorspronkelijk bericht-----",
        ("Van: ", "Verzonden: ", "Aan: ", "CC: ", "Onderwerp: "),
        "woensdag 7 mei 2025 09:31",
    ),
}
APPLE = {
    "en": Words(
        "Fwd:",
        "Begin forwarded message:",
        ("From: ", "Date: ", "To: ", "Cc: ", "Subject: "),
        "7 May 2025 at 09:31:20 CEST",
    ),
    "de": Words(
        "Fwd:",
        "Anfang der weitergeleiteten Nachricht:",
        ("Von: ", "Datum: ", "An: ", "Kopie: ", "Betreff: "),
        "7. Mai 2025 um 09:31:20 MESZ",
    ),
    "fr": Words(
        "Fwd:",
        "Début du message réexpédié\u00a0:",
        ("De: ", "Date: ", "À: ", "Cc: ", "Objet: "),
        "7 mai 2025 à 09:31:20 UTC+2",
    ),
    "es": Words(
        "Fwd:",
        "Inicio del mensaje reenviado:",
        ("De: ", "Fecha: ", "Para: ", "Cc: ", "Asunto: "),
        "7 de mayo de 2025, 9:31:20 CEST",
    ),
    "it": Words(
        "Fwd:",
        "Inizio messaggio inoltrato:",
        ("Da: ", "Data: ", "A: ", "Cc: ", "Oggetto: "),
        "7 maggio 2025 alle ore 09:31:20 CEST",
    ),
    "nl": Words(
        "Fwd:",
        "Begin doorgestuurd bericht:",
        ("Van: ", "Datum: ", "Aan: ", "Kopie: ", "Onderwerp: "),
        "7 mei 2025 om 09:31:20 CEST",
    ),
}
THUNDERBIRD = {
    "en": Words(
        "Fwd:",
        "-------- Forwarded Message --------",
        ("From: \t", "Date: \t", "To: \t", "CC: \t", "Subject: \t"),
        "Wed, 7 May 2025 09:31:20 +0200",
    ),
    "de": Words(
        "Fwd:",
        "-------- Weitergeleitete Nachricht --------",
        ("Von: \t", "Datum: \t", "An: \t", "Kopie (CC): \t", "Betreff: \t"),
        "Wed, 7 May 2025 09:31:20 +0200",
    ),
    "fr": Words(
        "Fwd:",
        "-------- Message transféré --------",
        ("De : \t", "Date : \t", "Pour : \t", "Copie à : \t", "Sujet : \t"),
        "Wed, 7 May 2025 09:31:20 +0200",
    ),
    "es": Words(
        "Fwd:",
        "-------- Mensaje reenviado --------",
        ("De: \t", "Fecha: \t", "Para: \t", "CC: \t", "Asunto: \t"),
        "Wed, 7 May 2025 09:31:20 +0200",
    ),
    "it": Words(
        "Fwd:",
        "-------- Messaggio Inoltrato --------",
        ("Mittente: \t", "Data: \t", "A: \t", "CC: \t", "Oggetto: \t"),
        "Wed, 7 May 2025 09:31:20 +0200",
    ),
    "nl": Words(
        "Fwd:",
        "-------- Doorgestuurd bericht --------",
        ("Van: \t", "Datum: \t", "Aan: \t", "CC: \t", "Onderwerp: \t"),
        "Wed, 7 May 2025 09:31:20 +0200",
    ),
}
F, D, T, C, S = range(5)
"""The places of From, date, To, Cc and Subject in Words.labels."""


def header(words: Words, order: tuple[int, ...], comma: str = ", ") -> list[str]:
    values = (
        f"{JANE.name} <{JANE.address}>",
        words.date,
        f"<{TO}>",
        f"Max Mann <{CC[0]}>{comma}Li Wei <{CC[1]}>",
        "Offer 4711",
    )
    return [f"{words.labels[part]}{values[part]}" for part in order]


def quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


def gmail(words: Words) -> str:
    return "\n".join([NOTE, "", words.separator, *header(words, (F, D, S, T, C)), "", "", BODY])


def outlook_desktop(words: Words) -> str:
    return "\n".join([NOTE, "", *header(words, (F, D, T, C, S), "; "), "", BODY])


def outlook_bold(words: Words) -> str:
    lines = []
    for line in header(words, (F, D, T, C, S), "; "):
        label, colon, value = line.partition(":")
        lines.append(f"*{label}{colon}* {value.strip()}")
    return "\n".join([NOTE, "", *lines, "", BODY])


def outlook_web(words: Words) -> str:
    return "\n".join([NOTE, "", UNDERLINE, *header(words, (F, D, T, C, S), "; "), "", BODY])


def outlook_old(words: Words) -> str:
    block = header(words, (F, D, T, C, S), "; ")
    block[0] = block[0].replace("<", "[mailto:").replace(">", "]")
    return "\n".join([NOTE, "", words.separator, *block, "", BODY])


def outlook_mac(words: Words) -> str:
    return "\n".join([NOTE, "", *header(words, (F, D, T, C, S)), BODY])


def apple_mail(words: Words) -> str:
    below = "\n".join([*header(words, (F, S, D, T, C)), "", BODY])
    return "\n".join([NOTE, "", words.separator, "", quoted(below)])


def apple_all_quoted(words: Words) -> str:
    below = "\n".join([words.separator, "", *header(words, (F, S, D, T, C)), "", BODY])
    return "\n".join([NOTE, "", quoted(below)])


def apple_spaced(words: Words) -> str:
    block = "\n\n".join(header(words, (F, S, D, T, C)))
    return f"{NOTE}\n\n{words.separator}\n\n{block}\n\n\n{BODY}"


def thunderbird(words: Words) -> str:
    return "\n".join([NOTE, "", words.separator, *header(words, (S, D, F, T, C)), "", "", "", BODY])


CLIENTS = {
    "gmail": (gmail, GMAIL),
    "gmail as it was": (gmail, OLD_GMAIL),
    "outlook desktop": (outlook_desktop, OUTLOOK),
    "outlook desktop, bold labels": (outlook_bold, OUTLOOK),
    "outlook on the web": (outlook_web, OUTLOOK),
    "outlook as it was": (outlook_old, OUTLOOK),
    "outlook for mac": (outlook_mac, OUTLOOK),
    "apple mail": (apple_mail, APPLE),
    "ios": (apple_all_quoted, APPLE),
    "apple mail from html": (apple_spaced, APPLE),
    "thunderbird": (thunderbird, THUNDERBIRD),
}
CASES = [
    pytest.param(write, words, id=f"{client} in {language}")
    for client, (write, table) in CLIENTS.items()
    for language, words in table.items()
]


@pytest.mark.parametrize(("write", "words"), CASES)
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_every_client_and_language_is_read_in_full(write: Any, words: Words, newline: str) -> None:
    reading = find(f"{words.prefix} Offer 4711", write(words).replace("\n", newline))
    assert reading.looks_forwarded
    assert reading.note.replace("\r\n", "\n") == NOTE
    original = reading.original
    assert original is not None
    assert original.from_ == JANE
    assert [box.address for box in original.to] == [TO]
    assert [(box.address, box.name) for box in original.cc] == [
        (CC[0], "Max Mann"),
        (CC[1], "Li Wei"),
    ]
    assert (original.subject, original.date, original.body) == ("Offer 4711", words.date, BODY)
    assert original.how is How.INLINE
    assert original.confidence >= 0.9


@pytest.mark.parametrize(("write", "words"), CASES)
def test_a_forward_that_was_quoted_as_a_whole_is_read_too(write: Any, words: Words) -> None:
    reading = find(f"{words.prefix} Offer 4711", quoted(write(words)))
    assert reading.original is not None
    assert (reading.original.from_, reading.original.body, reading.note) == (JANE, BODY, NOTE)


@pytest.mark.parametrize(("write", "words"), CASES)
def test_html_alone_is_enough(write: Any, words: Words) -> None:
    lines = [html_module.escape(line) for line in write(words).split("\n")]
    page = (
        "<html><head><style>p {}</style></head><body><div>"
        + "<br>\n".join(lines)
        + "</div></body></html>"
    )
    reading = find(f"{words.prefix} Offer 4711", "", page)
    assert reading.original is not None
    assert reading.original.from_ == JANE
    assert reading.note == NOTE
    assert reading.original.confidence >= 0.9


@pytest.mark.parametrize(
    ("write", "words"), [case for case in CASES if "gmail" not in str(case.id)]
)
def test_separators_of_forwards_decide_and_outlook_blocks_leave_it_to_the_subject(
    write: Any, words: Words
) -> None:
    decides = words in APPLE.values() or words in THUNDERBIRD.values()
    bare = original_of("Offer 4711", write(words))
    assert bare.from_ == JANE
    assert (bare.confidence >= 0.8) == decides
    reply = find("Re: Offer 4711", write(words))
    if decides and write is not apple_all_quoted:
        assert reply.original is not None
        assert reply.original.confidence < 0.8
    else:
        assert reply.original is None
        assert not reply.looks_forwarded


@pytest.mark.parametrize(
    ("prefix", "labels"),
    [
        ("ENC:", ("De:", "Enviado:", "Para:", "Cc:", "Assunto:")),
        ("VB:", ("Från:", "Skickat:", "Till:", "Kopia:", "Ämne:")),
        ("VS:", ("Fra:", "Sendt:", "Til:", "Cc:", "Emne:")),
        ("VL:", ("Lähettäjä:", "Lähetetty:", "Vastaanottaja:", "Kopio:", "Aihe:")),
        ("PD:", ("Od:", "Wysłano:", "Do:", "DW:", "Temat:")),
        ("FW:", ("Od:", "Odesláno:", "Komu:", "Kopie:", "Předmět:")),
        ("FW:", ("Od:", "Odoslané:", "Komu:", "Kópia:", "Predmet:")),
        ("FW:", ("Feladó:", "Elküldve:", "Címzett:", "Másolatot kap:", "Tárgy:")),
        ("FW:", ("De la:", "Trimis:", "Către:", "Cc:", "Subiect:")),
        ("İLT:", ("Kimden:", "Gönderildi:", "Kime:", "Bilgi:", "Konu:")),
        ("FW:", ("От:", "Отправлено:", "Кому:", "Копия:", "Тема:")),
        ("FW:", ("Від:", "Надіслано:", "Кому:", "Копія:", "Тема:")),
        ("FW:", ("差出人:", "送信日時:", "宛先:", "CC:", "件名:")),
        ("转发:", ("发件人\uff1a", "发送时间\uff1a", "收件人\uff1a", "抄送\uff1a", "主题\uff1a")),
        ("轉寄:", ("寄件者:", "寄件日期:", "收件者:", "副本:", "主旨:")),
        ("FW:", ("보낸 사람:", "보낸 날짜:", "받는 사람:", "참조:", "제목:")),
    ],
)
def test_outlook_is_read_in_further_languages(prefix: str, labels: tuple[str, ...]) -> None:
    from_, date, to, cc, subject = (f"{label} " for label in labels)
    words = Words(prefix, UNDERLINE, (from_, date, to, cc, subject), "07.05.2025 09:31")
    for write in (outlook_desktop, outlook_web, outlook_mac):
        original = original_of(f"{prefix} Offer 4711", write(words))
        assert (original.from_, original.subject, original.body) == (JANE, "Offer 4711", BODY)
        assert len(original.cc) == 2
        assert original.confidence >= 0.9


# ------------------------------------------------------------------ html as clients write it


@pytest.mark.parametrize(("write", "words"), CASES)
def test_a_blank_line_below_every_line_does_not_matter(write: Any, words: Words) -> None:
    """Some turn each paragraph of HTML into a line and a blank one."""
    original = original_of(f"{words.prefix} Offer 4711", write(words).replace("\n", "\n\n"))
    assert original.from_ == JANE
    assert original.confidence >= 0.9
    assert original.body.startswith(BODY.partition("\n")[0])


def test_gmail_html_is_read() -> None:
    page = (
        '<div dir="ltr">Please file this.<br><br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">'
        "---------- Forwarded message ---------<br>Von: <strong class=gmail_sendername dir=auto>Jane Roe</strong> "
        '<span dir="auto">&lt;<a href="mailto:jane.roe@client.example">jane.roe@client.example</a>&gt;</span><br>'
        'Date: Mi., 7. Mai 2025 um 09:31&nbsp;Uhr<br>Subject: Offer<br>To:  &lt;<a href="mailto:sales@firm.example">'
        "sales@firm.example</a>&gt;<br></div><br><br><p>Could you?</p></div></div>"
    )
    reading = find("Fwd: Offer", "", page)
    assert reading.original is not None
    assert reading.original.from_ == JANE
    assert reading.original.date == "Mi., 7. Mai 2025 um 09:31 Uhr"
    assert (reading.note, reading.original.body) == ("Please file this.", "Could you?")


def test_outlook_html_is_read() -> None:
    page = (
        '<div class="WordSection1"><p class="MsoNormal">Bitte ablegen</p><div><div style="border:none;border-top:solid '
        '#E1E1E1 1.0pt"><p class="MsoNormal"><b>Von:</b> Jane Roe &lt;jane.roe@client.example&gt; <br><b>Gesendet:</b> '
        "Mittwoch, 7. Mai 2025 09:31<br><b>An:</b> Vertrieb &lt;sales@firm.example&gt;<br><b>Betreff:</b> Angebot</p>"
        "</div></div><p>Guten Tag</p></div>"
    )
    original = original_of("WG: Angebot", "", page)
    assert (original.from_, original.confidence, original.body) == (JANE, 0.9, "Guten Tag")


def test_thunderbird_html_is_read() -> None:
    rows = "".join(
        f'<tr><th nowrap="nowrap" valign="BASELINE" align="RIGHT">{label}: </th><td>{value}</td></tr>'
        for label, value in [
            ("Sujet", "Offre"),
            ("Date", "Wed, 7 May 2025 09:31:20 +0200"),
            (
                "De",
                (
                    'Jane Roe <a class="moz-txt-link-rfc2396E" href="mailto:jane.roe@client.example">'
                    "&lt;jane.roe@client.example&gt;</a>"
                ),
            ),
            ("Pour", '<a href="mailto:sales@firm.example">sales@firm.example</a>'),
        ]
    )
    page = (
        '<p>Voici</p><div class="moz-forward-container">-------- Message transféré --------'
        f'<table class="moz-email-headers-table"><tbody>{rows}</tbody></table><br><br>Bonjour</div>'
    )
    original = original_of("Fwd: Offre", "", page)
    assert (original.from_, original.subject, original.body) == (JANE, "Offre", "Bonjour")


def test_apple_html_is_read_with_its_blockquote() -> None:
    page = (
        "<div>See below</div><div><br><blockquote type=cite><div>Begin forwarded message:</div><br>"
        "<div><span><b>From: </b></span><span>Jane Roe &lt;<a href='mailto:jane.roe@client.example'>"
        "jane.roe@client.example</a>&gt;<br></span></div><div><b>Subject: </b><b>Offer</b><br></div>"
        "<div><b>Date: </b>7 May 2025 at 09:31:20 CEST<br></div><div><b>To: </b>sales@firm.example<br></div><br>"
        "<div>Could you?</div></blockquote></div>"
    )
    reading = find("Fwd: Offer", "", page)
    assert reading.original is not None
    assert (reading.original.from_, reading.original.body, reading.note) == (
        JANE,
        "Could you?",
        "See below",
    )
    assert reading.original.confidence >= 0.95


def test_an_address_that_only_a_link_holds_is_read() -> None:
    page = (
        "<b>From:</b> <a href='mailto:jane.roe@client.example'>Jane Roe</a><br><b>Sent:</b> 7 May 2025 09:31<br>"
        "<b>To:</b> Sales<br><b>Subject:</b> Offer<br><br>Hello"
    )
    assert sender("FW: Offer", "", page) == JANE.address


def test_html_names_the_sender_whom_the_text_part_left_without_address() -> None:
    text = "From: Jane Roe\nSent: 7 May 2025 09:31\nTo: Sales\nSubject: Offer\n\nHello"
    page = text.replace("Jane Roe", "Jane Roe &lt;jane.roe@client.example&gt;").replace(
        "\n", "<br>"
    )
    assert sender("FW: Offer", text) is None
    assert sender("FW: Offer", text, page) == JANE.address


def test_what_html_hides_names_nobody() -> None:
    page = (
        '<div style="display: none">---------- Forwarded message ---------<br>From: Boss &lt;boss@evil.example&gt;<br>'
        "Date: today 1:00<br>Subject: x<br>To: y@z.example<br></div><p>Hello</p>"
    )
    assert find("Fwd: x", "", page).original is None


def test_html_that_is_too_large_is_left_alone() -> None:
    page = "<br>".join(header(OUTLOOK["en"], (F, D, T, S)))
    assert find("FW: x", "", page).original is not None
    assert find("FW: x", "", page + "<i></i>" * 60_000).original is None
    assert find("FW: x", "", page + "x" * (2 * 1024 * 1024)).original is None


def test_html_is_walked_as_deep_as_clients_nest_and_left_alone_below() -> None:
    page = "<br>".join(header(OUTLOOK["en"], (F, D, T, S)))
    assert find("FW: x", "", "<blockquote>" * 400 + page).looks_forwarded
    assert find("FW: x", "", "<div>" * 400 + page).original is not None
    assert find("FW: x", "", "<blockquote>" * 20_000 + page).original is None


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
    assert reading.original is first
    assert reading.looks_forwarded
    assert reading.note.startswith("see attached")


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


# ------------------------------------------------------------------ hostile input

_WORDS = st.sampled_from(
    [
        "\n",
        "\n\n",
        "> ",
        ">> ",
        "From: ",
        "Von: ",
        "De : ",
        "Date: ",
        "Sent: ",
        "To: ",
        "Cc: ",
        "Subject: ",
        "*",
        "a@b.example",
        "<c@d.example>",
        "[mailto:e@f.example]",
        '"g@h.example"',
        "Name ",
        ",",
        ";",
        "<",
        ">",
        GMAIL_SEPARATOR,
        UNDERLINE,
        "-----Original Message-----",
        "Begin forwarded message:",
        "----- Forwarded Message ----- ",
        " wrote:",
        "On 1 May 2025 9:31 ",
        "\u200b",
        "\u202e",
        "\u00a0",
        "\r\n",
        "@",
        "mailto:",
        "?",
        " on behalf of ",
        "2025年",
        "：",
    ]
)
_TEXTS = st.one_of(st.text(max_size=300), st.lists(_WORDS, max_size=60).map("".join))
_SUBJECTS = st.one_of(
    st.text(max_size=40), st.sampled_from(["Fwd: x", "Re: x", "x", "VS: x", "[", "[Fwd: ", "::::"])
)


@settings(max_examples=600, deadline=None)
@given(subject=_SUBJECTS, text=_TEXTS, html=st.none() | _TEXTS)
@example(subject="Fwd:", text="\x00From: \ud800@x\nTo: \ud800\nDate: 1", html="\ud800")
def test_any_text_gives_a_reading_that_invents_no_address(
    subject: str, text: str, html: str | None
) -> None:
    for reading in (find(subject, text), find(subject, text, html)):
        original = reading.original
        if original is None:
            assert reading.note == ""
            continue
        assert reading.looks_forwarded
        assert 0.0 <= original.confidence <= 1.0
        assert (original.confidence == 0.0) == (original.from_ is None)
    original = find(subject, text).original
    if original is not None and original.from_ is not None:
        assert original.from_.address in text


def _steps(subject: str, text: str, html: str | None = None) -> int:
    """Count calls, Python's and C's: a measure of work that no other load on the machine disturbs."""
    count = 0

    def note(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        find(subject, text, html)
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize(
    "piece",
    [
        "From: a@b.example\n",
        "Date: 1 May 2025\n\n",
        "Subject: x\nDate: 9:31\n",
        "To: a@b.example,\n",
        "On 9:31 a@b.example\n",
        "x:\n",
        "wrote:\n",
        ">",
        "> ",
        "a: b\n",
        "---- x ----\n",
        "----- Forwarded Message -----",
        "________________\n",
        "From: x\nTo: x\n",
        "<",
        "a@b.example,",
        "From:",
        "\u200b",
        "word ",
    ],
)
def test_work_grows_with_the_text_and_not_with_its_square(piece: str) -> None:
    for subject in ("Fwd: x", "x"):
        tables()
        small = _steps(subject, piece * 400)
        large = _steps(subject, piece * 1_600)
        assert large <= 5 * small + 2_000, (piece, small, large)


@pytest.mark.parametrize(
    "piece",
    [
        "<div>",
        "<blockquote>",
        "<a href='mailto:a@b.example'>x</a>",
        "<table>",
        "<p>From: a@b.example",
    ],
)
def test_work_on_html_grows_with_its_size(piece: str) -> None:
    small = _steps("Fwd: x", "", piece * 300)
    large = _steps("Fwd: x", "", piece * 1_200)
    assert large <= 5 * small + 2_000, (piece, small, large)


def test_a_forward_is_searched_for_near_the_top_only_and_its_body_kept_whole() -> None:
    deep = "line\n" * (MAX_LINES + 10) + gmail(GMAIL["en"])
    assert find("Fwd: Offer", deep).original is None
    long = "word " * 20 + "\n"
    original = original_of("Fwd: Offer", gmail(GMAIL["en"]) + "\n" + long * 20_000 + "the end")
    assert original.body.endswith("the end")
    assert original.body.count("\n") == BODY.count("\n") + 20_001


# ------------------------------------------------------------------ the tables themselves


def test_every_language_has_every_field_and_every_separator_its_phrases() -> None:
    known = tables()
    assert {"en", "de", "fr", "es", "it", "nl"} <= known.languages
    for language in known.languages:
        fields = {meanings[language] for meanings in known.labels.values() if language in meanings}
        assert len(fields) == 6, language


def test_no_prefix_means_both_in_one_language() -> None:
    for word, meanings in tables().prefixes.items():
        assert word
        assert word == word.casefold()
        assert meanings
