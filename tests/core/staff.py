"""A few people with logins, made as an admin makes them, for the tests of signing in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pytest
from sqlalchemy import Table, select, update

from maild.core.accounts import add_account
from maild.core.app import OPERATOR, Actor, App
from maild.core.passwords import hash_password
from maild.core.people import NewUser, UserAdded, add_user
from maild.core.seal import SealingKey
from maild.core.signing_in import SignedIn, check_password
from maild.core.standing import actor_for
from maild.model.people import Role
from maild.model.reason import Reason, RefusedError
from maild.store.metadata import metadata
from maild.store.people_tables import logins

KEY = SealingKey.of("a text of chance that is long enough to be a key")
EVA, JAN = "eva@acme.example", "jan@acme.example"
PASSWORD = "correct horse battery"
PEER = "192.0.2.7"


@dataclass
class Staff:
    """Account acme with Eva (admin) and Jan (member); both have a login."""

    app: App

    def actor(self, email: str) -> Actor:
        return actor_for(self.app, email)

    def sign_in(self, name: str = EVA, password: str = PASSWORD, **more: Any) -> SignedIn:
        return check_password(self.app, name, password, **{"peer": PEER, **more})

    def refusal(self, name: str = EVA, password: str = PASSWORD, **more: Any) -> Reason:
        """Sign in where it is refused; return why."""
        with pytest.raises(RefusedError) as refused:
            self.sign_in(name, password, **more)
        return refused.value.reason

    @contextmanager
    def suspended(self, table: Table = logins) -> Iterator[None]:
        """Let every login, or identity, be suspended meanwhile, as a change of e-mail does it to one (U11)."""
        for at in (self.app.clock(), None):
            with self.app.store.write() as tx:
                tx.connection.execute(update(table).values(suspended_at=at))
            if at is not None:
                yield

    def mails(self) -> list[dict[str, Any]]:
        """Return the mails that wait to be sent, oldest first."""
        with self.app.store.read() as tx:
            page = tx.outbox.page(None, account_id=None, limit=1000)
        return [errand.payload for errand in reversed(page)]

    def where(self, secret: str) -> list[str]:
        """Return the tables in which a text stands anywhere."""
        with self.app.store.read() as tx:
            rows = {
                table.name: [tuple(row) for row in tx.connection.execute(select(table))]
                for table in metadata.sorted_tables
            }
        return [name for name, stored in rows.items() if secret in repr(stored)]

    def secret_in_mail(self) -> str:
        """Return what the newest mail brings its reader."""
        [line] = [
            one for one in self.mails()[-1]["text"].splitlines() if "/" in one and " " not in one
        ]
        return str(line).rpartition("/")[2]


@cache
def _hashed() -> str:
    """Hash the password once: making one takes as long as all the rest of a test."""
    return hash_password(PASSWORD)


def some_staff(app: App) -> Staff:
    """Make account, people and logins; the app gets a key and an address for links."""
    app = replace(app, key=KEY, public_url="https://mail.acme.example", has_relay=True)
    add_account(app, slug="acme", name="Acme", by=OPERATOR)
    for email, role in ((EVA, Role.ADMIN), (JAN, Role.MEMBER)):
        new = NewUser(
            email=email,
            name=email.partition("@")[0].title(),
            role=role,
            username=email.partition("@")[0],
        )
        assert isinstance(add_user(app, new, by=OPERATOR), UserAdded)
    hashed = _hashed()
    with app.store.write() as tx:
        for name in ("eva", "jan"):
            login = tx.logins.named(name)
            assert login is not None
            tx.logins.set_password(login.id, hashed)
    return Staff(app)
