"""`maild mail repair | heal | remembered | forget`, `maild address set`: as an operator and as a machine see them (E2, I4)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from maild.testing.installation import Installation
from tests.core.company import SIGNED_IN
from tests.core.test_drops import FORWARD
from tests.flows.test_cli_mail import Line

CRM, HOME = "crm@acme.example", "eva@home.example"


@pytest.fixture
def maild(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> Any:
    place = Installation(tmp_path)
    place.make()
    line = Line(place, capsysbinary)
    yield line
    line.app.store.close()


def a_forward(maild: Line, from_: str = HOME, **more: Any) -> str:
    return maild.a_mail(from_, to=CRM, body=FORWARD, **more)


def test_what_a_mail_offers_is_shown_with_the_commands(maild: Line) -> None:
    ulid = a_forward(maild)
    status, out, _ = maild("mail", "repair", ulid)
    text = out.decode()
    assert status == 0
    assert f"{ulid} is held: No user has the address {HOME}." in text
    assert f"maild mail repair {ulid} add-alias VALUE" in text


def test_what_a_mail_offers_is_one_document(maild: Line) -> None:
    found = maild.json("mail", "repair", a_forward(maild))
    assert (found["state"], found["reason"]) == ("held", "SENDER_UNKNOWN")
    assert [one["action"] for one in found["repairs"]] == ["add-alias", "add-client", "ignore"]
    assert set(found["repairs"][0]) == {
        "action",
        "text",
        "value",
        "value_needed",
        "choices",
        "can_remember",
        "command",
    }


def test_a_repair_says_what_became_of_the_mail(maild: Line) -> None:
    ulid = a_forward(maild, "eva@acme.example")
    done = maild.json("mail", "repair", ulid, "accept-once")
    assert (done["state"], done["reason"]) == ("filed", "FILED_FORWARD")
    assert done["text"] == "This one mail is from Eva, by your word."
    assert maild.json("mail", "show", ulid)["user"] == "eva@acme.example"


def test_a_repair_is_undone(maild: Line) -> None:
    ulid = a_forward(maild, "eva@acme.example")
    change = maild.json("mail", "repair", ulid, "accept-once")["change"]
    assert maild.json("mail", "undo", change)["moved"] == [ulid]
    assert maild.json("mail", "show", ulid)["state"] == "held"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("repair", "nope"), "NOT_FOUND"),
        (("repair", "ID", "rotate"), "CONFLICT"),
        (("repair", "ID", "nonsense"), "CONFLICT"),
        (("repair", "ID", "add-alias"), "INVALID_VALUE"),
        (("repair", "ID", "add-alias", "no@acme.example"), "NOT_FOUND"),
        (("repair", "ID", "ignore", "--remember"), "CONFLICT"),
        (("heal", "nonsense"), "INVALID_VALUE"),
        (("forget", "nobody@x.example"), "NOT_FOUND"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_sentence(
    maild: Line, words: tuple[str, ...], code: str
) -> None:
    ulid = a_forward(maild)
    assert maild.error("mail", *(ulid if word == "ID" else word for word in words)) == code


def test_remember_without_an_action_is_wrong_usage(maild: Line) -> None:
    assert maild("mail", "repair", a_forward(maild), "--remember")[0] == 2


def test_an_alias_offers_the_other_mails_and_heal_files_them(maild: Line) -> None:
    trust = type(SIGNED_IN)(authenticated_for=("home.example",))
    for number in range(2):
        mail = maild.post.mail(HOME, to=CRM, body=f"{FORWARD} {number}")
        maild.post.send(mail, CRM, trust=trust)
    maild.post.decide()
    _, _, said = maild("address", "add", "eva@acme.example", HOME, "--confirm")
    assert f"2 other mails wait for this and may be filed now: maild mail heal {HOME}" in said
    healed = maild.json("mail", "heal", HOME)
    assert healed == {"count": 2, "filed": 2, "changed": 2}


def test_a_new_client_offers_what_its_contact_wrote(maild: Line) -> None:
    maild.a_mail("nina@novum.example")
    _, _, said = maild("client", "add", "Novum", "--contact", "nina@novum.example")
    assert "1 other mail waits for this and may be filed now" in said


@pytest.mark.parametrize(
    ("word", "value"), [("contact", "nina@novum.example"), ("domain", "@novum.example")]
)
def test_I4_who_is_taken_off_one_of_two_clients_offers_his_mails(
    maild: Line, word: str, value: str
) -> None:
    ids = [
        maild.json("client", "add", name, f"--{word}", value)["id"] for name in ("Novum", "Twin")
    ]
    maild.a_mail("nina@novum.example")
    _, _, said = maild("client", word, ids[1], "--remove", value)
    assert "1 other mail waits for this and may be filed now" in said


def test_what_is_filed_is_remembered_when_it_is_asked_for(maild: Line) -> None:
    ulid = maild.a_mail("nina@novum.example")
    filed = maild.json("mail", "file", ulid, "--client", "C1", "--remember")
    assert filed["remembered"] == ["nina@novum.example"]
    later = maild.a_mail("nina@novum.example", body="again")
    assert maild.json("mail", "show", later)["reason"] == "FILED_CONTACT"


def test_nothing_is_remembered_at_first(maild: Line) -> None:
    assert maild.json("mail", "remembered") == []
    assert maild("mail", "remembered")[1] == b"Nothing is remembered.\n"


def test_an_address_says_in_which_inbox_it_ends(maild: Line) -> None:
    row = maild.json("address", "set", "eva@acme.example", "delivers_to=Office@Acme.example")
    assert row["delivers_to"] == "office@acme.example"
    row = maild.json("address", "set", "eva@acme.example", "delivers_to=none")
    assert row["delivers_to"] is None
    assert maild.error("address", "set", "eva@acme.example", "delivers=x@y.example") == (
        "INVALID_VALUE"
    )


def test_a_digest_is_switched_off_and_on(maild: Line) -> None:
    assert maild.json("user", "set", "eva@acme.example", "digest=off")["digest"] == "off"
    assert maild.json("user", "set", "eva@acme.example", "digest=on")["digest"] == "on"


def test_a_digest_is_looked_at_before_it_goes_and_goes_once(maild: Line) -> None:
    maild.a_mail()
    maild.json("account", "set", "acme", "digest=00:00")
    [copy] = maild.json("digest", "preview")
    assert (copy["to"], copy["subject"]) == ("lea@acme.example", "1 mail waits for you")
    assert maild.json("digest", "send") == {"queued": 1}
    assert maild.json("digest", "send") == {"queued": 0}


def test_nobody_but_the_operator_sends_digests(maild: Line) -> None:
    assert maild.error("digest", "send", "--by", "lea@acme.example") == "NOT_ALLOWED"


def test_E2_what_is_filed_is_taken_off_and_moved(maild: Line) -> None:
    ulid = a_forward(maild, "eva@acme.example")
    assert maild.json("mail", "repair", ulid, "accept-once")["state"] == "filed"
    status, out, _ = maild("mail", "repair", ulid)
    assert (status, f"maild mail repair {ulid} unfile [VALUE]" in out.decode()) == (0, True)
    done = maild.json("mail", "repair", ulid, "unfile")
    assert (done["state"], done["reason"]) == ("unfiled", "UNFILED_BY_HAND")
    other = maild.json("client", "add", "Bianchi")["id"]
    assert maild.json("mail", "repair", ulid, "choose-client", other)["state"] == "filed"
    rossi = next(one["id"] for one in maild.json("client", "list") if one["name"] == "Rossi Bau")
    done = maild.json("mail", "repair", ulid, "move", rossi)
    assert done["reason_text"] == "Filed under Rossi Bau because the operator filed it"


def test_E2_the_raw_view_is_offered_where_something_could_not_be_read(
    maild: Line,
) -> None:
    ulid = maild.a_mail("anna@rossi.example", to="info@acme.example", body="Hello")
    assert maild.error("mail", "repair", ulid, "raw") == "CONFLICT"
    more = "Content-Type: text/plain; charset=x-nobodys\r\n"
    ulid = maild.a_mail("anna@rossi.example", to="info@acme.example", body="Grüße", more=more)
    lines = maild.json("mail", "repair", ulid, "raw")["lines"]
    assert lines[0] == "From: anna@rossi.example"


def test_F4_the_reference_of_a_client_is_told_for_people_and_programs(maild: Line) -> None:
    client = maild.json("client", "add", "Novum")["id"]
    found = maild.json("client", "reference", client)
    status, out, _ = maild("client", "reference", client)
    text = out.decode()
    assert status == 0
    assert found["subject"] in text
    assert all(address in text for address in found["addresses"])
    ulid = maild.a_mail("eva@acme.example", to=found["addresses"][0], body=FORWARD)
    assert maild.json("mail", "repair", ulid, "accept-once")["reason"] == "FILED_TOKEN"
    first = maild.json("explain", ulid)["trace"][0]
    assert first["name"] == "came_in"
    assert first["facts"] == {"doors": ["smtp"]}
