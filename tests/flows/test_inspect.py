"""`maild inspect`: everything that maild reads from files, one object each, whatever their bytes are (E3, interface)."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from maild.config import load
from maild.core.app import open_app
from maild.faces.cli.main import COMMANDS, run
from maild.testing.installation import Installation
from tests.core.company import a_company

KEYS = {
    "file", "readable", "degraded", "from", "sender", "to", "cc", "reply_to", "subject", "date", "message_id", "kind",
    "text", "html", "note", "attachments", "forwarded",
}  # fmt: skip
MAIL = (
    b"From: Anna Rossi <anna@rossi.example>\nTo: info@acme.example\nSubject: Offer\n"
    b"Date: Fri, 20 Nov 2026 10:40:12 +0000\nMessage-ID: <1@rossi.example>\n\nHello\n"
)

Inspect = Callable[..., tuple[int, list[dict[str, Any]]]]


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without any configuration."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("MAILD_"):
            monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture
def inspect(nowhere: Path, capsys: pytest.CaptureFixture[str]) -> Inspect:
    def call(*words: str | Path) -> tuple[int, list[dict[str, Any]]]:
        capsys.readouterr()
        status = run(["inspect", "--json", *map(str, words)], COMMANDS)
        return status, [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return call


@pytest.fixture
def company(nowhere: Path) -> None:
    place = Installation(nowhere)
    place.make()
    app = open_app(load(place.config, {}))
    a_company(app)
    app.store.close()


def a_file(folder: Path, content: bytes, name: str = "x.eml") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_E3_a_file_gives_the_keys_of_the_interface(inspect: Inspect, nowhere: Path) -> None:
    path = a_file(nowhere, MAIL)
    status, [found] = inspect(path)
    assert status == 0
    assert set(found) >= KEYS
    assert "would" not in found
    assert found["file"] == str(path)
    assert found["from"] == [{"address": "anna@rossi.example", "name": "Anna Rossi"}]
    assert found["sender"] == {"address": "anna@rossi.example"}
    assert (found["to"], found["date"]) == (["info@acme.example"], "2026-11-20T10:40:12Z")
    assert (found["subject"], found["message_id"], found["kind"]) == (
        "Offer",
        "1@rossi.example",
        "normal",
    )


def test_E3_lf_and_crlf_files_read_the_same(inspect: Inspect, nowhere: Path) -> None:
    paths = [
        a_file(nowhere, MAIL, "lf"),
        a_file(nowhere, MAIL.replace(b"\n", b"\r\n"), "crlf"),
    ]
    _, found = inspect(*paths)
    assert found[0] | {"file": ""} == found[1] | {"file": ""}


def test_E3_files_that_cannot_be_opened_stop_nobody_and_end_with_1(
    inspect: Inspect, nowhere: Path
) -> None:
    good = a_file(nowhere, MAIL)
    names = [nowhere / "missing", good, nowhere, "\udcff", good, "x" * 5000]
    status, found = inspect(*names)
    assert status == 1
    assert [one["readable"] for one in found] == [False, True, False, False, True, False]
    assert [one["file"] for one in found] == [str(name) for name in names]
    assert {"code", "message"} == set(found[0]["error"])
    assert found[0]["error"]["code"] == "NOT_FOUND"


def test_E3_an_empty_file_is_unreadable_and_no_failure(inspect: Inspect, nowhere: Path) -> None:
    status, [found] = inspect(a_file(nowhere, b""))
    assert (status, found["readable"], found["error"]["code"]) == (0, False, "UNPARSEABLE")
    assert set(found) >= KEYS


def test_E3_any_bytes_give_an_object_with_all_keys(inspect: Inspect, nowhere: Path) -> None:
    dice = random.Random(7)
    shapes = [
        MAIL,
        b"From: " * 500,
        b"\0" * 100,
        b"Content-Type: multipart/mixed; boundary=a\n\n--a\n" * 50,
    ]
    paths = []
    for number in range(60):
        content = bytearray(dice.choice(shapes))
        for _ in range(dice.randrange(40)):
            content[dice.randrange(len(content))] = dice.randrange(256)
        paths.append(a_file(nowhere, bytes(content), f"{number}.eml"))
    status, found = inspect(*paths)
    assert status == 0
    assert [one["file"] for one in found] == [str(path) for path in paths]
    assert all(set(one) >= KEYS for one in found)


def test_E3_stdin_is_a_dash(nowhere: Path) -> None:
    done = Installation(nowhere).run("inspect", "-", "--json", data=MAIL)
    found = json.loads(done.stdout)
    assert (found["file"], found["subject"]) == ("-", "Offer")


@pytest.mark.usefixtures("company")
def test_E3_with_a_configuration_it_says_what_would_be_decided(
    inspect: Inspect, nowhere: Path
) -> None:
    _, [found] = inspect(a_file(nowhere, MAIL))
    would = found["would"]
    assert (would["state"], would["reason"], would["owner"]) == (
        "filed",
        "FILED_CONTACT",
        "lea@acme.example",
    )
    assert all(isinstance(step, str) for step in would["trace"])


@pytest.mark.usefixtures("company")
def test_E3_rcpt_and_proven_change_what_would_be_decided(inspect: Inspect, nowhere: Path) -> None:
    mail = MAIL.replace(b"Anna Rossi <anna@rossi.example>", b"eva@acme.example").replace(
        b"To: info@acme.example", b"To: anna@rossi.example"
    )
    path = a_file(nowhere, mail)
    _, [unproven] = inspect(path, "--rcpt", "crm@acme.example")
    _, [proven] = inspect(
        path,
        "--rcpt",
        "crm@acme.example",
        "--proven",
        "--peer",
        "192.0.2.1",
        "--mail-from",
        "x@y.example",
    )
    assert unproven["would"]["reason"] == "SENDER_NOT_VERIFIED"
    assert proven["would"]["reason"] == "FILED_CAPTURE"
    assert proven["would"]["user"] == "eva@acme.example"
    assert "192.0.2.1" in proven["would"]["trace"][0]


@pytest.mark.usefixtures("company")
def test_E3_more_files_than_one_look_takes_stay_in_order(inspect: Inspect, nowhere: Path) -> None:
    names: list[str | Path] = []
    for number in range(70):
        mail = MAIL.replace(b"Offer", f"Offer {number}".encode())
        names.append(a_file(nowhere, mail, f"{number}.eml"))
        if number % 10 == 0:
            names.append(nowhere / f"missing {number}")
    _, found = inspect(*names)
    assert [one["file"] for one in found] == [str(name) for name in names]
    assert all(one["would"]["reason"] == "FILED_CONTACT" for one in found if one["readable"])


@pytest.mark.usefixtures("company")
@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("--rcpt", "not an address"), 1),
        (("--peer", "nowhere"), 2),
        (("--account", "other"), 1),
        (("--frob",), 2),
    ],
)
def test_E3_wrong_questions_get_a_sentence(
    nowhere: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], status: int
) -> None:
    path = a_file(nowhere, MAIL)
    assert run(["inspect", str(path), *words], COMMANDS) == status
    said = capsys.readouterr()
    assert said.err.strip()
    assert "Traceback" not in said.err


def test_E3_people_read_it_without_danger(
    nowhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = a_file(nowhere, MAIL.replace(b"Offer", "\x1b[2J\u202eOffer".encode()))
    assert run(["inspect", str(path)], COMMANDS) == 0
    out = capsys.readouterr().out
    assert "Offer" in out
    assert not {"\x1b", "\u202e"} & set(out)


def test_F7_E3_a_bounce_is_told_in_words_and_in_fields(
    nowhere: Path, inspect: Inspect, capsys: pytest.CaptureFixture[str]
) -> None:
    bounce = nowhere / "bounce.eml"
    bounce.write_bytes(
        b"From: MAILER-DAEMON@mx.example\nTo: info@acme.example\nSubject: failure notice\n\n"
        b"<bo@rossi.example>:\n550 mailbox full\n\nFrom: info@acme.example\nTo: bo@rossi.example\n"
        b"Message-ID: <1@acme.example>\n\nHello\n"
    )
    status, (found,) = inspect(bounce)
    assert (status, found["kind"]) == (0, "bounce")
    assert found["returned"] == {
        "status": "5.2.2",
        "recipients": ["bo@rossi.example"],
        "delayed": False,
        "message_id": "1@acme.example",
    }
    assert run(["inspect", str(bounce)], COMMANDS) == 0
    shown = capsys.readouterr().out
    assert "did not reach bo@rossi.example: the mailbox is full, code 5.2.2" in shown
    assert "About" in shown


def test_E3_a_persons_mail_is_told_without_a_machines_words(
    nowhere: Path, inspect: Inspect
) -> None:
    (nowhere / "a.eml").write_bytes(MAIL)
    _, (found,) = inspect(nowhere / "a.eml")
    assert (found["kind"], found["kind_text"], found["returned"]) == ("normal", "", None)
