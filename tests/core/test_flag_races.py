"""Who marks a mail read while it is given away: the new owner sees it unread, with its cause (M1, M2)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from sqlalchemy import text

from maild.core.acts import mails, new_act
from maild.core.app import OPERATOR, Actor, App
from maild.core.handing import hand_over
from maild.core.inboxes import inbox_members
from maild.core.mailbox import set_status, set_unread
from maild.core.marking import mark_opened
from maild.core.people import add_communal_user
from maild.model.reason import Reason
from maild.store.mailbox import EntryRow
from maild.store.store import Tx
from tests.core.company import CRM, EVA, JAN, LEA, Post, a_company
from tests.core.firm import INFO, refusal
from tests.core.mailboxes import fill


@pytest.fixture
def app_of_acme(app: App) -> App:
    a_company(app)
    return app


def until_it_waits(app: App, tx: Tx) -> None:
    """Let another thread come as far as it comes while this transaction is open."""
    pause = threading.Event()
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    for _ in range(500):
        pause.wait(0.02)
        if app.store.database.is_sqlite or tx.connection.execute(waiting).scalar_one():
            return
    pytest.fail("It never waited for the mail.")


def given_while(app: App, ulid: str, to: int, act: Callable[[], object]) -> Future[object]:
    """Give a mail, and let something else act on it meanwhile."""
    with ThreadPoolExecutor(1) as threads:
        with app.store.write() as tx:
            held = mails(tx, [ulid], Actor(LEA))
            meanwhile = threads.submit(act)
            until_it_waits(app, tx)
            hand_over(tx, held, to, new_act(app, Actor(LEA)))
        meanwhile.exception(20)
    return meanwhile


def lies(app: App, ulid: str) -> EntryRow:
    with app.store.read() as tx:
        row = tx.mailbox.entry(ulid)
    assert row is not None
    return row


def test_M2_who_marks_it_read_while_it_is_given_away_does_not_read_it_for_the_new_owner(
    app_of_acme: App,
) -> None:
    app = app_of_acme
    [ulid] = fill(app, 1, EVA)
    late = given_while(app, ulid, JAN, lambda: set_unread(app, [ulid], unread=False, by=Actor(EVA)))
    with refusal(Reason.NOT_ALLOWED):
        late.result()
    row = lies(app, ulid)
    assert (row.owner_id, row.unread) == (JAN, True)
    assert row.unread_cause is not None
    assert row.unread_cause["by"] == "Lea"


def test_M2_a_member_who_opens_it_while_it_leaves_the_communal_mailbox_reads_it_for_nobody(
    app_of_acme: App,
) -> None:
    app = app_of_acme
    add_communal_user(app, inbox=INFO, name="Front desk", by=OPERATOR)
    inbox_members(app, INFO, add=["eva@acme.example"], by=OPERATOR)
    post = Post(app)
    post.send(post.mail(), INFO)
    post.decide()
    ulid = str(post.lies()[0]["ulid"])
    given_while(app, ulid, JAN, lambda: mark_opened(app, [ulid], by=Actor(EVA)))
    row = lies(app, ulid)
    assert (row.owner_id, row.unread) == (JAN, True)
    assert row.unread_cause is not None


def test_M5_rights_are_those_of_the_moment_at_which_an_act_holds_the_mail(
    app_of_acme: App,
) -> None:
    """Out of a personal inbox's mail Eva has nothing to say any more once it is Jan's."""
    app = app_of_acme
    [ulid] = fill(app, 1, EVA, inbox=CRM)
    late = given_while(app, ulid, JAN, lambda: set_status(app, [ulid], "Done", by=Actor(EVA)))
    with refusal(Reason.NOT_ALLOWED):
        late.result()
    assert lies(app, ulid).status_id is None


def test_M2_a_flag_is_set_for_the_owner_who_was_seen_and_for_nobody_after(
    app_of_acme: App,
) -> None:
    app = app_of_acme
    [ulid] = fill(app, 1, EVA)
    row = lies(app, ulid)
    with app.store.write() as tx:
        hand_over(tx, mails(tx, [ulid], Actor(LEA)), JAN, new_act(app, Actor(LEA)))
        assert not tx.mailbox.set_unread(row.id, unread=False, cause=None, version=row.version)
    assert lies(app, ulid).unread is True
