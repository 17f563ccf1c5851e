"""A receiver without a network: it says what came to it, and answers as the test wants, on the test's clock."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import insert, select

from maild.core.app import OPERATOR, App
from maild.core.webhook_posts import Post, Round
from maild.core.webhook_rounds import hooks_with_work, note_round, take_round
from maild.core.webhook_views import HookView
from maild.core.webhooks import add_webhook, show_webhook
from maild.daemon.webhooks import Sending
from maild.model.webhook import PostFate, Taken
from maild.store.schema import deliveries, events
from tests.core.company import Post as Mails
from tests.core.conftest import Frozen

URL = "https://crm.example/hook"
Answer = Callable[[Post], PostFate]


def takes(_: Post) -> PostFate:
    """Take whatever comes."""
    return Taken()


@dataclass
class Crm:
    """One receiver, its webhook, and everything that came to it."""

    app: App
    clock: Frozen
    answer: Answer = takes
    came: list[Post] = field(default_factory=list)
    """Each try, in order; also those that were not taken."""
    taken: list[Post] = field(default_factory=list)
    hook_id: str = ""

    def hook(self, *kinds: str) -> str:
        """Add the webhook; it hears of what happens from now on."""
        made = add_webhook(self.app, URL, events=kinds, by=OPERATOR)
        self.hook_id = made.webhook.id
        return self.hook_id

    def mails(self, count: int) -> list[str]:
        """Let mails come in, and return their ids."""
        mails = Mails(self.app)
        for _ in range(count):
            mails.send(mails.mail())
        mails.decide()
        with self.app.store.read() as tx:
            asked = select(deliveries.c.ulid).order_by(deliveries.c.id.desc()).limit(count)
            return list(reversed(list(tx.connection.execute(asked).scalars())))

    def happen(self, mails: list[str], count: int = 1, *, kind: str = "noted") -> None:
        """Let something happen to each of the mails, so many times, in turn."""
        with self.app.store.write() as tx:
            ids = {
                row.ulid: row.id
                for row in tx.connection.execute(
                    select(deliveries.c.ulid, deliveries.c.id).where(deliveries.c.ulid.in_(mails))
                )
            }
            rows = [
                {
                    "at": self.clock(),
                    "account_id": 1,
                    "kind": kind,
                    "delivery_id": ids[mail],
                    "subject": {},
                }
                for _ in range(count)
                for mail in mails
            ]
            tx.connection.execute(insert(events), rows)

    def round(self) -> Round | None:
        """Do one round, as the daemon does; None: there was nothing to do."""
        for hook_id in hooks_with_work(self.app, limit=50):
            round_ = take_round(self.app, hook_id)
            if round_ is not None:
                note_round(self.app, round_, self.sent(round_))
                return round_
        return None

    def sent(self, round_: Round) -> dict[str, PostFate]:
        """Send what a round has, and write nothing."""

        async def send(one: Post) -> PostFate:
            await asyncio.sleep(0)
            self.came.append(one)
            fate = self.answer(one)
            if isinstance(fate, Taken):
                self.taken.append(one)
            return fate

        sending = Sending(send, deque(round_.chains()))
        asyncio.run(sending.run())
        return sending.fates

    def work(self, rounds: int = 100) -> None:
        """Work until nothing is due at this moment."""
        for _ in range(rounds):
            if self.round() is None:
                return

    def live(self, length: timedelta, step: timedelta = timedelta(seconds=10)) -> None:
        """Let time pass, and work in each step of it."""
        until = self.clock() + length
        while self.clock() < until:
            self.work()
            self.clock.advance(step)
        self.work()

    @property
    def view(self) -> HookView:
        """How the webhook stands."""
        return show_webhook(self.app, self.hook_id, by=OPERATOR)

    def order_of(self, mail: str) -> list[int]:
        """Return the places in the feed of what was taken of a mail, each at its first coming."""
        places = [one.position or 0 for one in self.taken if one.mail == mail]
        return list(dict.fromkeys(places))

    def repeats(self) -> int:
        """Return how many times something came that had been taken already."""
        return sum(Counter(one.event_id for one in self.taken).values()) - len(
            {one.event_id for one in self.taken}
        )
