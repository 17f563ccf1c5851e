"""Whole rounds against every misbehaving server: in time, in little memory, with a sentence, and made good afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from maild.core.remote import Trouble
from tests.rounds.outcomes import AT_A_TIME, Outcome, a_database, digest_of, outcome_of
from tests.rounds.scripted import CASES

pytestmark = pytest.mark.slow

HANG_S = 30.0
"""Steps of 0.8 s, of which a script spoils one or two; the rest is for a busy machine."""
MEMORY_MAX_KIB = 64 * 1024
FALSE = {
    "pop list-99gb": {0},
    "pop retr-unstuffed": {0},
    "pop retr-other": {0, 1, 2},
}
"""Where the server gives other bytes than the mail's, and says that they are the mail's: nobody can know better.

By script, the places of the mails that cannot come; of the first mail of 99 GB the header alone is taken, and it stays there.
"""
OutcomeOf = Callable[[str], Outcome]


@pytest.fixture(scope="module")
def outcome_by(request: pytest.FixtureRequest) -> OutcomeOf:
    """Run the scripts that this session asks for: the quiet ones some at a time, each that floods alone."""
    asked = {
        item.callspec.params["name"]
        for item in request.session.items
        if isinstance(item, pytest.Function)
        and item.path == request.path
        and hasattr(item, "callspec")
    }
    cases = [CASES[name] for name in CASES if name in asked]
    running: dict[str, Future[Outcome]] = {}
    with a_database() as database:
        for threads, floods in ((AT_A_TIME, False), (1, True)):
            with ThreadPoolExecutor(threads) as pool:
                for case in cases:
                    if case.floods is floods:
                        running[case.name] = pool.submit(outcome_of, case, database)
    return lambda name: running[name].result()


@pytest.mark.parametrize("name", CASES)
def test_T14_a_round_ends_in_time_well_or_with_a_sentence_and_a_healthy_one_makes_it_good(
    name: str, outcome_by: OutcomeOf
) -> None:
    outcome = outcome_by(name)  # What is not RemoteError is raised here.
    print(outcome.line())
    assert outcome.seconds < HANG_S
    assert_says_what_is_wrong(outcome)
    assert_nothing_is_lost_or_left(outcome)
    assert_each_came_once(outcome)


def assert_says_what_is_wrong(outcome: Outcome) -> None:
    if outcome.error is None:
        assert not outcome.case.must_fail
        return
    assert outcome.error.trouble in Trouble
    shown = outcome.sentence
    assert shown.isprintable()
    assert 20 < len(shown) < 600
    assert not any(word in shown for word in ("Traceback", "Error(", 'File "', "object at"))
    assert not set("{}") & set(shown.partition("The server said:")[0])
    assert not any(secret in shown for secret in outcome.case.secrets())


def assert_nothing_is_lost_or_left(outcome: Outcome) -> None:
    assert outcome.may_not == []
    assert outcome.spooled == []
    assert outcome.broken == ()
    if outcome.case.name not in FALSE:
        assert outcome.gone_unstored == [], "it was deleted, and is not stored"


def assert_each_came_once(outcome: Outcome) -> None:
    """Twice the same bytes would be one mail with two arrivals: so arrivals are counted, not mails."""
    mails, false = outcome.case.mails(), FALSE.get(outcome.case.name, set())
    assert outcome.arrivals.total() == len(mails)
    wanted = Counter(digest_of(mail) for place, mail in enumerate(mails) if place not in false)
    assert wanted <= outcome.arrivals


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.floods])
def test_T14_a_round_with_a_server_that_floods_us_stays_in_bounds(
    name: str, outcome_by: OutcomeOf
) -> None:
    outcome = outcome_by(name)
    print(f"{name}: {outcome.growth_kib} KiB")
    assert outcome.growth_kib < MEMORY_MAX_KIB
