"""The life of a delivery: one table of legal moves."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from maild.model.states import IN_A_MAILBOX, MOVES, IllegalMoveError, Move, State, moved

DECIDED = {State.FILED, State.UNFILED, State.HELD, State.IGNORED, State.FAILED}
DECISIONS = set(Move) - {Move.ERASE}


def test_the_table_knows_every_state() -> None:
    assert set(MOVES) == set(State)


def test_a_new_delivery_can_be_decided_in_every_way_and_not_erased() -> None:
    assert set(MOVES[State.RECEIVED]) == DECISIONS


@pytest.mark.parametrize("state", sorted(DECIDED))
def test_a_decided_delivery_can_be_decided_again_or_erased(state: State) -> None:
    assert set(MOVES[state]) == set(Move)
    assert moved(state, Move.ERASE) is State.ERASED


def test_a_decision_says_the_state_wherever_it_is_made() -> None:
    for move in DECISIONS:
        assert len({moved(state, move) for state in DECIDED | {State.RECEIVED}}) == 1
    assert {moved(State.RECEIVED, move) for move in DECISIONS} == DECIDED


@pytest.mark.parametrize("move", Move)
def test_a_tombstone_stays(move: Move) -> None:
    with pytest.raises(IllegalMoveError, match="does not leave erased"):
        moved(State.ERASED, move)


def test_received_is_left_once_and_never_entered_again() -> None:
    assert State.RECEIVED not in {to for moves in MOVES.values() for to in moves.values()}


def test_in_a_mailbox_is_all_that_was_decided_but_not_put_away() -> None:
    assert DECIDED - {State.IGNORED} == IN_A_MAILBOX


@given(st.lists(st.sampled_from(Move), max_size=12))
def test_any_life_stays_within_the_table(moves: list[Move]) -> None:
    state = State.RECEIVED
    for move in moves:
        try:
            state = moved(state, move)
        except IllegalMoveError:
            assert state is State.ERASED or (state is State.RECEIVED and move is Move.ERASE)
            continue
        assert state is not State.RECEIVED


def test_states_and_moves_are_the_words_of_the_interface() -> None:
    assert [state.value for state in State] == [
        "received", "filed", "unfiled", "held", "ignored", "failed", "erased",
    ]  # fmt: skip
