"""Queueing mails in a few words."""

from __future__ import annotations

from maild.core.app import App
from maild.core.letters import Notice, NotPosted, Posted, Sender, post
from maild.core.outbox import Hand, take_hand
from maild.model.errand import ErrandState, Topic
from maild.store.outbox import Errand
from tests.outbox.conftest import KEY

SENDER = Sender(
    address="crm-bot@acme.example", name="Acme CRM", hostname="mail.acme.example", key=KEY
)


def a_notice(to: str = "eva@world.example", subject: str = "Hello", text: str = "Hi") -> Notice:
    return Notice(to=to, subject=subject, text=text)


def queue(app: App, key: str = "k", notice: Notice | None = None) -> Posted | NotPosted:
    with app.store.write() as tx:
        return post(tx, app, notice or a_notice(), key=key)


def queue_many(app: App, count: int) -> None:
    for number in range(count):
        queue(app, f"k{number}", a_notice(f"u{number}@world.example"))


def take(app: App, limit: int = 20) -> Hand:
    return take_hand(app, Topic.MAIL, limit=limit)


def the_errand(app: App, key: str = "k") -> Errand:
    with app.store.read() as tx:
        found = tx.outbox.by_key(key)
    assert found is not None
    return found


def state(app: App, key: str = "k") -> ErrandState:
    return the_errand(app, key).state
