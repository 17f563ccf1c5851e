"""U5: an address counts when whoever reads its mail has said so, or an admin has; U6: what a yes makes of a base."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from maild.core.addresses import AddressAdded, add_address, list_addresses, remove_address
from maild.core.app import OPERATOR, Actor, App
from maild.core.people import NewUser, UserAdded, add_user
from maild.core.seal import SealingKey
from maild.core.verifying import (
    DAY,
    LINK_FOR,
    MAILS_A_DAY,
    MAILS_OF_ACCOUNT,
    confirm_by_code,
    confirm_by_link,
    send_verification,
)
from maild.model.people import AddressKind, InboxKind, Role
from maild.model.reason import Reason, RefusedError
from maild.testing.world import World, a_world
from tests.core.company import SIGNED_IN, Post, a_company
from tests.core.conftest import Frozen

KEY = SealingKey.of("a text of chance that is long enough to be a key")
EVA, MOSER = "eva@acme.example", "moser@acme.example"
_LINK = re.compile(r"https://mail\.acme\.example/verify/(\S+)")


@pytest.fixture
def acme(app: App) -> World:
    return sending(a_world(app))


def sending(world: World) -> World:
    """Let mail go out, with links."""
    app = replace(world.app, key=KEY, has_relay=True, public_url="https://mail.acme.example")
    return replace(world, app=app)


def refusal(code: Reason) -> pytest.RaisesExc[RefusedError]:
    return pytest.RaisesExc(RefusedError, check=lambda error: error.reason is code)


def mails(app: App) -> list[dict[str, Any]]:
    """Return what is queued, the oldest first."""
    with app.store.read() as tx:
        return [one.payload for one in reversed(tx.outbox.page(None, account_id=None, limit=100))]


def secrets_of(app: App) -> list[str]:
    return [found[1] for mail in mails(app) if (found := _LINK.search(mail["text"])) is not None]


def alias(world: World, address: str = MOSER, *, sends_as: bool = False) -> AddressAdded:
    return add_address(world.app, EVA, address, sends_as=sends_as, confirm=False, by=OPERATOR)


def is_sent(world: World, by: Actor) -> bool:
    """Ask for the link again, and return whether it goes."""
    return send_verification(world.app, MOSER, by=by).sent


def is_verified(world: World, address: str = MOSER) -> bool:
    return any(
        row.verified
        for row in list_addresses(world.app, EVA, by=OPERATOR)
        if row.address == address
    )


def test_U5_a_new_alias_gets_a_link_and_does_not_count(acme: World) -> None:
    acme.user(EVA, "Eva Moser")
    added = alias(acme, "Moser@acme.example")
    [mail] = mails(acme.app)
    assert (mail["to"], added.address.verified) == ("Moser@acme.example", False)
    assert added.link is not None
    assert added.link.sent
    assert "Eva Moser" in mail["text"]
    assert not is_verified(acme)


def test_U5_opening_the_link_makes_it_count(acme: World) -> None:
    acme.user(EVA)
    alias(acme)
    [secret] = secrets_of(acme.app)
    assert confirm_by_link(acme.app, secret).verified
    assert is_verified(acme)


def test_U5_a_sends_as_address_is_confirmed_by_a_link_as_well(acme: World) -> None:
    acme.user(EVA)
    alias(acme, "private@world.example", sends_as=True)
    [secret] = secrets_of(acme.app)
    assert confirm_by_link(acme.app, secret).kind is AddressKind.SENDS_AS


def test_U5_a_link_is_good_once(acme: World) -> None:
    acme.user(EVA)
    alias(acme)
    [secret] = secrets_of(acme.app)
    confirm_by_link(acme.app, secret)
    with refusal(Reason.LINK_ENDED):
        confirm_by_link(acme.app, secret)


def test_U5_a_link_that_two_open_at_once_is_opened_by_one(acme: World) -> None:
    acme.user(EVA)
    alias(acme)
    [secret] = secrets_of(acme.app)

    def open_it(_: int) -> bool:
        try:
            return confirm_by_link(acme.app, secret).verified
        except RefusedError as refused:
            return refused.reason is not Reason.LINK_ENDED

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(open_it, range(8))) == 1


def test_U5_a_link_is_good_for_seven_days(acme: World, clock: Frozen) -> None:
    acme.user(EVA)
    alias(acme)
    [secret] = secrets_of(acme.app)
    clock.advance(LINK_FOR)
    with refusal(Reason.LINK_ENDED):
        confirm_by_link(acme.app, secret)
    assert not is_verified(acme)


def test_U5_the_newest_link_alone_is_good(acme: World) -> None:
    acme.user(EVA)
    alias(acme)
    send_verification(acme.app, MOSER, by=OPERATOR)
    old, new = secrets_of(acme.app)
    with refusal(Reason.LINK_ENDED):
        confirm_by_link(acme.app, old)
    assert confirm_by_link(acme.app, new).verified


def test_U5_a_link_to_an_address_that_was_taken_away_is_worth_nothing(acme: World) -> None:
    acme.user(EVA)
    acme.user("jan@acme.example")
    alias(acme)
    [secret] = secrets_of(acme.app)
    remove_address(acme.app, MOSER, by=OPERATOR)
    acme.alias("jan@acme.example", MOSER, confirm=False)
    with refusal(Reason.LINK_ENDED):
        confirm_by_link(acme.app, secret)


def test_U5_an_admins_word_makes_the_links_worthless(acme: World) -> None:
    acme.user(EVA)
    alias(acme)
    [secret] = secrets_of(acme.app)
    acme.alias(EVA, MOSER, confirm=True)
    with refusal(Reason.LINK_ENDED):
        confirm_by_link(acme.app, secret)


@pytest.mark.parametrize("secret", ["", "x", "é" * 50, "\udc80", "a" * 10_000])
def test_U5_what_is_no_secret_opens_nothing(acme: World, secret: str) -> None:
    with refusal(Reason.LINK_ENDED):
        confirm_by_link(acme.app, secret)


def test_U5_the_code_of_the_mail_does_without_a_page(acme: World) -> None:
    acme.user(EVA)
    alias(acme)
    [secret] = secrets_of(acme.app)
    assert confirm_by_code(acme.app, MOSER, secret, by=acme.actor(EVA)).verified


def test_U5_a_code_confirms_its_own_address_alone(acme: World) -> None:
    acme.user(EVA)
    alias(acme)
    alias(acme, "other@acme.example")
    _, of_other = secrets_of(acme.app)
    with refusal(Reason.LINK_ENDED):
        confirm_by_code(acme.app, MOSER, of_other, by=OPERATOR)
    assert not is_verified(acme, "other@acme.example")


@pytest.mark.postgres
@pytest.mark.parametrize("app", ["postgresql"], indirect=True)
def test_U5_who_has_anothers_code_waits_for_nobody(acme: World) -> None:
    """Else two who enter each other's code would wait in a circle; the embedded database has one writer anyway."""
    acme.user(EVA)
    jan = acme.user("jan@acme.example").email or ""
    acme.alias(jan, "other@acme.example", confirm=False)
    [of_other] = secrets_of(acme.app)
    alias(acme)
    with acme.app.store.write() as tx, ThreadPoolExecutor(1) as threads:
        named = tx.people.name(jan)
        assert named is not None
        tx.people.hold_user(named.user_id or 0)
        tried = threads.submit(confirm_by_code, acme.app, MOSER, of_other, by=OPERATOR)
        done, _ = wait([tried], timeout=10)
        tx.connection.rollback()
        assert done
        with refusal(Reason.LINK_ENDED):
            tried.result()


def test_U5_a_code_is_nothing_to_a_colleague(acme: World) -> None:
    acme.user(EVA)
    acme.user("jan@acme.example")
    alias(acme)
    [secret] = secrets_of(acme.app)
    with refusal(Reason.NOT_ALLOWED):
        confirm_by_code(acme.app, MOSER, secret, by=acme.actor("jan@acme.example"))


def test_U5_whose_address_it_is_may_have_the_link_sent_again(acme: World) -> None:
    acme.user(EVA)
    alias(acme)
    assert is_sent(acme, acme.actor(EVA))


def test_U5_what_is_confirmed_gets_no_link(acme: World) -> None:
    acme.user(EVA)
    asked = send_verification(acme.app, EVA, by=OPERATOR)
    assert (asked.verified, asked.sent) == (True, False)
    assert mails(acme.app) == []


def test_U5_a_colleague_has_no_link_sent(acme: World) -> None:
    acme.user(EVA)
    acme.user("jan@acme.example")
    alias(acme)
    with refusal(Reason.NOT_ALLOWED):
        send_verification(acme.app, MOSER, by=acme.actor("jan@acme.example"))


def test_U5_to_another_account_the_address_is_not_there(acme: World) -> None:
    acme.user(EVA)
    alias(acme)
    beta = a_world(acme.app, "beta")
    beta.user("bo@beta.example", role=Role.ADMIN)
    with refusal(Reason.NOT_FOUND):
        send_verification(acme.app, MOSER, by=beta.actor("bo@beta.example"))


def test_U5_an_address_gets_five_mails_a_day(acme: World, clock: Frozen) -> None:
    acme.user(EVA)
    alias(acme)
    for _ in range(MAILS_A_DAY - 1):
        send_verification(acme.app, MOSER, by=OPERATOR)
    with refusal(Reason.TOO_MANY_TRIES):
        send_verification(acme.app, MOSER, by=OPERATOR)
    assert len(mails(acme.app)) == MAILS_A_DAY
    clock.advance(timedelta(days=1))
    assert is_sent(acme, OPERATOR)


def test_U5_the_admins_of_an_account_have_no_more_mails_sent_the_more_they_are(
    acme: World, clock: Frozen
) -> None:
    acme.user(EVA)
    acme.user("lea@acme.example", role=Role.ADMIN)
    lea = acme.actor("lea@acme.example")
    alias(acme)
    with acme.app.store.write() as tx:
        account = tx.people.account("acme")
        assert account is not None
        for _ in range(MAILS_OF_ACCOUNT - 1):
            key = f"verify-by:account:{account.id}"
            tx.throttles.count(key, now=clock(), window=DAY, most=MAILS_OF_ACCOUNT)
    assert is_sent(acme, lea)
    with refusal(Reason.TOO_MANY_TRIES):
        send_verification(acme.app, MOSER, by=lea)


def test_U5_adding_it_anew_does_not_begin_the_count_anew(acme: World) -> None:
    acme.user(EVA)
    for _ in range(MAILS_A_DAY):
        alias(acme)
        remove_address(acme.app, MOSER, by=OPERATOR)
    added = alias(acme)
    assert len(mails(acme.app)) == MAILS_A_DAY
    assert added.link is not None
    assert not added.link.sent


def test_U5_without_a_relay_it_says_so_and_offers_an_admins_word(app: App) -> None:
    acme = a_world(app)
    acme.user(EVA)
    added = alias(acme)
    assert added.link is not None
    assert not added.link.sent
    assert "relay" in added.link.text
    assert added.link.vouch is not None
    assert added.link.vouch.command == f"maild address add {EVA} {MOSER} --confirm"
    with pytest.raises(RefusedError, match="no relay") as caught:
        send_verification(app, MOSER, by=OPERATOR)
    assert [way.code for way in caught.value.ways] == ["CONFIRM"]
    assert mails(app) == []


def test_U5_without_pages_the_mail_carries_the_code_alone(acme: World) -> None:
    app = replace(acme.app, public_url="")
    acme.user(EVA)
    added = alias(replace(acme, app=app))
    [mail] = mails(app)
    assert "/verify/" not in mail["text"]
    found = re.search(rf"{MOSER} --code (\S+)\)", mail["text"])
    assert found is not None
    assert added.link is not None
    assert "public_url" in added.link.text
    assert confirm_by_code(app, MOSER, found[1], by=OPERATOR).verified


def test_U5_the_database_keeps_no_secret_of_a_link(acme: World) -> None:
    acme.user(EVA)
    alias(acme)
    [secret] = secrets_of(acme.app)
    with acme.app.store.read() as tx:
        kept = tx.connection.exec_driver_sql("SELECT digest FROM verifications").scalars().all()
    assert len(kept) == 1
    assert secret not in kept[0]


def test_U5_confirming_stands_in_the_events_without_the_address(acme: World) -> None:
    eva = acme.user(EVA)
    alias(acme)
    [secret] = secrets_of(acme.app)
    confirm_by_link(acme.app, secret)
    with acme.app.store.read() as tx:
        rows = tx.connection.exec_driver_sql(
            "SELECT actor_id, subject FROM events WHERE kind = 'address.confirmed'"
        ).all()
        own = tx.people.name(eva.email or "")
    [(actor, subject)] = rows
    assert own is not None
    assert actor == own.user_id
    assert "@" not in subject


def test_U5_mail_from_an_address_is_held_until_the_link_is_opened(app: App) -> None:
    a_company(app)
    post = Post(replace(app, key=KEY, has_relay=True, public_url="https://mail.acme.example"))
    add_address(post.app, EVA, MOSER, sends_as=False, confirm=False, by=OPERATOR)

    def send() -> tuple[str, str]:
        post.send(
            post.mail(MOSER, to="crm@acme.example, anna@rossi.example"),
            "crm@acme.example",
            trust=SIGNED_IN,
        )
        post.decide()
        last = post.lies()[-1]
        return last["state"], last["reason"]

    assert send() == ("held", "ALIAS_NOT_VERIFIED")
    [secret] = secrets_of(post.app)
    confirm_by_link(post.app, secret)
    assert send() == ("filed", "FILED_CAPTURE")


class TestTheQuestionAboutATag:
    def test_U6_yes_makes_a_verified_sends_as_of_the_base(self, acme: World) -> None:
        new = NewUser(email="me+accounts@me.example", name="Me")
        added = add_user(acme.app, new, by=OPERATOR)
        assert isinstance(added, UserAdded)
        assert added.question is not None
        assert added.question.code == "ACCEPT_BASE"
        yes = add_address(
            acme.app,
            "me+accounts@me.example",
            "me@me.example",
            sends_as=True,
            confirm=False,
            by=OPERATOR,
        )
        assert (yes.address.kind, yes.address.verified) == (AddressKind.SENDS_AS, True)
        assert yes.link is None

    def test_U6_an_unconfirmed_tag_proves_nothing_about_its_base(self, acme: World) -> None:
        acme.user(EVA)
        alias(acme, "me+accounts@me.example")
        base = alias(acme, "me@me.example", sends_as=True)
        assert not base.address.verified

    def test_U6_yes_confirms_a_base_that_waited(self, acme: World) -> None:
        acme.user(EVA)
        alias(acme, "me@me.example", sends_as=True)
        acme.alias(EVA, "me+accounts@me.example", confirm=True)
        yes = alias(acme, "me@me.example", sends_as=True)
        assert (yes.outcome, yes.address.verified) == ("confirmed", True)

    def test_U6_a_base_of_somebody_else_offers_the_drop_address_to_programs(
        self, acme: World
    ) -> None:
        acme.user("me@me.example")
        acme.user("me+accounts@me.example")
        with refusal(Reason.SENDS_AS_IN_USE) as caught:
            add_address(
                acme.app,
                "me+accounts@me.example",
                "me@me.example",
                sends_as=True,
                confirm=False,
                by=OPERATOR,
            )
        [way] = caught.value.ways
        assert way.code == "USE_DROP_ADDRESS"
        assert way.command == "maild drop show me+accounts@me.example"

    def test_U6_the_base_resolves_by_the_policy_only_when_one_user_has_a_tag_of_it(
        self, acme: World
    ) -> None:
        from maild.core.accounts import set_account

        acme.user("lea@acme.example", role=Role.ADMIN)
        acme.user("me+one@acme.example", "Me")
        acme.inbox("crm@acme.example", InboxKind.FORWARD)
        post = Post(acme.app)

        def reason() -> str:
            mail = post.mail("me@acme.example", to="crm@acme.example, x@world.example")
            post.send(mail, "crm@acme.example", trust=SIGNED_IN)
            post.decide()
            return str(post.lies()[-1]["reason"])

        assert reason() == "PLUS_BASE_UNRESOLVED"
        set_account(acme.app, "acme", {"plus_tag": "base-if-unique"}, by=OPERATOR)
        assert reason() == "CLIENT_NOT_FOUND"
        acme.user("me+two@acme.example", "Other")
        assert reason() == "PLUS_BASE_UNRESOLVED"

    def test_U6_which_of_ones_own_tags_is_older_does_not_matter(self, acme: World) -> None:
        from maild.core.accounts import set_account

        acme.user("lea@acme.example", role=Role.ADMIN)
        set_account(acme.app, "acme", {"plus_tag": "base-if-unique"}, by=OPERATOR)
        acme.user(EVA)
        alias(acme, "me+waits@acme.example")
        acme.alias(EVA, "me+counts@acme.example", confirm=True)
        acme.inbox("crm@acme.example", InboxKind.FORWARD)
        post = Post(acme.app)
        mail = post.mail("me@acme.example", to="crm@acme.example, x@world.example")
        post.send(mail, "crm@acme.example", trust=SIGNED_IN)
        post.decide()
        assert post.lies()[-1]["reason"] == "CLIENT_NOT_FOUND"
