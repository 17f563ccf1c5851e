"""Whom an answer goes to, where a mail names very many, or one in two ways (M8)."""

from __future__ import annotations

import asyncio

import pytest

from maild.core.letters import Composed
from maild.daemon.outbox import OutboxWorker
from maild.model.errand import Fate
from maild.model.reason import Reason
from maild.plugs.relay import Relay
from tests.outbox.conftest import relay as relay  # noqa: PLC0414 - a fixture
from tests.outbox.relay_server import RelayServer
from tests.outbox.test_worker import settings
from tests.writing.conftest import ANNA, LEA, Office, refusal

COMPOSED, DECOMPOSED = "jos\u00e9@x.example", "jose\u0301@x.example"


def test_M8_an_address_that_is_written_in_two_ways_gets_one_mail(office: Office) -> None:
    asked = office.asks(more=f"Cc: {COMPOSED}, {DECOMPOSED}\r\n")
    assert office.reply(asked, everyone=True).cc == (COMPOSED,)
    assert office.compose(COMPOSED, DECOMPOSED).to == (COMPOSED,)
    assert len(office.sends()) == 3


def test_M8_an_answer_to_more_than_a_mail_can_have_is_refused(one_office: Office) -> None:
    others = ",\r\n ".join(f"p{number}@x.example" for number in range(150))
    asked = one_office.asks(more=f"Cc: {others}\r\n")
    with refusal(Reason.INVALID_VALUE):
        one_office.reply(asked, everyone=True)
    assert one_office.reply(asked).to == (ANNA,)


@pytest.mark.parametrize("knows_utf8", [True, False])
def test_M8_an_inbox_beyond_ascii_is_an_envelope_sender_as_any(
    one_office: Office, relay: RelayServer, knows_utf8: bool
) -> None:
    inbox = "b\u00fcro@acme.example"
    one_office.world.inbox(inbox, owner=LEA)
    relay.offers = ["SMTPUTF8"] if knows_utf8 else []
    asked = one_office.comes(one_office.post.mail(to=inbox), inbox)
    beyond = one_office.reply(asked, by=LEA, sender=LEA)
    plain = one_office.reply(one_office.asks(), by=LEA)
    asyncio.run(OutboxWorker(one_office.app, settings(relay)).work())
    assert one_office.fates(plain) == [(ANNA, "sent")]
    assert one_office.fates(beyond) == [(ANNA, "sent" if knows_utf8 else "failed")]


def test_M8_a_mail_that_meets_a_fault_stands_in_nobodys_way_and_says_so(
    one_office: Office, relay: RelayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlucky = one_office.compose("u@x.example")
    others = [one_office.compose(f"{number}@x.example") for number in range(2)]
    send = Relay.send

    async def faulty(self: Relay, mail: Composed) -> Fate:
        if mail.recipient == "u@x.example":
            raise UnicodeError("no such letter")
        return await send(self, mail)

    monkeypatch.setattr(Relay, "send", faulty)
    with pytest.raises(UnicodeError):
        asyncio.run(OutboxWorker(one_office.app, settings(relay)).work())
    asyncio.run(OutboxWorker(one_office.app, settings(relay)).work())
    assert [one_office.fates(one)[0][1] for one in (unlucky, *others)] == ["later", "sent", "sent"]
    assert "UnicodeError" in one_office.shown(unlucky)["written"]["recipients"][0]["text"]
