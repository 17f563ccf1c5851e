"""What a trusted upstream called spam: put aside, counted, told, and released (the row “spam” of the table)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from maild.core import mailbox, rulings
from maild.core.app import OPERATOR, Actor, App
from maild.core.counts import count_mails
from maild.core.history import history_of
from maild.core.spam import mark_of
from maild.core.views import explain_mail
from maild.faces.cli.mail_words import explain_lines
from maild.model.envelope import Door, Trust
from maild.model.reason import Reason, RefusedError
from maild.model.written import SpamHeader
from maild.parse import header_block
from maild.settings import ListenerSettings
from tests.core.company import EVA, JAN, LEA, READER, SIGNED_IN, Post, a_company
from tests.core.conftest import Frozen

YES = SpamHeader("X-Spam-Flag", "YES")
FILTERED = Trust(spam_headers=(YES, SpamHeader("X-Rspamd-Action", "reject")))
MARK = "X-Spam-Flag: YES\r\n"


@pytest.fixture
def post(app: App) -> Post:
    a_company(app)
    return Post(app)


def the_id(post: Post) -> str:
    [row] = post.lies()
    return str(row["ulid"])


def arrivals(post: Post) -> list[dict[str, Any]]:
    [row] = post.lies()
    with post.app.store.read() as tx:
        return tx.lists.arrivals(row["message_id"])


def put_aside(post: Post) -> str:
    """Send one marked mail that would be filed; return its id."""
    post.send(post.mail(more=MARK), trust=FILTERED)
    post.decide()
    assert post.outcome() == ("ignored", "SPAM", None, None)
    return the_id(post)


# --- which fields mark ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("block", "mark"),
    [
        (b"X-Spam-Flag: YES\r\n", "X-Spam-Flag: YES"),
        (b"x-spam-flag:yes\r\n", "X-Spam-Flag: yes"),
        (
            b"X-Spam-Flag: Yes, score=12.3\r\n\trequired=5\r\n",
            "X-Spam-Flag: Yes, score=12.3 required=5",
        ),
        (b"X-Spam-Flag: NO\r\nX-Spam-Flag: YES\r\n", None),
        (b"X-Spam-Flag: YES\r\nX-Spam-Flag: NO\r\n", "X-Spam-Flag: YES"),
        (b"X-Spam-Flag: Yesterday\r\n", None),
        (b"X-Spam-Flag: it is YES\r\n", None),
        (b"X-Spam-Flag:\r\n", None),
        (b"X-Spam-Flag-2: YES\r\n", None),
        (b"Subject: x\r\n", None),
        (b"X-Rspamd-Action: reject\r\n", "X-Rspamd-Action: reject"),
    ],
)
def test_a_field_marks_when_its_topmost_value_begins_with_the_word_that_was_named(
    block: bytes, mark: str | None
) -> None:
    assert mark_of(header_block.fields(block), FILTERED.spam_headers) == mark


def test_a_listener_that_names_no_field_believes_none() -> None:
    assert mark_of(header_block.fields(b"X-Spam-Flag: YES\r\n"), ()) is None


def test_what_is_kept_of_a_mark_is_short_and_can_be_stored() -> None:
    block = b"X-Spam-Flag: YES \x00\xff" + b"x" * 5000 + b"\r\n"
    mark = mark_of(header_block.fields(block), FILTERED.spam_headers)
    assert mark is not None
    assert len(mark) < 150
    assert mark.isprintable()


def test_stars_count_as_they_are_written() -> None:
    stars = (SpamHeader("X-Spam-Level", "*****"),)
    assert mark_of(header_block.fields(b"X-Spam-Level: *******\r\n"), stars) is not None
    assert mark_of(header_block.fields(b"X-Spam-Level: ***\r\n"), stars) is None


def test_the_setting_is_a_list_of_fields_with_their_values() -> None:
    listener = ListenerSettings.model_validate(
        {"spam_headers": ["X-Spam-Flag: YES", "X-Spam-Status:Yes"]}, context={"folder": Path("/")}
    )
    assert listener.spam_headers == (YES, SpamHeader("X-Spam-Status", "Yes"))
    assert ListenerSettings.model_validate({}, context={"folder": Path("/")}).spam_headers == ()


@pytest.mark.parametrize(
    "value", ["X-Spam-Flag", "X-Spam-Flag:", ": YES", "X Spam: YES", "X-Spam: jä", 7]
)
def test_a_setting_that_is_no_field_is_refused_with_an_example(value: object) -> None:
    with pytest.raises(ValueError, match="X-Spam-Flag: YES"):
        ListenerSettings.model_validate({"spam_headers": [value]}, context={"folder": Path("/")})


# --- what becomes of it -----------------------------------------------------------------------------------------------


def test_a_marked_mail_is_kept_and_put_aside_with_the_field_that_says_so(post: Post) -> None:
    put_aside(post)
    [row] = post.lies()
    assert row["facts"] == {"header": "X-Spam-Flag: YES"}
    assert [one["spam_mark"] for one in arrivals(post)] == ["X-Spam-Flag: YES"]
    assert post.table("bodies") == 1


def test_the_same_field_on_a_listener_that_does_not_name_it_says_nothing(post: Post) -> None:
    post.send(post.mail(more=MARK))
    post.decide()
    assert post.outcome()[:2] == ("filed", "FILED_CONTACT")
    assert [one["spam_mark"] for one in arrivals(post)] == [None]


def test_not_even_a_proven_users_mail_is_spared(post: Post) -> None:
    trust = Trust(authenticated_for=("acme.example",), spam_headers=(YES,))
    post.send(
        post.mail("eva@acme.example", to="crm@acme.example", more=MARK),
        "crm@acme.example",
        trust=trust,
    )
    post.decide()
    assert post.outcome()[:2] == ("ignored", "SPAM")


def test_D6_one_marked_arrival_of_several_is_enough_before_it_was_decided(post: Post) -> None:
    mail = post.mail()
    post.send(mail, door=Door.PIPE)
    post.send(MARK.encode() + mail, trust=FILTERED)
    post.decide()
    assert post.outcome()[:2] == ("ignored", "SPAM")
    assert [one["spam_mark"] for one in arrivals(post)] == [None, "X-Spam-Flag: YES"]


def test_D6_an_unmarked_copy_behind_it_changes_nothing(post: Post) -> None:
    mail = post.mail()
    post.send(MARK.encode() + mail, trust=FILTERED)
    post.decide()
    post.send(mail, door=Door.PIPE)
    rulings.retry(post.app, READER, [the_id(post)], by=OPERATOR)
    assert post.outcome()[:2] == ("ignored", "SPAM")


def test_nobody_makes_a_mail_disappear_by_a_marked_copy_behind_it(post: Post) -> None:
    mail = post.mail()
    post.send(mail)
    post.decide()
    before = post.outcome()
    post.send(MARK.encode() + mail, trust=FILTERED)
    rulings.retry(post.app, READER, [the_id(post)], by=OPERATOR)
    assert post.outcome() == before
    trace = explain_mail(post.app, the_id(post), by=OPERATOR)["trace"]
    assert any("it stays" in step["text"] for step in trace)


def test_I3_the_same_bytes_by_a_listener_that_names_fields_are_no_retry_of_those_by_one_that_does_not(
    post: Post,
) -> None:
    mail = post.mail(more=MARK)
    post.send(mail)
    post.send(mail, trust=FILTERED)
    assert [one["spam_mark"] for one in arrivals(post)] == [None, "X-Spam-Flag: YES"]
    post.decide()
    assert post.outcome()[:2] == ("ignored", "SPAM")


def test_D11_a_mail_that_cannot_be_read_is_failed_whatever_its_mark(
    post: Post, clock: Frozen
) -> None:
    post.send(post.mail(body="kill-the-reader", more=MARK), trust=FILTERED)
    for _ in range(3):
        post.decide()
        clock.advance(timedelta(minutes=10))
    assert post.outcome()[:2] == ("failed", "UNPARSEABLE")


# --- telling ----------------------------------------------------------------------------------------------------------


def test_E1_explain_says_which_field_by_which_door_and_what_can_be_done(post: Post) -> None:
    told = explain_mail(post.app, put_aside(post), by=OPERATOR)
    assert told["reason_text"] == "Marked by X-Spam-Flag: YES"
    assert told["repair"] == "release"
    assert told["arrivals"][0]["spam_mark"] == "X-Spam-Flag: YES"
    assert [step["text"] for step in told["trace"]] == [
        "It came in from a mail server (SMTP).",
        "The filter in front of the smtp door marked it as spam: X-Spam-Flag: YES.",
        "SPAM: Marked by X-Spam-Flag: YES.",
    ]
    text = "\n".join(explain_lines(told))
    assert (
        "smtp from 192.0.2.1, <sender@world.example> to info@acme.example; marked as spam: X-Spam-Flag: YES"
        in text
    )
    assert "It came in by smtp from 192.0.2.1, marked as spam (X-Spam-Flag: YES)." in text


def test_it_is_counted_by_inbox_state_and_reason(post: Post) -> None:
    put_aside(post)
    post.send(post.mail())
    post.send(post.mail("eva@acme.example", to="crm@acme.example"), "crm@acme.example")
    post.decide()
    post.send(post.mail(), "crm@acme.example")
    counted = {one["inbox"]: one for one in count_mails(post.app, by=OPERATOR)}
    assert list(counted) == ["crm@acme.example", "info@acme.example", "small@acme.example"]
    info = counted["info@acme.example"]
    assert (info["all"], info["filed"], info["ignored"], info["held"]) == (2, 1, 1, 0)
    assert info["reasons"] == {"FILED_CONTACT": 1, "SPAM": 1}
    crm = counted["crm@acme.example"]
    assert (crm["all"], crm["held"], crm["received"]) == (2, 1, 1)
    assert crm["reasons"] == {"SENDER_NOT_VERIFIED": 1}
    assert counted["small@acme.example"]["all"] == 0


def test_one_inbox_is_counted_alone(post: Post) -> None:
    put_aside(post)
    [one] = count_mails(post.app, "INFO@acme.example", by=Actor(LEA))
    assert (one["inbox"], one["all"]) == ("info@acme.example", 1)
    with pytest.raises(RefusedError) as refused:
        count_mails(post.app, "nobody@acme.example", by=OPERATOR)
    assert refused.value.reason is Reason.NOT_FOUND


def test_M5_a_member_does_not_see_the_figures_of_all_mail(post: Post) -> None:
    with pytest.raises(RefusedError) as refused:
        count_mails(post.app, by=Actor(JAN))
    assert refused.value.reason is Reason.NOT_ALLOWED


# --- releasing --------------------------------------------------------------------------------------------------------


def test_E2_a_released_mail_is_decided_as_if_nothing_had_marked_it(post: Post) -> None:
    ulid = put_aside(post)
    change = rulings.release_mails(post.app, READER, [ulid], by=Actor(LEA))
    assert change.moved == (ulid,)
    assert post.outcome() == ("filed", "FILED_CONTACT", "lea@acme.example", True)
    with post.app.store.read() as tx:
        told = [one.text for one in history_of(tx, tx.mailbox.entry(ulid))]  # type: ignore[arg-type]  # it is there
    assert "Lea wanted it back." in told
    assert told[-1] == "Decided: filed, FILED_CONTACT."


def test_E2_a_released_mail_stays_released_when_it_is_decided_again(post: Post) -> None:
    ulid = put_aside(post)
    rulings.release_mails(post.app, READER, [ulid], by=Actor(LEA))
    rulings.retry(post.app, READER, [ulid], by=OPERATOR)
    assert post.outcome()[:2] == ("filed", "FILED_CONTACT")


def test_M4_a_release_is_undone_like_every_act(post: Post) -> None:
    ulid = put_aside(post)
    change = rulings.release_mails(post.app, READER, [ulid], by=Actor(LEA))
    assert mailbox.newest_change(post.app, 1, by=Actor(LEA)) == change.id
    undone = mailbox.undo(post.app, READER, by=Actor(LEA), change_id=change.id)
    assert undone.moved == (ulid,)
    assert post.outcome() == ("ignored", "SPAM", None, None)
    history = explain_mail(post.app, ulid, by=OPERATOR)["history"]
    assert "Lea put it aside again." in [one["text"] for one in history]
    rulings.release_mails(post.app, READER, [ulid], by=Actor(LEA))
    assert post.outcome() == ("filed", "FILED_CONTACT", "lea@acme.example", True)


def test_M4_a_release_is_not_undone_under_the_hands_of_who_got_the_mail(
    post: Post, clock: Frozen
) -> None:
    ulid = put_aside(post)
    change = rulings.release_mails(post.app, READER, [ulid], by=Actor(LEA))
    clock.advance(timedelta(minutes=1))
    mailbox.give(post.app, [ulid], to=EVA, by=Actor(LEA))
    undone = mailbox.undo(post.app, READER, by=Actor(LEA), change_id=change.id)
    assert (undone.moved, undone.unchanged) == ((), (ulid,))
    assert post.outcome()[2] == "eva@acme.example"


def test_M4_a_dismissed_mail_is_released_to_where_it_lay_and_the_release_undone(post: Post) -> None:
    post.send(post.mail())
    post.decide()
    ulid = the_id(post)
    mailbox.give(post.app, [ulid], to=JAN, by=OPERATOR)
    mailbox.set_unread(post.app, [ulid], unread=False, by=Actor(JAN))
    before = post.outcome()
    rulings.dismiss(post.app, READER, [ulid], by=Actor(JAN))
    change = rulings.release_mails(post.app, READER, [ulid], by=Actor(JAN))
    assert post.outcome() == before == ("filed", "FILED_CONTACT", "jan@acme.example", False)
    mailbox.undo(post.app, READER, by=Actor(JAN), change_id=change.id)
    assert post.outcome() == ("ignored", "DISMISSED", None, None)
    rulings.release_mails(post.app, READER, [ulid], by=Actor(JAN))
    assert post.outcome() == before


def test_a_mail_that_was_not_put_aside_is_not_released_and_none_beside_it(post: Post) -> None:
    spam = put_aside(post)
    post.send(post.mail())
    post.decide()
    filed = next(str(row["ulid"]) for row in post.lies() if row["state"] == "filed")
    with pytest.raises(RefusedError) as refused:
        rulings.release_mails(post.app, READER, [spam, filed], by=OPERATOR)
    assert refused.value.reason is Reason.CONFLICT
    assert {row["state"] for row in post.lies()} == {"ignored", "filed"}


def test_M5_who_has_no_right_to_a_mail_does_not_release_it(post: Post) -> None:
    post.send(
        post.mail(to="crm@acme.example", more=MARK),
        "crm@acme.example",
        trust=FILTERED,
    )
    post.decide()
    with pytest.raises(RefusedError) as refused:
        rulings.release_mails(post.app, READER, [the_id(post)], by=Actor(JAN))
    assert refused.value.reason is Reason.NOT_ALLOWED


def test_E2_what_a_person_filed_is_filed_whatever_its_mark(post: Post) -> None:
    ulid = put_aside(post)
    rulings.file_by_hand(post.app, READER, [ulid], client="C2", by=Actor(LEA))
    assert post.outcome()[:2] == ("filed", "FILED_BY_HAND")


def test_F7_a_machines_mail_that_is_released_is_treated_as_normal(post: Post) -> None:
    post.send(
        post.mail(
            "eva@acme.example", to="crm@acme.example", more="Auto-Submitted: auto-replied\r\n"
        ),
        "crm@acme.example",
        trust=SIGNED_IN,
    )
    post.decide()
    assert post.outcome()[:2] == ("ignored", "AUTO_REPLY")
    rulings.release_mails(post.app, READER, [the_id(post)], by=Actor(LEA))
    assert post.outcome()[0] != "ignored"
