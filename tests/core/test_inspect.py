"""E3: what `inspect` says would become of a mail is what becomes of it, step by step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from maild.core.app import OPERATOR, App
from maild.core.clients import NewClient, add_client
from maild.core.drops import rotate_drop, show_drop
from maild.core.inspect import Asked, Sample, WhatIf
from maild.core.references import client_reference
from maild.core.seal import SealingKey
from maild.core.views import explain_mail
from maild.model.letter import Letter
from maild.parse import read_letter
from maild.store.metadata import metadata
from tests.core.company import SIGNED_IN, Post, a_company
from tests.core.firm import FORWARD
from tests.core.test_every_reason import DEGRADED
from tests.core.test_filing import (
    A_FORWARD,
    ANNA,
    CRM,
    EVA,
    INFO,
    JAN,
    KINDS,
    NINA,
    NOT_READABLE,
    UNSURE,
    Sent,
    crm_shares,
    eva_has_home,
    eva_is_inactive,
    info_requires,
    machine,
    nothing,
    novum_by_domain,
    tagged,
    two_clients,
)

BY_FILE = {"came_in", "would_come_in", "proven"}
"""Steps about how it comes in, which a file does not say."""
WAITED_FOR = {"verdict"}
"""What was looked at to prove it: a file is no proof."""


@pytest.fixture
def post(app: App) -> Post:
    a_company(app)
    return Post(replace(app, key=SealingKey.of("0123456789abcdef" * 3)))


def would(post: Post, content: bytes, asked: Asked) -> dict[str, Any]:
    sample = Sample(size=len(content), letter=read_letter(content))
    [found] = WhatIf(post.app, None, asked).would([sample])
    assert found is not None
    return found


def steps(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the steps that a file can be asked for."""
    return [
        {
            "verb": step["verb"],
            "name": step["name"],
            "facts": {key: fact for key, fact in step["facts"].items() if key not in WAITED_FOR},
        }
        for step in found
        if step["name"] not in BY_FILE
    ]


def compare(post: Post, content: bytes, at: str, *, proven: bool) -> None:
    """Ask what would become of a mail, let it come in, and look."""
    told = would(post, content, Asked(rcpt=at, proven=proven))
    post.send(content, at, trust=SIGNED_IN if proven else None)
    post.decide()
    row = post.lies()[-1]
    explained = explain_mail(post.app, row["ulid"], by=OPERATOR)
    for key in ("state", "reason", "inbox", "user", "owner", "direction"):
        assert told[key] == row[key], key
    assert [one["name"] for one in told["clients"]] == [one["name"] for one in row["clients"]]
    assert steps(told["steps"]) == steps(explained["trace"])
    if told["reason"] != "SENDER_NOT_VERIFIED":
        assert told["reason_text"] == explained["reason_text"]


MAILS = [
    A_FORWARD,
    NOT_READABLE,
    UNSURE,
    replace(A_FORWARD, body=FORWARD.replace("anna@rossi.example", NINA)),
    Sent(body=FORWARD),
    Sent(to=ANNA, trust=SIGNED_IN),
    Sent(to=NINA, trust=SIGNED_IN),
    Sent(to=JAN, trust=SIGNED_IN),
    Sent(),
    Sent(from_=ANNA),
    Sent(from_=NINA),
    Sent(from_=NINA, body=FORWARD),
    Sent(from_=f"{EVA}, {JAN}"),
    Sent(from_=f"{ANNA}, {NINA}"),
    Sent(from_="eva.m@web.example"),
    Sent(from_="eva@home.example"),
    DEGRADED,
    *(machine(kind, from_) for kind in KINDS for from_ in (ANNA, NINA)),
]


@pytest.mark.parametrize("inbox", [CRM, INFO])
@pytest.mark.parametrize(
    "setting",
    [nothing, two_clients, novum_by_domain, eva_is_inactive, eva_has_home, tagged],
)
def test_E3_what_would_be_decided_is_what_is_decided(
    post: Post, inbox: str, setting: Callable[[App], object]
) -> None:
    setting(post.app)
    for sent in MAILS:
        content = post.mail(sent.from_, to=sent.to or inbox, body=sent.body, more=sent.more)
        compare(post, content, inbox, proven=sent.trust is not None)


@pytest.mark.parametrize(("inbox", "policy"), [(CRM, crm_shares), (INFO, info_requires)])
def test_E3_under_other_policies_too(
    post: Post, inbox: str, policy: Callable[[App], object]
) -> None:
    policy(post.app)
    for sent in MAILS:
        content = post.mail(sent.from_, to=sent.to or inbox, body=sent.body, more=sent.more)
        compare(post, content, inbox, proven=sent.trust is not None)


def test_E3_an_answer_in_a_filed_thread(post: Post) -> None:
    post.send(post.mail(ANNA, message_id="first@rossi.example"), INFO)
    post.decide()
    for from_ in (ANNA, NINA):
        more = "In-Reply-To: <first@rossi.example>\r\n"
        compare(post, post.mail(from_, more=more), INFO, proven=False)


def test_E3_a_reference_in_the_recipient(post: Post) -> None:
    added = add_client(post.app, NewClient(name="Novum"), by=OPERATOR)
    [crm, *_] = client_reference(post.app, added.id, by=OPERATOR).addresses
    compare(post, post.mail(EVA, to=CRM, body=FORWARD), crm, proven=True)
    assert post.lies()[-1]["reason"] == "FILED_TOKEN"


def test_E3_a_drop_address(post: Post) -> None:
    [crm, *_] = show_drop(post.app, EVA, by=OPERATOR).addresses
    content = post.mail("team@shared.example", to=CRM, body=FORWARD)
    compare(post, content, crm, proven=False)
    assert post.lies()[-1]["reason"] == "FILED_FORWARD"
    rotate_drop(post.app, EVA, by=OPERATOR)
    [answer] = post.send(post.mail("team@shared.example", to=CRM), crm)
    told = would(post, content, Asked(rcpt=crm))
    assert (told["state"], told["reason"]) == ("refused", answer.reason.code)
    assert crm not in str(told)


def test_E3_nothing_is_stored(post: Post) -> None:
    before = {name: post.table(name) for name in metadata.tables}
    for sent in MAILS:
        content = post.mail(sent.from_, to=CRM, body=sent.body, more=sent.more)
        would(post, content, Asked(rcpt=CRM))
    assert {name: post.table(name) for name in metadata.tables} == before


def test_E3_a_file_that_is_no_mail_would_fail(post: Post) -> None:
    sample = Sample(size=3, letter=ValueError("It is empty."))
    [found] = WhatIf(post.app, None, Asked(rcpt=INFO)).would([sample])
    assert found is not None
    assert (found["state"], found["reason"]) == ("failed", "UNPARSEABLE")
    assert not isinstance(sample.letter, Letter)
