"""E2: what a held mail offers, to whom, and what each repair makes of it; and that a ruling is of one mail."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import insert, update

from maild.core.addresses import add_address
from maild.core.app import OPERATOR, Actor, App
from maild.core.drops import show_drop
from maild.core.mailbox import newest_change, set_unread, undo
from maild.core.people import NewUser, add_communal_user, add_user, set_active
from maild.core.repair_acts import ACTS
from maild.core.repair_work import Told, Work
from maild.core.repairs import Asked, Repaired, Repairs, file_and_remember, repair, repairs_of
from maild.core.seal import SealingKey
from maild.core.standing_rulings import forget_answer, list_remembered
from maild.core.views import explain_mail, mail_history
from maild.model.envelope import Trust
from maild.model.people import MemberState, Role
from maild.model.reason import Reason, RefusedError
from maild.store import people_tables, schema
from maild.store.engine import StoreDownError
from tests.core.company import EVA, JAN, LEA, READER, SIGNED_IN, Post, a_company
from tests.core.test_drops import FORWARD

CRM_INBOX = "crm@acme.example"
HOME = "eva@home.example"


@pytest.fixture
def post(app: App) -> Post:
    a_company(app)
    return Post(replace(app, key=SealingKey.of("0123456789abcdef" * 3)))


def arrived(
    post: Post, from_: str, *, to: str = CRM_INBOX, proven: bool = False, **more: Any
) -> str:
    """Send a mail, decide it, and return its id."""
    post.send(
        post.mail(from_, to=to, **{"body": FORWARD, **more}),
        to,
        trust=SIGNED_IN if proven else None,
    )
    post.decide()
    return str(post.lies()[-1]["ulid"])


def done(
    post: Post, ulid: str, action: str, value: str | None = None, *, by: Actor = OPERATOR
) -> Repaired:
    return repair(post.app, READER, ulid, Asked(action=action, value=value), by=by)


def offered(post: Post, ulid: str, by: Actor = OPERATOR) -> list[str]:
    return [one.action for one in repairs_of(post.app, ulid, by=by).repairs]


def offer(post: Post, ulid: str, action: str) -> Any:
    found: Repairs = repairs_of(post.app, ulid, by=OPERATOR)
    return next(one for one in found.repairs if one.action == action)


def refused(
    post: Post, ulid: str, action: str, value: str | None = None, **more: Any
) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        done(post, ulid, action, value, **more)
    return caught.value


def outcome(done_: Repaired) -> tuple[str, str | None]:
    return done_.state.value, done_.reason


def trace(post: Post, ulid: str) -> str:
    return " ".join(step["text"] for step in explain_mail(post.app, ulid, by=OPERATOR)["trace"])


def user_of(post: Post, ulid: str) -> str | None:
    user: str | None = next(row["user"] for row in post.lies() if row["ulid"] == ulid)
    return user


def an_admin(post: Post) -> Actor:
    add_user(post.app, NewUser(email="ada@acme.example", name="Ada", role=Role.ADMIN), by=OPERATOR)
    with post.app.store.read() as tx:
        name = tx.people.name("ada@acme.example")
    assert name is not None
    return Actor(name.user_id)


# --- SENDER_UNKNOWN -----------------------------------------------------------------------------------------------------


def test_E2_an_unknown_sender_offers_an_alias_a_client_and_to_be_ignored(post: Post) -> None:
    ulid = arrived(post, HOME)
    found = repairs_of(post.app, ulid, by=OPERATOR)
    assert (found.state.value, found.reason) == ("held", "SENDER_UNKNOWN")
    assert [one.action for one in found.repairs] == ["add-alias", "add-client", "ignore"]
    assert found.repairs[0].command == f"maild mail repair {ulid} add-alias VALUE"


def test_E2_adding_the_alias_confirms_it_by_the_admins_word_and_decides_the_mail_again(
    post: Post,
) -> None:
    ulid = arrived(post, HOME)
    result = done(post, ulid, "add-alias", "eva@acme.example", by=an_admin(post))
    # The address counts now; that this very mail is from her is proven by nothing yet.
    assert outcome(result) == ("held", "SENDER_NOT_VERIFIED")
    assert result.text == f"{HOME} is an alias of Eva now."


def test_E2_the_contact_of_a_new_client_is_made_and_the_mail_filed_there(post: Post) -> None:
    ulid = arrived(post, "nina@novum.example")
    result = done(post, ulid, "add-client", "Novum")
    assert outcome(result) == ("filed", "FILED_BY_HAND")
    assert post.table("contacts") == 3


def test_E2_an_ignored_mail_is_put_away_and_comes_back(post: Post) -> None:
    ulid = arrived(post, HOME)
    result = done(post, ulid, "ignore")
    assert outcome(result) == ("ignored", "DISMISSED")
    assert offered(post, ulid) == ["release"]
    assert outcome(done(post, ulid, "release")) == ("held", "SENDER_UNKNOWN")


def test_E2_who_is_no_admin_is_not_offered_to_add_an_alias(post: Post) -> None:
    ulid = arrived(post, HOME)
    assert offered(post, ulid, by=Actor(LEA)) == ["add-client", "ignore"]
    error = refused(post, ulid, "add-alias", "eva@acme.example", by=Actor(LEA))
    assert error.reason is Reason.NOT_ALLOWED


def test_E2_an_alias_for_somebody_of_another_account_is_refused_as_for_nobody(post: Post) -> None:
    with post.app.store.write() as tx:
        tx.connection.execute(
            insert(people_tables.accounts).values(
                id=9, slug="other", name="Other", settings={}, created_at=post.app.clock()
            )
        )
    add_user(
        post.app,
        NewUser(email="olga@other.example", name="Olga", role=Role.ADMIN),
        account="other",
        by=OPERATOR,
    )
    ulid = arrived(post, HOME)
    theirs = refused(post, ulid, "add-alias", "olga@other.example")
    nobodys = refused(post, ulid, "add-alias", "nobody@other.example")
    assert str(theirs).replace("olga", "nobody") == str(nobodys)
    assert theirs.reason is nobodys.reason is Reason.NOT_FOUND


# --- who sent it --------------------------------------------------------------------------------------------------------


def test_E2_accepted_once_it_is_filed_as_the_users_and_the_trace_says_who_said_so(
    post: Post,
) -> None:
    ulid = arrived(post, "eva@acme.example")
    assert offered(post, ulid)[:2] == ["accept-once", "use-drop-address"]
    result = done(post, ulid, "accept-once", by=Actor(LEA))
    assert outcome(result) == ("filed", "FILED_FORWARD")
    assert user_of(post, ulid) == "eva@acme.example"
    assert "Lea said on 20 Nov that it is from Eva." in trace(post, ulid)


def test_E2_accepted_once_is_once_the_next_mail_of_that_from_is_held(post: Post) -> None:
    done(post, arrived(post, "eva@acme.example"), "accept-once")
    arrived(post, "eva@acme.example", body=f"{FORWARD} more")
    assert post.lies()[-1]["reason"] == "SENDER_NOT_VERIFIED"


def test_E2_what_was_accepted_is_taken_back_by_undo(post: Post) -> None:
    ulid = arrived(post, "eva@acme.example")
    change = done(post, ulid, "accept-once", by=Actor(LEA)).change
    assert newest_change(post.app, 1, by=Actor(LEA)) == change
    assert undo(post.app, READER, by=Actor(LEA), change_id=change).moved == (ulid,)
    assert post.outcome()[:2] == ("held", "SENDER_NOT_VERIFIED")
    assert user_of(post, ulid) is None


def test_E2_an_undo_of_what_somebody_answered_anew_changes_nothing(post: Post) -> None:
    ulid = arrived(post, "eva@acme.example, jan@acme.example")
    first = done(post, ulid, "choose-user", "eva@acme.example").change
    undo(post.app, READER, by=OPERATOR, change_id=first)
    done(post, ulid, "choose-user", "jan@acme.example")
    assert undo(post.app, READER, by=OPERATOR, change_id=first).unchanged == (ulid,)
    assert user_of(post, ulid) == "jan@acme.example"


def test_E2_the_history_says_who_answered_what(post: Post) -> None:
    ulid = arrived(post, "eva@acme.example")
    done(post, ulid, "accept-once", by=Actor(LEA))
    assert "Lea said that it is from Eva." in [
        one.text for one in mail_history(post.app, ulid, by=OPERATOR)
    ]


def test_E2_a_member_who_sees_shared_mail_cannot_say_that_it_is_a_colleagues(post: Post) -> None:
    with post.app.store.write() as tx:
        tx.connection.execute(
            update(people_tables.inboxes)
            .where(people_tables.inboxes.c.norm == "info@acme.example")
            .values(sender_policy="require")
        )
    ulid = arrived(post, "eva@acme.example", to="info@acme.example")
    assert "accept-once" not in offered(post, ulid, by=Actor(JAN))
    assert refused(post, ulid, "accept-once", by=Actor(JAN)).reason is Reason.NOT_ALLOWED


def test_E2_an_unclear_sender_is_chosen_among_the_users_whom_the_mail_names(post: Post) -> None:
    ulid = arrived(post, "eva@acme.example, jan@acme.example")
    assert post.outcome()[1] == "SENDER_UNCLEAR"
    choices = offer(post, ulid, "choose-user").choices
    assert [(one.value, one.text) for one in choices] == [
        ("eva@acme.example", "Eva"),
        ("jan@acme.example", "Jan"),
    ]
    assert outcome(done(post, ulid, "choose-user", "jan@acme.example"))[0] == "filed"
    assert user_of(post, ulid) == "jan@acme.example"


def test_E2_nobody_is_chosen_who_is_no_active_person_of_the_account(post: Post) -> None:
    add_communal_user(post.app, inbox="small@acme.example", name="Desk", by=OPERATOR)
    with post.app.store.write() as tx:
        jan = tx.people.member(1, JAN)
        assert jan is not None
        tx.people.set_member(jan.id, role=jan.role, state=MemberState.INVITED)
    ulid = arrived(post, "eva@acme.example, jan@acme.example")
    for who in ("small@acme.example", "jan@acme.example"):
        assert refused(post, ulid, "choose-user", who).reason is Reason.NOT_FOUND


def test_E2_the_base_of_a_tag_is_accepted_as_the_sending_address_of_the_candidate(
    post: Post,
) -> None:
    add_address(
        post.app,
        "eva@acme.example",
        "me+acme@me.example",
        sends_as=False,
        confirm=True,
        by=OPERATOR,
    )
    ulid = arrived(post, "me@me.example")
    assert post.outcome()[1] == "PLUS_BASE_UNRESOLVED"
    assert [one.value for one in offer(post, ulid, "accept-sends-as").choices] == [
        "me+acme@me.example"
    ]
    # The address counts for Eva from now on; what proves the mail is another question.
    assert outcome(done(post, ulid, "accept-sends-as")) == ("held", "SENDER_NOT_VERIFIED")


def test_E2_a_base_of_two_peoples_tags_must_be_said_whose_it_is(post: Post) -> None:
    for who, tag in (("eva", "a"), ("jan", "b")):
        add_address(
            post.app,
            f"{who}@acme.example",
            f"me+{tag}@me.example",
            sends_as=False,
            confirm=True,
            by=OPERATOR,
        )
    ulid = arrived(post, "me@me.example")
    assert refused(post, ulid, "accept-sends-as").reason is Reason.INVALID_VALUE
    result = done(post, ulid, "accept-sends-as", "jan@acme.example")
    assert result.text == "me@me.example is a sending address of Jan now."


def test_E2_an_unconfirmed_alias_is_confirmed_by_the_admins_word(post: Post) -> None:
    add_address(post.app, "eva@acme.example", HOME, sends_as=False, confirm=False, by=OPERATOR)
    ulid = arrived(post, HOME)
    assert offered(post, ulid) == ["confirm", "resend", "ignore"]
    assert outcome(done(post, ulid, "confirm")) == ("held", "SENDER_NOT_VERIFIED")


def test_E2_without_a_relay_the_link_is_not_resent_and_it_says_why(post: Post) -> None:
    add_address(post.app, "eva@acme.example", HOME, sends_as=False, confirm=False, by=OPERATOR)
    error = refused(post, arrived(post, HOME), "resend")
    assert "relay" in str(error)


def test_E2_the_drop_address_is_shown_to_its_owner_and_admins_alone(post: Post) -> None:
    ulid = arrived(post, "eva@acme.example")
    assert "use-drop-address" not in offered(post, ulid, by=Actor(LEA))
    result = done(post, ulid, "use-drop-address")
    assert result.lines == show_drop(post.app, "eva@acme.example", by=OPERATOR).addresses
    assert outcome(result) == ("held", "SENDER_NOT_VERIFIED")


def test_E2_a_drop_address_that_others_read_is_rotated_and_the_mail_filed(post: Post) -> None:
    address = show_drop(post.app, "eva@acme.example", by=OPERATOR).addresses[0]
    post.send(
        post.mail("eva@acme.example", to=f"{address}, anna@rossi.example", body="Hello"), address
    )
    post.decide()
    assert post.outcome()[1] == "DROP_ADDRESS_EXPOSED"
    ulid = str(post.lies()[-1]["ulid"])
    result = done(post, ulid, "rotate")
    assert outcome(result)[0] == "filed"
    assert address not in result.lines


# --- memberships and absence --------------------------------------------------------------------------------------------


def test_E2_somebody_known_elsewhere_is_invited(post: Post) -> None:
    with post.app.store.write() as tx:
        tx.connection.execute(
            insert(people_tables.accounts).values(
                id=9, slug="other", name="Other", settings={}, created_at=post.app.clock()
            )
        )
    add_user(
        post.app, NewUser(email="olga@other.example", name="Olga"), account="other", by=OPERATOR
    )
    mail = post.mail("olga@other.example", to=CRM_INBOX, body=FORWARD)
    post.send(mail, CRM_INBOX, trust=Trust(authenticated_for=("other.example",)))
    post.decide()
    assert post.outcome()[1] == "NOT_A_MEMBER"
    ulid = str(post.lies()[-1]["ulid"])
    result = done(post, ulid, "invite", "member")
    assert "invitation" in result.text
    assert post.table("memberships") == 5


def test_E2_the_mail_of_an_inactive_user_goes_to_a_substitute_unread(post: Post) -> None:
    set_active(post.app, "eva@acme.example", active=False, by=OPERATOR)
    ulid = arrived(post, "eva@acme.example", proven=True)
    assert post.outcome()[1] == "USER_INACTIVE"
    set_unread(post.app, [ulid], unread=False, by=OPERATOR)
    result = done(post, ulid, "substitute", "jan@acme.example", by=Actor(LEA))
    assert outcome(result) == ("filed", "FILED_FORWARD")
    assert post.outcome()[2:] == ("jan@acme.example", True)
    assert user_of(post, ulid) == "eva@acme.example", "who sent it stays true"


def test_E2_an_undone_substitution_gives_the_mail_back_and_holds_it(post: Post) -> None:
    set_active(post.app, "eva@acme.example", active=False, by=OPERATOR)
    ulid = arrived(post, "eva@acme.example", proven=True)
    change = done(post, ulid, "substitute", "jan@acme.example", by=Actor(LEA)).change
    undo(post.app, READER, by=Actor(LEA), change_id=change)
    assert post.outcome() == ("held", "USER_INACTIVE", "lea@acme.example", True)


def test_E2_an_inactive_user_is_made_active_again_and_the_mail_filed(post: Post) -> None:
    set_active(post.app, "eva@acme.example", active=False, by=OPERATOR)
    ulid = arrived(post, "eva@acme.example", proven=True)
    assert outcome(done(post, ulid, "enable")) == ("filed", "FILED_FORWARD")


# --- what it is about ---------------------------------------------------------------------------------------------------


def test_E2_a_missing_client_is_made_with_the_address_as_its_contact(post: Post) -> None:
    ulid = arrived(post, "nina@novum.example", to="info@acme.example", body="Hello")
    result = done(post, ulid, "create-client", "Novum", by=Actor(LEA))
    assert outcome(result) == ("filed", "FILED_CONTACT")


def a_shared_contact(post: Post) -> str:
    with post.app.store.write() as tx:
        tx.connection.execute(
            insert(people_tables.contacts).values(
                account_id=1, client_id=2, norm="anna@rossi.example"
            )
        )
    return arrived(post, "anna@rossi.example", to="info@acme.example", body="Hello")


def test_E2_of_two_clients_one_is_chosen_for_this_mail_alone(post: Post) -> None:
    ulid = a_shared_contact(post)
    choices = offer(post, ulid, "choose-client").choices
    assert [one.text for one in choices] == ["Rossi Bau", "Dupont"]
    assert outcome(done(post, ulid, "choose-client", "C2")) == ("filed", "FILED_BY_HAND")
    arrived(post, "anna@rossi.example", to="info@acme.example", body="Hello again")
    assert post.lies()[-1]["reason"] == "CLIENT_AMBIGUOUS"


def test_E2_a_remembered_choice_decides_the_next_mail_and_says_who_chose(post: Post) -> None:
    ulid = a_shared_contact(post)
    asked = Asked(action="choose-client", value="C2", remember=True)
    repair(post.app, READER, ulid, asked, by=Actor(LEA))
    later = arrived(post, "anna@rossi.example", to="info@acme.example", body="Hello again")
    row = post.lies()[-1]
    assert (row["reason"], row["clients"][0]["name"]) == ("FILED_CONTACT", "Dupont")
    assert "Lea said on 20 Nov that it means Dupont" in trace(post, later)


def test_E2_a_remembered_choice_ends_with_the_undo_of_its_act(post: Post) -> None:
    ulid = a_shared_contact(post)
    asked = Asked(action="choose-client", value="C2", remember=True)
    change = repair(post.app, READER, ulid, asked, by=Actor(LEA)).change
    undo(post.app, READER, by=Actor(LEA), change_id=change)
    assert list_remembered(post.app, by=OPERATOR) == []
    assert post.outcome()[1] == "CLIENT_AMBIGUOUS"


def test_E2_a_remembered_choice_is_forgotten_by_an_admin(post: Post) -> None:
    ulid = a_shared_contact(post)
    asked = Asked(action="choose-client", value="C2", remember=True)
    repair(post.app, READER, ulid, asked, by=Actor(LEA))
    with pytest.raises(RefusedError):
        forget_answer(post.app, "anna@rossi.example", by=Actor(LEA))
    forget_answer(post.app, "anna@rossi.example", by=OPERATOR)
    arrived(post, "anna@rossi.example", to="info@acme.example", body="Hello again")
    assert post.lies()[-1]["reason"] == "CLIENT_AMBIGUOUS"


def test_E2_what_is_filed_by_hand_and_remembered_makes_its_sender_a_contact(post: Post) -> None:
    ulid = arrived(post, "nina@novum.example", to="info@acme.example", body="Hello")
    filed = file_and_remember(post.app, READER, [ulid], client="C1", by=Actor(LEA))
    assert filed.remembered == ("nina@novum.example",)
    arrived(post, "nina@novum.example", to="info@acme.example", body="Hello again")
    assert post.lies()[-1]["reason"] == "FILED_CONTACT"


def test_E2_the_sender_of_an_original_that_was_not_read_is_picked_from_the_text(
    post: Post,
) -> None:
    body = "See below, it is of anna@rossi.example, says eva@acme.example."
    ulid = arrived(
        post, "eva@acme.example", proven=True, body=body, more="X-Forwarded-Message-Id: <1@x>\r\n"
    )
    if post.outcome()[1] != "FORWARD_NOT_FOUND":
        ulid = _looks_forwarded(post, body)
    assert [one.value for one in offer(post, ulid, "original").choices] == ["anna@rossi.example"]
    result = done(post, ulid, "original", "anna@rossi.example", by=Actor(LEA))
    assert outcome(result) == ("filed", "FILED_FORWARD")
    assert "Lea said on 20 Nov that the original is from anna@rossi.example." in trace(post, ulid)


def _looks_forwarded(post: Post, body: str) -> str:
    mail = post.mail("eva@acme.example", to=CRM_INBOX, body=body)
    head, _, text = mail.partition(b"\r\n\r\n")
    lines = [
        b"Subject: Fwd: Order" if one.startswith(b"Subject:") else one
        for one in head.split(b"\r\n")
    ]
    post.send(b"\r\n".join(lines) + b"\r\n\r\n" + text, CRM_INBOX, trust=SIGNED_IN)
    post.decide()
    assert post.lies()[-1]["reason"] == "FORWARD_NOT_FOUND"
    return str(post.lies()[-1]["ulid"])


# --- what no mail offers ------------------------------------------------------------------------------------------------


def test_E2_a_repair_that_the_mail_does_not_offer_is_refused_and_says_what_it_does_offer(
    post: Post,
) -> None:
    ulid = arrived(post, HOME)
    error = refused(post, ulid, "rotate")
    assert error.reason is Reason.CONFLICT
    assert any("add-alias" in one for one in error.actions)


def test_E2_nothing_is_written_when_a_repair_is_refused(post: Post) -> None:
    ulid = arrived(post, HOME)
    refused(post, ulid, "add-alias", "nobody@acme.example")
    assert post.table("rulings") == 0
    assert post.outcome()[1] == "SENDER_UNKNOWN"


def test_E2_a_mail_that_was_decided_meanwhile_is_not_repaired(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    ulid = arrived(post, HOME)

    def decided_meanwhile(work: Work) -> Told:
        work.look.tx.connection.execute(update(schema.deliveries).values(reason="LIST_MAIL"))
        return ACTS["ignore"](work)

    monkeypatch.setattr("maild.core.repairs.ACTS", {**ACTS, "add-client": decided_meanwhile})
    assert refused(post, ulid, "add-client", "Novum").reason is Reason.CONFLICT
    assert post.table("rulings") == 0


def test_E2_of_two_who_repair_one_mail_at_once_one_is_told_to_look_again(post: Post) -> None:
    ulid = arrived(post, HOME)

    def add(number: int) -> str:
        try:
            return outcome(done(post, ulid, "add-client", f"Novum {number}"))[0]
        except RefusedError as refused_:
            return refused_.reason.code

    with ThreadPoolExecutor(4) as threads:
        found = sorted(threads.map(add, range(4)))
    assert found == ["CONFLICT", "CONFLICT", "CONFLICT", "filed"]
    assert post.table("clients") == 3


def test_E2_a_filed_mail_can_be_taken_off_or_moved(post: Post) -> None:
    ulid = arrived(post, "anna@rossi.example", to="info@acme.example", body="Hello")
    assert offered(post, ulid) == ["unfile", "move"]


def test_E2_a_mail_of_another_account_answers_as_one_that_does_not_exist(post: Post) -> None:
    ulid = arrived(post, HOME)
    with post.app.store.write() as tx:
        tx.connection.execute(
            insert(people_tables.accounts).values(
                id=9, slug="other", name="Other", settings={}, created_at=post.app.clock()
            )
        )
    add_user(
        post.app,
        NewUser(email="olga@other.example", name="Olga", role=Role.ADMIN),
        account="other",
        by=OPERATOR,
    )
    with post.app.store.read() as tx:
        name = tx.people.name("olga@other.example")
    assert name is not None
    gone = "0" * len(ulid)
    for one in (ulid, gone):
        with pytest.raises(RefusedError) as caught:
            repairs_of(post.app, one, by=Actor(name.user_id))
        assert caught.value.reason is Reason.NOT_FOUND


def test_E2_a_member_repairs_only_what_is_in_the_own_mailbox_or_shared(post: Post) -> None:
    ulid = arrived(post, HOME)
    with pytest.raises(RefusedError) as caught:
        repairs_of(post.app, ulid, by=Actor(EVA))
    assert caught.value.reason is Reason.NOT_ALLOWED


def test_E2_an_answer_whose_process_died_before_the_decision_is_decided_by_the_workers(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    ulid = arrived(post, "eva@acme.example")

    def dies(*_: object) -> None:
        raise StoreDownError("as if the process had died")

    monkeypatch.setattr("maild.core.repairs.decide_again", dies)
    with pytest.raises(StoreDownError):
        done(post, ulid, "accept-once")
    assert post.outcome()[0] == "held"
    assert refused(post, ulid, "accept-once").reason is Reason.CONFLICT
    post.decide()
    assert post.outcome()[:2] == ("filed", "FILED_FORWARD")
