"""`maild rule …`: as an operator and as a machine see it (M11)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from maild.testing.installation import Installation
from tests.flows.test_cli_mail import Line

RULE = "subject contains invoice: owner = Eva, status = Waiting"
SHOWN = "subject contains invoice: owner = eva@acme.example, status = Waiting"


@pytest.fixture
def maild(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> Any:
    place = Installation(tmp_path)
    place.make()
    line = Line(place, capsysbinary)
    yield line
    line.app.store.close()


def test_M11_a_new_rule_waits_and_says_what_it_would_have_done(maild: Line) -> None:
    maild.a_mail("anna@rossi.example", body="Invoice 12")
    status, out, talk = maild("rule", "add", "Invoices", RULE)
    assert status == 0
    assert SHOWN in out.decode()
    assert "and off; `maild rule enable" in out.decode()
    assert "Of the last 1 mail it matches 1 and would have changed 1." in talk


def test_M11_a_rule_is_switched_on_and_off_moved_and_removed(maild: Line) -> None:
    added = maild.json("rule", "add", "Invoices", RULE)
    assert (added["rule"]["on"], added["would_have"]["matched"]) == (False, 0)
    maild.json("rule", "add", "Lists", "kind is list: unread = no", "--enable")
    assert maild.json("rule", "enable", "invoices")["rule"]["on"] is True
    assert maild.json("rule", "order", "Lists", "1")[0]["name"] == "Lists"
    assert maild.json("rule", "disable", "Lists")["on"] is False
    _, out, _ = maild("rule", "list")
    lines = [line.split(maxsplit=3) for line in out.decode().splitlines()[1:]]
    assert lines == [
        ["1", "Lists", "off", "kind is list: unread = no"],
        ["2", "Invoices", "on", SHOWN],
    ]
    _, out, _ = maild("rule", "show", "Invoices")
    assert SHOWN in out.decode()
    maild.json("rule", "remove", "Lists")
    assert [one["name"] for one in maild.json("rule", "list")] == ["Invoices"]


def test_M11_a_trial_is_a_table_for_people_and_one_document_for_machines(maild: Line) -> None:
    ulid = maild.a_mail("anna@rossi.example", body="Invoice 12")
    _, out, _ = maild("rule", "try", RULE)
    header, row = out.decode().splitlines()[1:3]
    assert header.split() == ["ID", "RECEIVED", "FROM", "SUBJECT", "OWNER", "STATUS", "CLIENT"]
    assert row.startswith(ulid)
    assert "lea@acme.example → eva@acme.example  New → Waiting" in row
    tried = maild.json("rule", "try", RULE, "--last", "5")
    assert (tried["looked_at"], tried["mails"][0]["id"]) == (1, ulid)
    assert maild.json("mail", "show", ulid)["owner"] == "lea@acme.example"
    assert maild.json("rule", "list") == []


def test_M11_a_word_that_is_not_known_is_named_with_its_place(maild: Line) -> None:
    status, _, talk = maild("rule", "add", "Bad", "subject contians x: stop")
    assert status == 1
    assert talk.strip() == (
        "The rule cannot be “contians”: at character 9: an operator of subject is expected here, not “contians”; "
        "did you mean contains?"
    )


def test_M11_what_a_mail_would_meet_is_told_by_inspect_too(maild: Line, tmp_path: Path) -> None:
    maild.json(
        "rule",
        "add",
        "Shop",
        "from domain is shop.example: file = Rossi Bau, owner = Jan",
        "--enable",
    )
    file = tmp_path / "one.eml"
    file.write_bytes(
        b"From: a@shop.example\r\nTo: info@acme.example\r\nSubject: x\r\n\r\nHello\r\n"
    )
    would = maild.json("inspect", str(file))["would"]
    assert (would["reason"], would["owner"]) == ("FILED_BY_RULE", "jan@acme.example")
