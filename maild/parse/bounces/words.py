"""Addresses, codes and phrases in what servers say.  The phrases are data: refusals.toml."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Final

GIVEN: Final = 100
"""Recipients that are read from one bounce; RFC 5321 4.5.3.1.8 has a mail go to 100 at a time."""

ADDRESS: Final = r"[^\s<>()\[\]\"',;:\\@]{1,64}+@[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}+)"
_LOOKED_AT = 4_000
_ADDRESS = re.compile(ADDRESS)
_LESS = re.compile(r"^(?:smtp=|mailto:)", re.IGNORECASE)
# RFC 3463 2, with a subject that it knows; no version number or IP address, of which more digits and points stand about.
_ENHANCED = re.compile(r"(?<![\d.\w-])[45]\.[0-7]\.\d{1,3}(?!\.?\d|-\d|[a-z])", re.ASCII)
# RFC 5321 4.2.1: a reply code begins a line or is said by somebody; `550 of 1000 mails` is none.
_REPLY = re.compile(
    r"(?:^|[:;(\"'>]|\bsaid|\berror|\bcode|\bresponse|\bsmtp|\breply|\breason)"
    r"[ \t:;(\"'\[]{0,4}+([45][0-5]\d)(?=[ -]\W{0,3}+[A-Za-z<#\d\"]|[)\]]|[ \t]*+$)",
    re.ASCII | re.IGNORECASE | re.MULTILINE,
)


def address_in(text: str) -> str:
    """Return the first internet address in a text, or nothing."""
    return next(iter(addresses_in(text)), "")


def addresses_in(text: str) -> list[str]:
    """Return the internet addresses in a text."""
    return [tidy(match[0]) for match in _ADDRESS.finditer(text[:_LOOKED_AT])]


def tidy(address: str) -> str:
    """Take off what stands at an address: the end of a sentence; `SMTP=`, which Exchange writes for want of a name."""
    return _LESS.sub("", address).rstrip(".-_")


def code_in(text: str) -> str:
    """Return the code that a server's words bear, as 5.1.1 (RFC 3463); of an SMTP reply the phrase says the rest.

    A reply without a phrase that we know gives its class alone, 5.0.0; without a reply there is no code.
    """
    enhanced = _ENHANCED.search(text)
    if enhanced is not None:
        return exact(enhanced[0], text)
    reply = _REPLY.search(text)
    return exact(f"{reply[1][0]}.0.0", text) if reply else ""


def exact(status: str, text: str) -> str:
    """Return a code; one that says no more than its class (RFC 3463 3.1) is made exact by the words beside it."""
    meaning = meaning_of(text) if is_vague(status) else ""
    return f"{status[0]}.{meaning}" if meaning else status


def is_vague(status: str) -> bool:
    """Whether a code says no more than its class (RFC 3463 3.1)."""
    return status[1:] in {".0.0", ".5.0"}


def meaning_of(text: str) -> str:
    """Return subject and detail of the first phrase of the table that stands in a text, as "1.1"."""
    folded = folded_text(text[:_LOOKED_AT])
    for meaning, phrases in table().refusals:
        if any(phrase in folded for phrase in phrases):
            return meaning
    return ""


def folded_text(text: str) -> str:
    """Return a text as the table has its phrases: in lower case, one blank between words."""
    return " ".join(text.casefold().split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """refusals.toml."""

    refusals: tuple[tuple[str, tuple[str, ...]], ...]
    begins_original: tuple[str, ...]
    delay: tuple[str, ...]


@lru_cache(maxsize=1)
def table() -> Table:
    """Load refusals.toml; a mistake in it raises here, on first use."""
    source = files("maild.parse.bounces").joinpath("refusals.toml")
    document = tomllib.loads(source.read_text(encoding="utf-8"))
    return Table(
        refusals=tuple((row["means"], tuple(row["phrases"])) for row in document["refusal"]),
        begins_original=tuple(document["original"]["begins"]),
        delay=tuple(document["delay"]["says"]),
    )
