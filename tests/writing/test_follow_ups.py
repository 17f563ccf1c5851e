"""Follow-ups to what one wrote, and what a mail that is passed on must not tell (M8, U7)."""

from __future__ import annotations

import pytest

from maild.core.app import OPERATOR
from maild.core.drops import show_drop
from maild.core.templates import TemplateText, add_template
from tests.core.company import SIGNED_IN
from tests.writing.conftest import EVA, INFO, LEA, Office
from tests.writing.test_answers import FORWARD

BOB = "bob@supplier.example"


@pytest.mark.parametrize("inline", [False, True], ids=["attached", "inline"])
def test_M8_what_follows_ones_own_forward_goes_to_whom_it_was_passed_on(
    one_office: Office, inline: bool
) -> None:
    passed = one_office.forward(one_office.asks(body="5 doors"), BOB, text="?", inline=inline)
    assert passed.id is not None
    assert one_office.reply(passed.id, text="Your best price?").to == (BOB,)


def test_M8_a_template_names_who_gets_the_follow_up(one_office: Office) -> None:
    add_template(one_office.app, "t", TemplateText(text="Dear {sender.name}"), by=OPERATOR)
    passed = one_office.forward(one_office.asks(body="5 doors"), f"Bob <{BOB}>", text="?")
    assert passed.id is not None
    written = one_office.reply(passed.id, text=None, template="t", quote=False)
    assert (written.text, written.to) == ("Dear Bob", (BOB,))
    other = one_office.reply(
        passed.id, text=None, template="t", quote=False, to=["Al <al@x.example>"]
    )
    assert other.text == "Dear Al"


def by_drop(office: Office) -> tuple[str, str]:
    """Let a client's mail come in by Eva's drop address, which its fields name; return its id and the tag."""
    drop = show_drop(office.app, EVA, by=OPERATOR).addresses[0]
    tag = drop.partition("+")[2].partition("@")[0]
    more = f"Received: from x by y for <{drop.upper()}>\r\nDelivered-To: {drop}\r\n"
    raw = office.post.mail(EVA, to=drop, body=f"Sent to {drop}\r\n{FORWARD}", more=more)
    before = {row["ulid"] for row in office.post.lies()}
    office.post.send(raw, drop, trust=SIGNED_IN)
    office.post.decide()
    [ulid] = {str(row["ulid"]) for row in office.post.lies()} - before
    return ulid, tag


def test_U7_a_mail_that_is_passed_on_tells_no_drop_address(office: Office) -> None:
    ulid, tag = by_drop(office)
    attached = office.forward(ulid, BOB, by=LEA, sender=INFO)
    assert tag.encode() not in office.octets(attached).lower()
    assert b"Delivered-To: crm+***@acme.example" in office.octets(attached)
    inline = office.forward(ulid, BOB, by=LEA, sender=INFO, inline=True)
    assert tag not in inline.text
    assert "crm+***@acme.example" in inline.text
    assert tag not in office.reply(ulid, by=LEA, sender=INFO).text


def test_M8_a_tag_that_is_no_drop_address_is_passed_on_as_it_came(one_office: Office) -> None:
    tagged = f"bounce+{'a' * 26}@lists.example"
    asked = one_office.asks(more=f"Sender: {tagged}\r\n")
    passed = one_office.forward(asked, BOB)
    assert tagged.encode() in one_office.octets(passed)
