"""F6: lists bring clients in, again and again; each entry hears what became of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from sqlalchemy import event

from maild.core.accounts import set_account
from maild.core.app import OPERATOR, App
from maild.core.clients import ClientView, list_clients
from maild.core.clients_changing import ClientChanges, change_client, show_client_by_key, tag_of
from maild.core.clients_listing import BATCH, import_clients
from maild.core.clients_sweeping import file_matching, matching_clients, sweep
from maild.core.importing import Outcome
from maild.model.client_card import ClientCard
from maild.model.reason import Reason
from maild.store import client_tables
from tests.core.company import READER, Post, a_company
from tests.core.moments import refusal

ROSSI = ClientCard(
    name="Rossi SA", key="R1", contacts=("a@rossi.test", "b@rossi.test"), domains=("rossi.test",)
)


@pytest.fixture
def post(app: App) -> Post:
    a_company(app)
    return Post(app)


def listed(post: Post, *cards: ClientCard, dry_run: bool = False) -> list[Outcome]:
    lines = list(enumerate(cards, 1))
    return list(import_clients(post.app, lines, dry_run=dry_run, by=OPERATOR))


def words(outcomes: Sequence[Outcome]) -> list[str]:
    return [one.code or one.outcome for one in outcomes]


def client(post: Post, name: str) -> ClientView:
    [found] = [one for one in all_clients(post) if one.name == name]
    return found


def all_clients(post: Post) -> tuple[ClientView, ...]:
    return list_clients(post.app, limit=1000, by=OPERATOR).clients


def test_F6_a_second_list_changes_the_client_of_the_same_key_and_says_what(post: Post) -> None:
    [added] = listed(post, ROSSI)
    later = ClientCard(
        name="Rossi AG",
        key="R1",
        contacts=("b@rossi.test", "c@rossi.test"),
        domains=("rossi.example",),
    )
    [changed] = listed(post, later)
    assert (added.outcome, changed.outcome, changed.id) == ("added", "changed", added.id)
    assert changed.changes == (
        "name: Rossi SA → Rossi AG",
        "+ c@rossi.test",
        "+ @rossi.example",
        "- a@rossi.test",
        "- @rossi.test",
    )
    found = client(post, "Rossi AG")
    assert found.contacts == ("b@rossi.test", "c@rossi.test")
    assert found.domains == ("rossi.example",)


def test_F6_the_same_list_again_changes_nothing(post: Post) -> None:
    cards = (ROSSI, ClientCard(name="No Key", contacts=("x@nokey.test",)))
    assert words(listed(post, *cards)) == ["added", "added"]
    before = all_clients(post)
    events = post.table("events")
    assert words(listed(post, *cards)) == ["unchanged", "unchanged"]
    assert all_clients(post) == before
    assert post.table("events") == events


def test_F6_what_a_list_does_not_say_stays(post: Post) -> None:
    listed(post, ROSSI)
    assert words(listed(post, ClientCard(name="Rossi SA", key="R1"))) == ["unchanged"]
    [emptied] = listed(post, ClientCard(name="Rossi SA", key="R1", domains=()))
    assert emptied.changes == ("- @rossi.test",)
    assert len(client(post, "Rossi SA").contacts) == 2


def test_F6_what_a_person_put_there_by_hand_no_list_takes_away(post: Post) -> None:
    [added] = listed(post, ROSSI)
    change_client(post.app, added.id or "", ClientChanges(add=["hand@rossi.test"]), by=OPERATOR)
    assert words(listed(post, ROSSI)) == ["unchanged"]
    assert "hand@rossi.test" in client(post, "Rossi SA").contacts


def test_F6_what_a_list_put_there_and_a_person_again_no_list_takes_away(post: Post) -> None:
    [added] = listed(post, ROSSI)
    by_hand = ClientChanges(add=["a@rossi.test"], add_domains=["rossi.test"])
    change_client(post.app, added.id or "", by_hand, by=OPERATOR)
    [emptied] = listed(post, ClientCard(name="Rossi SA", key="R1", contacts=(), domains=()))
    assert emptied.changes == ("- b@rossi.test",)
    found = client(post, "Rossi SA")
    assert (found.contacts, found.domains) == (("a@rossi.test",), ("rossi.test",))


def test_F6_a_client_stands_once_in_a_list(post: Post) -> None:
    first, second, *_ = listed(post, ROSSI, ClientCard(name="Other", key="R1"))
    assert (first.outcome, second.code) == ("added", "ALREADY_EXISTS")
    assert "Line 1 of this list" in (second.message or "")


def test_F6_a_client_stands_once_in_a_list_of_several_batches(post: Post) -> None:
    many = [ClientCard(name=f"C{number}") for number in range(BATCH)]
    outcomes = listed(post, *many, many[0])
    assert words(outcomes)[-2:] == ["added", "ALREADY_EXISTS"]
    assert len(all_clients(post)) == BATCH + 2


def test_F6_a_name_that_is_a_keyed_clients_is_not_guessed(post: Post) -> None:
    listed(post, ROSSI)
    [refused] = listed(post, ClientCard(name="Rossi SA", contacts=("z@rossi.test",)))
    assert refused.code == "CONFLICT"
    assert "R1" in (refused.message or "")
    assert "z@rossi.test" not in client(post, "Rossi SA").contacts


def test_F6_a_keyed_client_with_the_name_of_one_without_is_added_and_said(post: Post) -> None:
    [added] = listed(post, ClientCard(name="Rossi Bau", key="R9"))
    assert added.outcome == "added"
    assert any("maild client set C1 key=R9" in one for one in added.warnings)


def test_F5_a_contact_at_two_clients_is_named(post: Post) -> None:
    [added] = listed(
        post, ClientCard(name="New", contacts=("anna@rossi.example",), domains=("new.test",))
    )
    assert added.outcome == "added"
    [warning] = added.warnings
    assert warning.startswith("anna@rossi.example is at 2 clients (Rossi Bau, New)")


def test_F5_a_domain_at_two_clients_of_one_list_is_named_at_both(post: Post) -> None:
    outcomes = listed(
        post,
        ClientCard(name="One", domains=("both.test",)),
        ClientCard(name="Two", domains=("both.test",)),
    )
    assert all("@both.test is at 2 clients (One, Two)" in one.warnings[0] for one in outcomes)


@pytest.mark.parametrize("taken", ["eva@acme.example", "info@acme.example", "info+x@acme.example"])
def test_U4_a_contact_that_is_ours_refuses_its_line_and_no_other(post: Post, taken: str) -> None:
    outcomes = listed(post, ClientCard(name="Bad", contacts=("ok@bad.test", taken)), ROSSI)
    assert words(outcomes) == ["EMAIL_IN_USE_OTHER_KIND", "added"]
    assert taken in (outcomes[0].message or "")
    assert "Bad" not in [one.name for one in all_clients(post)]


def test_U4_where_employees_may_be_clients_a_users_address_may_be_listed(post: Post) -> None:
    set_account(post.app, "acme", {"employee_is_client": "yes"}, by=OPERATOR)
    assert words(listed(post, ClientCard(name="Eva", contacts=("eva@acme.example",)))) == ["added"]


def test_F6_a_dry_run_says_the_same_and_keeps_nothing(post: Post) -> None:
    cards = (
        ROSSI,
        ClientCard(name="Rossi Bau", contacts=("n@rossi.example",)),
        ClientCard(name="\n"),
    )
    before = all_clients(post)
    tried = listed(post, *cards, dry_run=True)
    assert all_clients(post) == before
    done = listed(post, *cards)
    assert words(tried) == words(done) == ["added", "changed", "INVALID_VALUE"]
    assert [one.changes for one in tried] == [one.changes for one in done]


KEYED, KEYLESS = ClientCard(name="Same", key="S"), ClientCard(name="Same")


@pytest.mark.parametrize("between", [0, BATCH])
@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("pair", [(KEYED, KEYLESS), (KEYLESS, KEYED)])
def test_F6_two_of_a_name_of_which_one_has_a_key_are_not_guessed_wherever_they_stand(
    post: Post, pair: tuple[ClientCard, ClientCard], between: int, dry_run: bool
) -> None:
    many = [ClientCard(name=f"C{number}") for number in range(between)]
    first, *_, second = listed(post, pair[0], *many, pair[1], dry_run=dry_run)
    assert words([first, second]) == ["added", "CONFLICT"]
    assert "Line 1 of this list" in (second.message or "")
    assert (first.id is None) is dry_run


@pytest.mark.parametrize("between", [0, BATCH])
@pytest.mark.parametrize("dry_run", [False, True])
def test_F6_a_name_that_the_list_took_from_a_keyed_client_is_free_wherever_it_stands(
    post: Post, between: int, dry_run: bool
) -> None:
    listed(post, KEYED)
    many = [ClientCard(name=f"C{number}") for number in range(between)]
    renamed = ClientCard(name="Renamed", key="S")
    first, *_, second = listed(post, renamed, *many, KEYLESS, dry_run=dry_run)
    assert words([first, second]) == ["changed", "added"]


def test_F6_two_of_a_name_that_are_both_there_are_known(post: Post) -> None:
    assert words(listed(post, KEYLESS)) == ["added"]
    assert words(listed(post, KEYED)) == ["added"]
    assert words(listed(post, KEYED, KEYLESS)) == ["unchanged", "unchanged"]
    assert words(listed(post, KEYLESS, KEYED)) == ["unchanged", "unchanged"]


# --- mails that waited (I4) ---------------------------------------------------------------------------------------------


def waiting(post: Post, *froms: str) -> None:
    for from_ in froms:
        post.send(post.mail(from_), "info@acme.example")
    post.decide()


def states(post: Post) -> list[tuple[str, str]]:
    return [(row["state"], row["reason"]) for row in post.lies()]


def swept(post: Post) -> None:
    while sweep(post.app):
        pass
    post.decide()


NOT_FOUND, FILED = ("unfiled", "CLIENT_NOT_FOUND"), ("filed", "FILED_CONTACT")


def test_I4_an_import_offers_the_mails_that_waited_and_files_them_on_a_yes(post: Post) -> None:
    waiting(post, "a@rossi.test", "x@rossi.test", "nobody@else.test")
    listed(post, ROSSI)
    swept(post)
    assert states(post) == [NOT_FOUND] * 3
    found = matching_clients(post.app, by=OPERATOR)
    assert [one.from_ for one in found.mails] == ["a@rossi.test", "x@rossi.test"]
    received = [row["received_at"] for row in post.lies()]
    healed = file_matching(post.app, READER, by=OPERATOR)
    assert (healed.count, healed.filed) == (2, 2)
    assert states(post) == [FILED, ("filed", "FILED_DOMAIN"), NOT_FOUND]
    assert [row["received_at"] for row in post.lies()] == received
    assert matching_clients(post.app, by=OPERATOR).count == 0


def test_I4_where_the_account_says_so_an_import_files_them_by_itself(post: Post) -> None:
    set_account(post.app, "acme", {"heal": "self"}, by=OPERATOR)
    waiting(post, "a@rossi.test", "nobody@else.test")
    listed(post, ROSSI)
    assert states(post) == [NOT_FOUND] * 2  # The import itself decides nothing.
    swept(post)
    assert states(post) == [FILED, NOT_FOUND]


def test_I4_a_look_that_a_crash_cut_off_goes_on(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maild.core.clients_sweeping.PORTION", 2)
    set_account(post.app, "acme", {"heal": "self"}, by=OPERATOR)
    waiting(post, *[f"p{number}@rossi.test" for number in range(5)])
    listed(post, ROSSI)
    assert sweep(post.app)
    post.decide()
    assert states(post).count(NOT_FOUND) == 3
    swept(post)
    assert NOT_FOUND not in states(post)
    assert post.table(client_tables.sweeps.name) == 0


def statements(post: Post, act: Callable[[], object]) -> int:
    """Count what an act says to the database."""
    count = 0

    def note(*_: object) -> None:
        nonlocal count
        count += 1

    engine = post.app.store.database.writer
    event.listen(engine, "before_cursor_execute", note)
    try:
        act()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return count


def test_I4_looking_for_many_new_clients_costs_as_much_as_for_one(post: Post) -> None:
    set_account(post.app, "acme", {"heal": "self"}, by=OPERATOR)
    waiting(post, *[f"p{number}@nobody.test" for number in range(20)])
    costs = []
    for count in (1, 300):
        many = [
            ClientCard(name=f"C{n}", key=str(n), contacts=(f"c@c{n}.test",)) for n in range(count)
        ]
        listed(post, *many)
        costs.append(statements(post, lambda: sweep(post.app)))
    assert costs[0] == costs[1]


def test_F6_a_batch_of_many_is_written_in_few_statements(post: Post) -> None:
    many = [ClientCard(name=f"C{n}", key=str(n), contacts=(f"c@c{n}.test",)) for n in range(BATCH)]
    assert statements(post, lambda: listed(post, *many)) < 60
    assert statements(post, lambda: listed(post, *many)) < 60


def test_I4_an_import_that_changes_nothing_asks_for_no_look(post: Post) -> None:
    listed(post, ROSSI)
    set_account(post.app, "acme", {"heal": "self"}, by=OPERATOR)
    listed(post, ROSSI)
    assert not sweep(post.app)


def test_I4_a_mail_of_two_clients_is_offered_once_it_is_ones(post: Post) -> None:
    listed(post, ClientCard(name="Twin", key="T", contacts=("anna@rossi.example",)))
    waiting(post, "anna@rossi.example")
    assert states(post) == [("unfiled", "CLIENT_AMBIGUOUS")]
    assert matching_clients(post.app, by=OPERATOR).count == 0
    listed(post, ClientCard(name="Twin", key="T", contacts=()))
    assert file_matching(post.app, READER, by=OPERATOR).filed == 1
    assert states(post) == [FILED]


@pytest.mark.parametrize("by_domain", [False, True])
def test_I4_a_mail_of_two_clients_heals_once_a_person_takes_it_off_one(
    post: Post, by_domain: bool
) -> None:
    set_account(post.app, "acme", {"heal": "self"}, by=OPERATOR)
    twins = [
        ClientCard(name=name, key=name, contacts=("c@twin.test",), domains=("twin.test",))
        for name in ("T1", "T2")
    ]
    [_, second] = listed(post, *twins)
    waiting(post, "x@twin.test" if by_domain else "c@twin.test")
    assert states(post) == [("unfiled", "CLIENT_AMBIGUOUS")]
    taken = (
        ClientChanges(remove_domains=["twin.test"])
        if by_domain
        else ClientChanges(remove=["c@twin.test"])
    )
    change_client(post.app, second.id or "", taken, by=OPERATOR)
    post.decide()
    assert states(post) == [("filed", "FILED_DOMAIN") if by_domain else FILED]


def test_F6_a_tag_is_another_where_the_client_is_shown_otherwise(post: Post) -> None:
    listed(post, ROSSI)
    before = client(post, "Rossi SA")
    listed(post, ClientCard(name="Twin", contacts=("a@rossi.test",)))
    after = client(post, "Rossi SA")
    assert (before.shared, after.shared) == ((), ("a@rossi.test",))
    assert tag_of(before) != tag_of(after)


def test_F6_a_key_is_looked_up_in_the_form_in_which_it_is_kept(post: Post) -> None:
    listed(post, ClientCard(name="Rossi SA", key=" Zu\u0308rich "))
    found = show_client_by_key(post.app, "Zu\u0308rich ", by=OPERATOR)
    assert found.key == "Z\u00fcrich"


@pytest.mark.parametrize("key", ["\0", "x\0", "\ud800", "", " "])
def test_F6_a_key_that_can_be_nobodys_is_not_found(post: Post, key: str) -> None:
    assert refusal(lambda: show_client_by_key(post.app, key, by=OPERATOR)) is Reason.NOT_FOUND
