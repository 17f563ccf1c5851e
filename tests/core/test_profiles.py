"""Saved searches: whose they are, who sees and changes them, and what becomes of what they name (M6)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from maild.core.app import OPERATOR, Actor, App
from maild.core.clients_changing import Precondition
from maild.core.lists import Counted, Wanted, count_mails, list_mails
from maild.core.profiles import (
    ProfileText,
    add_profile,
    change_profile,
    list_profiles,
    remove_profile,
    show_profile,
    tag_of,
)
from maild.core.statuses import add_status, remove_status
from maild.model.query import Field
from maild.model.reason import Reason, RefusedError
from tests.core.company import EVA as EVA_ID, JAN as JAN_ID, LEA as LEA_ID
from tests.core.conftest import Frozen
from tests.core.test_search import Room

LEA, EVA, JAN = Actor(LEA_ID), Actor(EVA_ID), Actor(JAN_ID)
PAGE = Path(__file__).parents[2] / "docs/search.md"


@pytest.fixture
def room(app: App, clock: Frozen) -> Room:
    made = Room(app, clock)
    made.mail("offer", "Offer")
    made.mail("plan", "Plan", from_="marc@dupont.example")
    made.settle()
    return made


def refusal(act: object) -> Reason:
    assert callable(act)
    with pytest.raises(RefusedError) as refused:
        act()
    return refused.value.reason


def test_M6_a_profile_is_its_persons_until_it_is_shared(room: Room) -> None:
    app = room.app
    mine = add_profile(app, ProfileText(name="Offers", query="offer is:unread"), by=EVA)
    assert (mine.mine, mine.shared, mine.by, mine.version) == (True, False, "Eva", 1)
    assert mine.text == "Mails that have “offer”, and that are unread."
    named = Wanted(profile="Offers")
    for other in (JAN, LEA, OPERATOR):
        assert list_profiles(app, by=other) == []
        assert refusal(lambda by=other: show_profile(app, mine.id, by=by)) is Reason.NOT_FOUND
        assert refusal(lambda by=other: list_mails(app, named, by=by)) is Reason.NOT_FOUND
    change_profile(app, "OFFERS", ProfileText(shared=True), by=EVA)
    assert [one.name for one in list_profiles(app, by=JAN)] == ["Offers"]
    assert refusal(lambda: remove_profile(app, mine.id, by=JAN)) is Reason.NOT_ALLOWED
    changed = change_profile(app, mine.id, ProfileText(name="All offers", pinned=True), by=LEA)
    assert (changed.name, changed.pinned, changed.version) == ("All offers", True, 3)
    assert remove_profile(app, mine.id, by=EVA).name == "All offers"
    assert list_profiles(app, by=EVA) == []


def test_M6_each_finds_in_a_shared_profile_what_is_theirs(room: Room) -> None:
    app = room.app
    add_profile(app, ProfileText(name="Mine", query="owner:me", shared=True), by=EVA)
    for by, number in ((LEA, 2), (EVA, 0)):
        [one] = list_profiles(app, counts=True, by=by)
        assert one.count == Counted(number=number, more=False)
        assert len(list_mails(app, Wanted(profile="Mine"), by=by).mails) == number
    [mail] = list_mails(app, Wanted(profile="Mine", search="from:rossi"), by=LEA).mails
    assert mail["subject"] == "Offer"


def test_M6_names_are_taken_once_and_ones_own_comes_first(room: Room) -> None:
    app = room.app
    theirs = [
        add_profile(app, ProfileText(name="Offers", query=text, shared=True), by=by)
        for by, text in ((EVA, "offer"), (JAN, "plan"))
    ]
    again = ProfileText(name="offers", query="x")
    assert refusal(lambda: add_profile(app, again, by=EVA)) is Reason.ALREADY_EXISTS
    assert show_profile(app, "offers", by=JAN).query == "plan"
    assert refusal(lambda: show_profile(app, "offers", by=LEA)) is Reason.CONFLICT
    assert show_profile(app, theirs[0].id, by=LEA).query == "offer"
    for text in (ProfileText(name="None", query=""), ProfileText(name=" ", query="x")):
        assert refusal(lambda text=text: add_profile(app, text, by=EVA)) is Reason.INVALID_VALUE
    form = ProfileText(name="Form", query="form:x")
    assert refusal(lambda: add_profile(app, form, by=EVA)) is Reason.SEARCH_FIELD_UNKNOWN


def test_M6_a_profile_follows_what_is_renamed_and_says_what_is_gone(room: Room) -> None:
    app = room.app
    add_status(app, "Parked", account=None, by=OPERATOR)
    query = 'status:parked owner:=eva@acme.example client:="Rossi Bau"'
    add_profile(app, ProfileText(name="Old", query=query), by=LEA)
    with app.store.write() as tx:
        tx.connection.exec_driver_sql("UPDATE clients SET name = 'Rossi & Figli' WHERE id = 1")
        tx.connection.exec_driver_sql("UPDATE statuses SET name = 'Waits' WHERE name = 'Parked'")
        tx.connection.exec_driver_sql(
            "UPDATE addresses SET norm = 'eva.moser@acme.example', base = 'eva.moser@acme.example' WHERE user_id = 2"
        )
        tx.connection.exec_driver_sql(
            "UPDATE names SET norm = 'eva.moser@acme.example' WHERE norm = 'eva@acme.example'"
        )
    shown = show_profile(app, "Old", by=LEA)
    assert shown.query == 'status:Waits owner:=eva.moser@acme.example client:="Rossi & Figli"'
    assert shown.notes == []
    remove_status(app, "Waits", account=None, by=OPERATOR)
    shown = show_profile(app, "Old", counts=True, by=LEA)
    assert shown.count == Counted(number=0, more=False)
    assert shown.notes == ["The status “parked” is not there any more."]
    page = list_mails(app, Wanted(profile="Old"), by=LEA)
    assert (page.mails, page.notes) == ([], shown.notes)


def test_M6_who_changes_a_profile_that_was_changed_meanwhile_is_refused(room: Room) -> None:
    app = room.app
    seen = add_profile(app, ProfileText(name="Offers", query="offer"), by=EVA)
    stale = Precondition(match=frozenset({tag_of(seen)}))
    now = change_profile(app, seen.id, ProfileText(pinned=True), only_if=stale, by=EVA)
    assert tag_of(now) != tag_of(seen)
    for act in (
        lambda: change_profile(app, seen.id, ProfileText(pinned=False), only_if=stale, by=EVA),
        lambda: remove_profile(app, seen.id, only_if=stale, by=EVA),
    ):
        assert refusal(act) is Reason.PRECONDITION_FAILED


def test_M6_counts_end_at_a_number_and_say_so(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maild.core.lists.COUNT_MAX", 1)
    for query in ("is:unread", "to:info@"):
        assert count_mails(room.app, Wanted(search=query), by=LEA) == Counted(number=1, more=True)


def test_M6_every_example_of_the_page_runs_and_every_field_stands_in_it(room: Room) -> None:
    page = PAGE.read_text()
    [block] = re.findall(r"```search\n(.*?)```", page, flags=re.DOTALL)
    examples = block.splitlines()
    assert len(examples) > 10
    found = {one: list_mails(room.app, Wanted(search=one), by=LEA).mails for one in examples}
    assert [mail["subject"] for mail in found["offer"]] == ["Offer"]
    assert all(f"`{field.value}:" in page for field in Field)


def test_M6_nobody_uses_up_the_profiles_of_others(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = room.app
    for module in ("profiles", "saved"):
        monkeypatch.setattr(f"maild.core.{module}.PROFILES_MAX", 3)
    for number in range(3):
        add_profile(app, ProfileText(name=f"e{number}", query="offer", shared=True), by=EVA)
    for number in range(3):
        add_profile(app, ProfileText(name=f"j{number}", query="offer"), by=JAN)
    names = [one.name for one in list_profiles(app, by=JAN)]
    assert names == ["e0", "e1", "e2", "j0", "j1", "j2"]
    for act in (
        lambda: add_profile(app, ProfileText(name="j3", query="offer"), by=JAN),
        lambda: change_profile(app, "j0", ProfileText(shared=True), by=JAN),
        lambda: add_profile(app, ProfileText(name="l0", query="offer", shared=True), by=LEA),
    ):
        assert refusal(act) is Reason.CONFLICT
    change_profile(app, "e0", ProfileText(shared=False), by=LEA)
    assert change_profile(app, "j0", ProfileText(shared=True), by=JAN).shared
