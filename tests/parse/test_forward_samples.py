"""What the samples of `../shared/eml` forward: never a wrong person, and every field that their manifest knows (F1)."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from maild.model.letter import How, Letter
from maild.parse import read_letter

SAMPLES = Path(__file__).resolve().parents[2].parent / "shared" / "eml"
MANIFEST = SAMPLES / "manifest.json"

pytestmark = pytest.mark.skipif(not MANIFEST.exists(), reason=f"no samples at {SAMPLES}")

READ_BY_A_PERSON = {
    "flanker/message-external-body.eml": "internet-drafts@ns.ietf.org",
    "flanker/multi-received-headers.eml": "hello@example.com",
    "helpdesk/forwarded-message.eml": "noreply@github.com",
    "helpdesk/utf-nondecodable.eml": "nikola@example.cz",
    "james/mail_with_bad_signature.eml": "user@james.org",
    "mikel/attachment_with_base64_encoded_name.eml": "xxxxxxxx@xxx.com",
    "php_mime/m0013.eml": "retourbl@company2.com",
}
"""Inline originals of which the manifest says nothing."""


@cache
def entries() -> dict[str, dict[str, Any]]:
    if not MANIFEST.exists():
        return {}
    listed = json.loads(MANIFEST.read_text(encoding="utf-8"))["files"]
    return {entry["file"]: entry["expect"] for entry in listed}


@cache
def letter(name: str) -> Letter:
    return read_letter((SAMPLES / name).read_bytes())


def original_of(name: str) -> dict[str, Any]:
    found: dict[str, Any] = entries()[name].get("forwarded_original") or {}
    return found


def folded(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("name", [name for name in entries() if original_of(name)])
def test_F1_every_field_that_is_known_of_a_sample_s_original_is_read(name: str) -> None:
    wanted = original_of(name)
    found = letter(name).forwarded
    assert found is not None
    shown = {
        "from_name": found.from_.name if found.from_ else "",
        "date": found.date,
        "subject": found.subject,
        "body": found.body,
    }
    assert {field: folded(shown[field]) for field in shown if field in wanted} == {
        field: folded(wanted[field]) for field in shown if field in wanted
    }


def test_F1_no_sample_names_a_wrong_person() -> None:
    wrong = {}
    for name, expect in entries().items():
        found = letter(name).forwarded
        if found is None or found.from_ is None:
            continue
        address = found.from_.address.lower()
        attached = {
            address for one in expect.get("attached_messages", []) for address in one["from"]
        }
        if found.how is How.ATTACHED:
            is_right = not attached or address in {one.lower() for one in attached}
        else:
            right = original_of(name).get("from_address") or READ_BY_A_PERSON.get(name)
            is_right = right is not None and address == right.lower()
        if not is_right:
            wrong[name] = address
    assert wrong == {}
