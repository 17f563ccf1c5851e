"""Who reads what comes in: pure, and whatever the absences and chains are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, strategies as st

from maild.model.absence import Absence, Chain, Reader, Roster, gap_of, loop_of, reader_of

DAY_0 = datetime(2026, 12, 1, tzinfo=UTC)
ANNA, JAN, EVA, LEA, INFO = 1, 2, 3, 4, 9


def day(number: int) -> datetime:
    return DAY_0 + timedelta(days=number)


def away(user: int, substitute: int, first: int, last: int, number: int = 1) -> Absence:
    return Absence(
        id=number, user_id=user, substitute_id=substitute, begins=day(first), ends=day(last)
    )


def roster(*absences: Absence, active: tuple[int, ...] = (ANNA, JAN, EVA, LEA)) -> Roster:
    found: dict[int, list[Absence]] = {}
    for one in sorted(absences, key=lambda one: one.begins):
        found.setdefault(one.user_id, []).append(one)
    return Roster(active=frozenset(active), away=found)


def test_M9_the_first_of_the_chain_who_is_active_has_it() -> None:
    chain = Chain(named=(ANNA, JAN), default=LEA)
    assert reader_of(chain, roster(), DAY_0) == Reader(ANNA)
    assert reader_of(chain, roster(active=(JAN, LEA)), DAY_0) == Reader(JAN)
    assert reader_of(chain, roster(active=(LEA,)), DAY_0) == Reader(LEA)
    assert reader_of(chain, roster(active=()), DAY_0) is None


def test_M10_the_inboxs_own_substitutes_come_before_who_stands_in_for_the_owner() -> None:
    names = roster(away(ANNA, EVA, 0, 5, number=7))
    assert reader_of(Chain(named=(ANNA, JAN)), names, day(1)) == Reader(JAN, 7)
    assert reader_of(Chain(named=(ANNA,), default=LEA), names, day(1)) == Reader(EVA, 7)


def test_M10_an_absence_holds_from_its_first_moment_to_before_its_last() -> None:
    chain, names = Chain(named=(ANNA,)), roster(away(ANNA, JAN, 1, 3))
    owners = [reader_of(chain, names, day(number)) for number in range(4)]
    assert owners == [Reader(ANNA), Reader(JAN, 1), Reader(JAN, 1), Reader(ANNA)]


def test_M10_only_moments_of_people_whom_the_chain_leads_to_are_looked_at() -> None:
    elsewhere = [away(user, LEA, user, user + 1, user) for user in range(100, 200)]
    names = roster(away(ANNA, JAN, 1, 5), away(JAN, EVA, 2, 3, 2), *elsewhere)
    assert names.begins([ANNA], DAY_0) == [day(0), day(1), day(2)]


def test_M10_substitutes_stand_in_for_substitutes() -> None:
    names = roster(away(ANNA, JAN, 0, 5, 1), away(JAN, EVA, 1, 2, 2))
    chain = Chain(named=(ANNA,))
    owners = [reader_of(chain, names, day(number)) for number in range(3)]
    assert owners == [Reader(JAN, 1), Reader(EVA, 1), Reader(JAN, 1)]


def test_M9_a_communal_user_has_it_while_a_member_is_there() -> None:
    chain = Chain(named=(LEA,), communal=INFO, members=(ANNA, JAN))
    assert reader_of(chain, roster(away(ANNA, EVA, 0, 5)), DAY_0) == Reader(INFO)
    both = roster(away(ANNA, EVA, 0, 5), away(JAN, EVA, 0, 5))
    assert reader_of(chain, both, DAY_0) == Reader(LEA)


def test_M10_the_date_from_which_nobody_reads_is_the_first_on_which_all_are_away() -> None:
    names = roster(away(ANNA, JAN, 0, 9, 1), away(JAN, ANNA, 4, 6, 2))
    assert gap_of(Chain(named=(ANNA,)), names, DAY_0) == day(4)
    assert gap_of(Chain(named=(ANNA,), default=LEA), names, DAY_0) is None


def test_M10_a_loop_is_found_where_the_days_meet_and_is_named() -> None:
    anna, jan = away(ANNA, JAN, 0, 9, 1), away(JAN, EVA, 2, 6, 2)
    eva = away(EVA, ANNA, 4, 5, 3)
    found = loop_of(eva, roster(anna, jan, eva))
    assert found is not None
    assert (found.users, found.since) == ((EVA, ANNA, JAN, EVA), day(4))
    later = away(EVA, ANNA, 6, 8, 3)
    assert loop_of(later, roster(anna, jan, later)) is None


PEOPLE = st.integers(1, 5)
ABSENCES = st.lists(st.tuples(PEOPLE, PEOPLE, st.integers(0, 12), st.integers(1, 6)), max_size=8)


@given(
    absences=ABSENCES,
    named=st.lists(PEOPLE, unique=True, max_size=3),
    default=st.none() | PEOPLE,
    active=st.sets(PEOPLE, min_size=1),
)
def test_M10_a_reader_is_always_somebody_active_and_there_or_the_day_is_named(
    absences: list[tuple[int, int, int, int]],
    named: list[int],
    default: int | None,
    active: set[int],
) -> None:
    made = [away(one, other, at, at + long) for one, other, at, long in absences if one != other]
    names = roster(*made, active=tuple(active))
    chain = Chain(named=tuple(named), default=default)
    gap = gap_of(chain, names, DAY_0)
    for half in range(40):
        at = DAY_0 + timedelta(hours=12 * half)
        reader = reader_of(chain, names, at)
        if reader is not None:
            assert names.is_there(reader.user_id, at)
        else:
            assert gap is not None
            assert gap <= at
    assert gap is None or reader_of(chain, names, gap) is None
