"""The account's own statuses (M7)."""

from __future__ import annotations

import pytest

from maild.core.app import OPERATOR, Actor, App
from maild.core.mailbox import set_status
from maild.core.statuses import add_status, list_statuses, remove_status
from maild.model.reason import Reason, RefusedError
from tests.core.company import JAN, Post, a_company


@pytest.fixture
def post(app: App) -> Post:
    a_company(app)
    return Post(app)


def test_M7_an_account_has_its_own_list_in_its_own_order(post: Post) -> None:
    add_status(post.app, "Offer sent", account=None, by=OPERATOR)
    remove_status(post.app, "waiting", account=None, by=OPERATOR)
    assert list_statuses(post.app, account=None, by=OPERATOR) == [
        "New",
        "In progress",
        "Done",
        "Offer sent",
    ]


def test_M7_a_status_stands_once_whatever_its_case(post: Post) -> None:
    with pytest.raises(RefusedError) as error:
        add_status(post.app, "DONE", account=None, by=OPERATOR)
    assert error.value.reason is Reason.ALREADY_EXISTS


def test_M7_what_mails_have_and_the_first_one_stay(post: Post) -> None:
    post.send(post.mail())
    post.decide()
    [row] = post.lies()
    set_status(post.app, [str(row["ulid"])], "Done", by=OPERATOR)
    for name, why in (("Done", "Mails have"), ("New", "is the first")):
        with pytest.raises(RefusedError, match=why):
            remove_status(post.app, name, account=None, by=OPERATOR)


def test_M7_members_see_them_and_only_admins_change_them(post: Post) -> None:
    assert list_statuses(post.app, account=None, by=Actor(JAN))
    with pytest.raises(RefusedError) as error:
        add_status(post.app, "Mine", account=None, by=Actor(JAN))
    assert error.value.reason is Reason.NOT_ALLOWED
