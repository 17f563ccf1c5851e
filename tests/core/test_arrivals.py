"""Every coming-in of a mail is an arrival, none is stored twice, and `explain` tells them all (D6, E1)."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from maild.core.app import OPERATOR, App
from maild.core.views import explain_mail
from maild.faces.cli.mail_words import explain_lines
from maild.model.envelope import Door
from maild.model.reason import Reason
from tests.core.company import Post, a_company
from tests.core.conftest import Frozen

DOORS = (Door.SMTP, Door.LMTP, Door.PIPE, Door.HTTP)
TRACES = {
    Door.SMTP: b"",
    Door.LMTP: b"Return-Path: <anna@rossi.example>\r\nDelivered-To: info@acme.example\r\n"
    b"Received: by mx.acme.example with LMTP; Fri, 20 Nov 2026 09:00:02 +0000\r\n",
    Door.PIPE: b"DKIM-Signature: v=1; d=rossi.example; b=abc\r\nX-Mailing: 1\r\nX-Original-To: info@acme.example\r\n",
    Door.HTTP: b"Authentication-Results: mx.acme.example; spf=pass\r\nX-Spam-Score: 0.1\r\n"
    b"ARC-Seal: i=1; a=rsa-sha256\r\nReceived: from a by b\r\n",
}
"""What different ways put on top of one and the same mail."""


@pytest.fixture
def post(app: App) -> Post:
    a_company(app)
    return Post(app)


def explained(post: Post) -> list[dict[str, Any]]:
    """Return what `explain` tells of each mail, oldest first."""
    return [explain_mail(post.app, str(row["ulid"]), by=OPERATOR) for row in post.lies()]


def send_by(post: Post, door: Door, mail: bytes, *, traced: bool = True) -> str:
    """Send a mail by a door; return the id that the peer hears."""
    [answer] = post.send((TRACES[door] if traced else b"") + mail, door=door)
    assert answer.reason is Reason.ACCEPTED
    return str(answer.facts["ref"])


# --- one mail by several ways -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("doors", list(permutations(DOORS)), ids="-".join)
def test_D6_one_mail_by_four_doors_in_any_order_is_one_delivery_with_four_arrivals(
    post: Post, doors: tuple[Door, ...]
) -> None:
    mail = post.mail()
    ids = {send_by(post, door, mail) for door in doors}
    post.decide()
    [told] = explained(post)
    assert ids == {told["id"]}
    assert [one["door"] for one in told["arrivals"]] == [door.value for door in doors]
    assert len({one["digest"] for one in told["arrivals"]}) == 4
    assert told["reason"] == "FILED_CONTACT"
    assert told["marks"] == []


def test_D6_a_copy_that_comes_after_the_decision_is_one_more_arrival_and_changes_nothing(
    post: Post,
) -> None:
    mail = post.mail()
    send_by(post, Door.SMTP, mail)
    post.decide()
    before = post.outcome()
    for door in (Door.LMTP, Door.PIPE, Door.HTTP):
        send_by(post, door, mail)
        post.decide()
    assert post.outcome() == before
    assert (post.table("messages"), post.table("entries"), post.table("arrivals")) == (1, 1, 4)


def test_D6_a_mail_whose_lines_end_with_lf_is_the_same_mail(post: Post) -> None:
    """LMTP keeps bare line feeds; the pipe and HTTP make them CRLF."""
    mail = post.mail(body="The offer that you asked for:\r\n\r\nyes")
    send_by(post, Door.HTTP, mail, traced=False)
    send_by(post, Door.LMTP, mail.replace(b"\r\n", b"\n"), traced=False)
    assert (post.table("messages"), post.table("arrivals")) == (1, 2)


def test_D6_line_ends_at_the_very_end_make_no_other_mail(post: Post) -> None:
    mail = post.mail()
    send_by(post, Door.SMTP, mail)
    send_by(post, Door.PIPE, mail + b"\r\n\r\n")
    send_by(post, Door.HTTP, mail.rstrip(b"\r\n"))
    assert (post.table("messages"), post.table("arrivals")) == (1, 3)


# --- retries ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("door", DOORS)
def test_D6_a_retry_by_any_door_is_counted_and_stores_nothing_new(
    post: Post, clock: Frozen, door: Door
) -> None:
    mail = post.mail()
    first = send_by(post, door, mail)
    rows = [post.table(name) for name in ("messages", "arrivals", "deliveries", "bodies", "events")]
    for _ in range(3):
        clock.advance(timedelta(hours=1))
        assert send_by(post, door, mail) == first
    again = [
        post.table(name) for name in ("messages", "arrivals", "deliveries", "bodies", "events")
    ]
    assert again == rows
    [told] = explained(post)
    [arrival] = told["arrivals"]
    assert (arrival["retries"], arrival["last_retry_at"]) == (3, "2026-11-20T12:42:00Z")


def test_D6_a_retry_by_one_door_is_counted_where_that_door_brought_it(post: Post) -> None:
    mail = post.mail()
    for door in (Door.SMTP, Door.HTTP, Door.HTTP, Door.SMTP, Door.HTTP):
        send_by(post, door, mail, traced=False)
    [told] = explained(post)
    assert [(one["door"], one["retries"]) for one in told["arrivals"]] == [("smtp", 1), ("http", 2)]


@pytest.mark.parametrize(("days", "arrivals"), [(6.9, 1), (7.1, 2)])
def test_D6_a_retry_is_one_for_seven_days_and_then_a_further_arrival(
    post: Post, clock: Frozen, days: float, arrivals: int
) -> None:
    mail = post.mail()
    send_by(post, Door.HTTP, mail)
    clock.advance(timedelta(days=days))
    send_by(post, Door.HTTP, mail)
    assert (post.table("messages"), post.table("arrivals")) == (1, arrivals)


# --- mail without a name of its own -----------------------------------------------------------------------------------


@pytest.mark.parametrize("door", DOORS)
def test_D6_a_devices_nightly_mail_is_new_each_night_and_a_retry_within_a_quarter_of_an_hour(
    post: Post, clock: Frozen, door: Door
) -> None:
    mail = post.mail("nas@acme.example", body="backup OK", message_id=None)
    nights = set()
    for _ in range(3):
        nights.add(send_by(post, door, mail))
        clock.advance(timedelta(minutes=14))
        assert send_by(post, door, mail) in nights
        clock.advance(timedelta(hours=23, minutes=46))
    assert len(nights) == 3
    assert (post.table("messages"), post.table("arrivals"), post.table("deliveries")) == (3, 3, 3)


def test_D6_without_date_a_message_id_alone_names_no_mail(post: Post, clock: Frozen) -> None:
    mail = post.mail(body="backup OK", message_id="device@nas").replace(b"Date:", b"X-Date:")
    send_by(post, Door.SMTP, mail)
    clock.advance(timedelta(hours=24))
    send_by(post, Door.SMTP, mail)
    assert post.table("messages") == 2


def test_D6_no_message_id_is_no_reason_to_swallow_another_mail(post: Post) -> None:
    for body in ("backup OK", "backup FAILED"):
        send_by(post, Door.PIPE, post.mail(body=body, message_id=None))
    post.decide()
    assert [told["marks"] for told in explained(post)] == [[], []]


# --- one Message-ID, two mails ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("doors", [(Door.SMTP, Door.SMTP), (Door.SMTP, Door.HTTP)])
@pytest.mark.parametrize("decided_between", [True, False])
def test_D6_the_same_message_id_with_other_content_is_two_mails_and_each_is_marked(
    post: Post, doors: tuple[Door, Door], *, decided_between: bool
) -> None:
    for door, body in zip(doors, ("the true one", "another one"), strict=True):
        send_by(post, door, post.mail(body=body, message_id="same@rossi.example"))
        if decided_between:
            post.decide()
    post.decide()
    one, two = explained(post)
    for told, other in ((one, two), (two, one)):
        assert [mark["code"] for mark in told["marks"]] == ["SAME_ID_OTHER_CONTENT"]
        assert told["same_message_id"] == [other["id"]]
        assert told["reason"] == "FILED_CONTACT"


def test_D6_a_third_mail_of_that_message_id_is_told_with_the_other_two(post: Post) -> None:
    for body in ("one", "two", "three"):
        send_by(post, Door.SMTP, post.mail(body=body, message_id="same@rossi.example"))
    post.decide()
    ids = [told["id"] for told in explained(post)]
    for told in explained(post):
        assert told["same_message_id"] == [one for one in ids if one != told["id"]]


# --- the sentences ----------------------------------------------------------------------------------------------------


def test_E1_explain_tells_each_arrival_its_door_its_peer_its_time_and_its_retries(
    post: Post, clock: Frozen
) -> None:
    mail = post.mail()
    send_by(post, Door.SMTP, mail)
    clock.advance(timedelta(minutes=5))
    for _ in range(3):
        send_by(post, Door.HTTP, mail)
        clock.advance(timedelta(minutes=1))
    send_by(post, Door.PIPE, mail)
    send_by(post, Door.PIPE, mail)
    post.decide()
    [told] = explained(post)
    lines = list(explain_lines(told))
    way = "from 192.0.2.1, <sender@world.example> to info@acme.example"
    assert lines[lines.index("How it came in") + 1 :][:3] == [
        f"  2026-11-20 09:42 UTC  smtp {way}",
        f"  2026-11-20 09:47 UTC  http {way}; offered again 2 times, last 2026-11-20 09:49 UTC",
        f"  2026-11-20 09:50 UTC  pipe {way}; offered again once, last 2026-11-20 09:50 UTC",
    ]
    text = "\n".join(lines)
    assert (
        "It came in from a mail server (SMTP), and over the web (HTTP), and from a program on the server."
        in text
    )
    assert "It came in by http from 192.0.2.1, and was offered again 2 times." in text
    assert "It came in by pipe from 192.0.2.1, and was offered again once." in text


def test_E1_explain_says_what_else_has_its_message_id(post: Post) -> None:
    for body in ("one", "two"):
        send_by(post, Door.SMTP, post.mail(body=body, message_id="same@rossi.example"))
    post.decide()
    one, two = explained(post)
    text = "\n".join(explain_lines(one))
    assert "SAME_ID_OTHER_CONTENT: Message-ID was used before with other content (compare)" in text
    assert f"Other mails with its Message-ID: {two['id']}" in text


def test_E1_a_mail_that_came_once_is_told_once(post: Post) -> None:
    send_by(post, Door.SMTP, post.mail())
    post.decide()
    [told] = explained(post)
    text = "\n".join(explain_lines(told))
    assert "offered again" not in text
    assert "Other mails with its Message-ID" not in text
