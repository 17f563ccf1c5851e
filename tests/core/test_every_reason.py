"""E1, E2: every code of the closed list, as a stored mail: its sentence, its trace, and what can be done about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from maild.core import decide as deciding
from maild.core.accept import accept
from maild.core.app import OPERATOR, App
from maild.core.clients import NewClient, add_client
from maild.core.drops import show_drop
from maild.core.inboxes import set_inbox
from maild.core.letters import loop_mark
from maild.core.references import client_reference
from maild.core.repairs import repairs_of
from maild.core.rulings import dismiss, file_by_hand, unfile
from maild.core.seal import SealingKey
from maild.core.views import explain_mail
from maild.faces.cli.mail_words import explain_lines
from maild.model.envelope import Collected, Door
from maild.model.letter import LOOP_HEADER
from maild.model.reason import Reason
from tests.core.company import READER, SIGNED_IN, Post, a_company
from tests.core.conftest import Frozen
from tests.core.firm import FORWARD
from tests.core.test_filing import (
    A_FORWARD,
    ANNA,
    CRM,
    EVA,
    FILTERED,
    INFO,
    JAN,
    NINA,
    NOT_READABLE,
    OLGA,
    UNSURE,
    Sent,
    an_inbox_of_beta,
    eva_has_home,
    eva_is_inactive,
    machine,
    novum_by_domain,
    tagged,
    two_clients,
)

Make = Callable[["Maker"], None]


class Maker:
    """Makes mails of every fate."""

    def __init__(self, app: App, clock: Frozen, patch: pytest.MonkeyPatch) -> None:
        a_company(app)
        self.app = replace(app, key=SealingKey.of("0123456789abcdef" * 3))
        self.post = Post(self.app)
        self.clock = clock
        self.patch = patch

    def send(self, inbox: str, sent: Sent, message_id: str = "") -> None:
        content = self.post.mail(
            sent.from_, to=sent.to or inbox, body=sent.body, more=sent.more, message_id=message_id
        )
        self.post.send(content, sent.at or inbox, trust=sent.trust)
        self.post.decide()

    def collected(self, **how: object) -> None:
        """Take in a mail as a source does that told this of it."""
        incoming = self.post.incoming(self.post.mail(ANNA), INFO, door=Door.IMAP)
        where = Collected(source_id=1, copy_id=1, **how)  # type: ignore[arg-type]  # each row has its own fields
        accept(self.app, [replace(incoming, envelope=replace(incoming.envelope, collected=where))])
        self.post.decide()

    def drops(self) -> list[str]:
        return [show_drop(self.app, who, by=OPERATOR).addresses[0] for who in (EVA, JAN)]

    @property
    def newest(self) -> str:
        return str(self.post.lies()[-1]["ulid"])


def a_mail(inbox: str, sent: Sent, setting: Callable[[App], object] | None = None) -> Make:
    def make(maker: Maker) -> None:
        if setting is not None:
            setting(maker.app)
        maker.send(inbox, sent)

    return make


def _thread(maker: Maker) -> None:
    maker.send(INFO, Sent(from_=ANNA), message_id="first@rossi.example")
    maker.send(INFO, Sent(from_=ANNA, more="In-Reply-To: <first@rossi.example>\r\n"))


def _token(maker: Maker) -> None:
    added = add_client(maker.app, NewClient(name="Novum"), by=OPERATOR)
    [crm, *_] = client_reference(maker.app, added.id, by=OPERATOR).addresses
    maker.send(CRM, replace(A_FORWARD, at=crm))


def _by_hand(maker: Maker) -> None:
    maker.send(INFO, Sent(from_=NINA))
    [row] = maker.post.lies()
    ulid = add_client(maker.app, NewClient(name="Novum"), by=OPERATOR).id
    file_by_hand(maker.app, READER, [str(row["ulid"])], client=ulid, by=OPERATOR)


def _unfiled(maker: Maker) -> None:
    _by_hand(maker)
    [row] = maker.post.lies()
    client = row["clients"][0]["id"]
    unfile(maker.app, READER, [str(row["ulid"])], client=client, by=OPERATOR)


def _exposed(maker: Maker) -> None:
    [drop, _] = maker.drops()
    maker.send(CRM, Sent(from_="eva@private.example", to=f"{drop}, marc@dupont.example", at=drop))


def _rivals(maker: Maker) -> None:
    content = maker.post.mail("team@shared.example", to=CRM, body=FORWARD)
    for drop in maker.drops():
        maker.post.send(content, drop)
    maker.post.decide()


def _dismissed(maker: Maker) -> None:
    maker.send(INFO, Sent(from_=ANNA))
    dismiss(maker.app, READER, [maker.newest], by=OPERATOR)


def _loop(maker: Maker) -> None:
    assert maker.app.key is not None
    mark = loop_mark(maker.app.key, "ours@mail.acme.example")
    sent = Sent(from_="maild@acme.example", more=f"{LOOP_HEADER}: {mark}\r\n")
    maker.send(INFO, sent, message_id="ours@mail.acme.example")


def _unparseable(maker: Maker) -> None:
    maker.send(INFO, Sent(from_=ANNA, body="kill-the-reader"))
    for _ in range(3):
        maker.clock.advance(timedelta(minutes=1))
        maker.post.decide()


def _fault(maker: Maker) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    with maker.patch.context() as patch:
        patch.setattr(deciding, "decide", broken)
        maker.send(INFO, Sent(from_=ANNA))


def _twins(maker: Maker) -> None:
    for body in ("Hello", "Something else"):
        maker.send(INFO, Sent(from_=ANNA, body=body), message_id="same@rossi.example")


DEGRADED = Sent(
    from_=ANNA, more="Content-Type: text/plain; charset=x-nobodys\r\n", body="Gr\u00fc\u00dfe"
)

CASES: dict[Reason, tuple[Make, tuple[str, ...]]] = {
    Reason.FILED_THREAD: (_thread, ("unfile", "move")),
    Reason.FILED_TOKEN: (_token, ("unfile", "move")),
    Reason.FILED_CONTACT: (a_mail(INFO, Sent(from_=ANNA)), ("unfile", "move")),
    Reason.FILED_FORWARD: (a_mail(CRM, A_FORWARD), ("unfile", "move")),
    Reason.FILED_CAPTURE: (a_mail(CRM, Sent(to=ANNA, trust=SIGNED_IN)), ("unfile", "move")),
    Reason.FILED_DOMAIN: (a_mail(INFO, Sent(from_=NINA), novum_by_domain), ("unfile", "move")),
    Reason.FILED_BY_HAND: (_by_hand, ("unfile", "move")),
    Reason.UNFILED_BY_HAND: (_unfiled, ("choose-client", "ignore")),
    Reason.SENDER_UNKNOWN: (
        a_mail(CRM, Sent(from_=NINA)),
        ("add-alias", "add-client", "ignore"),
    ),
    Reason.SENDER_UNCLEAR: (a_mail(CRM, Sent(from_=f"{EVA}, {JAN}")), ("choose-user", "ignore")),
    Reason.PLUS_BASE_UNRESOLVED: (
        a_mail(CRM, Sent(from_="eva.m@web.example"), tagged),
        ("accept-sends-as", "choose-user", "ignore"),
    ),
    Reason.ALIAS_NOT_VERIFIED: (
        a_mail(CRM, Sent(from_="eva@home.example"), eva_has_home),
        ("confirm", "resend", "ignore"),
    ),
    Reason.SENDER_NOT_VERIFIED: (
        a_mail(CRM, Sent(body=FORWARD)),
        # To trust a forwarder, the mail must prove one: tests/core/test_trust.py.
        ("accept-once", "use-drop-address", "ignore"),
    ),
    Reason.DROP_ADDRESS_EXPOSED: (_exposed, ("rotate", "accept-once", "ignore")),
    Reason.NOT_A_MEMBER: (a_mail(CRM, OLGA, an_inbox_of_beta), ("invite", "retry", "ignore")),
    Reason.USER_INACTIVE: (
        a_mail(CRM, A_FORWARD, eva_is_inactive),
        ("substitute", "enable", "ignore"),
    ),
    Reason.NO_RECIPIENT_MARKER: (
        lambda maker: maker.collected(origin="none"),
        # To pick a field there must be a source: tests/sources/test_central.py.
        ("recipient", "checklist", "choose-client", "ignore"),
    ),
    Reason.AMBIGUOUS_SENDER: (_rivals, ("choose-user", "ignore")),
    Reason.CLIENT_NOT_FOUND: (
        a_mail(INFO, Sent(from_=NINA)),
        ("create-client", "choose-client", "ignore"),
    ),
    Reason.CLIENT_AMBIGUOUS: (
        a_mail(INFO, Sent(from_=ANNA), two_clients),
        ("choose-client", "ignore"),
    ),
    Reason.FORWARD_NOT_FOUND: (
        a_mail(CRM, NOT_READABLE),
        ("original", "choose-client", "ignore"),
    ),
    Reason.FORWARD_UNSURE: (
        a_mail(CRM, UNSURE),
        ("confirm-original", "original", "choose-client", "ignore"),
    ),
    Reason.FORWARD_BY_STRANGER: (
        a_mail(INFO, Sent(from_=NINA, body=FORWARD)),
        ("choose-client", "create-client", "ignore"),
    ),
    Reason.ONLY_USERS_INVOLVED: (
        a_mail(CRM, Sent(to=JAN, trust=SIGNED_IN)),
        ("choose-client", "ignore"),
    ),
    Reason.SAME_ID_OTHER_CONTENT: (_twins, ("unfile", "move", "compare")),
    Reason.AUTO_REPLY: (a_mail(CRM, machine("absence", NINA)), ("release",)),
    Reason.BOUNCE: (a_mail(INFO, machine("bounce", ANNA)), ("release", "unfile", "move")),
    Reason.LIST_MAIL: (a_mail(INFO, machine("list", NINA)), ("release",)),
    Reason.SPAM: (
        a_mail(INFO, Sent(from_=NINA, more="X-Spam-Flag: YES\r\n", trust=FILTERED)),
        ("release",),
    ),
    Reason.DISMISSED: (_dismissed, ("release",)),
    Reason.LOOP_STOPPED: (_loop, ("release",)),
    Reason.TOO_LARGE: (lambda maker: maker.collected(whole_size=52_428_800), ("fetch", "ignore")),
    Reason.PARSE_DEGRADED: (a_mail(INFO, DEGRADED), ("unfile", "move", "raw")),
    Reason.UNPARSEABLE: (_unparseable, ("retry", "raw", "ignore")),
    Reason.INTERNAL_ERROR: (_fault, ("retry", "raw")),
}
"""How a mail comes to each reason, and what the operator is offered then."""

BESIDE = {Reason.SAME_ID_OTHER_CONTENT, Reason.PARSE_DEGRADED}
AWAITED = {Reason.FILED_BY_RULE}
"""Said by what is not here yet."""


def test_E1_every_code_of_the_closed_list_has_its_case() -> None:
    said_of_mail = {reason for reason in Reason if reason.value.states} | BESIDE
    assert set(CASES) == said_of_mail - AWAITED


@pytest.fixture
def maker(app: App, clock: Frozen, monkeypatch: pytest.MonkeyPatch) -> Maker:
    return Maker(app, clock, monkeypatch)


@pytest.mark.parametrize("reason", CASES, ids=lambda reason: reason.code)
def test_E1_every_code_is_explained_and_its_repairs_are_offered(
    maker: Maker, reason: Reason
) -> None:
    make, actions = CASES[reason]
    make(maker)
    found = explain_mail(maker.app, maker.newest, by=OPERATOR)
    last = found["trace"][-1]["text"]
    if reason in BESIDE:
        [mark] = [one for one in found["marks"] if one["code"] == reason.code]
        sentence = mark["text"]
    else:
        assert found["reason"] == reason.code
        assert found["state"] in reason.value.states
        sentence = found["reason_text"]
        assert last == f"{reason.code}: {sentence}."
    assert "?" not in sentence, "a fact of the sentence is missing"
    assert all(step["text"].endswith((".", ":")) for step in found["trace"])
    assert len(found["trace"]) > 1 or found["state"] == "failed"
    names = [step["name"] for step in found["trace"]]
    assert "note" not in names, "a step without a name of its own"
    assert names[-1] == "decided"
    if reason not in BESIDE:
        assert found["trace"][-1]["facts"]["reason"] == reason.code
    offers = repairs_of(maker.app, maker.newest, by=OPERATOR).repairs
    assert tuple(one.action for one in offers) == actions
    shown = "\n".join(explain_lines(found))
    assert sentence in shown
    assert f"maild mail repair {maker.newest}" in shown


def test_E1_too_large_is_also_a_refusal_at_the_door(maker: Maker) -> None:
    set_inbox(maker.app, INFO, {"max_size": "1KiB"}, by=OPERATOR)
    [answer] = maker.post.send(maker.post.mail(body="x" * 2000), INFO)
    assert answer.reason is Reason.TOO_LARGE
    assert answer.line().startswith("552 5.3.4 the mail has ")
    assert maker.post.lies() == []
