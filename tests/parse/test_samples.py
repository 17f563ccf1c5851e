"""Every sample mail of `../shared/eml` is read as its manifest says.  Fields that the manifest leaves out claim nothing."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from maild.model.letter import Kind, Letter
from maild.parse import read_letter, read_part
from maild.parse.codec import dump, load
from maild.parse.header_block import split
from maild.parse.originals import MESSAGES
from maild.parse.parts import read_parts

SAMPLES = Path(__file__).resolve().parents[2].parent / "shared" / "eml"
MANIFEST = SAMPLES / "manifest.json"

OTHERWISE = {
    # The field is `application/pdf name=…` without a semicolon.  The manifest takes all of it for the type; we take the type.
    ("enmime/mime-bad-content-type.eml", "attachments"),
    # The manifest also counts what is attached to the attached message.  An original is read apart, one level deep.
    ("sisimai/lhost-x5-01.eml", "attachments"),
}
"""What of the manifest we do not follow, and why."""


@cache
def _entries() -> dict[str, dict[str, Any]]:
    if not MANIFEST.exists():
        return {}
    listed = json.loads(MANIFEST.read_text(encoding="utf-8"))["files"]
    return {entry["file"]: entry["expect"] for entry in listed}


@cache
def _letter(name: str) -> Letter:
    return read_letter((SAMPLES / name).read_bytes())


def _claims(field: str) -> list[Any]:
    """Return the files that claim something of a field; one that is skipped where the samples are not there."""
    if not MANIFEST.exists():
        return [pytest.param("", marks=pytest.mark.skip(f"no samples at {SAMPLES}"))]
    return [
        name
        for name, expect in _entries().items()
        if field in expect and (name, field) not in OTHERWISE
    ]


def _folded(text: str | None) -> str:
    return " ".join((text or "").split())


def _lower(addresses: list[str]) -> list[str]:
    return [address.lower() for address in addresses]


@pytest.mark.parametrize("field", ["from", "to", "cc"])
@pytest.mark.parametrize("name", _claims("kind") if MANIFEST.exists() else _claims(""))
def test_the_addresses_of_a_sample_are_read(name: str, field: str) -> None:
    expect = _entries()[name]
    if field not in expect:
        return
    letter = _letter(name)
    boxes = {"from": letter.from_, "to": letter.to, "cc": letter.cc}[field]
    assert _lower([box.address for box in boxes]) == _lower(expect[field])


@pytest.mark.parametrize("name", _claims("identities"))
def test_every_mailbox_of_every_from_field_of_a_sample_is_listed(name: str) -> None:
    found = [box.address for box in _letter(name).from_]
    assert _lower(found) == _lower(_entries()[name]["identities"])


@pytest.mark.parametrize("name", _claims("subject"))
def test_the_subject_of_a_sample_is_read(name: str) -> None:
    assert _folded(_letter(name).subject) == _folded(_entries()[name]["subject"])


@pytest.mark.parametrize("name", _claims("date"))
def test_the_date_of_a_sample_is_read(name: str) -> None:
    assert _letter(name).as_dict()["date"] == _entries()[name]["date"]


@pytest.mark.parametrize("name", _claims("message_id"))
def test_the_message_id_of_a_sample_is_read(name: str) -> None:
    assert _letter(name).message_id == _entries()[name]["message_id"]


@pytest.mark.parametrize("name", _claims("kind"))
def test_the_kind_of_a_sample_is_seen(name: str) -> None:
    letter = _letter(name)
    # The manifest was written without the kind "calendar": it calls invitations normal.
    seen = Kind.NORMAL if letter.kind is Kind.CALENDAR else letter.kind
    assert seen == _entries()[name]["kind"], letter.kind_proof
    assert bool(letter.kind_proof) == (letter.kind is not Kind.NORMAL)


def _shown(name: str | None) -> str:
    """Return a name of the manifest as it may be shown: no paths, no control characters."""
    return re.sub(r"[/\\:]+", "_", re.sub(r"\n", " ", name or "")).lstrip(".")


@pytest.mark.parametrize("name", _claims("attachments"))
def test_the_attachments_of_a_sample_are_listed(name: str) -> None:
    expect = _entries()[name]["attachments"]
    found = sorted(_letter(name).attachments, key=lambda part: (part.name, part.type))
    wanted = sorted(expect, key=lambda part: (_shown(part["name"]), part["type"]))
    assert [(part.name, part.type) for part in found] == [
        (_shown(part["name"]), part["type"]) for part in wanted
    ]
    for part, claimed in zip(found, wanted, strict=True):
        assert part.size == claimed.get("size", part.size)


@pytest.mark.parametrize("name", _claims("kind"))
def test_the_size_of_each_attachment_is_what_decoding_it_gives(name: str) -> None:
    raw = (SAMPLES / name).read_bytes()
    for part in _letter(name).attachments:
        assert len(read_part(raw, part.path)) == part.size


@pytest.mark.parametrize("name", _claims("attached_messages"))
def test_the_attached_messages_of_a_sample_are_read(name: str) -> None:
    raw = (SAMPLES / name).read_bytes()
    parts = [part for part in read_parts(raw, []).leaves() if part.type in MESSAGES]
    inner = [read_letter(part.octets(raw).lstrip()) for part in parts]
    expect = _entries()[name]["attached_messages"]
    assert [
        (_lower([box.address for box in one.from_]), _folded(one.subject)) for one in inner
    ] == [(_lower(one["from"] or []), _folded(one["subject"])) for one in expect]


@pytest.mark.parametrize("name", _claims("forwarded_original"))
def test_the_original_that_a_sample_forwards_is_found_or_none_is(name: str) -> None:
    expect = _entries()[name]["forwarded_original"]
    original = _letter(name).forwarded
    if expect is None:
        assert original is None
        return
    assert original is not None
    found = original.as_dict()
    if "from_address" in expect:
        assert found["from"] is not None
        assert found["from"]["address"].lower() == expect["from_address"].lower()
    if "subject" in expect:
        assert _folded(found["subject"]) == _folded(expect["subject"])
    if "to" in expect:
        assert _lower(found["to"]) == _lower(expect["to"])
    assert set(_lower(expect.get("to_includes", []))) <= set(_lower(found["to"]))
    assert set(_lower(expect.get("cc_includes", []))) <= set(_lower(found["cc"]))
    if "note" in expect:
        assert _folded(_letter(name).note) == _folded(expect["note"])


@pytest.mark.parametrize("name", _claims("kind"))
def test_the_reading_of_a_sample_survives_being_stored(name: str) -> None:
    letter = _letter(name)
    assert load(dump(letter)) == letter


@pytest.mark.parametrize("name", _claims("kind"))
def test_a_sample_reads_the_same_with_either_line_end(name: str) -> None:
    raw = (SAMPLES / name).read_bytes()
    if b"\r" in raw.replace(b"\r\n", b""):
        return
    lf = raw.replace(b"\r\n", b"\n")
    one, other = read_letter(lf), read_letter(lf.replace(b"\n", b"\r\n"))
    assert (one.sender, one.subject, one.to, one.text) == (
        other.sender,
        other.subject,
        other.to,
        other.text,
    )


def test_every_sample_has_an_entry_that_is_read() -> None:
    if not MANIFEST.exists():
        pytest.skip(f"no samples at {SAMPLES}")
    for name in _entries():
        assert split((SAMPLES / name).read_bytes()).body > 0
        assert _letter(name).as_dict()["readable"] is True
