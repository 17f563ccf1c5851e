"""E2: what people answered about a mail, as an input of the pure decision."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from maild.model.case import Decision
from maild.model.decide import decide
from maild.model.facts import ClientRef, Preferred, Ruling
from maild.model.letter import Unclear
from maild.model.people import MemberState
from maild.model.reason import Reason
from maild.model.ruled import Named, newest, standing
from maild.model.states import Move
from maild.model.trace import Trace
from maild.testing.letters import (
    ANNA,
    DUPONT,
    EVA,
    ROSSI,
    a_binding,
    a_case,
    a_directory,
    a_letter,
    an_original,
)

AT = datetime(2026, 11, 21, 10, tzinfo=UTC)


def a_ruling(
    question: str, change: str = "C1", takes_back: str | None = None, **answer: Any
) -> Ruling:
    return Ruling(
        question=question,
        answer={"user": "Lea Koch", **answer},
        at=AT,
        change=change,
        takes_back=takes_back,
    )


def that_it_is_from_eva(**binding: Any) -> Named:
    return Named(
        binding=a_binding(EVA, **binding),
        ruling=a_ruling("sender", user_id=1, sender="Eva Moser"),
    )


def told(*args: Any, **more: Any) -> tuple[Decision, str]:
    trace = Trace()
    decision = decide(a_case(*args, **more), trace)
    return decision, " ".join(step.text for step in trace.steps)


FORWARD = a_letter(forwarded=an_original())
UNCLEAR = a_letter(forwarded=an_original(), sender=Unclear("two From fields"))


# --- who sent it ---------------------------------------------------------------------------------------------------------


def test_E2_an_unproven_mail_is_the_users_whom_a_person_named() -> None:
    decision, text = told(FORWARD, proven=False, named=that_it_is_from_eva())
    assert (decision.reason, decision.owner) == (Reason.FILED_FORWARD, 1)
    assert "Lea Koch said on 21 Nov that it is from Eva Moser." in text


def test_E2_a_mail_that_names_no_one_author_is_the_users_whom_a_person_named() -> None:
    decision, _ = told(UNCLEAR, proven=False, named=that_it_is_from_eva())
    assert decision.reason is Reason.FILED_FORWARD


@pytest.mark.parametrize(
    ("binding", "reason"),
    [
        ({"membership": None}, Reason.NOT_A_MEMBER),
        ({"membership": MemberState.REFUSED}, Reason.NOT_A_MEMBER),
        ({"disabled_at": AT}, Reason.USER_INACTIVE),
    ],
)
def test_E2_a_persons_word_makes_nobody_a_member_or_active(
    binding: dict[str, Any], reason: Reason
) -> None:
    decision, _ = told(FORWARD, proven=False, named=that_it_is_from_eva(**binding))
    assert (decision.move, decision.reason) == (Move.HOLD, reason)


# --- in place of somebody inactive ---------------------------------------------------------------------------------------

INACTIVE = a_directory(bindings={EVA: a_binding(disabled_at=AT)})
TO_JAN = a_ruling("substitute", to_id=2, to="Jan Novak")


def test_E2_the_mail_of_an_inactive_user_is_filed_for_the_substitute() -> None:
    decision, text = told(FORWARD, directory=INACTIVE, rulings=(TO_JAN,))
    assert (decision.reason, decision.owner) == (Reason.FILED_FORWARD, 2)
    assert decision.user is not None
    assert decision.user.user_id == 1
    assert "Lea Koch said on 21 Nov that Jan Novak is to have it." in text


def test_E2_a_substitute_gets_nothing_that_the_inactive_user_did_not_prove() -> None:
    decision, _ = told(FORWARD, directory=INACTIVE, rulings=(TO_JAN,), proven=False)
    assert decision.reason is Reason.SENDER_NOT_VERIFIED


def test_E2_a_substitute_is_for_somebody_inactive_alone() -> None:
    decision, _ = told(FORWARD, rulings=(TO_JAN,))
    assert decision.owner == 1


# --- what it is about ----------------------------------------------------------------------------------------------------


def test_E2_the_original_is_whose_a_person_said_it_is() -> None:
    original = an_original("wrong@elsewhere.example", confidence=0.5)
    decision, text = told(
        a_letter(forwarded=original), rulings=(a_ruling("original", address=ANNA),)
    )
    assert [hit.client for hit in decision.hits] == [ROSSI]
    assert f"Lea Koch said on 21 Nov that the original is from {ANNA}." in text


def test_E2_an_original_that_was_not_read_is_whose_a_person_said_it_is() -> None:
    letter = a_letter(forwarded=an_original(None))
    decision, _ = told(letter, rulings=(a_ruling("original", address=ANNA),))
    assert decision.reason is Reason.FILED_FORWARD


TWO = {ANNA: (ROSSI, DUPONT)}


def preferred(key: str = ANNA) -> dict[str, Preferred]:
    return {key: Preferred(client=DUPONT, user="Lea Koch", at=AT)}


def test_E2_of_two_clients_the_one_whom_the_account_means() -> None:
    decision, text = told(FORWARD, directory=a_directory(contacts=TWO, preferred=preferred()))
    assert [hit.client for hit in decision.hits] == [DUPONT]
    assert "Lea Koch said on 21 Nov that it means Dupont SARL." in text


def test_E2_of_two_owners_of_a_domain_the_one_whom_the_account_means() -> None:
    directory = a_directory(
        contacts={},
        domains={"rossi.example": (ROSSI, DUPONT)},
        preferred=preferred("rossi.example"),
    )
    decision, _ = told(FORWARD, directory=directory)
    assert [hit.client for hit in decision.hits] == [DUPONT]


def test_E2_a_remembered_client_counts_only_among_those_in_question() -> None:
    directory = a_directory(contacts={ANNA: (ROSSI,)}, preferred=preferred())
    decision, _ = told(FORWARD, directory=directory)
    assert [hit.client for hit in decision.hits] == [ROSSI]


def test_E2_a_remembered_client_that_lost_the_address_is_not_taken() -> None:
    bosch = ClientRef(3, "Bosch")
    directory = a_directory(contacts={ANNA: (ROSSI, bosch)}, preferred=preferred())
    decision, _ = told(FORWARD, directory=directory)
    assert decision.reason is Reason.CLIENT_AMBIGUOUS


# --- what still stands ---------------------------------------------------------------------------------------------------


def test_E2_a_retraction_takes_back_all_that_its_act_answered() -> None:
    rulings = (
        a_ruling("file", client=ROSSI),
        a_ruling("original", "C2", address=ANNA),
        a_ruling("sender", "C2", user_id=1),
        a_ruling("retract", "C3", takes_back="C2"),
    )
    assert [one.question for one in standing(rulings)] == ["file"]


def test_E2_a_retraction_of_a_dismissal_takes_nothing_back() -> None:
    rulings = (a_ruling("dismiss", "C2"), a_ruling("retract", "C3", takes_back="C2"))
    assert [one.question for one in standing(rulings)] == ["dismiss"]


def test_E2_the_newest_answer_counts() -> None:
    rulings = (a_ruling("sender", user_id=1), a_ruling("sender", "C2", user_id=2))
    found = newest(rulings, "sender")
    assert found is not None
    assert found.answer["user_id"] == 2
    assert newest(rulings, "original") is None
