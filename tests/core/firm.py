"""A small company built through core, an operator who changes its people, and what is looked at afterwards."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import event, select

from maild.core.app import OPERATOR, App
from maild.core.change_email import EmailRequest, Planned, change_email, plan_change
from maild.core.changing import Changed
from maild.core.decide import decide_due
from maild.core.merging import merge_users, plan_merging
from maild.core.people_views import UserView, show_user
from maild.core.seal import SealingKey
from maild.model.merges import MergePlan
from maild.model.people import AddressKind, InboxKind, Role
from maild.model.reason import Reason, RefusedError
from maild.store import people_tables, schema
from maild.store.metadata import metadata
from maild.testing.world import World, a_world
from tests.core.company import READER, SIGNED_IN, Post

EVA, JAN, LEA = "eva@acme.example", "jan@acme.example", "lea@acme.example"
CRM, INFO = "crm@acme.example", "info@acme.example"
FORWARD = (
    "---------- Forwarded message ---------\r\nFrom: Anna Rossi <anna@rossi.example>\r\n"
    "Date: Thu, 19 Nov 2026 at 10:00\r\nSubject: Order\r\nTo: <eva@acme.example>\r\n\r\nWe order."
)


def refusal(code: Reason) -> pytest.RaisesExc[RefusedError]:
    return pytest.RaisesExc(RefusedError, check=lambda error: error.reason is code)


@dataclass
class Firm:
    """Acme with Lea (distributor), Eva and Jan (members); crm@, info@; the client Rossi."""

    app: App
    world: World
    post: Post

    # Changing

    def plan(self, old: str, new: str, **more: Any) -> Planned:
        return plan_change(self.app, EmailRequest(old=old, new=new, **more), by=OPERATOR)

    def ambiguous(self, old: str, new: str, **more: Any) -> tuple[str, ...]:
        plan = self.plan(old, new, **more).plan
        assert not isinstance(plan, MergePlan)
        return plan.ambiguous

    def change(self, old: str, new: str, **more: Any) -> Changed:
        """Look at the plan and apply it."""
        request = EmailRequest(old=old, new=new, **more)
        digest = plan_change(self.app, request, by=OPERATOR).plan.digest
        return change_email(self.app, request, reason="she married", digest=digest, by=OPERATOR)

    def merge(self, email: str, into: str) -> Changed:
        digest = plan_merging(self.app, email, into, by=OPERATOR).plan.digest
        return merge_users(self.app, email, into, digest=digest, by=OPERATOR)

    # Looking

    def user(self, email: str) -> UserView:
        return show_user(self.app, email, by=OPERATOR)

    def live(self, email: str) -> dict[str, str]:
        """Return a user's live addresses with their kinds."""
        return {
            row.address: row.kind.value
            for row in self.user(email).addresses
            if row.kind is not AddressKind.HISTORIC
        }

    def roles(self, email: str) -> dict[str, str]:
        return {one.account: one.role.value for one in self.user(email).memberships}

    def rows(self, table: str, *columns: str) -> list[tuple[Any, ...]]:
        """Return some columns of a whole table, in the order of its ids."""
        found = metadata.tables[table]
        query = select(*(found.c[name] for name in columns)).order_by(*found.primary_key)
        with self.app.store.read() as tx:
            return [tuple(row) for row in tx.connection.execute(query)]

    def resolved(self) -> list[tuple[Any, ...]]:
        """Return what is stored of who sent each mail."""
        return self.rows("deliveries", "id", "sender_user_id", "binding_id", "sender_literal")

    def letters(self) -> dict[str, list[str]]:
        """Return the texts of the mails that are queued, by recipient."""
        found: dict[str, list[str]] = {}
        for (payload,) in self.rows("outbox", "payload"):
            found.setdefault(payload["to"], []).append(payload["text"])
        return found

    def link(self, to: str) -> str:
        """Return the secret of the newest link that was mailed to somebody."""
        texts = [re.findall(r"[\w-]{43}", text) for text in self.letters()[to]]
        return str([found[0] for found in texts if found][-1])

    # Mail

    def forwards(self, from_: str, *, decide: bool = True) -> None:
        """Let somebody of Acme forward a client's mail to crm@."""
        self.post.send(self.post.mail(from_, to=CRM, body=FORWARD), CRM, trust=SIGNED_IN)
        if decide:
            self.post.decide()

    def decides_while(self, happens: Callable[[], object]) -> None:
        """Let a worker look at the directory, then something happen, and then the worker write what it decided."""
        has_looked, has_happened = threading.Event(), threading.Event()
        database = self.app.store.database
        engines = {database.writer, database._readers}

        def note(*arguments: Any) -> None:
            if "FROM contacts" in str(arguments[2]):
                has_looked.set()

        def then() -> datetime:
            if has_looked.is_set() and not has_happened.is_set():
                has_happened.set()
                happens()
            return self.app.clock()

        for engine in engines:
            event.listen(engine, "before_cursor_execute", note)
        decide_due(replace(self.app, clock=then), READER)
        for engine in engines:
            event.remove(engine, "before_cursor_execute", note)
        assert has_happened.is_set()

    def newest(self) -> dict[str, Any]:
        """Return the newest mail as lists show it."""
        return self.post.lies()[-1]

    def sender_of_newest(self) -> str | None:
        """Return the name of who is taken for the sender of the newest mail."""
        query = (
            select(people_tables.users.c.display_name)
            .join(schema.deliveries, schema.deliveries.c.sender_user_id == people_tables.users.c.id)
            .where(schema.deliveries.c.id == max(row[0] for row in self.rows("deliveries", "id")))
        )
        with self.app.store.read() as tx:
            return tx.connection.execute(query).scalar_one_or_none()


def a_firm(app: App) -> Firm:
    app = replace(app, key=SealingKey.of("0123456789abcdef" * 3))
    world = a_world(app)
    world.user(LEA, "Lea", Role.DISTRIBUTOR)
    world.user(EVA, "Eva")
    world.user(JAN, "Jan")
    world.inbox(CRM, InboxKind.FORWARD, LEA)
    world.inbox(INFO, owner=LEA)
    world.client("Rossi Bau", "anna@rossi.example")
    return Firm(app, world, Post(app))
