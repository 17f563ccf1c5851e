"""What a forward's original is, in what the most common clients write (F1)."""

from __future__ import annotations

import html as html_module
from typing import Any

import pytest

from maild.model.letter import How
from tests.parse.forwarding import JANE, NOTE, UNDERLINE, quoted
from tests.parse.forwarding_by_hand import (
    APPLE,
    BODY,
    CASES,
    CC,
    OUTLOOK,
    THUNDERBIRD,
    TO,
    D,
    F,
    S,
    T,
    Words,
    apple_all_quoted,
    find,
    header,
    original_of,
    outlook_desktop,
    outlook_mac,
    outlook_web,
    sender,
)


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
