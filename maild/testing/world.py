"""An account with people, inboxes and clients, in few words: for tests, demos, and those who embed maild."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from maild.core.accounts import AccountView, add_account
from maild.core.addresses import AddressAdded, add_address
from maild.core.app import OPERATOR, Actor, App
from maild.core.clients import ClientView, NewClient, add_client
from maild.core.inboxes import InboxView, NewInbox, add_inbox
from maild.core.people import NewUser, UserAdded, add_user
from maild.core.people_views import UserView
from maild.core.standing import actor_for
from maild.model.people import InboxKind, Role


@dataclass(frozen=True, slots=True)
class World:
    """One account to build in.  Everything is done as the operator, through core."""

    app: App
    account: AccountView

    def user(self, email: str, name: str | None = None, role: Role = Role.MEMBER) -> UserView:
        """Add a person; the name is made from the address."""
        local = email.partition("@")[0]
        new = NewUser(email=email, name=name or local.title(), role=role)
        added = add_user(self.app, new, account=self.account.slug, by=OPERATOR)
        assert isinstance(added, UserAdded), added  # noqa: S101 - a world is built from free addresses
        return added.user

    def alias(self, email: str, address: str, *, confirm: bool = True) -> AddressAdded:
        """Give a person another address."""
        return add_address(self.app, email, address, sends_as=False, confirm=confirm, by=OPERATOR)

    def inbox(
        self, address: str, kind: InboxKind = InboxKind.SHARED, owner: str | None = None
    ) -> InboxView:
        """Add an inbox."""
        new = NewInbox(address=address, kind=kind, owner=owner)
        return add_inbox(self.app, new, account=self.account.slug, by=OPERATOR).inbox

    def client(self, name: str, *contacts: str, domains: Sequence[str] = ()) -> ClientView:
        """Add a client."""
        new = NewClient(name=name, contacts=contacts, domains=domains)
        return add_client(self.app, new, account=self.account.slug, by=OPERATOR)

    def actor(self, email: str) -> Actor:
        """Return a person as who acts."""
        return actor_for(self.app, email)


def a_world(app: App, slug: str = "acme", name: str | None = None) -> World:
    """Add an account to build in."""
    return World(app, add_account(app, slug=slug, name=name or slug.title(), by=OPERATOR))
