"""Rights to write as an inbox, of who turned out to be somebody else (M8, U13)."""

from __future__ import annotations

import pytest

from maild.core.app import OPERATOR
from maild.core.joining import JoinView, answer_invitation, invite
from maild.core.leaving import remove_member
from maild.core.merging import merge_users, plan_merging
from maild.core.send_rights import inbox_senders
from maild.model.people import Role
from maild.model.reason import Reason
from tests.writing.conftest import ANNA, JAN, SALES, Office, refusal

JAN2 = "jan2@acme.example"


@pytest.fixture
def merged(office: Office) -> Office:
    """Jan, who is Jan2 as well, who had the right to write as sales@."""
    office.world.user(JAN2, "Jan2")
    inbox_senders(office.app, SALES, add=[JAN2], by=OPERATOR)
    plan = plan_merging(office.app, JAN2, JAN, by=OPERATOR).plan
    merge_users(office.app, JAN2, JAN, digest=plan.digest, by=OPERATOR)
    return office


def named(office: Office) -> list[str]:
    found = inbox_senders(office.app, SALES, by=OPERATOR).senders
    return [one.email for one in found if one.because == "named"]


def test_U13_a_right_that_came_with_a_merge_is_taken_away_as_any(merged: Office) -> None:
    assert named(merged) == [JAN]
    assert merged.compose(ANNA, sender=SALES).sender == SALES
    inbox_senders(merged.app, SALES, remove=[JAN], by=OPERATOR)
    assert named(merged) == []
    with refusal(Reason.SENDER_NOT_ALLOWED):
        merged.compose(ANNA, sender=SALES)


def test_U13_a_right_that_came_with_a_merge_ends_with_the_membership(merged: Office) -> None:
    remove_member(merged.app, JAN, by=OPERATOR)
    invited = invite(merged.app, JAN, role=Role.MEMBER, by=OPERATOR)
    assert isinstance(invited, JoinView)
    answer_invitation(merged.app, invited.membership.id, accept=True, by=merged.actor(JAN))
    assert named(merged) == []
