"""Accepting: every arrival kept, none stored twice (D1, D6), and sizes by inbox (D2)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from maild.core.accept import accept, recipient
from maild.core.app import App
from maild.model.envelope import Door
from maild.model.reason import Answer, Reason
from tests.core.company import Post, a_company
from tests.core.conftest import Frozen


@pytest.fixture
def post(app: App) -> Post:
    a_company(app)
    return Post(app)


def reasons(answers: list[Answer]) -> list[Reason]:
    return [answer.reason for answer in answers]


def test_D6_the_same_bytes_by_the_same_door_are_a_retry_and_answered_as_the_first_time(
    post: Post,
) -> None:
    mail = post.mail()
    first = post.send(mail)
    assert post.send(mail) == first
    assert (post.table("messages"), post.table("arrivals"), post.table("deliveries")) == (1, 1, 1)


def test_D6_a_retry_in_the_same_batch_is_one_mail(post: Post) -> None:
    mail = post.mail()
    answers = accept(
        post.app, [post.incoming(mail), post.incoming(mail), post.incoming(post.mail())]
    )
    assert answers[0] == answers[1] != answers[2]
    assert (post.table("messages"), post.table("arrivals")) == (2, 2)


def test_D6_the_same_mail_by_another_door_is_one_delivery_with_two_arrivals(post: Post) -> None:
    mail = post.mail()
    first = post.send(mail)
    second = post.send(b"Received: by mx.acme.example; now\r\n" + mail, door=Door.LMTP)
    assert first == second
    assert (post.table("messages"), post.table("arrivals"), post.table("deliveries")) == (1, 2, 1)


def test_D6_the_same_mail_to_a_second_inbox_is_one_message_and_two_deliveries(post: Post) -> None:
    mail = post.mail()
    post.send(mail, "info@acme.example")
    post.send(mail, "crm@acme.example")
    assert (post.table("messages"), post.table("deliveries")) == (1, 2)


def test_D6_the_same_message_id_with_another_body_is_two_mails(post: Post) -> None:
    post.send(post.mail(body="one", message_id="same@test"))
    post.send(post.mail(body="two", message_id="same@test"))
    assert post.table("messages") == 2


def test_D6_the_body_counts_even_where_lines_end_with_a_bare_line_feed(post: Post) -> None:
    """LMTP keeps odd bytes: a mail without CRLF still has a body that tells it from another."""
    one = post.mail(body="one", message_id="same@test").replace(b"\r\n", b"\n")
    two = post.mail(body="two", message_id="same@test").replace(b"\r\n", b"\n")
    post.send(one.replace(b"Subject: one", b"Subject: x"), door=Door.LMTP)
    post.send(two.replace(b"Subject: two", b"Subject: x"), door=Door.LMTP)
    assert post.table("messages") == 2


def test_D6_a_machines_nightly_mail_without_message_id_is_new_each_night(
    post: Post, clock: Frozen
) -> None:
    mail = post.mail(body="backup OK", message_id=None)
    post.send(mail)
    clock.advance(timedelta(minutes=10))
    post.send(mail)
    assert post.table("messages") == 1
    clock.advance(timedelta(hours=24))
    post.send(mail)
    assert (post.table("messages"), post.table("deliveries")) == (2, 2)


def test_D6_a_retry_after_six_days_is_still_a_retry_and_after_eight_a_further_arrival(
    post: Post, clock: Frozen
) -> None:
    mail = post.mail()
    post.send(mail)
    clock.advance(timedelta(days=6))
    post.send(mail)
    assert post.table("arrivals") == 1
    clock.advance(timedelta(days=2))
    post.send(mail)
    assert (post.table("messages"), post.table("arrivals")) == (1, 2)


def test_D6_another_envelope_sender_is_no_retry_but_the_same_mail(post: Post) -> None:
    mail = post.mail()
    post.send(mail, mail_from="a@world.example")
    post.send(mail, mail_from="b@world.example")
    assert (post.table("messages"), post.table("arrivals")) == (1, 2)


def test_D2_each_recipient_has_its_own_fate_by_its_inboxs_size(post: Post) -> None:
    answers = post.send(post.mail(body="x" * 3000), "info@acme.example", "small@acme.example")
    assert reasons(answers) == [Reason.ACCEPTED, Reason.TOO_LARGE]
    assert post.table("deliveries") == 1


def test_D2_a_mail_that_nobody_may_take_leaves_no_row(post: Post) -> None:
    answers = post.send(post.mail(body="x" * 3000), "small@acme.example", "nobody@acme.example")
    assert reasons(answers) == [Reason.TOO_LARGE, Reason.NO_SUCH_RECIPIENT]
    assert [post.table(name) for name in ("messages", "arrivals", "bodies", "events")] == [
        0,
        0,
        0,
        0,
    ]


def test_one_inbox_named_twice_gets_one_delivery_and_every_name_an_answer(post: Post) -> None:
    answers = post.send(
        post.mail(), "info@acme.example", "INFO@Acme.example", "info+tag@acme.example"
    )
    assert reasons(answers) == [Reason.ACCEPTED] * 3
    assert post.table("deliveries") == 1


def test_a_large_body_is_a_file_that_holds_exactly_the_bytes(post: Post) -> None:
    mail = post.mail(body="0123456789abcdef" * 10_000)
    post.send(mail)
    [row] = post.lies()
    path = post.app.store.bodies.path(1, str(row["digest"]))
    assert path.read_bytes() == mail
    assert list(post.app.store.bodies.tmp.iterdir()) == []


def test_D2_recipients_are_asked_for_by_name_tag_and_size(post: Post) -> None:
    asked = {
        address: recipient(post.app, address, size)[0].reason
        for address, size in {
            "info@acme.example": None,
            "info+anything@acme.example": 100,
            "small@acme.example": 5000,
            "nobody@acme.example": None,
            "no address": None,
        }.items()
    }
    assert list(asked.values()) == [
        Reason.RECIPIENT_OK,
        Reason.RECIPIENT_OK,
        Reason.TOO_LARGE,
        Reason.NO_SUCH_RECIPIENT,
        Reason.BAD_RECIPIENT,
    ]


def test_a_batch_that_fails_leaves_nothing_behind(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    from maild.store.intake import IntakeRows

    def fail(*_: object) -> None:
        raise RuntimeError("disk on fire")

    monkeypatch.setattr(IntakeRows, "add_events", fail)
    with pytest.raises(RuntimeError):
        post.send(post.mail())
    assert [post.table(name) for name in ("messages", "arrivals", "bodies", "deliveries")] == [
        0,
        0,
        0,
        0,
    ]
