"""Mails that are left on the server come in once, whatever people do with them here (D5)."""

from __future__ import annotations

import pytest

from maild.core.app import OPERATOR
from maild.core.mailbox import give
from maild.core.rulings import dismiss, file_by_hand, unfile
from tests.core.company import EVA, JAN, READER
from tests.sources.site import FULL, Collector, Mailbox

COUNT = 1000 if FULL else 150
DISMISSED = 200 if FULL else 30
FILED = 20
POLLS = 10
CLIENT = "C2"


def hand_all_over(here: Collector, to: int) -> None:
    lying = [one["ulid"] for one in here.mails() if one["owner"] is not None]
    give(here.app, lying, to=to, by=OPERATOR)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["imap", "pop"])
def test_D5_mail_that_was_handed_over_dismissed_or_filed_anew_is_not_fetched_again(
    on_both: Collector, box: Mailbox, kind: str
) -> None:
    here = on_both
    box.send(*(f"left-{number}" for number in range(COUNT)))
    here.add("box", box, kind)
    assert here.poll("box").stored == COUNT
    ulids = [one["ulid"] for one in here.mails()]
    for number in range(1, POLLS):
        hand_all_over(here, (EVA, JAN)[number % 2])
        if number == 2:
            dismiss(here.app, READER, ulids[:DISMISSED], by=OPERATOR)
        if number == 4:
            unfile(here.app, READER, ulids[-FILED:], client="C1", by=OPERATOR)
        if number == 6:
            file_by_hand(here.app, READER, ulids[-FILED:], client=CLIENT, by=OPERATOR)
        here.assert_nothing_again("box")
    proven = here.prove("box")
    assert (proven.listed, proven.known) == (COUNT, COUNT)
    assert len(here.mails()) == COUNT
    assert box.count() == COUNT
