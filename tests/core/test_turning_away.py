"""unknown_policy = refuse: a forward inbox that turns strangers away at the door (product D, U9)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from maild.core.accept import accept
from maild.core.addresses import add_address
from maild.core.app import OPERATOR, App
from maild.core.drops import show_drop
from maild.core.inboxes import set_inbox
from maild.core.inspect import Asked, Sample, WhatIf
from maild.core.seal import SealingKey
from maild.model.envelope import Door
from maild.model.reason import Reason
from maild.parse import read_letter
from tests.core.company import Post, a_company
from tests.core.test_filing import an_inbox_of_beta

CRM = "crm@acme.example"
INFO = "info@acme.example"


@pytest.fixture
def post(app: App) -> Post:
    a_company(app)
    set_inbox(app, CRM, {"unknown_policy": "refuse"}, by=OPERATOR)
    return Post(replace(app, key=SealingKey.of("0123456789abcdef" * 3)))


def answer(
    post: Post,
    from_: str,
    *recipients: str,
    door: Door = Door.SMTP,
    mail_from: str = "sender@world.example",
) -> Reason:
    mail = post.mail(from_, to=CRM)
    answers = post.send(mail, *(recipients or (CRM,)), door=door, mail_from=mail_from)
    [reason] = {one.reason for one in answers}
    return reason


@pytest.mark.parametrize("door", [Door.SMTP, Door.LMTP, Door.PIPE, Door.HTTP])
def test_I1_a_stranger_is_refused_at_the_door_and_nothing_is_stored(post: Post, door: Door) -> None:
    assert answer(post, "anna@rossi.example", door=door) is Reason.UNKNOWN_SENDER_REFUSED
    assert [post.table(name) for name in ("messages", "arrivals", "deliveries")] == [0, 0, 0]


def test_I1_the_refusal_is_permanent_and_names_inbox_and_address(post: Post) -> None:
    [said] = post.send(post.mail("anna@rossi.example", to=CRM), CRM)
    assert said.line() == (
        "550 5.7.1 crm@acme.example takes mail of its own users only; anna@rossi.example is none"
    )
    assert (said.reason.value.exit, said.reason.value.http) == (65, 403)


@pytest.mark.parametrize("door", [Door.IMAP, Door.POP, Door.IMPORT])
def test_D1_what_nobody_could_be_told_of_is_held(post: Post, door: Door) -> None:
    assert answer(post, "anna@rossi.example", door=door) is Reason.ACCEPTED
    post.decide()
    assert post.outcome()[:2] == ("held", "SENDER_UNKNOWN")


@pytest.mark.parametrize(
    "from_", ["eva@acme.example", "eva+crm@acme.example", "Eva <EVA@Acme.Example>"]
)
def test_U6_a_users_address_or_a_tag_of_it_is_taken(post: Post, from_: str) -> None:
    assert answer(post, from_) is Reason.ACCEPTED


def test_U5_an_address_that_waits_for_its_link_is_held_not_refused(post: Post) -> None:
    add_address(
        post.app, "eva@acme.example", "eva@home.example", sends_as=False, confirm=False, by=OPERATOR
    )
    assert answer(post, "eva@home.example") is Reason.ACCEPTED
    post.decide()
    assert post.outcome()[:2] == ("held", "ALIAS_NOT_VERIFIED")


@pytest.mark.parametrize("from_", ["eva@acme.example, anna@rossi.example", "not an address"])
def test_I2_what_names_nobody_beyond_doubt_is_held(post: Post, from_: str) -> None:
    assert answer(post, from_) is Reason.ACCEPTED
    post.decide()
    assert post.outcome()[:2] == ("held", "SENDER_UNCLEAR")


@pytest.mark.parametrize(
    ("header", "outcome"),
    [
        ("List-Id: <news.rossi.example>", "LIST_MAIL"),
        ("Precedence: list", "LIST_MAIL"),
        ("Auto-Submitted: auto-replied", "AUTO_REPLY"),
        ("X-Autoreply: yes", "AUTO_REPLY"),
    ],
)
def test_F7_what_a_list_or_a_program_sends_is_ignored_and_not_refused(
    post: Post, header: str, outcome: str
) -> None:
    mail = header.encode() + b"\r\n" + post.mail("anna@rossi.example", to=CRM)
    [said] = post.send(mail, CRM)
    assert said.reason is Reason.ACCEPTED
    post.decide()
    assert post.outcome()[:2] == ("ignored", outcome)


def test_F7_a_mail_that_says_that_no_program_sent_it_is_refused(post: Post) -> None:
    mail = b"Auto-Submitted: no\r\n" + post.mail("anna@rossi.example", to=CRM)
    assert post.send(mail, CRM)[0].reason is Reason.UNKNOWN_SENDER_REFUSED


def test_F7_a_bounce_is_taken_whoever_it_is_from(post: Post) -> None:
    assert answer(post, "mailer-daemon@world.example", mail_from="") is Reason.ACCEPTED


def test_U7_mail_to_a_drop_address_is_its_owners_whoever_it_is_from(post: Post) -> None:
    secret = show_drop(post.app, "eva@acme.example", account=None, by=OPERATOR).addresses[0]
    assert answer(post, "anna@rossi.example", secret) is Reason.ACCEPTED


def test_D2_a_mail_that_another_inbox_takes_is_taken_whole(post: Post) -> None:
    assert answer(post, "anna@rossi.example", CRM, INFO) is Reason.ACCEPTED
    post.decide()
    assert {row["reason"] for row in post.lies()} == {"SENDER_UNKNOWN", "FILED_CONTACT"}


def test_D6_a_retry_of_what_was_stored_is_answered_as_before(post: Post) -> None:
    set_inbox(post.app, CRM, {"unknown_policy": "hold"}, by=OPERATOR)
    mail = post.mail("anna@rossi.example", to=CRM)
    [first] = post.send(mail, CRM)
    set_inbox(post.app, CRM, {"unknown_policy": "refuse"}, by=OPERATOR)
    assert post.send(mail, CRM) == [first]


def test_D11_a_refused_mail_in_a_batch_stops_no_other(post: Post) -> None:
    batch = [
        post.incoming(post.mail(from_, to=CRM), CRM)
        for from_ in ("anna@rossi.example", "eva@acme.example", "x@world.example")
    ]
    assert [answers[0].reason for answers in accept(post.app, batch)] == [
        Reason.UNKNOWN_SENDER_REFUSED,
        Reason.ACCEPTED,
        Reason.UNKNOWN_SENDER_REFUSED,
    ]


def test_E3_inspect_tells_the_refusal(post: Post) -> None:
    raw = post.mail("anna@rossi.example", to=CRM)
    sample = Sample(size=len(raw), letter=read_letter(raw))
    [told] = WhatIf(post.app, None, Asked(rcpt=CRM)).would([sample])
    assert told is not None
    assert (told["state"], told["reason"]) == ("refused", "UNKNOWN_SENDER_REFUSED")
    [told] = WhatIf(post.app, None, Asked(rcpt=CRM, mail_from="")).would([sample])
    assert told is not None
    assert told["state"] == "held"


def test_U9_an_address_of_another_account_is_answered_as_nobodys(post: Post) -> None:
    an_inbox_of_beta(post.app)
    assert answer(post, "olga@beta.example") is Reason.UNKNOWN_SENDER_REFUSED
