"""The table of outcomes in docs/rules.md, row by row, as a pure function."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from maild.model.address import Address
from maild.model.case import Case, Decision
from maild.model.decide import decide
from maild.model.facts import Ruling, ThreadHit, Witness
from maild.model.letter import Kind, Letter, Mailbox, Unclear
from maild.model.people import AddressKind, MemberState
from maild.model.reason import Reason
from maild.model.states import Move
from maild.model.trace import Trace
from maild.testing.letters import (
    ANNA,
    CRM,
    DUPONT,
    EVA,
    INFO,
    JAN,
    ROSSI,
    a_binding,
    a_case,
    a_directory,
    a_letter,
    an_original,
)


def decided(case: Case) -> Decision:
    return decide(case, Trace())


def said(case: Case) -> str:
    trace = Trace()
    decide(case, trace)
    return "\n".join(step.text for step in trace.steps)


FORWARD = a_letter(forwarded=an_original())


# --- one proven user, a forward -------------------------------------------------------------------------------------


def test_F1_a_users_forward_is_filed_to_the_originals_client_and_stays_with_the_forwarder() -> None:
    decision = decided(a_case(FORWARD))
    assert (decision.move, decision.reason) == (Move.FILE, Reason.FILED_FORWARD)
    assert [hit.client for hit in decision.hits] == [ROSSI]
    assert decision.owner == 1
    assert decision.user is not None


def test_F1_a_users_forward_to_a_shared_inbox_is_filed_but_belongs_to_the_owner_chain() -> None:
    decision = decided(a_case(FORWARD, shared=True))
    assert (decision.move, decision.reason, decision.owner) == (
        Move.FILE,
        Reason.FILED_FORWARD,
        None,
    )


@pytest.mark.parametrize(("shared", "move"), [(False, Move.HOLD), (True, Move.PLACE)])
def test_F5_a_forward_without_a_client_is_held_or_unfiled(shared: bool, move: Move) -> None:
    decision = decided(a_case(FORWARD, shared=shared, directory=a_directory(contacts={})))
    assert (decision.move, decision.reason) == (move, Reason.CLIENT_NOT_FOUND)
    assert ANNA in decision.reason.say(**decision.facts)


def test_F5_a_contact_of_two_clients_is_never_guessed() -> None:
    decision = decided(a_case(FORWARD, directory=a_directory(contacts={ANNA: (ROSSI, DUPONT)})))
    assert (decision.move, decision.reason) == (Move.HOLD, Reason.CLIENT_AMBIGUOUS)
    assert decision.hits == ()


@pytest.mark.parametrize("shared", [False, True])
def test_F1_a_forward_whose_original_has_no_readable_sender_is_held(shared: bool) -> None:
    letter = a_letter(forwarded=an_original(None))
    assert decided(a_case(letter, shared=shared)).reason is Reason.FORWARD_NOT_FOUND


def test_F1_unsure_beats_wrong_even_where_a_client_would_match() -> None:
    decision = decided(a_case(a_letter(forwarded=an_original(confidence=0.6))))
    assert (decision.move, decision.reason) == (Move.HOLD, Reason.FORWARD_UNSURE)


def test_F1_a_user_who_forwards_his_own_mail_files_it_to_the_one_he_wrote_to() -> None:
    original = an_original(EVA, to=(Mailbox(ANNA),))
    assert decided(a_case(a_letter(forwarded=original))).hits[0].client is ROSSI


def test_F1_a_forward_among_colleagues_only_is_unfiled() -> None:
    assert (
        decided(a_case(a_letter(forwarded=an_original(JAN)))).reason is Reason.ONLY_USERS_INVOLVED
    )


def test_F4_the_domain_of_an_original_is_tried_after_its_address() -> None:
    directory = a_directory(contacts={}, domains={"rossi.example": (ROSSI,)})
    trace = said(a_case(FORWARD, directory=directory))
    assert "no client's contact" in trace
    assert "domain rossi.example belongs to Rossi Bau" in trace


# --- one proven user, others in To or Cc ------------------------------------------------------------------------------


def test_F3_a_users_mail_to_a_client_with_us_in_copy_is_captured_outgoing() -> None:
    decision = decided(a_case(a_letter(to=(ANNA, CRM))))
    assert (decision.reason, decision.direction, decision.owner) == (Reason.FILED_CAPTURE, "out", 1)


def test_F3_capture_files_under_every_client_written_to() -> None:
    directory = a_directory(contacts={ANNA: (ROSSI,), "marc@dupont.example": (DUPONT,)})
    decision = decided(a_case(a_letter(to=(ANNA, "marc@dupont.example")), directory=directory))
    assert [hit.client for hit in decision.hits] == [ROSSI, DUPONT]


def test_F3_mail_between_users_only_is_unfiled() -> None:
    decision = decided(a_case(a_letter(to=(JAN, CRM))))
    assert (decision.move, decision.reason) == (Move.PLACE, Reason.ONLY_USERS_INVOLVED)


# --- a user's From, unproven --------------------------------------------------------------------------------------------


def test_I3_an_unproven_users_from_is_held_where_proof_is_required() -> None:
    decision = decided(a_case(FORWARD, proven=False))
    assert (decision.move, decision.reason, decision.user) == (
        Move.HOLD,
        Reason.SENDER_NOT_VERIFIED,
        None,
    )
    assert decision.claimed is not None


def test_I3_an_unproven_users_from_is_a_strangers_where_it_is_only_recorded() -> None:
    case = a_case(a_letter(to=(INFO,)), shared=True, proven=False)
    decision = decided(case)
    assert decision.reason is Reason.CLIENT_NOT_FOUND
    assert decision.user is None
    assert decision.claimed is not None
    assert "claims to be Eva Moser" in said(case)


# --- none certain -------------------------------------------------------------------------------------------------------


def test_I2_an_unclear_sender_is_held() -> None:
    letter = a_letter(sender=Unclear("there are two From fields"))
    decision = decided(a_case(letter))
    assert (decision.move, decision.reason) == (Move.HOLD, Reason.SENDER_UNCLEAR)


def test_I2_in_a_shared_inbox_an_unclear_sender_is_held_only_if_a_user_is_in_question() -> None:
    from_user = a_letter(sender=Unclear("two mailboxes"))
    from_client = a_letter(ANNA, sender=Unclear("two mailboxes"))
    assert decided(a_case(from_user, shared=True)).reason is Reason.SENDER_UNCLEAR
    assert decided(a_case(from_client, shared=True)).reason is Reason.FILED_CONTACT


def test_U6_the_base_of_tagged_addresses_is_held_and_names_the_candidates() -> None:
    tagged = (a_binding("eva+a@acme.example"), a_binding("eva+b@acme.example", 2, "Jan"))
    directory = a_directory(bindings={}, tagged={EVA: tagged})
    decision = decided(a_case(FORWARD, directory=directory))
    assert decision.reason is Reason.PLUS_BASE_UNRESOLVED
    assert "eva+a@acme.example" in decision.reason.say(**decision.facts)


def test_U6_a_unique_base_resolves_only_by_the_accounts_policy() -> None:
    directory = a_directory(bindings={}, tagged={EVA: (a_binding("eva+a@acme.example"),)})
    exact = decided(a_case(FORWARD, directory=directory))
    unique = decided(a_case(FORWARD, directory=directory, settings={"plus_tag": "base-if-unique"}))
    assert exact.reason is Reason.PLUS_BASE_UNRESOLVED
    assert unique.reason is Reason.FILED_FORWARD


def test_U5_an_unverified_alias_resolves_nobody() -> None:
    binding = a_binding(kind=AddressKind.ALIAS, is_verified=False)
    decision = decided(a_case(FORWARD, directory=a_directory(bindings={EVA: binding})))
    assert decision.reason is Reason.ALIAS_NOT_VERIFIED


def test_U9_a_user_of_another_account_is_no_member_and_is_not_named() -> None:
    directory = a_directory(bindings={EVA: a_binding(membership=None)})
    decision = decided(a_case(FORWARD, directory=directory))
    assert decision.reason is Reason.NOT_A_MEMBER
    assert "Eva Moser" not in decision.reason.say(**decision.facts)


def test_U9_in_a_shared_inbox_a_user_of_another_account_is_a_stranger() -> None:
    directory = a_directory(bindings={ANNA: a_binding(ANNA, membership=None)})
    decision = decided(a_case(a_letter(ANNA, to=(INFO,)), shared=True, directory=directory))
    assert decision.reason is Reason.FILED_CONTACT


def test_U9_an_invited_member_is_not_yet_one() -> None:
    directory = a_directory(bindings={EVA: a_binding(membership=MemberState.INVITED)})
    assert decided(a_case(FORWARD, directory=directory)).reason is Reason.NOT_A_MEMBER


def test_I1_an_inactive_user_is_held_with_the_date() -> None:
    binding = a_binding(disabled_at=datetime(2026, 11, 1, tzinfo=UTC))
    decision = decided(a_case(FORWARD, directory=a_directory(bindings={EVA: binding})))
    assert decision.reason.say(**decision.facts) == "Eva Moser is inactive since 2026-11-01"


# --- a stranger -----------------------------------------------------------------------------------------------------------


def test_I1_a_stranger_to_a_forward_inbox_is_held() -> None:
    decision = decided(a_case(a_letter(ANNA)))
    assert (decision.move, decision.reason) == (Move.HOLD, Reason.SENDER_UNKNOWN)


def test_I1_a_stranger_to_a_forward_inbox_that_shares_is_matched_by_from() -> None:
    decision = decided(a_case(a_letter(ANNA), settings={"unknown_policy": "share"}))
    assert decision.reason is Reason.FILED_CONTACT


def test_F4_a_client_who_writes_to_a_shared_inbox_is_filed_by_contact() -> None:
    decision = decided(a_case(a_letter(ANNA, to=(INFO,)), shared=True))
    assert (decision.reason, decision.direction, decision.owner) == (
        Reason.FILED_CONTACT,
        "in",
        None,
    )


def test_F4_a_stranger_is_filed_by_domain_when_no_contact_fits() -> None:
    directory = a_directory(domains={"rossi.example": (ROSSI,)})
    decision = decided(a_case(a_letter("paolo@rossi.example"), shared=True, directory=directory))
    assert decision.reason is Reason.FILED_DOMAIN


def test_F2_a_strangers_forward_is_never_re_attributed() -> None:
    letter = a_letter("x@nowhere.example", forwarded=an_original())
    decision = decided(a_case(letter, shared=True))
    assert (decision.move, decision.reason) == (Move.PLACE, Reason.FORWARD_BY_STRANGER)


# --- threads --------------------------------------------------------------------------------------------------------------


def thread(*participants: str) -> tuple[ThreadHit, ...]:
    return (ThreadHit(message_id="m@x", clients=(DUPONT,), participants=frozenset(participants)),)


def test_F4_an_answer_of_a_participant_is_filed_with_its_thread() -> None:
    letter = a_letter("marc@dupont.example")
    decision = decided(a_case(letter, shared=True, thread=thread("marc@dupont.example")))
    assert decision.reason is Reason.FILED_THREAD


def test_F4_quoting_a_message_id_is_no_ticket_into_a_thread() -> None:
    case = a_case(a_letter("x@nowhere.example"), shared=True, thread=thread("marc@dupont.example"))
    assert decided(case).reason is Reason.CLIENT_NOT_FOUND
    assert "has no part in that thread" in said(case)


# --- machines -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Kind.AUTO_REPLY, Reason.AUTO_REPLY),
        (Kind.LIST, Reason.LIST_MAIL),
        (Kind.BOUNCE, Reason.BOUNCE),
        (Kind.REPORT, Reason.AUTO_REPLY),
        (Kind.CALENDAR, Reason.AUTO_REPLY),
    ],
)
def test_F7_machine_mail_is_put_aside_in_a_forward_inbox_and_matched_in_a_shared_one(
    kind: Kind, reason: Reason
) -> None:
    letter = a_letter(ANNA, kind=kind, kind_proof="its header")
    forward, shared = decided(a_case(letter)), decided(a_case(letter, shared=True))
    assert (forward.move, forward.reason) == (Move.IGNORE, reason)
    assert (shared.move, shared.reason, shared.hits[0].client) == (Move.FILE, reason, ROSSI)


def test_F7_a_proven_users_forward_through_a_group_is_the_users() -> None:
    letter = a_letter(forwarded=an_original(), kind=Kind.LIST, kind_proof="List-Id")
    assert decided(a_case(letter)).reason is Reason.FILED_FORWARD


# --- spam by a trusted upstream -------------------------------------------------------------------------------------------

MARKED = Witness(door="lmtp", spam_mark="X-Spam-Flag: YES")


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(
    "letter", [FORWARD, a_letter(ANNA), a_letter(sender=Unclear("two From fields"))]
)
def test_marked_mail_is_put_aside_in_both_kinds_of_inbox_whoever_wrote_it(
    letter: Letter, *, shared: bool
) -> None:
    case = a_case(letter, shared=shared, marked=MARKED)
    decision = decided(case)
    assert (decision.move, decision.reason) == (Move.IGNORE, Reason.SPAM)
    assert decision.reason.say(**decision.facts) == "Marked by X-Spam-Flag: YES"
    assert (decision.user, decision.claimed, decision.owner) == (None, None, None)
    assert "in front of the lmtp door" in said(case)


def test_E2_what_a_person_said_comes_before_a_mark() -> None:
    answer = {"client": DUPONT, "user": "Eva Moser"}
    for question, reason in (
        ("release", Reason.FILED_FORWARD),
        ("file", Reason.FILED_BY_HAND),
        ("unfile", Reason.UNFILED_BY_HAND),
        ("dismiss", Reason.DISMISSED),
    ):
        ruling = Ruling(question=question, answer=answer)
        assert decided(a_case(FORWARD, marked=MARKED, rulings=(ruling,))).reason is reason


def test_E2_a_release_that_was_taken_back_is_none() -> None:
    release, withdraw, dismiss = (
        Ruling(question=question, answer={"user": "Eva Moser"})
        for question in ("release", "withdraw", "dismiss")
    )
    spam = a_case(FORWARD, marked=MARKED, lies_in_a_mailbox=True, rulings=(release, withdraw))
    assert decided(spam).reason is Reason.SPAM
    away = a_case(FORWARD, rulings=(dismiss, release, withdraw))
    assert decided(away).reason is Reason.DISMISSED
    again = a_case(FORWARD, rulings=(dismiss, release, withdraw, release))
    assert decided(again).reason is Reason.FILED_FORWARD


def test_what_lies_in_a_mailbox_is_not_taken_out_by_a_mark_that_comes_later() -> None:
    case = a_case(FORWARD, marked=MARKED, lies_in_a_mailbox=True)
    assert decided(case).reason is Reason.FILED_FORWARD


# --- rulings and marks ------------------------------------------------------------------------------------------------------


def test_E2_what_a_person_filed_stays_filed_whatever_maild_thinks() -> None:
    ruling = Ruling(question="file", answer={"client": DUPONT, "user": "Eva Moser"})
    decision = decided(a_case(FORWARD, rulings=(ruling,)))
    assert (decision.reason, decision.hits[0].client) == (Reason.FILED_BY_HAND, DUPONT)


def test_E2_taking_it_off_again_leaves_it_unfiled_by_hand() -> None:
    answer = {"client": DUPONT, "user": "Eva Moser"}
    rulings = (Ruling(question="file", answer=answer), Ruling(question="unfile", answer=answer))
    decision = decided(a_case(FORWARD, rulings=rulings))
    assert (decision.move, decision.reason) == (Move.PLACE, Reason.UNFILED_BY_HAND)


def test_M4_a_dismissed_mail_is_ignored_until_it_is_released() -> None:
    away = Ruling(question="dismiss", answer={"user": "Eva Moser"})
    back = Ruling(question="release", answer={"user": "Eva Moser"})
    assert decided(a_case(FORWARD, rulings=(away,))).reason is Reason.DISMISSED
    assert decided(a_case(FORWARD, rulings=(away, back))).reason is Reason.FILED_FORWARD


def test_D6_and_E1_marks_stand_beside_the_reason() -> None:
    letter = a_letter(forwarded=an_original(), degraded=("part 2",))
    decision = decided(a_case(letter, same_id_other_content=True))
    assert [mark for mark, _ in decision.beside] == [
        Reason.SAME_ID_OTHER_CONTENT,
        Reason.PARSE_DEGRADED,
    ]
    assert decision.reason is Reason.FILED_FORWARD


def test_U4_where_employees_may_be_clients_mail_to_a_shared_inbox_is_filed_for_them() -> None:
    directory = a_directory(contacts={EVA: (ROSSI,)})
    case = a_case(
        a_letter(to=(INFO,)),
        shared=True,
        directory=directory,
        settings={"employee_is_client": True},
    )
    assert decided(case).reason is Reason.FILED_CONTACT


def test_a_tagged_spelling_of_an_inbox_is_no_outsider() -> None:
    tagged = Address.parse("crm+42@acme.example").norm
    assert (
        decided(a_case(a_letter(to=(tagged,), forwarded=an_original()))).reason
        is Reason.FILED_FORWARD
    )
