"""I4: what waited for an address, a client or a membership is offered, and filed on a yes, with its own date."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import insert

from maild.core.accounts import set_account
from maild.core.addresses import add_address
from maild.core.app import OPERATOR, Actor, App
from maild.core.clients import NewClient, add_client
from maild.core.clients_changing import ClientChanges, change_client
from maild.core.healing import heal, matching_held
from maild.core.joining import answer_invitation, invite
from maild.core.people import NewUser, add_user, set_active
from maild.core.repairs import Asked, repair, repairs_of
from maild.core.rulings import dismiss, unfile
from maild.core.seal import SealingKey
from maild.model.envelope import Trust
from maild.model.people import Role
from maild.model.reason import RefusedError
from maild.store import people_tables
from tests.core.company import EVA, JAN, LEA, READER, SIGNED_IN, Post, a_company
from tests.core.conftest import Frozen
from tests.core.test_drops import FORWARD

HOME = "eva@home.example"
FROM_HOME = Trust(authenticated_for=("home.example",))


@pytest.fixture
def post(app: App) -> Post:
    a_company(app)
    return Post(replace(app, key=SealingKey.of("0123456789abcdef" * 3)))


def forwarded(post: Post, count: int = 1) -> None:
    """Send forwards from Eva's home, which her server proves, and decide them."""
    for number in range(count):
        mail = post.mail(HOME, to="crm@acme.example", body=f"{FORWARD} {number}")
        post.send(mail, "crm@acme.example", trust=FROM_HOME)
    post.decide()


def written(post: Post, from_: str, count: int = 1) -> None:
    for number in range(count):
        post.send(post.mail(from_, body=f"Hello {number}"), "info@acme.example")
    post.decide()


def an_alias(post: Post, *, confirm: bool = True) -> None:
    add_address(post.app, "eva@acme.example", HOME, sends_as=False, confirm=confirm, by=OPERATOR)


def states(post: Post) -> list[tuple[str, str]]:
    return [(row["state"], row["reason"]) for row in post.lies()]


def count(post: Post, *names: str, by: Actor = OPERATOR) -> int:
    return matching_held(post.app, names, by=by).count


# --- by an address ------------------------------------------------------------------------------------------------------


def test_I4_an_alias_offers_the_mails_that_waited_for_it_and_nothing_happens_unasked(
    post: Post,
) -> None:
    forwarded(post, 3)
    an_alias(post)
    post.decide()
    found = matching_held(post.app, [HOME], by=OPERATOR)
    assert (found.count, found.heals_itself) == (3, False)
    assert found.command == f"maild mail heal {HOME}"
    assert states(post) == [("held", "SENDER_UNKNOWN")] * 3


def test_I4_healed_they_are_filed_as_the_users_with_their_own_dates(
    post: Post, clock: Frozen
) -> None:
    forwarded(post, 2)
    before = [row["received_at"] for row in post.lies()]
    clock.advance(timedelta(days=40))
    an_alias(post)
    told: list[int] = []
    healed = heal(post.app, READER, [HOME], told=told.append, by=OPERATOR)
    assert (healed.count, healed.filed, healed.changed) == (2, 2, 2)
    assert told == [2]
    assert states(post) == [("filed", "FILED_FORWARD")] * 2
    assert [row["received_at"] for row in post.lies()] == before
    assert {row["user"] for row in post.lies()} == {"eva@acme.example"}


def test_I4_healing_is_done_once_and_safe_to_repeat(post: Post) -> None:
    forwarded(post)
    an_alias(post)
    heal(post.app, READER, [HOME], by=OPERATOR)
    assert heal(post.app, READER, [HOME], by=OPERATOR).count == 0


def test_I4_an_unconfirmed_alias_heals_when_it_is_confirmed(post: Post) -> None:
    an_alias(post, confirm=False)
    forwarded(post)
    assert states(post) == [("held", "ALIAS_NOT_VERIFIED")]
    an_alias(post)
    assert heal(post.app, READER, [HOME], by=OPERATOR).filed == 1


def test_I4_more_mails_than_one_look_returns_are_all_found(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maild.core.waiting.PORTION", 2)
    monkeypatch.setattr("maild.core.healing.BATCH", 3)
    forwarded(post, 7)
    an_alias(post)
    assert count(post, HOME) == 7
    assert heal(post.app, READER, [HOME], by=OPERATOR).filed == 7


def test_I4_the_other_mails_are_counted_by_the_repair_of_one(post: Post) -> None:
    forwarded(post, 3)
    ulid = post.lies()[0]["ulid"]
    asked = Asked(action="add-alias", value="eva@acme.example")
    done = repair(post.app, READER, ulid, asked, by=OPERATOR)
    assert done.state.value == "filed"
    assert done.others is not None
    assert done.others.count == 2


# --- by a client --------------------------------------------------------------------------------------------------------


def test_I4_a_new_client_heals_what_its_contact_wrote(post: Post) -> None:
    written(post, "nina@novum.example", 2)
    add_client(post.app, NewClient(name="Novum", contacts=["nina@novum.example"]), by=OPERATOR)
    assert heal(post.app, READER, ["nina@novum.example"], by=OPERATOR).filed == 2
    assert states(post) == [("filed", "FILED_CONTACT")] * 2


def test_I4_the_domain_of_a_new_client_heals_what_came_from_it(post: Post) -> None:
    written(post, "nina@novum.example")
    written(post, "nina@notnovum.example")
    add_client(post.app, NewClient(name="Novum", domains=["novum.example"]), by=OPERATOR)
    assert count(post, "@novum.example") == 1
    assert heal(post.app, READER, ["@novum.example"], by=OPERATOR).filed == 1


def test_I4_a_contact_heals_forwards_of_what_it_wrote(post: Post) -> None:
    an_alias(post)
    body = FORWARD.replace("anna@rossi.example", "nina@novum.example")
    post.send(
        post.mail(HOME, to="crm@acme.example", body=body), "crm@acme.example", trust=FROM_HOME
    )
    post.decide()
    assert states(post) == [("held", "CLIENT_NOT_FOUND")]
    change_client(post.app, _rossi(post), ClientChanges(add=["nina@novum.example"]), by=OPERATOR)
    assert heal(post.app, READER, ["nina@novum.example"], by=OPERATOR).filed == 1


def _rossi(post: Post) -> str:
    return add_client(post.app, NewClient(name="Novum"), by=OPERATOR).id


@pytest.mark.parametrize("by_domain", [False, True])
def test_I4_a_remembered_choice_among_clients_heals_the_others(post: Post, by_domain: bool) -> None:
    contacts, domains = ([], ["novum.example"]) if by_domain else (["nina@novum.example"], [])
    for name in ("Novum", "Novum Holding"):
        add_client(post.app, NewClient(name=name, contacts=contacts, domains=domains), by=OPERATOR)
    an_alias(post)
    body = FORWARD.replace("anna@rossi.example", "nina@novum.example")
    for number in range(2):
        mail = post.mail(HOME, to="crm@acme.example", body=f"{body} {number}")
        post.send(mail, "crm@acme.example", trust=FROM_HOME)
    post.decide()
    assert states(post) == [("held", "CLIENT_AMBIGUOUS")] * 2
    first = str(post.lies()[0]["ulid"])
    [offer] = [one for one in repairs_of(post.app, first, by=OPERATOR).repairs if one.can_remember]
    asked = Asked(action=offer.action, value=offer.choices[1].value, remember=True)
    others = repair(post.app, READER, first, asked, by=OPERATOR).others
    assert others is not None
    assert others.count == 1
    assert heal(post.app, READER, others.names, by=OPERATOR).filed == 1
    assert [row["clients"][0]["name"] for row in post.lies()] == ["Novum Holding"] * 2


def test_I4_an_address_that_only_ends_alike_is_not_counted(post: Post) -> None:
    written(post, "joanna@novum.example")
    assert count(post, "anna@novum.example") == 0


def test_I4_who_is_back_has_what_they_sent_meanwhile(post: Post, clock: Frozen) -> None:
    set_account(post.app, "acme", {"heal": "self"}, by=OPERATOR)
    set_active(post.app, "eva@acme.example", active=False, by=OPERATOR)
    mail = post.mail("eva@acme.example", to="crm@acme.example", body=FORWARD)
    post.send(mail, "crm@acme.example", trust=SIGNED_IN)
    post.decide()
    assert states(post) == [("held", "USER_INACTIVE")]
    clock.advance(timedelta(minutes=1))
    set_active(post.app, "eva@acme.example", active=True, by=OPERATOR)
    post.decide()
    assert states(post) == [("filed", "FILED_FORWARD")]


# --- by a membership ----------------------------------------------------------------------------------------------------


def another_company(post: Post) -> None:
    with post.app.store.write() as tx:
        tx.connection.execute(
            insert(people_tables.accounts).values(
                id=9, slug="other", name="Other", settings={}, created_at=post.app.clock()
            )
        )
    add_user(
        post.app, NewUser(email="olga@home.example", name="Olga"), account="other", by=OPERATOR
    )


def test_I4_a_membership_heals_what_its_person_sent_before(post: Post) -> None:
    another_company(post)
    mail = post.mail("olga@home.example", to="crm@acme.example", body=FORWARD)
    post.send(mail, "crm@acme.example", trust=FROM_HOME)
    post.decide()
    assert states(post) == [("held", "NOT_A_MEMBER")]
    joined = invite(post.app, "olga@home.example", role=Role.MEMBER, account="acme", by=OPERATOR)
    answer_invitation(post.app, joined.membership.id, accept=True, by=OPERATOR)
    healed = heal(post.app, READER, ["olga@home.example"], account="acme", by=OPERATOR)
    assert healed.filed == 1


# --- by itself ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def by_itself(post: Post) -> Post:
    set_account(post.app, "acme", {"heal": "self"}, by=OPERATOR)
    return post


def test_I4_an_account_that_heals_by_itself_has_the_workers_do_it(by_itself: Post) -> None:
    forwarded(by_itself, 2)
    an_alias(by_itself)
    assert matching_held(by_itself.app, [HOME], by=OPERATOR).heals_itself
    by_itself.decide()
    assert states(by_itself) == [("filed", "FILED_FORWARD")] * 2


def test_I4_by_itself_an_address_heals_when_it_is_confirmed(by_itself: Post) -> None:
    an_alias(by_itself, confirm=False)
    forwarded(by_itself)
    an_alias(by_itself)
    by_itself.decide()
    assert states(by_itself) == [("filed", "FILED_FORWARD")]


def test_I4_by_itself_a_client_heals_too(by_itself: Post) -> None:
    written(by_itself, "nina@novum.example")
    contact = NewClient(name="Novum", contacts=["nina@novum.example"])
    add_client(by_itself.app, contact, by=OPERATOR)
    by_itself.decide()
    assert states(by_itself) == [("filed", "FILED_CONTACT")]


def test_I4_by_itself_a_membership_heals_too(by_itself: Post) -> None:
    another_company(by_itself)
    mail = by_itself.mail("olga@home.example", to="crm@acme.example", body=FORWARD)
    by_itself.send(mail, "crm@acme.example", trust=FROM_HOME)
    by_itself.decide()
    joined = invite(
        by_itself.app, "olga@home.example", role=Role.MEMBER, account="acme", by=OPERATOR
    )
    answer_invitation(by_itself.app, joined.membership.id, accept=True, by=OPERATOR)
    by_itself.decide()
    assert states(by_itself) == [("filed", "FILED_FORWARD")]


def test_I4_an_unconfirmed_address_heals_nothing_by_itself(by_itself: Post) -> None:
    forwarded(by_itself)
    an_alias(by_itself, confirm=False)
    by_itself.decide()
    assert states(by_itself) == [("held", "SENDER_UNKNOWN")], "nobody decided it again"


# --- what people said stays ---------------------------------------------------------------------------------------------


def test_I4_what_somebody_put_away_is_not_brought_back_by_healing(post: Post) -> None:
    forwarded(post)
    dismiss(post.app, READER, [post.lies()[0]["ulid"]], by=OPERATOR)
    an_alias(post)
    assert heal(post.app, READER, [HOME], by=OPERATOR).count == 0


def test_I4_what_somebody_took_off_a_client_stays_off(post: Post) -> None:
    written(post, "anna@rossi.example")
    unfile(post.app, READER, [post.lies()[0]["ulid"]], client="C1", by=OPERATOR)
    assert heal(post.app, READER, ["anna@rossi.example"], by=OPERATOR).count == 0
    assert states(post) == [("unfiled", "UNFILED_BY_HAND")]


def test_I4_an_answer_about_a_mail_is_heard_when_it_heals(post: Post) -> None:
    mail = post.mail("eva@acme.example", to="crm@acme.example", body="nothing for anybody")
    post.send(mail, "crm@acme.example")
    post.decide()
    ulid = post.lies()[0]["ulid"]
    repair(post.app, READER, ulid, Asked(action="accept-once"), by=OPERATOR)
    heal(post.app, READER, ["eva@acme.example"], by=OPERATOR)
    assert post.lies()[0]["user"] == "eva@acme.example"


# --- rights -------------------------------------------------------------------------------------------------------------


def test_I4_a_member_is_offered_only_mails_that_are_theirs_to_decide(post: Post) -> None:
    forwarded(post, 2)
    an_alias(post)
    assert count(post, HOME, by=Actor(LEA)) == 2
    assert count(post, HOME, by=Actor(EVA)) == 0
    assert heal(post.app, READER, [HOME], by=Actor(JAN)).count == 0


@pytest.mark.parametrize("names", [[], ["nonsense"], ["@"], ["@bad domain"]])
def test_I4_what_is_no_address_is_refused(post: Post, names: list[str]) -> None:
    with pytest.raises(RefusedError):
        matching_held(post.app, names, by=OPERATOR)
