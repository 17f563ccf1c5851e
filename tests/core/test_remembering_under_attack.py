"""What an enemy, or two at once, tried with what is remembered, and with healing.  Each once broke something (E2, I4)."""

from __future__ import annotations

import shlex
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from maild.core.accounts import set_account
from maild.core.addresses import add_address
from maild.core.app import OPERATOR, Actor, App
from maild.core.clients import NewClient, add_client
from maild.core.healing import heal, matching_held
from maild.core.mailbox import undo
from maild.core.repairs import Asked, file_and_remember, repair
from maild.core.seal import SealingKey
from maild.core.standing_rulings import forget_answer, list_remembered
from maild.store.standing_rulings import SEALER
from tests.core.company import LEA, READER, Post, a_company
from tests.core.conftest import Frozen
from tests.core.test_repairing_under_attack import INFO_INBOX, arrived, said


@pytest.fixture
def post(app: App) -> Post:
    a_company(app)
    return Post(replace(app, key=SealingKey.of("0123456789abcdef" * 3)))


# --- what is remembered -------------------------------------------------------------------------------------------------


def two_of_a_domain(post: Post) -> tuple[str, list[str]]:
    """Return a mail of a domain that two clients have, and the clients."""
    ids = [
        add_client(post.app, NewClient(name=name, domains=["novum.example"]), by=OPERATOR).id
        for name in ("Novum", "Novum Holding")
    ]
    return arrived(post, "nina@novum.example", to=INFO_INBOX, body="Hello"), ids


def test_E2_a_client_whom_the_next_mail_cannot_mean_is_not_remembered(post: Post) -> None:
    ulid, _ = two_of_a_domain(post)
    assert said(post, ulid, "choose-client", "C1", remember=True) == "CONFLICT"
    assert list_remembered(post.app, by=OPERATOR) == []
    assert said(post, ulid, "choose-client", "C1") == "filed"


def test_E2_whose_a_domain_is_and_whose_seals_are_believed_are_forgotten_apart(post: Post) -> None:
    ulid, [first, _] = two_of_a_domain(post)
    said(post, ulid, "choose-client", first, remember=True)
    with post.app.store.write() as tx:
        tx.standing.add(
            1,
            SEALER,
            "novum.example",
            {"domain": "novum.example"},
            by_user_id=None,
            now=post.app.clock(),
        )
    assert forget_answer(post.app, "novum.example", by=OPERATOR).text == (
        "ARC seals of novum.example are believed."
    )
    assert [one.subject for one in list_remembered(post.app, by=OPERATOR)] == ["@novum.example"]
    forget_answer(post.app, "@novum.example", by=OPERATOR)
    assert list_remembered(post.app, by=OPERATOR) == []


def test_E2_the_undo_of_a_choice_brings_back_the_one_that_it_replaced(
    post: Post, clock: Frozen
) -> None:
    one, [first, second] = two_of_a_domain(post)
    other = arrived(post, "nino@novum.example", to=INFO_INBOX, body="Hello")
    said(post, one, "choose-client", first, remember=True, by=Actor(LEA))
    clock.advance(timedelta(hours=1))
    asked = Asked(action="choose-client", value=second, remember=True)
    change = repair(post.app, READER, other, asked, by=OPERATOR).change
    undo(post.app, READER, by=OPERATOR, change_id=change)
    [kept] = list_remembered(post.app, by=OPERATOR)
    assert (kept.text, kept.by) == ("@novum.example means Novum.", "Lea")


def test_E2_an_undo_ends_nothing_that_was_remembered_meanwhile(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, [first, second] = two_of_a_domain(post)
    asked = Asked(action="choose-client", value=first, remember=True)
    change = repair(post.app, READER, one, asked, by=OPERATOR).change
    now = post.app.clock() + timedelta(minutes=1)
    with post.app.store.write() as tx:
        [stale] = tx.standing.of(1)
        answer = {"client_id": 0, "client_name": second, "change": "LATER"}
        tx.standing.add(1, stale.question, stale.subject, answer, by_user_id=None, now=now)
    # As an undo that looked before the other answer was committed.
    monkeypatch.setattr("maild.store.standing_rulings.StandingRows.of", lambda *_: [stale])
    undo(post.app, READER, by=OPERATOR, change_id=change)
    monkeypatch.undo()
    assert [kept.text for kept in list_remembered(post.app, by=OPERATOR)] == [
        f"@novum.example means {second}."
    ]


def test_E2_a_choice_that_meets_an_undo_of_the_one_before_it_is_remembered(
    post: Post, clock: Frozen
) -> None:
    one, [first, second] = two_of_a_domain(post)
    others = [
        arrived(post, f"n{number}@novum.example", to=INFO_INBOX, body="Hello")
        for number in range(2)
    ]
    said(post, one, "choose-client", first, remember=True)
    clock.advance(timedelta(minutes=1))
    asked = Asked(action="choose-client", value=second, remember=True)
    change = repair(post.app, READER, others[0], asked, by=OPERATOR).change
    clock.advance(timedelta(minutes=1))
    gate = threading.Barrier(2)

    def undoes() -> None:
        gate.wait()
        undo(post.app, READER, by=OPERATOR, change_id=change)

    def chooses() -> str:
        gate.wait()
        return said(post, others[1], "choose-client", second, remember=True)

    with ThreadPoolExecutor(2) as threads:
        undone, chosen = threads.submit(undoes), threads.submit(chooses)
        undone.result(30)
        assert chosen.result(30) == "filed"
    assert len(list_remembered(post.app, by=OPERATOR)) == 1


# --- healing ------------------------------------------------------------------------------------------------------------


def test_I4_a_client_with_hundreds_of_contacts_heals_what_one_of_them_wrote(post: Post) -> None:
    set_account(post.app, "acme", {"heal": "self"}, by=OPERATOR)
    ulid = arrived(post, "c0777@novum.example", to=INFO_INBOX, body="Hello")
    contacts = [f"c{number:04}@novum.example" for number in range(1000)]
    domains = [f"d{number}.example" for number in range(200)]
    add_client(post.app, NewClient(name="Novum", contacts=contacts, domains=domains), by=OPERATOR)
    post.decide()
    assert post.outcome()[:2] == ("filed", "FILED_CONTACT")
    assert post.lies()[0]["ulid"] == ulid


@pytest.mark.parametrize(
    ("action", "value", "leads_to"),
    [
        ("add-alias", "eva@acme.example", ("held", "SENDER_NOT_VERIFIED")),
        ("add-client", "Novum", ("filed", "FILED_BY_HAND")),
    ],
)
def test_I4_in_an_account_that_heals_by_itself_a_repair_does_not_stand_in_its_own_way(
    post: Post, action: str, value: str, leads_to: tuple[str, str]
) -> None:
    set_account(post.app, "acme", {"heal": "self"}, by=OPERATOR)
    ulid = arrived(post, "nina@novum.example")
    done = repair(post.app, READER, ulid, Asked(action=action, value=value), by=OPERATOR)
    assert (done.state.value, done.reason) == leads_to


def test_I4_where_mail_heals_by_itself_an_alias_is_confirmed_and_a_client_made_from_it(
    post: Post,
) -> None:
    set_account(post.app, "acme", {"heal": "self"}, by=OPERATOR)
    add_address(
        post.app,
        "eva@acme.example",
        "eva@home.example",
        sends_as=False,
        confirm=False,
        by=OPERATOR,
    )
    assert said(post, arrived(post, "eva@home.example"), "confirm") == "held"
    ulid = arrived(post, "nina@novum.example", to=INFO_INBOX, body="Hello")
    assert said(post, ulid, "create-client", "Novum") == "filed"


def test_I4_a_thousand_addresses_are_asked_for_at_once(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maild.core.waiting.PORTION_OF_MANY", 2)
    for number in range(5):
        arrived(post, f"n{number}@novum.example", to=INFO_INBOX, body="Hello")
    names = [f"n{number}@novum.example" for number in range(4, 1004)]
    assert matching_held(post.app, names, by=OPERATOR).count == 1
    assert heal(post.app, READER, names, by=OPERATOR).count == 1


def test_I4_the_command_that_heals_is_safe_in_a_shell_whoever_chose_the_address(post: Post) -> None:
    evil = "`id`|${x}@novum.example"
    arrived(post, evil, to=INFO_INBOX, body="Hello")
    found = matching_held(post.app, [evil], by=OPERATOR)
    assert found.count == 1
    assert shlex.split(found.command) == ["maild", "mail", "heal", evil]
    assert f"'{evil}'" in found.command


def test_F5_filing_many_remembers_and_heals_once(post: Post) -> None:
    set_account(post.app, "acme", {"heal": "self"}, by=OPERATOR)
    every = [
        arrived(post, f"n{number % 3}@novum.example", to=INFO_INBOX, body=f"Hello {number}")
        for number in range(6)
    ]
    filed = file_and_remember(post.app, READER, every[:3], client="C1", by=Actor(LEA))
    assert filed.remembered == tuple(f"n{number}@novum.example" for number in range(3))
    post.decide()
    assert {row["reason"] for row in post.lies()} == {"FILED_BY_HAND", "FILED_CONTACT"}
