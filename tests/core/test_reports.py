"""F7: what a report says of a mail of ours is written on its errand."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from maild.core.app import App
from maild.core.full_mailboxes import note_returned
from maild.model.errand import Topic
from maild.model.letter import Returned
from maild.model.states import State
from maild.parse import read_letter
from maild.store.deliveries import Claimed


def reported(app: App, said: Returned, state: State = State.RECEIVED) -> str | None:
    """Have a report decided; return what is written on the errand that it is about."""
    now = app.clock()
    claimed = Claimed(
        id=1,
        ulid="one",
        account_id=1,
        message_id=1,
        inbox_id=1,
        state=state,
        attempts=1,
        received_at=now,
        digest="",
        size=1,
        message_id_header=None,
        content_key="",
    )
    letter = replace(read_letter(b"From: a@b.example\r\n\r\nx"), returned=said)
    with app.store.write() as tx:
        tx.outbox.add(
            ulid="0" * 26,
            key="one",
            topic=Topic.MAIL,
            account_id=None,
            payload={"to": "ole@gone.example"},
            now=now,
            give_up_at=now + timedelta(days=1),
        )
        note_returned(tx, app, claimed, letter, "0" * 26)
        errand = tx.outbox.by_ulid("0" * 26)
    assert errand is not None
    return errand.last_error


def test_F7_a_late_report_of_delay_leaves_it_that_the_mail_came_back(app: App) -> None:
    delayed = Returned(status="4.4.1", is_delayed=True)
    assert reported(app, delayed) == "it is delayed: 4.4.1"
    assert reported(app, Returned(status="5.1.1")) == "it came back: 5.1.1"
    assert reported(app, delayed) == "it came back: 5.1.1"


@pytest.mark.parametrize(
    ("state", "says"),
    [(State.FAILED, "it came back: 5.1.1"), (State.UNFILED, None)],
)
def test_F7_a_report_whose_reading_failed_before_counts_and_one_that_was_decided_not_again(
    app: App, state: State, says: str | None
) -> None:
    assert reported(app, Returned(status="5.1.1"), state) == says
