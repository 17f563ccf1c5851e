"""Who is not of an account learns nothing of it: every use case answers as for what is not there (R15)."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import maild.core
from tests.wall.company import AGENT, INSIDERS, OUTSIDERS, Company, Outcome, build, outcome_of
from tests.wall.functions import NOBODYS, ROWS, STEPS
from tests.wall.rows import Row

TOLD = {
    "EMAIL_IN_USE",
    "EMAIL_IN_USE_OTHER_KIND",
    "JOIN_REQUESTED",
    "USERNAME_IN_USE",
    "MAILBOX_ALREADY_POLLED",
    "NOT_ALLOWED",
    "done",
}
"""What a rule may tell of names that are taken elsewhere."""
NAMES = (
    "Bea",
    "bea@",
    "boss@",
    "of beta",
    "of-beta",
    "box-beta",
    "rule-beta",
    "“beta”",
    "crm@beta",
    "Beta",
)
"""Words of beta: none of them may stand in what somebody else hears, unless they said it."""


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    return build(tmp_path_factory.mktemp("wall") / "company")


@pytest.fixture
def look(company: Company, tmp_path: Path) -> Callable[[Row, str, str, str | None], Outcome]:
    """Return what somebody's look comes to, each on a copy of its own; `whose` says at which thing."""
    numbers = iter(range(1000))

    def looked(row: Row, who: str, whose: str, at: str | None = None) -> Outcome:
        it, by = company.thing(row.kind, whose), company.actors[who]
        with company.copy(tmp_path / str(next(numbers))) as app:
            return outcome_of(lambda: row.look(app, by, it, at), tuple(filter(None, (it, at))))

    return looked


Looked = Callable[..., Outcome]


def functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield every public function of core, however deep it lies, and every public method."""
    for module in pkgutil.walk_packages(maild.core.__path__, "maild.core."):
        found = importlib.import_module(module.name)
        short = module.name.removeprefix("maild.core.")
        for name, value in vars(found).items():
            if name.startswith("_") or getattr(value, "__module__", "") != found.__name__:
                continue
            if inspect.isclass(value):
                yield from methods(f"{short}.{name}", value)
            elif callable(value) and not inspect.isclass(value):
                yield f"{short}.{name}", value


def methods(of: str, found: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    for name, value in vars(found).items():
        if not name.startswith("_") and inspect.isfunction(value):
            yield f"{of}.{name}", value


def parameters(function: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(function).parameters)


def takes(function: Callable[..., Any], what: str) -> bool:
    """Whether a parameter is declared as this, whatever its name."""
    return any(
        what in str(one.annotation).split(" | ")
        for one in inspect.signature(function).parameters.values()
    )


def is_step(function: Callable[..., Any]) -> bool:
    """Whether it lives in a transaction of somebody else's, who asked who may."""
    return takes(function, "Tx")


def use_cases() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield every public function of core that somebody does."""
    for name, function in functions():
        if "by" in parameters(function) or takes(function, "Actor"):
            yield name, function


def test_every_use_case_stands_in_the_table() -> None:
    known = {row.name for row in ROWS} | set(STEPS)
    missing = [
        name for name, function in use_cases() if name not in known and not is_step(function)
    ]
    assert missing == [], "add a row to tests/wall/functions.py, or say there why it is a step"


def test_what_nobody_does_is_listed_with_who_calls_it() -> None:
    """A function that takes no actor asks for no right: whoever writes one says here why it needs none."""
    known = {name for names in NOBODYS.values() for name in names}
    done = {name for name, _ in use_cases()}
    there = {
        name
        for name, function in functions()
        if name not in done and takes(function, "App") and not is_step(function)
    }
    assert there - known == set(), "take an actor, or say in tests/wall/functions.py who calls it"
    assert known - there == set(), "these are not there any more"


def test_nothing_stands_in_the_table_that_is_no_use_case_any_more() -> None:
    there = {name for name, _ in use_cases()}
    assert {row.name for row in ROWS} <= there
    assert set(STEPS) <= there


def outsiders(row: Row) -> list[str]:
    return [who for who in OUTSIDERS if not (who == "shut_admin" and row.tells_members)]


def tables(*, told: bool) -> list[Row]:
    return [row for row in ROWS if bool(row.told) is told]


@pytest.mark.parametrize("row", tables(told=False), ids=str)
class TestWhatIsNotTheirs:
    def test_another_accounts_thing_is_as_one_that_is_not_there(
        self, row: Row, look: Looked
    ) -> None:
        for who in (*INSIDERS, AGENT):
            assert look(row, who, "other") == look(row, who, "gone"), who

    def test_an_accounts_things_are_not_there_for_who_is_not_of_it(
        self, row: Row, look: Looked
    ) -> None:
        for who in outsiders(row):
            assert look(row, who, "colleague") == look(row, who, "gone"), who


def at_accounts() -> list[Row]:
    return [
        row for row in ROWS if "account" in parameters(row.function) and not row.ignores_account
    ]


@pytest.mark.parametrize("row", at_accounts(), ids=str)
def test_an_account_that_is_named_is_as_one_that_is_not_there(row: Row, look: Looked) -> None:
    """Also where names that are taken are told of: who may not work there is told of none."""
    for who in INSIDERS:
        assert look(row, who, "other", "beta") == look(row, who, "gone", "nowhere"), who
        assert look(row, who, who, "beta") == look(row, who, who, "nowhere"), who
    for who in outsiders(row):
        assert look(row, who, "colleague", "acme") == look(row, who, "gone", "nowhere"), who


@pytest.mark.parametrize("row", [row for row in ROWS if row.kind == "user"], ids=str)
def test_what_a_colleague_is_in_other_accounts_is_not_told(row: Row, look: Looked) -> None:
    for who in INSIDERS:
        words = look(row, who, "agent")[1].casefold().replace("gamma.example", "(their address)")
        assert not any(slug in words for slug in ("beta", "gamma")), words


@pytest.mark.parametrize("row", tables(told=True), ids=str)
def test_where_a_rule_tells_that_a_name_is_taken_that_is_all_it_tells(
    row: Row, look: Looked
) -> None:
    for who in INSIDERS:
        code, words = look(row, who, "other")
        assert code in TOLD
        assert not any(name in words for name in NAMES), words


@pytest.mark.parametrize("row", ROWS, ids=str)
class TestRights:
    def test_the_table_says_which_role_may_at_home(self, row: Row, look: Looked) -> None:
        for who in INSIDERS:
            check(row, look(row, who, who)[0], may=who[0] in row.own, who=who)

    def test_the_table_says_which_role_may_with_a_colleagues(self, row: Row, look: Looked) -> None:
        for who in INSIDERS:
            if row.kind not in {"none", "home"}:
                check(row, look(row, who, "colleague")[0], may=who[0] in row.colleagues, who=who)


def check(row: Row, code: str, *, may: bool, who: str) -> None:
    """A right that one has is not refused, whatever else may stand against the act."""
    if may:
        assert code not in {"NOT_ALLOWED", "NOT_FOUND"} or code == row.may_hear, (who, code)
    else:
        assert code == row.refused, (who, code)
