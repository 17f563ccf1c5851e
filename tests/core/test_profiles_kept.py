"""Saved searches while what they name changes: they go on meaning the same, and never more than that (M6)."""

from __future__ import annotations

import pytest

from maild.core.app import App
from maild.core.clients_changing import Precondition
from maild.core.giving import find_to_give
from maild.core.lists import Counted, Wanted, list_mails
from maild.core.profiles import (
    ProfileText,
    add_profile,
    change_profile,
    list_profiles,
    remove_profile,
    show_profile,
    tag_of,
)
from maild.model.reason import Reason, RefusedError
from tests.core.company import EVA as EVA_ID, JAN as JAN_ID
from tests.core.conftest import Frozen
from tests.core.test_profiles import EVA, JAN, LEA
from tests.core.test_search import Room


@pytest.fixture
def room(app: App, clock: Frozen) -> Room:
    made = Room(app, clock)
    made.mail("offer", "Offer")
    made.mail("plan", "Plan", from_="marc@dupont.example")
    made.settle()
    return made


def name_clients(app: App, *named: tuple[str, str]) -> None:
    with app.store.write() as tx:
        for number, (name, key) in enumerate(named, 1):
            tx.clients.set_client(number, name, key)


def count(app: App, name: str) -> int | None:
    counted = show_profile(app, name, counts=True, by=LEA).count
    return None if counted is None else counted.number


def test_M6_a_client_whose_name_nobody_can_type_is_still_the_profiles_client(room: Room) -> None:
    app = room.app
    add_profile(app, ProfileText(name="Rossi", query='client:="Rossi Bau"'), by=LEA)
    name_clients(app, ("Rossi\u00a0Bau", "K1"))
    assert count(app, "Rossi") == 1
    assert find_to_give(app, Wanted(profile="Rossi"), to=JAN_ID, by=LEA).found == 1
    shown = show_profile(app, "Rossi", by=LEA)
    assert (shown.query, shown.notes) == ("client:=C1", [])


def test_M6_a_profile_that_cannot_be_read_finds_and_gives_nothing(room: Room) -> None:
    app = room.app
    add_profile(app, ProfileText(name="Old", query="is:unread"), by=LEA)
    with app.store.write() as tx:
        tx.connection.exec_driver_sql(
            """UPDATE profiles SET terms = '[{"field": "mood", "value": "good", "not": false}]'"""
        )
    page = list_mails(app, Wanted(profile="Old"), by=LEA)
    assert page.mails == []
    assert "cannot be read by this version" in page.notes[0]
    assert list_mails(app, Wanted(profile="Old", search="offer"), by=LEA).mails == []
    shown = show_profile(app, "Old", counts=True, by=LEA)
    assert (shown.count, shown.text) == (Counted(number=0, more=False), page.notes[0])
    try:
        found = find_to_give(app, Wanted(profile="Old"), to=JAN_ID, by=LEA).found
    except RefusedError:
        found = 0
    assert found == 0
    assert remove_profile(app, "Old", by=LEA).notes == page.notes


def test_M6_a_client_is_meant_by_number_where_one_alone_is_named(room: Room) -> None:
    app = room.app
    name_clients(app, ("Rossi", "K1"), ("Rossi", "K2"))
    add_profile(app, ProfileText(name="One", query="client:=K1"), by=LEA)
    add_profile(app, ProfileText(name="Both", query="client:=Rossi"), by=LEA)
    assert (show_profile(app, "One", by=LEA).query, count(app, "One")) == ("client:=K1", 1)
    assert count(app, "Both") == 2
    name_clients(app, ("none", "K3"))
    shown = show_profile(app, "One", by=LEA)
    assert (shown.query, count(app, "One")) == ("client:=C1", 1)
    assert count(app, "Both") == 1, "whoever is called so now"
    add_profile(app, ProfileText(name="Without", query="client:none"), by=LEA)
    assert (show_profile(app, "Without", by=LEA).query, count(app, "Without")) == (
        "client:none",
        0,
    )


def test_M6_who_left_is_not_who_has_their_address_now(room: Room) -> None:
    app = room.app
    add_profile(app, ProfileText(name="Evas", query="owner:=eva@acme.example"), by=LEA)
    with app.store.write() as tx:
        run = tx.connection.exec_driver_sql
        for user, was, now in ((EVA_ID, "eva", "left"), (JAN_ID, "jan", "eva")):
            norm = f"{now}@acme.example"
            run(f"UPDATE addresses SET norm = '{norm}', base = '{norm}' WHERE user_id = {user}")
            run(f"UPDATE names SET norm = '{norm}' WHERE norm = '{was}@acme.example'")
        run(f"UPDATE entries SET owner_id = {JAN_ID}")
        run(f"DELETE FROM memberships WHERE user_id = {EVA_ID}")
    shown = show_profile(app, "Evas", counts=True, by=LEA)
    assert shown.count == Counted(number=0, more=False)
    assert shown.notes == ["The owner “eva@acme.example” is not there any more."]


def test_M6_the_tag_tells_a_new_name_and_changing_asks_what_was_saved(room: Room) -> None:
    app = room.app
    before = add_profile(app, ProfileText(name="Rossi", query='client:="Rossi Bau"'), by=LEA)
    name_clients(app, ("Rossi & Figli", "K1"))
    now = show_profile(app, "Rossi", by=LEA)
    assert (now.version, tag_of(now) != tag_of(before)) == (before.version, True)
    only_if = Precondition(match=frozenset({tag_of(before)}))
    assert change_profile(app, now.id, ProfileText(pinned=True), only_if=only_if, by=LEA).pinned


def test_M6_a_shared_profile_that_became_too_wide_is_listed_changed_and_removed(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = room.app
    add_profile(app, ProfileText(name="Wide", query="from:example", shared=True), by=EVA)
    monkeypatch.setattr("maild.core.searching.NAMED_MAX", 1)
    [shown] = list_profiles(app, by=JAN)
    for one in (shown, *list_profiles(app, counts=True, by=JAN)):
        assert (one.name, one.count) == ("Wide", None)
        assert "“example”" in one.notes[0]
    with pytest.raises(RefusedError) as refused:
        list_mails(app, Wanted(profile="Wide"), by=JAN)
    assert refused.value.reason is Reason.SEARCH_TOO_WIDE
    assert change_profile(app, "Wide", ProfileText(name="Wider"), by=EVA).name == "Wider"
    assert remove_profile(app, "Wider", by=EVA).notes == shown.notes
