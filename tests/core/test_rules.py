"""M11: an account's rules: its list, what they do to new mail, and what they would have done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import delete, update

from maild.core import decide as deciding
from maild.core.app import OPERATOR, Actor, App
from maild.core.clients import NewClient, add_client
from maild.core.decide import decide_again
from maild.core.mailbox import give, set_status
from maild.core.rules import (
    RULES_MAX,
    RuleView,
    add_rule,
    list_rules,
    order_rule,
    remove_rule,
    show_rule,
    switch_rule,
)
from maild.core.rules_applied import apply_rules
from maild.core.rules_tried import LAST_MAX, SHOWN, Tried, try_rule
from maild.core.rulings import dismiss, release_mails
from maild.core.settle import TRY_LATER, settle
from maild.core.statuses import remove_status
from maild.core.unmerging import unmerge
from maild.core.views import explain_mail, mail_history
from maild.model.case import Case, Decision
from maild.model.facts import Directory, InboxFacts, Ruling, Unproven
from maild.model.letter import Author, Letter
from maild.model.people import InboxKind
from maild.model.reason import Reason, RefusedError
from maild.model.rule_text import read_when
from maild.model.rules import Assignee, Rule
from maild.model.states import Move
from maild.model.trace import Trace
from maild.store import people_tables
from maild.store.schema import readings
from tests.core.company import EVA, JAN, LEA, READER, SIGNED_IN, Post, a_company
from tests.core.conftest import Frozen
from tests.core.firm import a_firm
from tests.core.moments import refusal

FORWARD = "Please look at this offer.\r\n\r\n---------- Forwarded message ---------\r\nFrom: Nobody <nobody@gone.example>\r\nDate: Thu, 19 Nov 2026 09:00\r\nSubject: Offer\r\nTo: <eva@acme.example>\r\n\r\nHello"


@dataclass
class Desk:
    app: App
    post: Post

    def add(self, name: str, text: str, *, on: bool = True, by: Actor = OPERATOR) -> RuleView:
        return add_rule(self.app, name, text, on=on, by=by)

    def comes(
        self, body: str = "Invoice 12", from_: str = "anna@rossi.example", **more: Any
    ) -> dict[str, Any]:
        """Let a mail come to info@ and be decided; return how lists show it."""
        self.post.send(self.post.mail(from_, body=body, **more))
        self.post.decide()
        return self.newest()

    def newest(self) -> dict[str, Any]:
        return self.post.lies()[-1]

    def history(self) -> list[str]:
        return [one.text for one in mail_history(self.app, self.newest()["ulid"], by=OPERATOR)]

    def trace(self) -> str:
        told = explain_mail(self.app, self.newest()["ulid"], by=OPERATOR)
        return str(told["decisions"][-1] if "decisions" in told else told)

    def again(self) -> dict[str, Any]:
        decide_again(self.app, READER, [self.newest()["id"]])
        return self.newest()

    def tries(self, what: str, **more: Any) -> Tried:
        return try_rule(self.app, what, by=OPERATOR, **more)

    def disable(self, user: int) -> None:
        with self.app.store.write() as tx:
            table = people_tables.users
            tx.connection.execute(
                update(table).where(table.c.id == user).values(disabled_at=self.app.clock())
            )


@pytest.fixture
def desk(app: App) -> Desk:
    a_company(app)
    return Desk(app, Post(app))


class TestTheList:
    def test_M11_a_rule_is_kept_in_its_one_form_and_typed_so_it_is_the_same(
        self, desk: Desk
    ) -> None:
        added = desk.add("Invoices", "Subject contains INVOICE : owner=Eva, status = waiting")
        assert added.text == "subject contains INVOICE: owner = eva@acme.example, status = Waiting"
        assert desk.add("again", added.text).text == added.text
        assert [one.position for one in list_rules(desk.app, by=OPERATOR)] == [1, 2]
        assert show_rule(desk.app, "INVOICES", by=OPERATOR) == added
        assert show_rule(desk.app, added.id, by=OPERATOR) == added

    @pytest.mark.parametrize(
        ("text", "reason", "says"),
        [
            ("subjcet contains x: stop", Reason.INVALID_VALUE, "did you mean subject?"),
            ("subject contains x: owner = Ole", Reason.NOT_FOUND, "Ole"),
            ("subject contains x: owner = ole@acme.example", Reason.NOT_FOUND, "ole@acme.example"),
            ("subject contains x: status = Late", Reason.NOT_FOUND, "New, In progress"),
            ("subject contains x: file = Nobody", Reason.NOT_FOUND, "client “Nobody”"),
        ],
    )
    def test_M11_what_a_rule_names_must_be_there(
        self, desk: Desk, text: str, reason: Reason, says: str
    ) -> None:
        with pytest.raises(RefusedError, match=says) as refused:
            desk.add("one", text)
        assert refused.value.reason is reason
        assert list_rules(desk.app, by=OPERATOR) == []

    @pytest.mark.parametrize(
        ("conditions", "says"),
        [
            (" or ".join(["subject contains " + "\\" * 180] * 9), "longer than 2000 characters"),
            (
                f"from domain is {'.'.join(['漢字仮名交文章例題漢字仮'] * 5)}.example",
                "1 to 200 characters",
            ),
        ],
    )
    def test_M11_a_rule_whose_one_form_could_not_be_read_again_is_refused(
        self, desk: Desk, conditions: str, says: str
    ) -> None:
        with pytest.raises(RefusedError, match=says) as refused:
            desk.add("one", f"{conditions}: stop")
        assert refused.value.reason is Reason.INVALID_VALUE
        assert list_rules(desk.app, by=OPERATOR) == []

    def test_M11_a_rule_that_names_somebody_inactive_is_refused(self, desk: Desk) -> None:
        desk.disable(EVA)
        for owner in ("Eva", "eva@acme.example"):
            rule = f"text is x: owner = {owner}"
            assert refusal(partial(desk.add, "one", rule)) is Reason.NOT_ALLOWED

    def test_M11_names_are_taken_once_whatever_their_case_and_free_again_when_removed(
        self, desk: Desk
    ) -> None:
        desk.add("Invoices", "text is x: stop")
        assert refusal(lambda: desk.add("invoices", "text is y: stop")) is Reason.ALREADY_EXISTS
        assert refusal(lambda: desk.add("a: b", "text is y: stop")) is Reason.INVALID_VALUE
        assert remove_rule(desk.app, "invoices", by=OPERATOR).on is False
        assert refusal(lambda: show_rule(desk.app, "Invoices", by=OPERATOR)) is Reason.NOT_FOUND
        assert desk.add("invoices", "text is y: stop").position == 1

    def test_M11_an_account_has_as_many_rules_as_can_be_heard(self, desk: Desk) -> None:
        for number in range(RULES_MAX):
            desk.add(f"rule {number}", "text is x: stop", on=False)
        assert refusal(lambda: desk.add("one more", "text is x: stop")) is Reason.CONFLICT

    def test_M11_a_rule_is_moved_within_the_list(self, desk: Desk) -> None:
        for name in ("a", "b", "c"):
            desk.add(name, "text is x: stop")
        for name, position, order in (("c", 1, "cab"), ("c", 3, "abc"), ("b", 1, "bac")):
            moved = order_rule(desk.app, name, position, by=OPERATOR)
            assert "".join(one.name for one in moved) == order
        for wrong in (0, 4):
            moves = partial(order_rule, desk.app, "a", wrong, by=OPERATOR)
            assert refusal(moves) is Reason.INVALID_VALUE

    def test_M11_members_read_the_list_and_distributors_keep_it(self, desk: Desk) -> None:
        added = desk.add("Invoices", "text is x: stop", by=Actor(LEA))
        eva = Actor(EVA)
        assert list_rules(desk.app, by=eva) == [added]
        for act in (
            lambda: desk.add("two", "text is x: stop", by=eva),
            lambda: remove_rule(desk.app, "Invoices", by=eva),
            lambda: switch_rule(desk.app, "Invoices", on=False, by=eva),
            lambda: order_rule(desk.app, "Invoices", 1, by=eva),
            lambda: try_rule(desk.app, "Invoices", by=eva),
        ):
            assert refusal(act) is Reason.NOT_ALLOWED

    def test_M11_a_status_that_a_rule_sets_stays(self, desk: Desk) -> None:
        desk.add("one", "text is x: status = Waiting")
        with pytest.raises(RefusedError, match="The rule “one” sets the status Waiting"):
            remove_status(desk.app, "Waiting", account=None, by=OPERATOR)
        remove_rule(desk.app, "one", by=OPERATOR)
        assert "Waiting" not in remove_status(desk.app, "Waiting", account=None, by=OPERATOR)

    def test_M11_a_broken_rule_is_shown_and_not_switched_on(self, desk: Desk) -> None:
        desk.add("one", "text is x: owner = Eva", on=False)
        desk.disable(EVA)
        [rule] = list_rules(desk.app, by=OPERATOR)
        assert rule.broken is not None
        assert rule.broken.startswith("Eva is inactive")
        assert (
            refusal(lambda: switch_rule(desk.app, "one", on=True, by=OPERATOR)) is Reason.CONFLICT
        )

    def test_M11_a_word_that_is_ones_name_and_anothers_key_means_neither(self, desk: Desk) -> None:
        one = add_client(desk.app, NewClient(name="Weiss"), by=OPERATOR)
        assert desk.add("one", f"text is x: file = {one.id}").text == "text is x: file = Weiss"
        add_client(desk.app, NewClient(name="Weiss Holding", key="Weiss"), by=OPERATOR)
        # Written so that it goes on meaning the one whom it meant.
        said = show_rule(desk.app, "one", by=OPERATOR).text
        assert said == f"text is x: file = {one.id}"
        assert desk.add("again", said).text == said
        with pytest.raises(RefusedError, match="several clients are called that"):
            desk.add("two", "text is x: file = Weiss")

    def test_M11_a_clients_id_means_that_client_whatever_others_are_called(
        self, desk: Desk
    ) -> None:
        one = add_client(desk.app, NewClient(name="Weiss"), by=OPERATOR)
        other = add_client(desk.app, NewClient(name=one.id), by=OPERATOR)
        assert desk.add("one", f"text is x: file = {one.id}").text == "text is x: file = Weiss"
        said = desk.add("two", f"text is x: file = {other.id}").text
        assert said == f"text is x: file = {other.id}"

    def test_M11_of_two_people_of_one_name_the_address_is_asked_for(self, desk: Desk) -> None:
        with desk.app.store.write() as tx:
            users = people_tables.users
            tx.connection.execute(
                update(users).where(users.c.id.in_((EVA, JAN))).values(display_name="Eva Moser")
            )
        with pytest.raises(RefusedError, match=r"eva@acme\.example, jan@acme\.example"):
            desk.add("one", "text is x: owner = Eva")
        assert desk.add("one", "text is x: owner = jan@acme.example").broken is None


class TestNewMail:
    def test_M11_a_rule_says_whose_a_mail_is_and_its_status(self, desk: Desk) -> None:
        desk.add("Invoices", "subject contains invoice: owner = Eva, status = Waiting")
        mail = desk.comes()
        assert (mail["owner"], mail["status"], mail["unread"]) == (
            "eva@acme.example",
            "Waiting",
            True,
        )
        assert desk.history()[-1] == (
            "The rule “Invoices” gave it to Eva and set its status to Waiting."
        )
        assert "The rule “Invoices” matches; it gives it to Eva" in desk.trace()
        other = desk.comes("Hello")
        assert (other["owner"], other["status"]) == ("lea@acme.example", None)
        assert "rule" not in desk.trace()

    def test_M11_a_rule_that_is_off_or_gone_says_nothing(self, desk: Desk) -> None:
        desk.add("Invoices", "subject contains invoice: owner = Eva", on=False)
        assert desk.comes()["owner"] == "lea@acme.example"
        switch_rule(desk.app, "Invoices", on=True, by=OPERATOR)
        assert desk.comes()["owner"] == "eva@acme.example"
        remove_rule(desk.app, "Invoices", by=OPERATOR)
        assert desk.history()[-1] == "The rule “Invoices” gave it to Eva."
        assert desk.comes()["owner"] == "lea@acme.example"

    def test_M11_the_order_of_the_list_counts_and_stop_ends_it(self, desk: Desk) -> None:
        desk.add("a", "subject contains invoice: owner = Eva, stop")
        desk.add("b", "subject contains invoice: owner = Jan, status = Done")
        assert (desk.comes()["owner"], desk.newest()["status"]) == ("eva@acme.example", None)
        order_rule(desk.app, "b", 1, by=OPERATOR)
        assert (desk.comes()["owner"], desk.newest()["status"]) == ("jan@acme.example", "Done")

    def test_M11_a_rule_files_what_has_no_client_and_says_why(self, desk: Desk) -> None:
        desk.add("Shop", "from domain is shop.example: file = Rossi Bau")
        mail = desk.comes(from_="order@shop.example")
        assert (mail["state"], mail["reason"]) == ("filed", "FILED_BY_RULE")
        assert [(one["name"], one["how"]) for one in mail["clients"]] == [
            ("Rossi Bau", "FILED_BY_RULE")
        ]
        assert "Filed under Rossi Bau because the rule “Shop” says so" in desk.trace()
        assert desk.again()["reason"] == "FILED_BY_RULE"

    def test_M11_what_a_contact_says_is_better_evidence_than_a_rule(self, desk: Desk) -> None:
        desk.add("Shop", "subject contains invoice: file = Dupont")
        mail = desk.comes()
        assert (mail["reason"], mail["clients"][0]["name"]) == ("FILED_CONTACT", "Rossi Bau")

    def test_M11_a_machines_mail_is_filed_and_stays_what_it_is(self, desk: Desk) -> None:
        desk.add("Shop", "kind is list: file = Rossi Bau, unread = no")
        mail = desk.comes(from_="news@shop.example", more="List-Id: <news.shop.example>\r\n")
        assert (mail["state"], mail["reason"], mail["unread"]) == ("filed", "LIST_MAIL", False)

    def test_M11_a_held_sender_is_not_let_through_by_a_rule(self, desk: Desk) -> None:
        desk.add("Shop", "from domain is shop.example: file = Rossi Bau, owner = Jan")
        desk.post.send(
            desk.post.mail("order@shop.example", to="crm@acme.example"), "crm@acme.example"
        )
        desk.post.decide()
        mail = desk.newest()
        assert (mail["state"], mail["reason"]) == ("held", "SENDER_UNKNOWN")
        assert (mail["owner"], mail["clients"]) == ("jan@acme.example", [])

    def test_M11_a_held_forward_that_a_rule_files_is_its_forwarders(self, desk: Desk) -> None:
        mail = desk.post.mail("eva@acme.example", to="crm@acme.example", body=FORWARD)
        desk.post.send(mail, "crm@acme.example", trust=SIGNED_IN)
        desk.post.decide()
        assert (desk.newest()["reason"], desk.newest()["owner"]) == (
            "CLIENT_NOT_FOUND",
            "lea@acme.example",
        )
        desk.add("Gone", "original domain is gone.example: file = Dupont")
        mail = desk.post.mail("eva@acme.example", to="crm@acme.example", body=FORWARD + "!")
        desk.post.send(mail, "crm@acme.example", trust=SIGNED_IN)
        desk.post.decide()
        found = desk.newest()
        assert (found["reason"], found["owner"], found["unread"]) == (
            "FILED_BY_RULE",
            "eva@acme.example",
            False,
        )

    def test_M11_a_rule_may_give_a_forward_to_somebody_else_who_has_not_seen_it(
        self, desk: Desk
    ) -> None:
        desk.add("Gone", "inbox is crm@acme.example: owner = Jan, file = Dupont")
        mail = desk.post.mail("eva@acme.example", to="crm@acme.example", body=FORWARD)
        desk.post.send(mail, "crm@acme.example", trust=SIGNED_IN)
        desk.post.decide()
        assert (desk.newest()["owner"], desk.newest()["unread"]) == ("jan@acme.example", True)

    def test_M11_a_forward_that_a_rule_leaves_with_its_forwarder_stays_read(
        self, desk: Desk
    ) -> None:
        desk.add("own", "inbox is crm@acme.example: owner = Eva, file = Dupont")
        mail = desk.post.mail("eva@acme.example", to="crm@acme.example", body=FORWARD)
        desk.post.send(mail, "crm@acme.example", trust=SIGNED_IN)
        desk.post.decide()
        assert (desk.newest()["owner"], desk.newest()["unread"]) == ("eva@acme.example", False)

    def test_M10_a_persons_word_who_is_to_have_it_comes_before_a_rule(self) -> None:
        said = Ruling(question="substitute", answer={"to_id": JAN})
        rule = Rule(id=1, name="all", when=read_when("direction is in"), owner=Assignee(EVA, "Eva"))
        for rulings, owner in (((), rule.owner), ((said,), None)):
            case = Case(
                letter=Letter(sender=Author("anna@rossi.example")),
                inbox=InboxFacts(
                    norm="info@acme.example",
                    kind=InboxKind.SHARED,
                    sender_policy="record",
                    unknown_policy="hold",
                    account_name="Acme",
                ),
                directory=Directory(),
                proof=Unproven("nothing"),
                rulings=rulings,
            )
            decision = Decision(move=Move.PLACE, reason=Reason.CLIENT_NOT_FOUND)
            assert apply_rules([rule], case, decision, 1, Trace())[1].owner == owner

    def test_M10_mail_for_somebody_inactive_goes_to_the_owner_chain_and_the_trace_says_why(
        self, desk: Desk
    ) -> None:
        desk.add("Invoices", "subject contains invoice: owner = Eva, status = Waiting")
        desk.disable(EVA)
        mail = desk.comes()
        assert (mail["owner"], mail["status"]) == ("lea@acme.example", "Waiting")
        assert (
            "it would give it to Eva, who is inactive: the inbox's owners have it" in desk.trace()
        )
        assert desk.history()[-1] == "The rule “Invoices” set its status to Waiting."

    def test_M11_mail_that_is_put_aside_is_not_asked_about(self, desk: Desk) -> None:
        desk.add("all", "direction is in: owner = Eva, file = Rossi Bau")
        mail = desk.post.mail(
            "news@shop.example", to="crm@acme.example", more="List-Id: <news.shop.example>\r\n"
        )
        desk.post.send(mail, "crm@acme.example")
        desk.post.decide()
        assert (desk.newest()["state"], desk.newest()["owner"]) == ("ignored", None)
        assert "rule" not in desk.trace()

    def test_M11_a_status_that_is_removed_while_a_mail_is_judged_is_no_fault_of_the_mail(
        self, desk: Desk, clock: Frozen, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        desk.add("Inv", "text contains invoice: status = Waiting")

        def late(app: App, *given: Any) -> None:
            monkeypatch.setattr(deciding, "settle", settle)
            remove_rule(app, "Inv", by=OPERATOR)
            remove_status(app, "Waiting", account="acme", by=OPERATOR)
            settle(app, *given)

        monkeypatch.setattr(deciding, "settle", late)
        assert desk.comes()["state"] == "received"
        clock.advance(TRY_LATER)
        desk.post.decide()
        assert (desk.newest()["state"], desk.newest()["status"]) == ("filed", None)


class TestDecidedAgain:
    def test_M11_a_mail_that_somebody_moved_stays_whatever_rules_say(self, desk: Desk) -> None:
        mail = desk.comes()
        give(desk.app, [mail["ulid"]], to=JAN, by=Actor(LEA))
        desk.add("Invoices", "subject contains invoice: owner = Eva, status = Waiting")
        assert (desk.again()["owner"], desk.newest()["status"]) == ("jan@acme.example", None)
        assert not any("rule" in text for text in desk.history())

    def test_M11_a_mail_that_nobody_moved_may_be_given_by_a_rule(self, desk: Desk) -> None:
        desk.comes()
        desk.add("Invoices", "subject contains invoice: owner = Eva, status = Waiting")
        assert (desk.again()["owner"], desk.newest()["status"]) == ("eva@acme.example", "Waiting")
        assert desk.newest()["unread"] is True
        desk.again()
        told = [text for text in desk.history() if "rule" in text]
        assert told == ["The rule “Invoices” gave it to Eva and set its status to Waiting."]

    def test_M11_a_status_that_somebody_set_stays(self, desk: Desk) -> None:
        mail = desk.comes()
        set_status(desk.app, [mail["ulid"]], "Done", by=Actor(LEA))
        desk.add("Invoices", "subject contains invoice: status = Waiting")
        assert desk.again()["status"] == "Done"

    def test_M11_what_a_rule_gave_stays_when_the_rule_is_gone(self, desk: Desk) -> None:
        desk.add("Invoices", "subject contains invoice: owner = Eva")
        desk.comes()
        remove_rule(desk.app, "Invoices", by=OPERATOR)
        assert desk.again()["owner"] == "eva@acme.example"

    def test_M11_also_of_a_forward_which_its_forwarder_would_have(self, desk: Desk) -> None:
        desk.add("Offers", "inbox is crm@acme.example: owner = Jan")
        body = FORWARD.replace("nobody@gone.example", "marc@dupont.example")
        mail = desk.post.mail("eva@acme.example", to="crm@acme.example", body=body)
        desk.post.send(mail, "crm@acme.example", trust=SIGNED_IN)
        desk.post.decide()
        assert desk.newest()["owner"] == "jan@acme.example"
        remove_rule(desk.app, "Offers", by=OPERATOR)
        assert desk.again()["owner"] == "jan@acme.example"

    def test_M11_a_released_mail_goes_back_and_no_rule_says_that_it_gave_it(
        self, desk: Desk
    ) -> None:
        mail = desk.comes()
        dismiss(desk.app, READER, [mail["ulid"]], by=OPERATOR)
        desk.add("Invoices", "text contains invoice: owner = Jan, status = Waiting")
        release_mails(desk.app, READER, [mail["ulid"]], by=OPERATOR)
        back = desk.newest()
        assert back["version"] > mail["version"], "M1: whoever saw it before has not seen this"
        assert {**back, "version": mail["version"]} == mail
        assert not any("rule" in text for text in desk.history())


class TestTrying:
    def test_M11_a_rule_is_tried_on_past_mail_and_changes_nothing(self, desk: Desk) -> None:
        for number in range(SHOWN + 5):
            desk.post.send(desk.post.mail(body=f"Invoice {number}"))
        desk.post.send(desk.post.mail(body="Hello"))
        desk.post.decide()
        before = desk.post.lies()
        tried = desk.tries("subject contains invoice: owner = Eva, status = Waiting")
        assert (tried.looked_at, tried.matched, tried.would_change) == (26, 25, 25)
        assert len(tried.mails) == SHOWN
        first = tried.mails[0]
        assert first.subject == "Invoice 24"
        assert (first.owner, first.owner_then) == ("lea@acme.example", "eva@acme.example")
        assert (first.status, first.status_then) == ("New", "Waiting")
        assert desk.post.lies() == before

    def test_M11_the_newest_mails_are_looked_at_in_portions(
        self, desk: Desk, clock: Frozen
    ) -> None:
        for number in range(230):
            desk.post.send(desk.post.mail(body=f"Invoice {number}"))
            if number % 50 == 0:
                clock.advance(timedelta(minutes=1))
        desk.post.decide()
        heard: list[int] = []
        tried = desk.tries("subject contains invoice: stop", last=210, progress=heard.append)
        assert (tried.looked_at, tried.matched, tried.would_change) == (210, 210, 0)
        assert heard == [100, 200, 210]
        assert desk.tries("subject contains invoice: stop").matched == 230
        for wrong in (0, LAST_MAX + 1):
            tries = partial(desk.tries, "text is x: stop", last=wrong)
            assert refusal(tries) is Reason.INVALID_VALUE

    def test_M11_a_rule_of_the_list_is_tried_by_its_name(self, desk: Desk) -> None:
        desk.comes(from_="order@shop.example")
        desk.add("Shop", "from domain is shop.example: file = Rossi Bau", on=False)
        [mail] = desk.tries("shop").mails
        assert (mail.clients, mail.clients_then, mail.changes) == ((), ("Rossi Bau",), True)
        switch_rule(desk.app, "Shop", on=True, by=OPERATOR)
        desk.comes(from_="order@shop.example")
        assert [one.changes for one in desk.tries("Shop").mails] == [False, True]
        assert refusal(lambda: desk.tries("nothing")) is Reason.NOT_FOUND

    def test_M11_mails_without_a_reading_are_counted_and_not_guessed_at(self, desk: Desk) -> None:
        desk.comes()
        desk.comes()
        with desk.app.store.write() as tx:
            tx.connection.execute(
                delete(readings).where(readings.c.message_id == desk.newest()["message_id"])
            )
        tried = desk.tries("subject contains invoice: owner = Eva")
        assert (tried.looked_at, tried.not_readable, tried.matched) == (2, 1, 1)


class TestPeopleWhoChange:
    def test_U13_a_rule_follows_who_is_merged_and_comes_back_with_them(self, app: App) -> None:
        firm = a_firm(app)
        add_rule(
            firm.app, "Invoices", "subject contains invoice: owner = Jan", on=True, by=OPERATOR
        )
        change = firm.merge("jan@acme.example", "eva@acme.example")

        def comes() -> Any:
            firm.post.send(firm.post.mail(body="Invoice 12"))
            firm.post.decide()
            return firm.newest()["owner"]

        assert comes() == "eva@acme.example"
        [rule] = list_rules(firm.app, by=OPERATOR)
        assert rule.text == "subject contains invoice: owner = eva@acme.example"
        unmerge(firm.app, change.id, by=OPERATOR)
        assert comes() == "jan@acme.example"

    def test_U11_a_rule_follows_the_person_and_not_the_address(self, app: App) -> None:
        firm = a_firm(app)
        add_rule(
            firm.app,
            "Invoices",
            "subject contains invoice: owner = jan@acme.example",
            on=True,
            by=OPERATOR,
        )
        firm.change("jan@acme.example", "jan.new@acme.example")
        firm.post.send(firm.post.mail(body="Invoice 12"))
        firm.post.decide()
        assert firm.newest()["owner"] == "jan.new@acme.example"
