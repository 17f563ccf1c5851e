"""What is over is taken out of the database, and nothing that lives."""

from __future__ import annotations

from datetime import timedelta

import pytest

from maild.core.app import App
from maild.core.forgetting import KEPT, forget_ended
from maild.core.resets import ask_reset, use_reset
from maild.core.sessions import IDLE, begin_session, look
from maild.model.reason import Reason
from tests.core.conftest import Frozen
from tests.core.staff import PEER, Staff, some_staff


@pytest.fixture
def staff(app: App) -> Staff:
    return some_staff(app)


def test_what_lives_is_kept(staff: Staff) -> None:
    session = begin_session(staff.app, staff.sign_in("eva"), peer=PEER).secret
    ask_reset(staff.app, "eva", peer=PEER)
    assert forget_ended(staff.app) == 0
    assert look(staff.app, session) is not None
    use_reset(staff.app, staff.secret_in_mail(), "a new horse battery")


def test_tries_are_counted_while_their_window_lasts(staff: Staff) -> None:
    for _ in range(10):
        staff.refusal("nobody", "wrong")
    forget_ended(staff.app)
    assert staff.refusal("nobody", "wrong") is Reason.TOO_MANY_TRIES


def test_what_is_over_goes_and_once_only(staff: Staff, clock: Frozen) -> None:
    begin_session(staff.app, staff.sign_in("eva"), peer=PEER)
    ask_reset(staff.app, "eva", peer=PEER)
    clock.advance(IDLE + KEPT + timedelta(seconds=1))
    # A session, a link, and the tries of two acts: name, peer; name, peer (the pair was right).
    assert forget_ended(staff.app) == 6
    assert forget_ended(staff.app) == 0
