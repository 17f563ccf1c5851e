"""Forwards of the most common clients, written out by hand.  Layouts are the clients'; every word in them is ours."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from maild.model.letter import Forwarded
from maild.parse.forward import ForwardReading, find_forward
from tests.parse.forwarding import JANE, NOTE, UNDERLINE, quoted

TO = "sales@firm.example"
CC = ("max@client.example", "li.wei@partner.example")
BODY = "Could you send the offer again?\n\nThe old one ran out in May.\n\nJane"


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
