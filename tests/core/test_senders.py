"""U12: a mail tells whose it was when it came in, and who that is today."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from maild.core.app import OPERATOR, App
from maild.core.views import explain_mail
from maild.faces.cli.mail_words import explain_lines
from tests.core.conftest import Frozen
from tests.core.firm import EVA, JAN, LEA, Firm, a_firm


@pytest.fixture
def firm(app: App) -> Firm:
    return a_firm(app)


def explained(firm: Firm) -> dict[str, Any]:
    return explain_mail(firm.app, firm.post.lies()[0]["ulid"], by=OPERATOR)


def said(firm: Firm) -> str:
    return next(line for line in explain_lines(explained(firm)) if line.startswith("  Sender:"))


def test_U12_a_mail_says_by_which_address_its_sender_was_known(firm: Firm) -> None:
    firm.forwards(EVA)
    assert explained(firm)["sender"] == {
        "as_it_was": {"name": "Eva", "address": EVA, "literal": EVA},
        "as_it_is": {"name": "Eva", "email": EVA, "address_of": EVA},
    }
    assert said(firm) == f"  Sender:    Eva, by {EVA}"


def test_U12_after_a_swap_it_says_both_whose_it_was_and_who_that_is_today(
    firm: Firm, clock: Frozen
) -> None:
    firm.forwards(EVA)
    clock.advance(timedelta(minutes=1))
    firm.change(EVA, JAN)
    found = explained(firm)["sender"]
    assert found["as_it_was"] == {"name": "Eva", "address": EVA, "literal": EVA}
    assert found["as_it_is"] == {"name": "Eva", "email": JAN, "address_of": EVA}
    assert (
        said(firm)
        == f"  Sender:    Eva, by {EVA}; today Eva <{JAN}>, and {EVA} is another person's"
    )


def test_U12_an_address_that_was_given_up_is_nobodys(firm: Firm, clock: Frozen) -> None:
    firm.forwards(EVA)
    clock.advance(timedelta(minutes=1))
    firm.change(EVA, "eva.new@acme.example")
    assert explained(firm)["sender"]["as_it_is"] == {
        "name": "Eva",
        "email": "eva.new@acme.example",
        "address_of": None,
    }
    assert said(firm).endswith(f"and {EVA} is nobody's")


def test_U12_of_who_was_merged_it_says_who_that_is_today(firm: Firm, clock: Frozen) -> None:
    firm.forwards(EVA)
    clock.advance(timedelta(minutes=1))
    firm.merge(EVA, JAN)
    found = explained(firm)["sender"]
    assert found["as_it_was"]["name"] == "Eva"
    assert (found["as_it_is"]["name"], found["as_it_is"]["email"]) == ("Jan", JAN)


def test_U12_a_mail_of_no_user_has_no_sender(firm: Firm) -> None:
    firm.post.send(firm.post.mail("who@stranger.example", to=LEA), "info@acme.example")
    firm.post.decide()
    assert explained(firm)["sender"] is None
    assert not any(line.startswith("  Sender:") for line in explain_lines(explained(firm)))
