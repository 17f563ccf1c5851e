"""Accounts, users, addresses, memberships, inboxes and the registry of names, as one set of queries."""

from __future__ import annotations

from maild.store.accounts import AccountRows
from maild.store.addresses import AddressRows
from maild.store.inboxes import InboxRows
from maild.store.users import UserRows


class PeopleRows(AccountRows, UserRows, AddressRows, InboxRows):
    """Every query about people and the places that mail comes to; each noun has a file of its own."""
