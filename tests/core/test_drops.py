"""U7: what comes to a drop address is its owner's, whoever From names; and the address stays secret."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from maild.core.accept import accept, recipient
from maild.core.app import OPERATOR, Actor, App
from maild.core.drops import DEAD_FOR, DropView, rotate_drop, show_drop
from maild.core.seal import SealingKey
from maild.core.views import explain_mail
from maild.model.envelope import Collected, Door
from maild.model.reason import Reason, RefusedError
from maild.store import people_tables
from maild.store.metadata import metadata
from tests.core.company import EVA, JAN, LEA, Post, a_company
from tests.core.conftest import Frozen

FORWARD = (
    "---------- Forwarded message ---------\r\nFrom: Anna Rossi <anna@rossi.example>\r\n"
    "Date: Thu, 19 Nov 2026 at 10:00\r\nSubject: Order\r\nTo: <eva@acme.example>\r\n\r\nWe order."
)


@pytest.fixture
def post(app: App) -> Post:
    a_company(app)
    return Post(replace(app, key=SealingKey.of("0123456789abcdef" * 3)))


def drop(post: Post, who: str = "eva") -> DropView:
    return show_drop(post.app, f"{who}@acme.example", by=OPERATOR)


def outcome(post: Post) -> Any:
    post.decide()
    return post.outcome()


def test_U7_it_is_the_same_at_every_look_and_at_every_inbox_of_the_account(post: Post) -> None:
    first = drop(post)
    assert drop(post) == first
    locals_ = [address.partition("+")[0] for address in first.addresses]
    assert locals_ == ["crm", "info", "small"], "the forward inbox comes first"
    tags = {address.partition("+")[2].partition("@")[0] for address in first.addresses}
    assert [len(tag) for tag in tags] == [26]
    assert tags.isdisjoint(
        address.partition("+")[2].partition("@")[0] for address in drop(post, "jan").addresses
    )


@pytest.mark.parametrize("from_", ["team@shared.example", "anybody at all", "jan@acme.example"])
def test_U7_a_forward_to_it_is_its_owners_whoever_it_is_from(post: Post, from_: str) -> None:
    address = drop(post).addresses[0]
    post.send(post.mail(from_, to=address, body=FORWARD), address)
    assert outcome(post) == ("filed", "FILED_FORWARD", "eva@acme.example", False)


def test_U7_the_same_mail_to_the_inbox_itself_is_held(post: Post) -> None:
    post.send(
        post.mail("team@shared.example", to="crm@acme.example", body=FORWARD), "crm@acme.example"
    )
    assert outcome(post)[:2] == ("held", "SENDER_UNKNOWN")


def test_U7_a_clients_mail_that_a_server_passed_on_to_it_is_filed_under_that_client(
    post: Post,
) -> None:
    address = drop(post).addresses[0]
    post.send(post.mail("anna@rossi.example", to="team@shared.example"), address)
    assert outcome(post)[:2] == ("filed", "FILED_CONTACT")


def test_U7_in_the_header_alone_it_counts_for_nothing(post: Post) -> None:
    address = drop(post).addresses[0]
    post.send(post.mail("team@shared.example", to=address, body=FORWARD), "crm@acme.example")
    assert outcome(post)[:2] == ("held", "SENDER_UNKNOWN")


def test_U7_what_a_collected_mail_names_is_no_envelope(post: Post) -> None:
    address = drop(post).addresses[0]
    mail = post.mail("team@shared.example", to=address, body=FORWARD)
    incoming = post.incoming(mail, address, door=Door.IMAP)
    collected = replace(incoming.envelope, collected=Collected(source_id=1, copy_id=1))
    accept(post.app, [replace(incoming, envelope=collected)])
    assert outcome(post)[:2] == ("held", "SENDER_UNKNOWN")


def test_U7_in_to_beside_a_client_it_is_held(
    post: Post,
) -> None:
    address = drop(post).addresses[0]
    mail = post.mail("eva@private.example", to=f"{address}, marc@dupont.example")
    post.send(mail, address)
    assert outcome(post)[:2] == ("held", "DROP_ADDRESS_EXPOSED")


def test_U7_two_peoples_at_a_time_prove_nothing(post: Post) -> None:
    both = [drop(post, who).addresses[0] for who in ("eva", "jan")]
    post.send(post.mail("team@shared.example", to="x@y.example", body=FORWARD), *both)
    assert outcome(post)[:2] == ("held", "SENDER_UNKNOWN")


def test_U7_rotated_it_is_refused_by_its_own_words_for_thirty_days(
    post: Post, clock: Frozen
) -> None:
    old = drop(post).addresses[0]
    new = rotate_drop(post.app, "eva@acme.example", by=OPERATOR).addresses[0]
    assert old != new
    answer, _ = recipient(post.app, old, None)
    assert answer.reason is Reason.DROP_ADDRESS_ROTATED
    assert (answer.reason.value.smtp, answer.reason.value.enhanced) == (550, "5.1.6")
    [late] = post.send(post.mail(to=old), old)
    assert late.reason is Reason.DROP_ADDRESS_ROTATED, "a door that had asked before"
    assert recipient(post.app, new, None)[0].reason is Reason.RECIPIENT_OK
    clock.advance(DEAD_FOR + timedelta(seconds=1))
    assert recipient(post.app, old, None)[0].reason is Reason.RECIPIENT_OK, "a +tag like any other"


def test_U7_it_is_nowhere_to_be_read(post: Post) -> None:
    address = drop(post).addresses[0]
    tag = address.partition("+")[2].partition("@")[0]
    post.send(post.mail("team@shared.example", to=address, body=FORWARD), address)
    post.decide()
    [row] = post.lies()
    told = repr(explain_mail(post.app, row["ulid"], by=OPERATOR))
    assert tag not in told
    assert "crm+***@acme.example" in told
    with post.app.store.read() as tx:
        for table in metadata.sorted_tables:
            if table.name not in {"bodies", "readings"}:  # What the mail itself says.
                rows = repr(tx.connection.execute(select(table)).fetchall())
                assert tag not in rows, table.name


def test_U7_another_key_finds_nothing(post: Post) -> None:
    address = drop(post).addresses[0]
    other = Post(replace(post.app, key=SealingKey.of("another key of forty characters at least")))
    other.send(other.mail("team@shared.example", to="x@y.example", body=FORWARD), address)
    assert outcome(other)[:2] == ("held", "SENDER_UNKNOWN")
    with pytest.raises(RefusedError, match="Rotate it"):
        show_drop(other.app, "eva@acme.example", by=OPERATOR)


@pytest.mark.parametrize("by", [Actor(JAN), Actor(LEA)])
def test_U7_it_is_told_to_its_owner_and_to_admins_alone(post: Post, by: Actor) -> None:
    with pytest.raises(RefusedError) as refused:
        show_drop(post.app, "eva@acme.example", by=by)
    with pytest.raises(RefusedError) as unknown:
        show_drop(post.app, "nobody@acme.example", by=by)
    assert str(refused.value) == str(unknown.value), "nor does the answer tell who is there"
    assert show_drop(post.app, "eva@acme.example", by=Actor(EVA)).email == "eva@acme.example"


def test_U7_a_member_who_left_owns_nothing(post: Post) -> None:
    address = drop(post).addresses[0]
    with post.app.store.write() as tx:
        tx.connection.execute(
            update(people_tables.memberships)
            .where(people_tables.memberships.c.user_id == EVA)
            .values(state="refused")
        )
    post.send(post.mail("team@shared.example", to="x@y.example", body=FORWARD), address)
    assert outcome(post)[:2] == ("held", "NOT_A_MEMBER")


def test_U7_a_user_who_is_switched_off_sends_nothing(post: Post, clock: Frozen) -> None:
    address = drop(post).addresses[0]
    with post.app.store.write() as tx:
        tx.connection.execute(
            update(people_tables.users)
            .where(people_tables.users.c.id == EVA)
            .values(disabled_at=clock())
        )
    post.send(post.mail("team@shared.example", to="x@y.example", body=FORWARD), address)
    assert outcome(post)[:2] == ("held", "USER_INACTIVE")


def test_U7_without_a_key_there_is_none_and_the_sentence_says_so(post: Post) -> None:
    keyless = replace(post.app, key=None)
    with pytest.raises(RefusedError, match="secret_key"):
        show_drop(keyless, "eva@acme.example", by=OPERATOR)
    address = f"crm+{'a' * 26}@acme.example"
    assert recipient(keyless, address, None)[0].reason is Reason.RECIPIENT_OK
