"""Every mail of fixtures/eml says in its sidecar what must be read from it; nothing more is claimed than the sidecar states."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import quopri
import re
import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from maild.model.letter import Attachment, Author, Forwarded, Letter, Mailbox
from maild.parse import read_letter

FOLDER = Path(__file__).parents[2] / "fixtures" / "eml"
MAILS = sorted(FOLDER.glob("*.eml"))
NAMESPACES = {"schemas.microsoft.com", "www.w3.org"}
"""Hosts in the XML namespaces that Word writes into each HTML mail: identifiers that nobody connects to."""


@cache
def sidecar(mail: Path) -> dict[str, Any]:
    return tomllib.loads(mail.with_suffix(".toml").read_text("utf-8"))


@cache
def letter_of(mail: Path) -> Letter:
    return read_letter(mail.read_bytes())


def squeeze(text: str) -> str:
    """Text with each run of white space, no-break spaces included, as one space."""
    return " ".join(text.split())


def addresses(boxes: tuple[Mailbox, ...]) -> list[str]:
    return [box.address.lower() for box in boxes]


def lower(wanted: list[str]) -> list[str]:
    return [address.lower() for address in wanted]


# --- what a sidecar may claim of the mail --------------------------------------------------------


def sender_is(letter: Letter, wanted: str) -> None:
    found = letter.sender.address.lower() if isinstance(letter.sender, Author) else "unclear"
    assert found == wanted.lower(), letter.sender


def date_is(letter: Letter, wanted: str) -> None:
    assert letter.date is not None
    assert letter.date.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") == wanted


def text_contains(letter: Letter, wanted: list[str]) -> None:
    for piece in wanted:
        assert squeeze(piece) in squeeze(letter.text)


def text_lacks(letter: Letter, unwanted: list[str]) -> None:
    for piece in unwanted:
        assert squeeze(piece) not in squeeze(letter.text)


def note_contains(letter: Letter, wanted: str) -> None:
    """Hold the note against the claim; an empty claim says that there is no note."""
    if wanted:
        assert squeeze(wanted) in squeeze(letter.note)
    else:
        assert squeeze(letter.note) == ""


def fits(part: Attachment, wanted: dict[str, Any]) -> bool:
    return all(getattr(part, key) == value for key, value in wanted.items())


def attachments_are(letter: Letter, wanted: list[dict[str, Any]]) -> None:
    found = [part.as_dict() for part in letter.attachments]
    assert len(found) == len(wanted), found
    for part, claim in zip(letter.attachments, wanted, strict=True):
        assert fits(part, claim), (part, claim)


def attachments_include(letter: Letter, wanted: list[dict[str, Any]]) -> None:
    for claim in wanted:
        assert any(fits(part, claim) for part in letter.attachments), (claim, letter.attachments)


# --- what it may claim of the forwarded original -------------------------------------------------


def from_of(original: Forwarded | None) -> str:
    box = original.from_ if original else None
    return box.address.lower() if box and box.address else "unreadable"


def original_body_contains(original: Forwarded, wanted: str) -> None:
    assert squeeze(wanted) in squeeze(original.body)


def is_no_surer_than(original: Forwarded, limit: float) -> None:
    assert from_of(original) == "unreadable" or original.confidence <= limit


def is_as_sure_as(original: Forwarded, limit: float) -> None:
    assert original.confidence >= limit


def original_name_is(original: Forwarded, wanted: str) -> None:
    assert original.from_ is not None
    assert original.from_.name == wanted


def is_equal(found: object, wanted: object) -> None:
    assert found == wanted


OF_THE_ORIGINAL: dict[str, Callable[[Forwarded, Any], None]] = {
    "from": lambda original, wanted: is_equal(from_of(original), wanted.lower()),
    "from_one_of": lambda original, wanted: is_equal(from_of(original) in lower(wanted), True),
    "from_name": original_name_is,
    "subject": lambda original, wanted: is_equal(original.subject, wanted),
    "date": lambda original, wanted: is_equal(squeeze(original.date), squeeze(wanted)),
    "to": lambda original, wanted: is_equal(addresses(original.to), lower(wanted)),
    "cc": lambda original, wanted: is_equal(addresses(original.cc), lower(wanted)),
    "body_contains": original_body_contains,
    "how": lambda original, wanted: is_equal(original.how.value, wanted),
    "min_confidence": is_as_sure_as,
    "max_confidence": is_no_surer_than,
}


def unreadable_is_allowed(claim: dict[str, Any]) -> bool:
    return claim.get("from") == "unreadable" or "unreadable" in claim.get("from_one_of", [])


def forwards(letter: Letter, claim: dict[str, Any] | bool) -> None:
    if isinstance(claim, bool):
        assert claim is False, "write a table [forwarded], or false"
        assert letter.forwarded is None
    elif letter.forwarded is None:
        assert unreadable_is_allowed(claim), "nothing was found forwarded"
    else:
        for key, wanted in claim.items():
            OF_THE_ORIGINAL[key](letter.forwarded, wanted)


OF_THE_MAIL: dict[str, Callable[[Letter, Any], None]] = {
    "from": lambda letter, wanted: is_equal(addresses(letter.from_), lower(wanted)),
    "from_name": lambda letter, wanted: is_equal(letter.from_[0].name, wanted),
    "sender": sender_is,
    "to": lambda letter, wanted: is_equal(addresses(letter.to), lower(wanted)),
    "cc": lambda letter, wanted: is_equal(addresses(letter.cc), lower(wanted)),
    "reply_to": lambda letter, wanted: is_equal(addresses(letter.reply_to), lower(wanted)),
    "subject": lambda letter, wanted: is_equal(letter.subject, wanted),
    "date": date_is,
    "message_id": lambda letter, wanted: is_equal(letter.message_id or "", wanted),
    "in_reply_to": lambda letter, wanted: is_equal(list(letter.in_reply_to), wanted),
    "references": lambda letter, wanted: is_equal(list(letter.references), wanted),
    "kind": lambda letter, wanted: is_equal(letter.kind.value, wanted),
    "degraded": lambda letter, wanted: is_equal(bool(letter.degraded), wanted),
    "text": lambda letter, wanted: is_equal(letter.text.strip(), wanted),
    "text_contains": text_contains,
    "text_lacks": text_lacks,
    "note_contains": note_contains,
    "attachments": attachments_are,
    "attachments_include": attachments_include,
    "looks_forwarded": lambda letter, wanted: is_equal(letter.looks_forwarded, wanted),
    "forwarded": forwards,
}
NOT_READ = {"about", "route"}
CLAIMS = [
    pytest.param(mail, key, id=f"{mail.stem}-{key}")
    for mail in MAILS
    for key in sidecar(mail)
    if key not in NOT_READ
]


@pytest.mark.parametrize(("mail", "key"), CLAIMS)
def test_what_the_sidecar_states_is_read(mail: Path, key: str) -> None:
    OF_THE_MAIL[key](letter_of(mail), sidecar(mail)[key])


# --- the samples themselves ----------------------------------------------------------------------


def test_there_are_samples() -> None:
    assert len(MAILS) >= 40


def test_each_mail_has_a_sidecar_and_each_sidecar_a_mail() -> None:
    assert {mail.stem for mail in MAILS} == {side.stem for side in FOLDER.glob("*.toml")}


@pytest.mark.parametrize("mail", MAILS, ids=lambda mail: mail.stem)
def test_each_sidecar_says_what_the_mail_shows_and_how_it_travels(mail: Path) -> None:
    claims = sidecar(mail)
    assert claims["about"].endswith(".")
    assert isinstance(claims["route"]["mail_from"], str)
    assert set(claims["route"]["rcpt"]) <= {"crm@acme.example", "info@acme.example"}
    assert claims["route"]["rcpt"]


def test_message_ids_are_unique_among_the_samples() -> None:
    ids = [found for mail in MAILS if (found := sidecar(mail).get("message_id"))]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("mail", MAILS, ids=lambda mail: mail.stem)
def test_lines_end_in_crlf_and_nothing_else(mail: Path) -> None:
    raw = mail.read_bytes()
    assert raw.endswith(b"\r\n")
    assert b"\r" not in raw.replace(b"\r\n", b"")
    assert b"\n" not in raw.replace(b"\r\n", b"")


def views(raw: bytes) -> Iterator[str]:
    """Yield the mail with soft line breaks joined, with quoted-printable undone, and every base64 block decoded."""
    yield re.sub(rb"(?<!\?)=\r\n", b"", raw).decode("latin-1")
    yield quopri.decodestring(raw).decode("latin-1")
    for block in re.findall(rb"(?:^[A-Za-z0-9+/]{4,76}={0,2}\r\n)+", raw, re.MULTILINE):
        letters = re.sub(rb"[^A-Za-z0-9+/]", b"", block)
        try:
            yield base64.b64decode(letters[: len(letters) // 4 * 4]).decode("latin-1")
        except binascii.Error:
            continue


HOST = re.compile(
    r"@([a-z0-9-]+(?:\.[a-z0-9-]+)+)"
    r"|https?://([^\s/\"'<>?:]+)"
    r"|^Received: from ([a-z0-9-]+(?:\.[a-z0-9-]+)+)"
    r"|\b((?:[a-z0-9-]+\.)+(?:com|net|org|edu|gov|info|biz|io|eu|de|at|ch|fr|es|it|nl|be|uk|us|jp))\b",
    re.IGNORECASE | re.MULTILINE,
)
RESERVED = re.compile(
    r"(^|\.)(example|test|invalid|localhost|example\.(com|net|org))$", re.IGNORECASE
)


def hosts(text: str) -> set[str]:
    found = {next(filter(None, match)) for match in HOST.findall(text)}
    return {host.rstrip(".").lower() for host in found} - NAMESPACES


@pytest.mark.parametrize("mail", MAILS, ids=lambda mail: mail.stem)
def test_only_reserved_domains_and_addresses_occur(mail: Path) -> None:
    raw = mail.read_bytes()
    for text in (*views(raw), mail.with_suffix(".toml").read_text("utf-8")):
        assert [host for host in sorted(hosts(text)) if not RESERVED.search(host)] == []
        for number in re.findall(r"\[(\d+\.\d+\.\d+\.\d+)\]", text):
            assert ipaddress.ip_address(number).is_private
