"""What is over, taken out of the database: sessions, links, counted tries, and answers that were kept.  Never what somebody may still ask about."""

from __future__ import annotations

from datetime import timedelta

from maild.core.app import App
from maild.core.once import KEPT as KEPT_ANSWERS

KEPT = timedelta(days=2)
"""For so long it stays when it is over: longer than any window in which tries are counted."""


def forget_ended(app: App) -> int:
    """Take out sessions, mailed links, counted tries and kept answers that are over; return how many.

    Commits one transaction.  Safe to repeat.
    """
    before = app.clock() - KEPT
    with app.store.write() as tx:
        return (
            tx.sessions.forget(before)
            + tx.logins.forget_links(before)
            + tx.verifications.forget(before)
            + tx.throttles.forget(before)
            + tx.kept_answers.forget(app.clock() - KEPT_ANSWERS)
        )
