"""What a search calls by its name: people, clients, inboxes and sources of an account (M6)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Select, and_, literal_column, not_, or_, select

from maild.store.engine import OWN_PLAN
from maild.store.mailbox import MailboxRows
from maild.store.people_tables import addresses, clients, inboxes, memberships, users
from maild.store.search_tables import address_book
from maild.store.source_tables import sources

PEOPLE_MAX = 10_000
"""People of an account that are looked through for a name."""


@dataclass(frozen=True, slots=True)
class Found:
    """The numbers of what has a name."""

    ids: list[int]
    is_whole: bool = True
    """Whether these are all."""


@dataclass(frozen=True, slots=True)
class Called:
    """One of an account's people and a live address of theirs, if there is one."""

    id: int
    name: str
    address: str | None


class SearchedNames:
    """Queries for what a search names."""

    def __init__(self, connection: Connection) -> None:
        """Read through an open transaction."""
        self._connection = connection

    def statuses(self, account_id: int) -> dict[str, int]:
        """Return the account's statuses in their order."""
        return MailboxRows(self._connection).status_names(account_id)

    def addresses(self, account_id: int, part: str, most: int) -> Found:
        """Return domains that contain a text, and addresses that do though their domain alone does not."""
        domain = literal_column("'@'").concat(address_book.c.domain)
        in_domain = domain.contains(part, autoescape=True)
        in_address = address_book.c.local.concat(domain).contains(part, autoescape=True)
        is_domain = address_book.c.local == literal_column("''")
        return self._found(
            select(address_book.c.id).where(
                address_book.c.account_id == account_id,
                or_(
                    and_(is_domain, in_domain),
                    and_(not_(is_domain), in_address, not_(in_domain)),
                ),
            ),
            most,
        )

    def address(self, account_id: int, domain: str, local: str) -> Found:
        """Return one address, or with an empty local part one domain."""
        return self._found(
            select(address_book.c.id).where(
                address_book.c.account_id == account_id,
                address_book.c.domain == domain,
                address_book.c.local == local,
            ),
            1,
        )

    def people(self, account_id: int) -> list[Called]:
        """Return the account's people with each of their live addresses, and communal users with their inbox's."""
        persons = (
            select(users.c.id, users.c.display_name, addresses.c.norm)
            .join(memberships, memberships.c.user_id == users.c.id)
            .outerjoin(
                addresses, and_(addresses.c.user_id == users.c.id, addresses.c.valid_to.is_(None))
            )
            .where(memberships.c.account_id == account_id)
            .limit(PEOPLE_MAX)
        )
        communal = (
            select(users.c.id, users.c.display_name, inboxes.c.norm)
            .join(inboxes, inboxes.c.communal_user_id == users.c.id)
            .where(inboxes.c.account_id == account_id)
            .limit(PEOPLE_MAX)
        )
        return [
            Called(row.id, row.display_name, row.norm)
            for query in (persons, communal)
            for row in self._connection.execute(query)
        ]

    def clients(self, account_id: int, text: str, most: int, *, whole: bool) -> Found:
        """Return clients by id, key or name; `whole`: the name is exactly that, and not only a part of it."""
        # No database folds the case of every letter as the other one does: the usual spellings are asked for.
        spellings = {text, text.capitalize(), text.upper(), text.lower()}
        named: list[ColumnElement[bool]] = [
            clients.c.name == one if whole else clients.c.name.icontains(one, autoescape=True)
            for one in sorted(spellings)
        ]
        return self._found(
            select(clients.c.id).where(
                clients.c.account_id == account_id,
                or_(clients.c.ulid == text.upper(), clients.c.external_key == text, *named),
            ),
            most,
        )

    def inboxes(self, account_id: int, part: str, most: int) -> Found:
        """Return inboxes whose address contains a text."""
        return self._found(
            select(inboxes.c.id).where(
                inboxes.c.account_id == account_id, inboxes.c.norm.contains(part, autoescape=True)
            ),
            most,
        )

    def sources(self, account_id: int, text: str, most: int, *, whole: bool) -> Found:
        """Return sources by name, or by a part of it."""
        named = sources.c.name == text if whole else sources.c.name.icontains(text, autoescape=True)
        return self._found(
            select(sources.c.id).where(sources.c.account_id == account_id, named), most
        )

    def _found(self, query: Select[tuple[int]], most: int) -> Found:
        ids: list[int] = list(
            self._connection.scalars(query.limit(most + 1).execution_options(**OWN_PLAN))
        )
        return Found(ids[:most], len(ids) <= most)
