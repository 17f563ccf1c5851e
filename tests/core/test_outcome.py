"""M12: the forwarder gets one line with the outcome; nobody else, and never a machine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from maild.core.accounts import set_account
from maild.core.app import OPERATOR, App
from maild.core.decide import decide_again
from maild.core.letters import loop_mark
from maild.core.outcome import CAPS, FRESH
from maild.core.repairs import Asked, repair
from maild.core.rules import add_rule
from maild.core.seal import SealingKey
from maild.model.envelope import Trust
from maild.model.written import SpamHeader
from tests.core.company import READER, SIGNED_IN, Post, a_company
from tests.core.conftest import Frozen

KEY = SealingKey.of("a text of chance that is long enough to be a key")
ANOTHERS = loop_mark(SealingKey.of("the key of another installation, long enough"), "x@there")
"""The mark of another installation, on a mail that says nothing else of machines."""
FILTERED = replace(SIGNED_IN, spam_headers=(SpamHeader("X-Spam-Flag", "YES"),))
CRM, INFO = "crm@acme.example", "info@acme.example"
FORWARD = (
    "Please look at this offer.\r\n\r\n---------- Forwarded message ---------\r\nFrom: {from_}\r\nDate: Thu, 19 Nov 2026 09:00\r\n"
    "Subject: Offer\r\nTo: <eva@acme.example>\r\n\r\nHello"
)


class Forwarders(Post):
    def forwards(
        self,
        original: str = "Anna <anna@rossi.example>",
        *,
        to: str = CRM,
        trust: Trust = SIGNED_IN,
        mail_from: str = "eva@acme.example",
        **more: Any,
    ) -> None:
        """Let Eva forward a mail, and decide it."""
        body = FORWARD.format(from_=original) + str(self.count)
        mail = self.mail("eva@acme.example", to=to, body=body, **more)
        self.send(mail, to, trust=trust, mail_from=mail_from)
        self.decide()

    def letters(self) -> list[dict[str, Any]]:
        with self.app.store.read() as tx:
            page = tx.outbox.page(None, account_id=None, limit=1000)
        return [errand.payload for errand in reversed(page)]

    def lines(self) -> list[str]:
        return [letter["text"].strip() for letter in self.letters()]


@pytest.fixture
def desk(app: App) -> Forwarders:
    a_company(app)
    made = Forwarders(replace(app, key=KEY, has_relay=True))
    set_account(made.app, "acme", {"outcome_line": "yes"}, by=OPERATOR)
    return made


def test_M12_a_forward_that_was_filed_is_told_in_one_line(desk: Forwarders) -> None:
    desk.forwards(message_id="the-forward@test")
    [letter] = desk.letters()
    assert letter["text"] == "Filed under Rossi Bau.\n"
    assert (letter["to"], letter["to_name"]) == ("eva@acme.example", "Eva")
    assert letter["in_reply_to"] == "the-forward@test"
    assert letter["subject"].startswith("Re: ")


def test_M12_a_forward_that_could_not_be_filed_is_told_with_its_reason_and_id(
    desk: Forwarders,
) -> None:
    desk.forwards("Nobody <nobody@gone.example>")
    [mail] = desk.lies()
    assert desk.lines() == [
        f"Could not be filed: no client matches nobody@gone.example — open {mail['ulid']}."
    ]


def test_M12_what_a_rule_filed_is_told_as_filed(desk: Forwarders) -> None:
    add_rule(
        desk.app, "Gone", "original is nobody@gone.example: file = Dupont", on=True, by=OPERATOR
    )
    desk.forwards("Nobody <nobody@gone.example>")
    assert desk.lines() == ["Filed under Dupont."]


def test_M12_nobody_is_told_who_did_not_ask(desk: Forwarders) -> None:
    set_account(desk.app, "acme", {"outcome_line": "no"}, by=OPERATOR)
    desk.forwards()
    assert desk.lines() == []


def test_M12_without_a_relay_nothing_is_queued(desk: Forwarders) -> None:
    desk.app = replace(desk.app, has_relay=False)
    desk.forwards()
    assert desk.lines() == []


@pytest.mark.parametrize(
    ("to", "more"),
    [
        (CRM, {"trust": Trust()}),  # Typing her address is no proof.
        (INFO, {"trust": Trust()}),
        (CRM, {"more": "Auto-Submitted: auto-generated\r\n"}),
        (CRM, {"more": "Auto-Submitted: auto-replied\r\n"}),
        (CRM, {"more": f"X-Maild-Loop: {ANOTHERS}\r\n"}),
        (CRM, {"more": "List-Id: <all.acme.example>\r\n"}),
        (CRM, {"mail_from": ""}),
        (CRM, {"trust": FILTERED, "more": "X-Spam-Flag: YES\r\n"}),
    ],
    ids=["unproven", "shared", "generated", "replied", "loop", "list", "null", "spam"],
)
def test_M12_is_never_told(desk: Forwarders, to: str, more: dict[str, Any]) -> None:
    desk.forwards(to=to, **more)
    assert len(desk.lies()) == 1
    assert desk.lines() == []


def test_M12_a_copy_of_what_one_writes_to_others_is_not_told_of(desk: Forwarders) -> None:
    mail = desk.mail("eva@acme.example", to="marc@dupont.example", body="Dear Marc")
    desk.send(mail, CRM, trust=SIGNED_IN)
    desk.decide()
    assert desk.outcome()[:2] == ("filed", "FILED_CAPTURE")
    assert desk.lines() == []


def test_M12_a_forward_to_a_shared_inbox_is_told_too(desk: Forwarders) -> None:
    desk.forwards(to=INFO)
    assert desk.lines() == ["Filed under Rossi Bau."]


def test_M12_a_delivery_is_told_of_once_however_often_it_is_decided(desk: Forwarders) -> None:
    desk.forwards()
    decide_again(desk.app, READER, [desk.lies()[0]["id"]])
    desk.forwards(message_id="another@test")
    assert desk.lines() == ["Filed under Rossi Bau."] * 2


def test_M12_old_decisions_are_no_news(desk: Forwarders, clock: Frozen) -> None:
    set_account(desk.app, "acme", {"outcome_line": "no"}, by=OPERATOR)
    desk.forwards()
    set_account(desk.app, "acme", {"outcome_line": "yes"}, by=OPERATOR)
    clock.advance(FRESH)
    decide_again(desk.app, READER, [desk.lies()[0]["id"]])
    assert desk.lines() == []


def test_M12_lines_are_capped_and_the_last_one_says_so(desk: Forwarders, clock: Frozen) -> None:
    window, most = CAPS[0]
    for _ in range(most + 3):
        desk.forwards()
    lines = desk.lines()
    assert len(lines) == most
    assert [line for line in lines if "there will be no more for 60 minutes" in line] == [lines[-1]]
    clock.advance(window)
    desk.forwards()
    assert desk.lines()[-1] == "Filed under Rossi Bau."
    assert len(desk.lines()) == most + 1


def test_M12_a_persons_later_word_is_no_proof_and_tells_nobody(desk: Forwarders) -> None:
    desk.forwards(trust=Trust())
    [held] = desk.lies()
    repair(desk.app, READER, held["ulid"], Asked(action="accept-once"), by=OPERATOR)
    assert desk.outcome()[:2] == ("filed", "FILED_FORWARD")
    assert desk.lines() == []
