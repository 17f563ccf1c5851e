"""From accepted to placed, given and undone: the life of a mail on a real store (D11, E1, E2, I3, M1-M5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from maild.core import mailbox, rulings, views
from maild.core.app import OPERATOR, Actor, App
from maild.core.decide import decide_due
from maild.core.mailbox import give, newest_change, set_status, set_unread, take, undo
from maild.model.envelope import Door
from maild.model.reason import Reason, RefusedError
from maild.store.facts import TWINS_MOST
from maild.store.settling import SettlingRows
from tests.core.company import EVA, JAN, LEA, READER, SIGNED_IN, InProcess, Post, a_company
from tests.core.conftest import Frozen

FORWARD = (
    "---------- Forwarded message ---------\r\nFrom: Anna Rossi <anna@rossi.example>\r\n"
    "Date: Thu, 19 Nov 2026 at 09:00\r\nSubject: Offer\r\nTo: <eva@acme.example>\r\n\r\nThe offer.\r\n"
)


@pytest.fixture
def post(app: App) -> Post:
    a_company(app)
    return Post(app)


def a_mail_in_the_mailbox(post: Post) -> str:
    post.send(post.mail())
    post.decide()
    return str(post.lies()[-1]["ulid"])


def refusal(error: pytest.ExceptionInfo[RefusedError]) -> Reason:
    return error.value.reason


# --- deciding -----------------------------------------------------------------------------------------------------------


def test_a_client_who_writes_to_info_is_filed_and_lies_unread_with_the_distributor(
    post: Post,
) -> None:
    a_mail_in_the_mailbox(post)
    assert post.outcome() == ("filed", "FILED_CONTACT", "lea@acme.example", True)


def test_a_signed_in_users_forward_is_filed_and_stays_read_with_the_forwarder(post: Post) -> None:
    post.send(
        post.mail("eva@acme.example", to="crm@acme.example", body=FORWARD),
        "crm@acme.example",
        trust=SIGNED_IN,
    )
    post.decide()
    assert post.outcome() == ("filed", "FILED_FORWARD", "eva@acme.example", False)


def test_I3_typing_a_users_from_is_no_proof(post: Post) -> None:
    post.send(post.mail("eva@acme.example", body=FORWARD), "crm@acme.example")
    post.decide()
    assert post.outcome() == ("held", "SENDER_NOT_VERIFIED", "lea@acme.example", True)


def test_I3_the_same_mail_by_a_door_that_proves_it_is_decided_again(post: Post) -> None:
    mail = post.mail("eva@acme.example", to="crm@acme.example", body=FORWARD)
    post.send(mail, "crm@acme.example")
    post.decide()
    post.send(mail, "crm@acme.example", door=Door.LMTP, trust=SIGNED_IN)
    post.decide()
    state, reason, owner, _ = post.outcome()
    assert (state, reason, owner) == ("filed", "FILED_FORWARD", "eva@acme.example")


def test_F4_an_answer_in_a_filed_thread_is_filed_there_for_its_participants_only(
    post: Post,
) -> None:
    post.send(
        post.mail(
            "anna@rossi.example",
            to="info@acme.example, boss@elsewhere.example",
            message_id="t@rossi",
        )
    )
    post.decide()
    answer = "In-Reply-To: <t@rossi>\r\n"
    post.send(post.mail("boss@elsewhere.example", body="mine", more=answer))
    post.send(post.mail("nosy@elsewhere.example", body="not mine", more=answer))
    post.decide()
    assert [row["reason"] for row in post.lies()] == [
        "FILED_CONTACT",
        "FILED_THREAD",
        "CLIENT_NOT_FOUND",
    ]


def test_D6_mails_of_one_message_id_with_other_content_are_each_marked(post: Post) -> None:
    for body in ("one", "two"):
        post.send(post.mail(body=body, message_id="same@test"))
        post.decide()
    marks = [[mark["code"] for mark in row["beside"]] for row in post.lies()]
    assert marks == [["SAME_ID_OTHER_CONTENT"], ["SAME_ID_OTHER_CONTENT"]]


def test_T6_a_peer_that_uses_one_message_id_for_ever_makes_no_decision_dearer(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first was decided before there was another; all others come at once, far more than are looked at."""
    marked: list[int] = []
    mark_twins = SettlingRows.mark_twins

    def counting(
        rows: SettlingRows, account_id: int, message_ids: Sequence[int], mark: dict[str, Any]
    ) -> None:
        marked.append(len(message_ids))
        mark_twins(rows, account_id, message_ids, mark)

    monkeypatch.setattr(SettlingRows, "mark_twins", counting)
    post.send(post.mail(body="first", message_id="same@test"))
    post.decide()
    for number in range(3 * TWINS_MOST):
        post.send(post.mail(body=f"{number}", message_id="same@test"))
    post.decide()
    marks = [[mark["code"] for mark in row["beside"]] for row in post.lies()]
    assert marks == [["SAME_ID_OTHER_CONTENT"]] * (1 + 3 * TWINS_MOST)
    assert max(marked) <= TWINS_MOST
    monkeypatch.setattr(views, "TWINS_SHOWN", 7)
    *older, newest = [row["ulid"] for row in post.lies()]
    assert views.explain_mail(post.app, newest, by=OPERATOR)["same_message_id"] == older[:7]


def test_D11_a_mail_that_kills_its_reader_is_tried_three_times_and_stops_nobody(
    post: Post, clock: Frozen
) -> None:
    post.send(post.mail(body="kill-the-reader"))
    post.send(post.mail(body="good"))
    for _ in range(3):
        post.decide()
        assert post.lies()[1]["state"] == "filed"
        clock.advance(timedelta(minutes=1))
    [bad, _] = post.lies()
    assert (bad["state"], bad["reason"], bad["owner"]) == (
        "failed",
        "UNPARSEABLE",
        "lea@acme.example",
    )


def test_D11_a_failed_mail_heals_by_retry_in_place(post: Post, clock: Frozen) -> None:
    post.send(post.mail(body="kill-the-reader"))
    for _ in range(3):
        post.decide()
        clock.advance(timedelta(minutes=1))
    [bad] = post.lies()
    give(post.app, [str(bad["ulid"])], to=JAN, by=OPERATOR)

    class Mended(InProcess):
        @override
        def read_many(self, items: Iterable[bytes | Path]) -> Iterator[Any]:
            from maild.parse import read_letter

            return (
                read_letter(item if isinstance(item, bytes) else item.read_bytes())
                for item in items
            )

    rulings.retry(post.app, Mended(), [str(bad["ulid"])], by=OPERATOR)
    assert post.outcome() == ("filed", "FILED_CONTACT", "jan@acme.example", True)


def test_a_worker_whose_lease_was_taken_writes_nothing(post: Post, clock: Frozen) -> None:
    post.send(post.mail())

    class Slow(InProcess):
        @override
        def read_many(self, items: Iterable[bytes | Path]) -> Iterator[Any]:
            clock.advance(timedelta(hours=1))
            assert decide_due(post.app, READER) == 1
            return super().read_many(items)

    decide_due(post.app, Slow())
    assert post.outcome()[:2] == ("filed", "FILED_CONTACT")
    assert post.table("traces") == 1


def test_a_worker_that_dies_leaves_its_mail_to_the_next_one(post: Post, clock: Frozen) -> None:
    post.send(post.mail())
    with post.app.store.write() as tx:
        tx.deliveries.claim(
            lease="dead", now=clock(), until=clock() + timedelta(minutes=5), limit=10
        )
    assert decide_due(post.app, READER) == 0
    clock.advance(timedelta(minutes=6))
    assert decide_due(post.app, READER) == 1
    assert post.outcome()[0] == "filed"


def test_a_decision_fault_fails_one_mail_and_not_its_neighbours(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    import maild.core.decide as module
    from maild.model.case import Case, Decision
    from maild.model.decide import decide as real
    from maild.model.trace import Trace

    def faulty(case: Case, trace: Trace) -> Decision:
        if "bad" in case.letter.text:
            raise ZeroDivisionError
        return real(case, trace)

    monkeypatch.setattr(module, "decide", faulty)
    for body in ("good", "bad", "good too"):
        post.send(post.mail(body=body))
    post.decide()
    assert [row["reason"] for row in post.lies()] == [
        "FILED_CONTACT",
        "INTERNAL_ERROR",
        "FILED_CONTACT",
    ]


# --- owners --------------------------------------------------------------------------------------------------------------


def test_M1_giving_moves_it_from_one_mailbox_to_the_other(post: Post) -> None:
    ulid = a_mail_in_the_mailbox(post)
    give(post.app, [ulid], to=JAN, by=Actor(LEA), note="yours")
    assert post.lies(owner_id=LEA) == []
    assert [row["ulid"] for row in post.lies(owner_id=JAN)] == [ulid]


def test_M2_it_is_unread_for_the_new_owner_with_its_cause(post: Post) -> None:
    ulid = a_mail_in_the_mailbox(post)
    set_unread(post.app, [ulid], unread=False, by=Actor(LEA))
    give(post.app, [ulid], to=JAN, by=Actor(LEA))
    [row] = post.lies()
    assert row["unread"] is True
    assert row["unread_cause"]["by"] == "Lea"


@pytest.mark.parametrize("unread", [True, False])
def test_M2_taking_it_leaves_the_flag(post: Post, unread: bool) -> None:
    ulid = a_mail_in_the_mailbox(post)
    set_unread(post.app, [ulid], unread=unread, by=Actor(LEA))
    take(post.app, ulid, by=Actor(JAN))
    assert post.outcome()[2:] == ("jan@acme.example", unread)


def test_M2_status_and_notes_never_touch_unread(post: Post) -> None:
    ulid = a_mail_in_the_mailbox(post)
    set_unread(post.app, [ulid], unread=False, by=Actor(LEA))
    set_status(post.app, [ulid], "waiting", by=Actor(LEA))
    mailbox.add_note(post.app, ulid, "called her", by=Actor(JAN))
    [row] = post.lies()
    assert (row["unread"], row["status"]) == (False, "Waiting")


def test_M2_a_colleague_cannot_clear_the_owners_flag(post: Post) -> None:
    ulid = a_mail_in_the_mailbox(post)
    with pytest.raises(RefusedError) as error:
        set_unread(post.app, [ulid], unread=False, by=Actor(JAN))
    assert refusal(error) is Reason.NOT_ALLOWED


def test_M1_whoever_comes_second_hears_who_was_first(post: Post) -> None:
    ulid = a_mail_in_the_mailbox(post)
    seen = post.lies()[0]["version"]
    give(post.app, [ulid], to=JAN, by=Actor(LEA), seen_version=seen)
    with pytest.raises(RefusedError, match="Lea already gave this to Jan at") as error:
        give(post.app, [ulid], to=EVA, by=OPERATOR, seen_version=seen)
    assert refusal(error) is Reason.OWNER_CHANGED


def test_M1_giving_it_to_its_owner_changes_nothing(post: Post) -> None:
    ulid = a_mail_in_the_mailbox(post)
    assert give(post.app, [ulid], to=LEA, by=OPERATOR).unchanged == (ulid,)
    assert post.table("transfers") == 0


def test_M5_a_member_takes_from_all_received_but_not_from_a_forward_inbox(post: Post) -> None:
    post.send(
        post.mail("eva@acme.example", to="crm@acme.example", body=FORWARD),
        "crm@acme.example",
        trust=SIGNED_IN,
    )
    post.decide()
    [row] = post.lies()
    with pytest.raises(RefusedError) as error:
        take(post.app, str(row["ulid"]), by=Actor(JAN))
    assert refusal(error) is Reason.NOT_ALLOWED


def test_M4_undo_restores_owner_and_flag_and_skips_what_moved_since(post: Post) -> None:
    first, second = a_mail_in_the_mailbox(post), a_mail_in_the_mailbox(post)
    set_unread(post.app, [first], unread=False, by=Actor(LEA))
    change = give(post.app, [first, second], to=JAN, by=Actor(LEA))
    give(post.app, [second], to=EVA, by=Actor(JAN))
    undone = undo(post.app, READER, by=Actor(LEA), change_id=change.id)
    assert (undone.moved, undone.unchanged) == ((first,), (second,))
    rows = {row["ulid"]: (row["owner"], row["unread"]) for row in post.lies()}
    assert rows == {first: ("lea@acme.example", False), second: ("eva@acme.example", True)}


def test_M4_a_dismissed_mail_lies_nowhere_and_comes_back_where_it_lay(post: Post) -> None:
    ulid = a_mail_in_the_mailbox(post)
    give(post.app, [ulid], to=JAN, by=Actor(LEA))
    rulings.dismiss(post.app, READER, [ulid], by=Actor(JAN))
    assert post.outcome() == ("ignored", "DISMISSED", None, None)
    undo(post.app, READER, by=Actor(JAN), change_id=newest_change(post.app, 1, by=Actor(JAN)))
    assert post.outcome() == ("filed", "FILED_CONTACT", "jan@acme.example", True)


def test_E2_deciding_again_keeps_owner_unread_and_history(post: Post) -> None:
    ulid = a_mail_in_the_mailbox(post)
    give(post.app, [ulid], to=JAN, by=Actor(LEA))
    set_unread(post.app, [ulid], unread=False, by=Actor(JAN))
    rulings.file_by_hand(post.app, READER, [ulid], client="C2", by=Actor(JAN))
    assert post.outcome() == ("filed", "FILED_BY_HAND", "jan@acme.example", False)
    rulings.unfile(post.app, READER, [ulid], client="C2", by=Actor(JAN))
    assert post.outcome() == ("unfiled", "UNFILED_BY_HAND", "jan@acme.example", False)
    assert post.table("transfers") == 1


def test_D5_and_D6_a_retry_after_it_was_given_away_and_dismissed_brings_nothing_back(
    post: Post,
) -> None:
    mail = post.mail()
    post.send(mail)
    post.decide()
    [row] = post.lies()
    give(post.app, [str(row["ulid"])], to=JAN, by=Actor(LEA))
    rulings.dismiss(post.app, READER, [str(row["ulid"])], by=Actor(JAN))
    post.send(mail)
    post.send(mail, door=Door.LMTP)
    post.decide()
    assert post.outcome()[:2] == ("ignored", "DISMISSED")
    assert post.table("deliveries") == 1


def test_M4_the_newest_act_is_undone_once_and_the_one_before_it_next(
    post: Post, clock: Frozen
) -> None:
    ulid = a_mail_in_the_mailbox(post)
    for to in (JAN, EVA):
        clock.advance(timedelta(seconds=1))
        give(post.app, [ulid], to=to, by=Actor(LEA))
    owners = []
    for _ in range(2):
        clock.advance(timedelta(seconds=1))
        undo(post.app, READER, by=OPERATOR, change_id=newest_change(post.app, 1, by=OPERATOR))
        owners.append(post.outcome()[2])
    assert owners[0] == "jan@acme.example"
    with pytest.raises(RefusedError, match="nothing to undo"):
        newest_change(post.app, 1, by=Actor(JAN))


def test_I3_a_list_that_carries_an_unproven_users_mail_is_held_and_not_ignored(post: Post) -> None:
    mail = post.mail("eva@acme.example", body=FORWARD, more="List-Id: <crm.acme.example>\r\n")
    post.send(mail, "crm@acme.example")
    post.decide()
    assert post.outcome()[:2] == ("held", "SENDER_NOT_VERIFIED")
