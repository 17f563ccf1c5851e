"""The version of a mail's place is never seen twice: who saw an older one comes too late (M1)."""

from __future__ import annotations

import pytest

from maild.core import rulings
from maild.core.app import OPERATOR, Actor, App
from maild.core.conversations import give_conversation
from maild.core.mailbox import give, take, undo
from maild.model.reason import Reason
from tests.core.company import EVA, JAN, READER, Post, a_company
from tests.core.firm import refusal


@pytest.fixture
def post(app: App) -> Post:
    a_company(app)
    return Post(app)


def a_mail(post: Post) -> str:
    post.send(post.mail())
    post.decide()
    return str(post.lies()[-1]["ulid"])


def version(app: App, ulid: str) -> int:
    with app.store.read() as tx:
        row = tx.mailbox.entry(ulid)
    assert row is not None
    assert row.version is not None
    return row.version


def away_and_back(post: Post, ulid: str) -> None:
    done = rulings.dismiss(post.app, READER, [ulid], by=Actor(EVA))
    undo(post.app, READER, by=Actor(EVA), change_id=done.id)


def test_M1_a_version_is_not_seen_again_after_the_mail_was_put_away_and_came_back(
    post: Post,
) -> None:
    ulid = a_mail(post)
    seen = [version(post.app, ulid)]
    take(post.app, ulid, by=Actor(EVA))
    for to in (JAN, EVA, JAN):
        seen.append(version(post.app, ulid))
        away_and_back(post, ulid)
        seen.append(version(post.app, ulid))
        give(post.app, [ulid], to=to, by=OPERATOR)
    assert sorted(set(seen)) == seen
    for late in seen:
        with refusal(Reason.OWNER_CHANGED):
            take(post.app, ulid, by=Actor(JAN), seen_version=late)


def test_M1_of_a_mail_that_was_put_away_nobody_is_told_that_somebody_gave_it(post: Post) -> None:
    ulid = a_mail(post)
    seen = version(post.app, ulid)
    rulings.dismiss(post.app, READER, [ulid], by=Actor(EVA))
    for act in (
        lambda: take(post.app, ulid, by=Actor(JAN), seen_version=seen),
        lambda: give_conversation(post.app, ulid, to=JAN, by=OPERATOR, seen_version=seen),
    ):
        with refusal(Reason.NOT_ALLOWED) as found:
            act()
        assert "lies in no mailbox" in str(found.value)
