"""Everything of one client or user is handed out whole, and nothing of anybody else (product H)."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from maild.testing.installation import Installation, InstallationError
from tests.archives.test_command import an_mbox, imported, install, mails_of, old_mail, place

__all__ = ["install", "place"]

EVA = "eva@acme.example"


@pytest.fixture
def filled(place: Installation, tmp_path: Path) -> Installation:
    """Two mails of Rossi Bau, one of a stranger, and one that Eva sent in."""
    imported(place, str(an_mbox(tmp_path / "old.mbox", 2)))
    (tmp_path / "x.eml").write_text(old_mail(7).replace("anna@rossi", "x@world"))
    imported(place, str(tmp_path / "x.eml"))
    (tmp_path / "eva.eml").write_text(old_mail(8).replace("anna@rossi.example", EVA))
    place.here(
        "import", str(tmp_path / "eva.eml"), "--inbox", "crm@acme.example",
        "--authenticated-for", "acme.example",
    )  # fmt: skip
    return place


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_H_a_clients_mail_and_record_are_a_folder(filled: Installation, tmp_path: Path) -> None:
    [client] = [one for one in filled.here("client", "list") if one["name"] == "Rossi Bau"]
    mail = next(one for one in mails_of(filled) if one["subject"] == "Old 0")
    filled.here("mail", "note", mail["id"], "They called twice")
    out = tmp_path / "out"
    told = filled.here("export", "--client", client["id"], "--to", str(out))
    assert (told["mails"], told["kind"]) == (2, "client")
    listed = lines((out / "mails.jsonl").read_text())
    assert [one["subject"] for one in listed] == ["Old 0", "Old 1"]
    for one in listed:
        assert (out / one["file"]).read_bytes() == old_mail(
            int(one["subject"][-1]), "\r\n"
        ).encode()
        assert (one["reason"], bool(one["trace"])) == ("FILED_CONTACT", True)
    assert "They called twice" in json.dumps(listed[0]["history"])
    assert json.loads((out / "client.json").read_text())["contacts"] == ["anna@rossi.example"]
    assert sorted(path.name for path in out.iterdir()) == ["client.json", "mails", "mails.jsonl"]
    with pytest.raises(InstallationError, match="there already"):
        filled.here("export", "--client", client["id"], "--to", str(out))


def test_H_a_users_mail_and_record_are_a_zip_without_secrets(
    filled: Installation, tmp_path: Path
) -> None:
    (tmp_path / "pw").write_text("a very long password of Eva\n")
    filled.here("user", "password", EVA, "--password-file", str(tmp_path / "pw"))
    out = tmp_path / "eva.zip"
    assert filled.here("export", "--user", EVA, "--to", str(out))["mails"] == 1
    with zipfile.ZipFile(out) as zipped:
        assert zipped.testzip() is None
        [mail] = lines(zipped.read("mails.jsonl").decode())
        assert mail["user"] == EVA
        assert (
            zipped.read(mail["file"])
            == old_mail(8, "\r\n").replace("anna@rossi.example", EVA).encode()
        )
        record = json.loads(zipped.read("user.json"))
        login = json.loads(zipped.read("logins.json"))[0]
    assert [one["address"] for one in record["addresses"]] == [EVA]
    assert login["has_password"] is True
    assert "argon2" not in json.dumps([record, login])
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_H_an_export_that_breaks_off_leaves_nothing(
    filled: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("maild.core.views.explain_mail", broken)
    for name in ("out", "out.zip"):
        with pytest.raises(InstallationError, match="No space left"):
            filled.here("export", "--user", EVA, "--to", str(tmp_path / name))
    assert list(tmp_path.glob("out*")) == list(tmp_path.glob(".out*")) == []


def test_H_what_was_erased_is_not_handed_out(filled: Installation, tmp_path: Path) -> None:
    filled.here("erase", "--user", EVA, "--yes")
    assert filled.here("export", "--user", EVA, "--to", str(tmp_path / "out"))["mails"] == 0
