"""F6: an account follows a directory; its pages and its cursor are one transaction, and trouble is only later."""

from __future__ import annotations

from datetime import timedelta

import pytest

from maild.core.accounts import add_account
from maild.core.app import OPERATOR, Actor, App
from maild.core.clients import list_clients
from maild.core.clients_changing import ClientChanges, change_client
from maild.core.clients_following import (
    LEASE,
    DirectoryLostError,
    DirectoryView,
    Following,
    directory_due,
    list_directories,
    note_round,
    remove_directory,
    set_directory,
    show_directory,
    take_directory,
    take_page,
)
from maild.model.client_card import ClientCard, ClientPage
from maild.model.reason import Reason
from tests.core.company import LEA, Post, a_company
from tests.core.conftest import Frozen
from tests.core.moments import refusal

NOVUM = ClientCard(name="Novum", key="N", contacts=("n@novum.test",), domains=("novum.test",))


@pytest.fixture
def post(app: App) -> Post:
    a_company(app)
    set_directory(app, "crm", {"url": "x"}, every_s=300, by=OPERATOR)
    return Post(app)


def taken(post: Post) -> Following:
    found = directory_due(post.app)
    assert found is not None
    return found


def shown(post: Post) -> DirectoryView:
    return show_directory(post.app, by=OPERATOR)


def contacts(post: Post, key: str) -> tuple[str, ...]:
    [found] = [one for one in list_clients(post.app, by=OPERATOR).clients if one.key == key]
    return (*found.contacts, *found.domains)


def test_F6_a_page_becomes_the_mirror_and_the_next_begins_behind_it(
    post: Post, clock: Frozen
) -> None:
    following = taken(post)
    assert (following.plug, following.options, following.cursor) == ("crm", {"url": "x"}, None)
    counts = take_page(post.app, following, ClientPage(cursor="7", clients=(NOVUM,)))
    assert counts["added"] == 1
    assert contacts(post, "N") == ("n@novum.test", "novum.test")
    assert note_round(post.app, following, trouble=None) == clock() + timedelta(seconds=300)
    assert (shown(post).state, shown(post).trouble) == ("OK", None)
    assert directory_due(post.app) is None
    clock.advance(timedelta(seconds=300))
    assert taken(post).cursor == "7"


def test_F6_a_page_that_cannot_be_stored_leaves_the_cursor(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    following = taken(post)

    def fails(*_: object, **named: object) -> None:
        if "cursor" in named:
            raise RuntimeError

    monkeypatch.setattr("maild.store.directories.DirectoryRows.write", fails)
    with pytest.raises(RuntimeError):
        take_page(post.app, following, ClientPage(cursor="7", clients=(NOVUM,)))
    monkeypatch.undo()
    assert take_directory(post.app, by=OPERATOR).cursor is None
    assert "Novum" not in [one.name for one in list_clients(post.app, by=OPERATOR).clients]


def test_F6_trouble_is_told_and_asking_waits_longer_each_time(post: Post, clock: Frozen) -> None:
    rests = []
    for _ in range(9):
        before = clock()
        rests.append(
            (note_round(post.app, taken(post), trouble="no route") - before).total_seconds()
        )
        clock.advance(timedelta(seconds=rests[-1]))
    assert rests == [300, 300, 300, 480, 960, 1920, 3600, 3600, 3600]
    assert (shown(post).state, shown(post).trouble, shown(post).fail_count) == (
        "BACKOFF",
        "no route",
        9,
    )
    note_round(post.app, taken(post), trouble=None)
    assert (shown(post).state, shown(post).fail_count) == ("OK", 0)


def test_F6_two_never_ask_one_directory(post: Post, clock: Frozen) -> None:
    late = taken(post)
    assert directory_due(post.app) is None
    clock.advance(LEASE)  # The one who had it died.
    following = taken(post)
    for act in (
        lambda: take_page(post.app, late, ClientPage(cursor="9", clients=(NOVUM,))),
        lambda: note_round(post.app, late, trouble=None),
    ):
        with pytest.raises(DirectoryLostError):
            act()
    take_page(post.app, following, ClientPage(cursor="1"))
    assert take_directory(post.app, by=OPERATOR).cursor == "1"


def test_F6_who_set_another_directory_begins_from_the_first(post: Post) -> None:
    following = taken(post)
    take_page(post.app, following, ClientPage(cursor="7", clients=(NOVUM,)))
    set_directory(post.app, "other", {}, by=OPERATOR)
    with pytest.raises(DirectoryLostError):
        take_page(post.app, following, ClientPage(cursor="8"))
    assert (taken(post).plug, shown(post).state) == ("other", "WAITING")
    assert contacts(post, "N")


def test_F6_a_refused_entry_stops_no_other_and_is_kept_to_be_seen(post: Post) -> None:
    bad = ClientCard(name="Eva", key="E", contacts=("eva@acme.example",))
    counts = take_page(post.app, taken(post), ClientPage(cursor="1", clients=(bad, NOVUM)))
    assert (counts["refused"], counts["added"]) == (1, 1)
    assert shown(post).refused == 1
    assert (shown(post).last_refusal or "").startswith("Eva: eva@acme.example is in use")


def test_F6_of_an_entry_that_stands_twice_in_a_page_the_last_counts(post: Post) -> None:
    later = ClientCard(name="Novum", key="N", contacts=("later@novum.test",), domains=())
    counts = take_page(post.app, taken(post), ClientPage(cursor="1", clients=(NOVUM, later)))
    assert counts["refused"] == 0
    assert contacts(post, "N") == ("later@novum.test",)


def test_F6_a_client_that_is_gone_matches_nothing_new_and_keeps_what_it_has(post: Post) -> None:
    following = taken(post)
    take_page(post.app, following, ClientPage(cursor="1", clients=(NOVUM,)))
    post.send(post.mail("n@novum.test"), "info@acme.example")
    post.decide()
    [client] = [one for one in list_clients(post.app, by=OPERATOR).clients if one.key == "N"]
    change_client(post.app, client.id, ClientChanges(add=["hand@novum.test"]), by=OPERATOR)
    counts = take_page(post.app, following, ClientPage(cursor="2", gone=("N", "unknown")))
    assert (counts["gone"], counts["changed"]) == (1, 1)
    assert contacts(post, "N") == ("hand@novum.test",)
    post.send(post.mail("n@novum.test"), "info@acme.example")
    post.decide()
    assert [row["state"] for row in post.lies()] == ["filed", "unfiled"]


def test_F6_only_the_operator_says_which_directory(post: Post, app: App) -> None:
    refused = refusal(lambda: set_directory(app, "x", {}, by=Actor(LEA)))
    assert refused is Reason.NOT_ALLOWED
    member = show_directory(app, by=Actor(LEA))
    assert member.options is None
    assert shown(post).options == {"url": "x"}


@pytest.mark.parametrize("every", [0, 29, 10**9])
def test_F6_an_interval_has_limits(app: App, every: int) -> None:
    a_company(app)
    refused = refusal(lambda: set_directory(app, "x", {}, every_s=every, by=OPERATOR))
    assert refused is Reason.INVALID_VALUE


def test_F6_who_follows_none_any_more_keeps_the_clients(post: Post) -> None:
    following = taken(post)
    take_page(post.app, following, ClientPage(cursor="1", clients=(NOVUM,)))
    remove_directory(post.app, by=OPERATOR)
    assert list_directories(post.app, by=OPERATOR) == []
    assert refusal(lambda: show_directory(post.app, by=OPERATOR)) is Reason.NOT_FOUND
    assert contacts(post, "N")


def test_F6_who_is_gone_is_found_however_his_key_is_written(post: Post) -> None:
    following = taken(post)
    card = ClientCard(name="Novum", key="Zu\u0308rich ", contacts=("n@novum.test",))
    take_page(post.app, following, ClientPage(cursor="1", clients=(card,)))
    gone = ("Zu\u0308rich ", "Z\u00fcrich", "x\0", "\ud800")
    counts = take_page(post.app, following, ClientPage(cursor="2", gone=gone))
    assert counts["gone"] == 1
    assert contacts(post, "Z\u00fcrich") == ()


def test_F6_a_round_that_was_ended_goes_on_at_once_behind_those_who_wait(
    post: Post, clock: Frozen
) -> None:
    add_account(post.app, slug="other", name="Other", by=OPERATOR)
    clock.advance(timedelta(seconds=1))
    set_directory(post.app, "crm2", {}, account="other", by=OPERATOR)
    first = taken(post)
    clock.advance(timedelta(seconds=1))
    assert note_round(post.app, first, trouble=None, has_more=True) == clock()
    assert show_directory(post.app, account="acme", by=OPERATOR).state == "WAITING"
    assert [taken(post).plug, taken(post).plug] == ["crm2", "crm"]
