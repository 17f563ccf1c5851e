"""What signing in at the door proves: that this user sent it, and nothing for anybody else (I3)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import insert, update

from maild.core.accept import accept
from maild.core.addresses import add_address
from maild.core.app import OPERATOR, App
from maild.core.views import explain_mail
from maild.model.people import MemberState
from maild.store.people_tables import accounts, memberships
from tests.core.company import EVA, JAN, Post, a_company
from tests.core.conftest import Frozen

EVAS, JANS = "eva@acme.example", "jan@acme.example"
FORWARD = (
    "---------- Forwarded message ---------\r\nFrom: Anna Rossi <anna@rossi.example>\r\n"
    "Date: Thu, Nov 19, 2026 at 9:00 AM\r\nSubject: Offer\r\nTo: <eva@acme.example>\r\n\r\nPlease send it.\r\n"
)


@pytest.fixture
def post(app: App) -> Post:
    a_company(app)
    return Post(app)


def submit(post: Post, from_: str, signed_in: int | None, *, content: bytes | None = None) -> bytes:
    """Hand a forward in to crm@, where a sender is to be proven; return its bytes."""
    mail = content or post.mail(from_, to="crm@acme.example", body=FORWARD)
    incoming = post.incoming(mail, "crm@acme.example")
    envelope = replace(incoming.envelope, signed_in_user_id=signed_in)
    [[answer]] = accept(post.app, [replace(incoming, envelope=envelope)])
    assert answer.is_accepted
    return mail


def outcome(post: Post) -> tuple[str, str, str | None]:
    post.decide()
    [row] = post.lies()
    return row["state"], row["reason"], row["user"]


def trace(post: Post) -> str:
    [row] = post.lies()
    return str(explain_mail(post.app, row["ulid"], by=OPERATOR))


def test_I3_a_users_mail_is_theirs_when_they_signed_in(post: Post) -> None:
    submit(post, EVAS, EVA)
    assert outcome(post) == ("filed", "FILED_FORWARD", EVAS)
    assert "Eva signed in to send it" in trace(post)


def test_I3_the_same_mail_without_signing_in_is_held(post: Post) -> None:
    submit(post, EVAS, None)
    assert outcome(post) == ("held", "SENDER_NOT_VERIFIED", None)


def test_I3_who_signed_in_is_no_proof_for_somebody_else_and_is_named(post: Post) -> None:
    submit(post, EVAS, JAN)
    assert outcome(post) == ("held", "SENDER_NOT_VERIFIED", None)
    assert "Jan signed in to send it" in trace(post)


def test_I3_every_confirmed_address_of_who_signed_in_is_proven(post: Post) -> None:
    add_address(post.app, EVAS, "e.moser@home.example", sends_as=True, confirm=True, by=OPERATOR)
    submit(post, "e.moser@home.example", EVA)
    assert outcome(post) == ("filed", "FILED_FORWARD", EVAS)


def test_U5_an_address_that_is_not_confirmed_does_not_count_for_who_signed_in(post: Post) -> None:
    add_address(post.app, EVAS, "e.moser@home.example", sends_as=True, confirm=False, by=OPERATOR)
    submit(post, "e.moser@home.example", EVA)
    assert outcome(post) == ("held", "ALIAS_NOT_VERIFIED", None)


def test_R15_who_signed_in_and_is_of_another_company_is_not_named(post: Post) -> None:
    with post.app.store.write() as tx:
        tx.connection.execute(
            update(memberships)
            .where(memberships.c.user_id == JAN)
            .values(state=MemberState.REFUSED)
        )
    submit(post, EVAS, JAN)
    assert outcome(post) == ("held", "SENDER_NOT_VERIFIED", None)
    assert "Jan" not in trace(post)
    assert "somebody else signed in" in trace(post)


def test_I3_who_signed_in_but_is_not_in_the_account_is_no_sender_there(post: Post) -> None:
    with post.app.store.write() as tx:
        tx.connection.execute(
            insert(accounts).values(
                id=2, slug="globex", name="Globex", settings={}, created_at=post.app.clock()
            )
        )
        tx.connection.execute(
            update(memberships).where(memberships.c.user_id == EVA).values(account_id=2)
        )
    submit(post, EVAS, EVA)
    assert outcome(post)[:2] == ("held", "NOT_A_MEMBER")


def test_D6_a_mail_that_comes_again_by_who_signs_in_is_no_retry_and_is_decided_anew(
    post: Post, clock: Frozen
) -> None:
    mail = submit(post, EVAS, None)
    assert outcome(post)[:2] == ("held", "SENDER_NOT_VERIFIED")
    clock.advance(timedelta(minutes=1))
    submit(post, EVAS, EVA, content=mail)
    assert outcome(post) == ("filed", "FILED_FORWARD", EVAS)
    assert post.table("arrivals") == 2


def test_D6_the_same_from_the_same_user_is_a_retry(post: Post) -> None:
    mail = submit(post, EVAS, EVA)
    submit(post, EVAS, EVA, content=mail)
    assert post.table("arrivals") == 1


def test_I3_two_who_signed_in_with_one_mail_prove_it_for_its_author(post: Post) -> None:
    mail = submit(post, EVAS, JAN)
    submit(post, EVAS, EVA, content=mail)
    assert outcome(post) == ("filed", "FILED_FORWARD", EVAS)
