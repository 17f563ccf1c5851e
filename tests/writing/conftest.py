"""Acme, whose people write; on both databases, with a clock that stands still; doctor walks over it after each test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from maild.core.app import OPERATOR, Actor, App
from maild.core.doctor import examine
from maild.core.history import history_of
from maild.core.letters import Composed
from maild.core.outbox import note_fate, take_hand
from maild.core.seal import SealingKey
from maild.core.views import raw_mail, show_mail
from maild.core.writing import WrittenView, compose, forward, reply
from maild.core.writing_desk import Asked
from maild.core.writing_fates import letter_to_send
from maild.model.errand import Done, Fate, Topic
from maild.model.letter import Letter
from maild.model.people import InboxKind, Role
from maild.model.reason import Reason, RefusedError
from maild.parse import read_letter
from maild.store.store import Store
from maild.testing.world import World, a_world
from tests.conftest import UrlOf
from tests.core.company import READER, SIGNED_IN, Post
from tests.core.conftest import Frozen

KEY = SealingKey.of("0123456789abcdef" * 3)
EVA, JAN, LEA = "eva@acme.example", "jan@acme.example", "lea@acme.example"
CRM, INFO, SALES = "crm@acme.example", "info@acme.example", "sales@acme.example"
ANNA, PAUL = "anna@rossi.example", "paul@rossi.example"


@dataclass
class Office:
    """Acme with Lea (distributor), Eva and Jan (members; Jan may write as info@); crm@, info@, sales@; the client Rossi Bau."""

    app: App
    world: World
    post: Post
    clock: Frozen

    def actor(self, email: str) -> Actor:
        return self.world.actor(email)

    def comes(self, content: bytes, *to: str) -> str:
        """Let a mail come in and be decided; return its id."""
        before = {row["ulid"] for row in self.post.lies()}
        self.post.send(content, *(to or (INFO,)))
        self.post.decide()
        return next(str(row["ulid"]) for row in self.post.lies() if row["ulid"] not in before)

    def asks(self, from_: str = f"Anna Rossi <{ANNA}>", **more: Any) -> str:
        """Let Anna ask something at info@; return the mail's id."""
        return self.comes(self.post.mail(from_, **more))

    def forwards(self, body: str) -> str:
        """Let Eva forward a mail to crm@; return its id."""
        before = {row["ulid"] for row in self.post.lies()}
        self.post.send(self.post.mail(EVA, to=CRM, body=body), CRM, trust=SIGNED_IN)
        self.post.decide()
        return next(str(row["ulid"]) for row in self.post.lies() if row["ulid"] not in before)

    def reply(
        self, ulid: str, by: str = JAN, *, dry_run: bool = False, **asked: Any
    ) -> WrittenView:
        words = Asked(**{"text": "Yes.", **asked})
        return reply(self.app, READER, ulid, words, dry_run=dry_run, by=self.actor(by))

    def forward(self, ulid: str, to: str, by: str = JAN, **asked: Any) -> WrittenView:
        words = Asked(to=[to], **asked)
        return forward(self.app, READER, ulid, words, by=self.actor(by))

    def compose(self, *to: str, by: str = JAN, **asked: Any) -> WrittenView:
        words = Asked(**{"text": "Hello.", "subject": "News", "to": to, **asked})
        return compose(self.app, READER, words, by=self.actor(by))

    # Looking

    def shown(self, written: WrittenView | str) -> dict[str, Any]:
        ulid = written if isinstance(written, str) else written.id
        assert ulid is not None
        return show_mail(self.app, READER, ulid, by=OPERATOR)

    def read(self, written: WrittenView) -> Letter:
        """Return the mail as its reader reads it."""
        return read_letter(self.octets(written))

    def octets(self, written: WrittenView) -> bytes:
        assert written.id is not None
        found = raw_mail(self.app, written.id, by=OPERATOR)
        return found if isinstance(found, bytes) else found.read_bytes()

    def history(self, ulid: str) -> list[str]:
        with self.app.store.read() as tx:
            row = tx.mailbox.entry(ulid)
            assert row is not None
            return [one.text for one in history_of(tx, row)]

    def fates(self, written: WrittenView) -> list[tuple[str, str]]:
        told = self.shown(written)["written"]["recipients"]
        return [(one["address"], one["state"]) for one in told]

    # The relay

    def sends(self, fate: Fate | None = None) -> list[Composed]:
        """Do what is due as the worker does, with this answer of the relay; return what was handed to it."""
        hand = take_hand(self.app, Topic.LETTER)
        sent = []
        for errand in hand.errands:
            mail = letter_to_send(self.app, errand)
            assert mail is not None
            sent.append(mail)
            note_fate(self.app, hand, errand, fate or Done("250 2.0.0 queued as 4711"))
        return sent


def refusal(code: Reason) -> pytest.RaisesExc[RefusedError]:
    return pytest.RaisesExc(RefusedError, check=lambda error: error.reason is code)


@pytest.fixture
def clock() -> Frozen:
    return Frozen()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def office(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Frozen, url_of: UrlOf
) -> Iterator[Office]:
    yield from _an_office(url_of(request.param), tmp_path, clock)


@pytest.fixture
def one_office(tmp_path: Path, clock: Frozen, url_of: UrlOf) -> Iterator[Office]:
    """On SQLite alone: for what does not depend on the database."""
    yield from _an_office(url_of("sqlite"), tmp_path, clock)


def _an_office(url: str, tmp_path: Path, clock: Frozen) -> Iterator[Office]:
    from maild.core.send_rights import inbox_senders

    store = Store(url, tmp_path / "bodies")
    app = replace(App(store=store, clock=clock), key=KEY, has_relay=True)
    world = a_world(app)
    world.user(LEA, "Lea", Role.DISTRIBUTOR)
    world.user(EVA, "Eva")
    world.user(JAN, "Jan")
    world.inbox(CRM, InboxKind.FORWARD, LEA)
    world.inbox(INFO, owner=LEA)
    world.inbox(SALES, owner=LEA)
    world.client("Rossi Bau", ANNA, PAUL)
    inbox_senders(app, INFO, add=[JAN], by=OPERATOR)
    yield Office(app, world, Post(app), clock)
    broken = examine(app).broken
    store.close()
    assert broken == ()
