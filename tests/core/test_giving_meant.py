"""Giving by search moves what was meant: a search that says less than its writer thought moves nothing (M4)."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from maild.core.app import OPERATOR, App
from maild.core.giving import find_to_give, give_found
from maild.core.lists import Wanted, list_mails
from maild.core.profiles import ProfileText, add_profile, list_profiles
from maild.model.reason import Reason
from maild.store.search_tables import profiles
from tests.core.company import JAN, LEA, a_company
from tests.core.firm import refusal
from tests.core.mailboxes import fill


@pytest.fixture
def mailbox(app: App) -> App:
    a_company(app)
    fill(app, 3, LEA)
    return app


def refused_as(app: App, **wanted: Any) -> str:
    """Return why an act on these mails is refused, which its rehearsal is as well."""
    asked = Wanted(account="acme", **wanted)
    with refusal(Reason.INVALID_VALUE):
        find_to_give(app, asked, to=JAN, by=OPERATOR)
    with refusal(Reason.INVALID_VALUE) as found:
        give_found(app, asked, to=JAN, by=OPERATOR)
    with app.store.read() as tx:
        assert not tx.mailbox.newest_transfers(range(2000))
    return str(found.value)


@pytest.mark.parametrize("search", ["", "   "])
def test_M4_a_search_that_says_nothing_gives_nothing_away(mailbox: App, search: str) -> None:
    assert "asks for nothing" in refused_as(mailbox, search=search)
    assert "asks for nothing" in refused_as(mailbox, search=search, owner="lea@acme.example")
    add_profile(mailbox, ProfileText(name="X", query="is:unread"), by=OPERATOR)
    assert "asks for nothing" in refused_as(mailbox, search=search, profile="X")


def test_M4_a_saved_search_that_cannot_be_read_gives_nothing_away_and_finds_nothing(
    mailbox: App,
) -> None:
    add_profile(mailbox, ProfileText(name="X", query="is:unread from:rossi"), by=OPERATOR)
    later = [{"field": "label", "operator": "is", "value": "x"}]
    with mailbox.store.write() as tx:
        tx.connection.execute(update(profiles).values(terms=later))
    assert "cannot be read by this version" in refused_as(mailbox, profile="X")
    page = list_mails(mailbox, Wanted(account="acme", profile="X"), by=OPERATOR)
    assert (page.mails, len(page.notes)) == ([], 1)
    [shown] = list_profiles(mailbox, by=OPERATOR, counts=True)
    assert shown.count is not None
    assert shown.count.number == 0


def test_M4_a_search_that_leaves_out_what_is_not_there_gives_nothing_away(mailbox: App) -> None:
    """The name of what was to stay was written wrongly."""
    assert "Rosssi" in refused_as(mailbox, search="is:unread -client:Rosssi")


def test_M4_a_saved_search_whose_client_is_gone_gives_nothing_away(mailbox: App) -> None:
    add_profile(mailbox, ProfileText(name="X", query="is:unread -status:Done"), by=OPERATOR)
    with mailbox.store.write() as tx:
        [kept] = tx.connection.execute(profiles.select()).all()
        terms = [{**one, "number": 999} if "number" in one else one for one in kept.terms]
        assert terms != kept.terms
        tx.connection.execute(update(profiles).values(terms=terms))
    assert "not there any more" in refused_as(mailbox, profile="X")
