"""The one table of reasons speaks SMTP, exit statuses, HTTP and to people, and never contradicts itself."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, strategies as st

from maild.model.reason import EX_TEMPFAIL, Answer, Reason, RefusedError
from maild.model.states import State

SAID_TO_PEERS = [reason for reason in Reason if reason.value.smtp]
OF_DELIVERIES = [reason for reason in Reason if reason.value.states]


def facts_of(reason: Reason) -> set[str]:
    return set(re.findall(r"{(\w+)}", reason.value.sentence))


@pytest.mark.parametrize("reason", SAID_TO_PEERS, ids=lambda reason: reason.code)
class TestSaidToPeers:
    def test_the_code_and_its_enhanced_class_agree(self, reason: Reason) -> None:
        assert re.fullmatch(r"[245]\.\d{1,3}\.\d{1,3}", reason.value.enhanced)
        assert str(reason.value.smtp)[0] == reason.value.enhanced[0]
        assert reason.value.smtp in range(200, 600)

    def test_temporary_is_temporary_in_every_language(self, reason: Reason) -> None:
        temporary = 400 <= reason.value.smtp < 500
        assert reason.is_temporary == temporary
        assert (reason.value.exit == EX_TEMPFAIL) == temporary
        if reason is Reason.TOO_MANY_TRIES:
            # Temporary as well, but the peer's doing and not ours (RFC 6585 4).
            assert (reason.value.http, temporary) == (429, True)
        else:
            assert (reason.value.http == 503) == temporary

    def test_success_is_success_in_every_language(self, reason: Reason) -> None:
        success = reason.value.smtp < 300
        assert (reason.value.exit == 0) == success
        assert (reason.value.http < 300) == success
        assert Answer(reason).is_accepted == success

    @given(data=st.data())
    def test_a_reply_is_one_line_of_ascii_whatever_the_facts(
        self, reason: Reason, data: st.DataObject
    ) -> None:
        value = st.text(max_size=30) | st.sampled_from(
            ["x" * 5000, "a\r\n250 ok", "é" * 600, "{x}", "\0"]
        )
        facts = data.draw(
            st.fixed_dictionaries({}, optional=dict.fromkeys(facts_of(reason), value))
        )
        reply = reason.smtp_reply(**facts)
        assert reply.isascii()
        assert reply.isprintable()
        assert len(reply) + len("\r\n") <= 512
        assert reply.startswith(f"{reason.value.smtp} {reason.value.enhanced} ")
        assert Answer(reason, facts).line() == reply


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.code)
class TestEveryReason:
    def test_its_code_is_stable_and_machines_can_match_it(self, reason: Reason) -> None:
        assert re.fullmatch(r"[A-Z]+(_[A-Z]+)*", reason.code)
        assert Reason[reason.code] is reason

    def test_without_an_smtp_code_it_has_no_enhanced_one_and_is_never_temporary(
        self, reason: Reason
    ) -> None:
        if not reason.value.smtp:
            assert not reason.value.enhanced
            assert not reason.is_temporary
            assert reason.value.exit != EX_TEMPFAIL
            assert reason.value.http != 503

    def test_a_fact_that_is_missing_is_a_question_mark_and_no_fault(self, reason: Reason) -> None:
        said = reason.say()
        assert "{" not in said
        assert ("?" in said) or not facts_of(reason)

    def test_what_a_fact_says_is_never_read_as_a_template(self, reason: Reason) -> None:
        for fact in facts_of(reason):
            assert "{0.__class__}" in reason.say(**{fact: "{0.__class__}"})

    def test_its_sentence_is_one(self, reason: Reason) -> None:
        assert reason.value.sentence.strip() == reason.value.sentence
        assert reason.value.sentence.isprintable()

    def test_a_refusal_can_be_raised_with_it(self, reason: Reason) -> None:
        error = RefusedError(reason, actions=("do this",))
        assert (error.reason, str(error), error.actions) == (reason, reason.say(), ("do this",))


def test_no_reason_stands_where_a_delivery_has_none() -> None:
    for reason in OF_DELIVERIES:
        assert State.RECEIVED not in reason.value.states
        assert State.ERASED not in reason.value.states


def test_every_decided_state_has_reasons_and_every_such_reason_says_what_can_be_done() -> None:
    for state in (State.FILED, State.UNFILED, State.HELD, State.IGNORED, State.FAILED):
        assert any(state in reason.value.states for reason in OF_DELIVERIES)
    for reason in OF_DELIVERIES:
        assert reason.value.repair, reason.code


def test_reasons_that_read_alike_are_still_different() -> None:
    assert len({reason.code for reason in Reason}) == len(list(Reason))


def test_what_was_not_foreseen_is_temporary() -> None:
    assert Reason.INTERNAL_ERROR.is_temporary
    assert Reason.INTERNAL_ERROR.smtp_reply(ref="01J").startswith("451 4.3.0 ")
