"""What a server writes for people about a mail that it did not deliver: qmail, Exim, Exchange, Notes, Yahoo and their kin.

There is no grammar.  Who was not reached stands at the beginning of a line nearly everywhere, in angle brackets,
quotation marks or bare; sentences that mention an address do not begin with it.  Only what the server itself says is
read, never the mail that comes back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set as AbstractSet
from dataclasses import dataclass

from maild.parse.bounces.words import (
    ADDRESS,
    GIVEN,
    address_in,
    addresses_in,
    code_in,
    folded_text,
    meaning_of,
    table,
    tidy,
)

# Behind a bare address at the beginning of a line, a word in lower case would make it part of a sentence.
_OPENS = re.compile(
    rf"[\s*>•|-]{{0,40}}+[<\"'(\[]{{0,2}}+({ADDRESS})(?:[>\"')\]:;,\t]|\.\.\.|[ .]*+$|  | on | ?[-.(<A-Z\d])"
)
_ABOUT_ANOTHER = re.compile(
    rf"\b(?:(?<!generated )(?<!expanded )from|by|contact|mailto):?[ \t]{{0,4}}+<?{ADDRESS}",
    re.IGNORECASE,
)
_LABELLED = re.compile(
    r"[\s*>|-]{0,40}+(?:final-recipient|original-recipient|failed recipient|undeliverable address|intended recipient|unknown user|"
    r"recipient|recipient address|(?:sent )?(?:<<<|>>>) ?rcpt to|rcpt to|could not be delivered to)"
    r"[ \t]{0,8}+:(?:[ \t]*+rfc822[ \t]*+;)?([^\r\n]{0,400}+)",
    re.IGNORECASE,
)
_OF_THE_MAIL = re.compile(r"\s*+(?:to|cc|from|sender|subject|sent|date)[ \t]{0,8}+:", re.IGNORECASE)
"""Exchange describes the mail in such lines; whom it went to all in all is not who was not reached."""
_STAFF = frozenset(
    {"postmaster", "mailer-daemon", "abuse", "support", "helpdesk", "hostmaster", "admin"}
)
_LINES_MAX = 500
_LINE_MAX = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a server's text says."""

    recipients: tuple[str, ...] = ()
    status: str = ""
    is_delayed: bool = False
    is_above_a_mail: bool = False
    """A mail, or words that announce it, stand below."""


def read_spoken(text: str, subject: str, *, strangers: AbstractSet[str]) -> Said:
    """Read the server's words; `strangers` are addresses that are not asked for, in lower case."""
    lines = [line[:_LINE_MAX] for line in text.splitlines()[:_LINES_MAX]]
    named = [one for one in _opening(lines) if one.lower() not in strangers]
    if not named:
        named = _only_one_mentioned([subject, *lines], strangers)
    recipients = _less_staff(dict.fromkeys(named))
    folded = folded_text(" ".join([subject, *lines]))
    is_delayed = any(phrase in folded for phrase in table().delay)
    return Said(
        recipients=recipients[:GIVEN],
        status=_status("\n".join(lines), subject, recipients, is_delayed=is_delayed),
        is_delayed=is_delayed,
    )


def _opening(lines: list[str]) -> Iterator[str]:
    """Return the addresses that lines begin with, or that stand behind a label."""
    for line in lines:
        labelled = _LABELLED.match(line)
        if labelled is not None:
            if address := address_in(labelled[1]):
                yield address
        elif (opens := _OPENS.match(line)) is not None:
            yield tidy(opens[1])


def _only_one_mentioned(lines: list[str], strangers: AbstractSet[str]) -> list[str]:
    """Return the address that a text mentions if it mentions but one: of two, who could tell?"""
    found = {
        address
        for line in lines
        if not _OF_THE_MAIL.match(line)
        for address in addresses_in(_ABOUT_ANOTHER.sub(" ", line))
        if address.lower() not in strangers
    }
    return list(found) if len(found) == 1 else []


def _less_staff(named: dict[str, None]) -> tuple[str, ...]:
    """Leave out whom one may ask, if there is anybody else."""
    others = tuple(one for one in named if one.partition("@")[0].lower() not in _STAFF)
    return others or tuple(named)


def _status(text: str, subject: str, recipients: tuple[str, ...], *, is_delayed: bool) -> str:
    """Return the code that is said of the first recipient, or else anywhere in the text."""
    at = text.find(recipients[0]) if recipients else -1
    code = (code_in(text[at:]) if at >= 0 else "") or code_in(text) or code_in(subject)
    if code:
        return code
    meaning = meaning_of(f"{subject}\n{text}")
    return f"{'4' if is_delayed else '5'}.{meaning}" if meaning else ""
