"""A company's mailbox of up to a million mails, written as fast as each database takes it.

One account of fifty people and five shared inboxes; the distributor has three mails of ten, the colleagues the rest.
Every mail has a subject of its own and one of five hundred texts of forty words.  What the product makes of
mails afterwards (its search index, its conversations) it makes itself, by its own catching up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from _people import Rows

from maild.model.letter import PARSER_VERSION
from maild.parse import codec, read_letter

PEOPLE = 50
DISTRIBUTOR = 1
INBOXES = ("info", "sales", "support", "jobs", "press")
CLIENTS = 2000
STATUSES = ("New", "In progress", "Waiting", "Done")
TEXTS = 500
WORDS = 3000
SHARE_OF_DISTRIBUTOR = 0.3
COMMON = "offer"
"""A word that one mail of four has in its subject."""
NEWEST = datetime(2026, 11, 20, 12, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DIGEST = "0" * 64


def stamp(at: datetime) -> int:
    """Return a time as the tables keep it."""
    return (at - _EPOCH) // timedelta(microseconds=1)


class Mails:
    """So many mails, one a minute, the last one at NEWEST."""

    def __init__(self, count: int) -> None:
        self.count = count
        chance = Random(7)
        self._words = [
            "".join(chance.choices("abcdefghijklmnoprstuvwz", k=8)) for _ in range(WORDS)
        ]
        self._texts = [" ".join(chance.choices(self._words, k=40)) for _ in range(TEXTS)]
        raw = b"From: a@b.example\r\nTo: info@acme.example\r\n\r\nText\r\n"
        self._letter = read_letter(raw)

    def _reading(self, number: int) -> bytes:
        text = self._texts[number % TEXTS]
        return codec.dump(replace(self._letter, subject=self.subject(number), text=text))

    def subject(self, number: int) -> str:
        words = self._words
        common = COMMON if number % 4 == 0 else words[number % WORDS]
        return f"{common} {words[number * 7 % WORDS]} {words[number * 13 % WORDS]} {number}"

    def owner(self, number: int) -> int:
        part = number * 2654435761 % 1000
        return DISTRIBUTOR if part < 1000 * SHARE_OF_DISTRIBUTOR else 2 + part % (PEOPLE - 1)

    def at(self, number: int) -> int:
        return stamp(NEWEST) - (self.count - number) * 60_000_000

    def tables(self) -> Iterator[tuple[str, Sequence[str], Rows]]:
        """Yield every table with its columns and rows, in an order that foreign keys allow."""
        yield from self._people()
        yield from self._mail()

    def _people(self) -> Iterator[tuple[str, Sequence[str], Rows]]:
        long_ago = self.at(0)
        yield (
            "accounts",
            ("id", "slug", "name", "settings", "default_owner_id", "created_at"),
            iter([(1, "acme", "Acme", "{}", None, long_ago)]),
        )
        yield (
            "users",
            ("id", "ulid", "display_name", "kind", "created_at"),
            ((n, f"{n:026d}", f"Person {n}", "person", long_ago) for n in range(1, PEOPLE + 1)),
        )
        yield (
            "addresses",
            ("id", "user_id", "norm", "base", "shown", "kind", "verified_at", "valid_from"),
            (
                (n, n, address, address, address, "primary", long_ago, long_ago)
                for n in range(1, PEOPLE + 1)
                for address in [f"person{n}@acme.example"]
            ),
        )
        yield (
            "memberships",
            ("ulid", "account_id", "user_id", "role", "state", "created_at"),
            (
                (
                    f"{n:026d}",
                    1,
                    n,
                    "distributor" if n == DISTRIBUTOR else "member",
                    "active",
                    long_ago,
                )
                for n in range(1, PEOPLE + 1)
            ),
        )
        yield (
            "inboxes",
            ("id", "account_id", "norm", "kind", "mode", "sender_policy", "unknown_policy", "created_at"),
            (
                (n, 1, f"{name}@acme.example", "shared", "distributed", "record", "hold", long_ago)
                for n, name in enumerate(INBOXES, 1)
            ),
        )  # fmt: skip
        yield (
            "owner_chain",
            ("inbox_id", "rank", "user_id"),
            ((n, 0, DISTRIBUTOR) for n in range(1, len(INBOXES) + 1)),
        )
        yield (
            "names",
            ("norm", "kind", "ref", "skeleton"),
            iter(
                [(f"person{n}@acme.example", "user", n, f"person{n}") for n in range(1, PEOPLE + 1)]
                + [(f"{name}@acme.example", "inbox", n, name) for n, name in enumerate(INBOXES, 1)]
            ),
        )
        yield (
            "statuses",
            ("id", "account_id", "name", "rank"),
            ((n, 1, name, n) for n, name in enumerate(STATUSES, 1)),
        )
        yield (
            "clients",
            ("id", "ulid", "account_id", "name", "created_at"),
            ((n, f"{n:026d}", 1, f"Client {n}", long_ago) for n in range(1, CLIENTS + 1)),
        )

    def _mail(self) -> Iterator[tuple[str, Sequence[str], Rows]]:
        numbers = range(1, self.count + 1)
        yield (
            "messages",
            ("id", "account_id", "digest", "size", "message_id_header", "content_key", "from_norm", "from_shown", "from_name", "subject", "sent_at"),
            (
                (n, 1, _DIGEST, 4000, f"{n}@client.example", f"{n:064d}", sender, sender, f"Sender {n % CLIENTS}", self.subject(n), self.at(n))
                for n in numbers
                for sender in [f"anna{n % 20_000}@client{n % CLIENTS}.example"]
            ),
        )  # fmt: skip
        yield (
            "readings",
            ("message_id", "parser_version", "letter"),
            ((n, PARSER_VERSION, self._reading(n)) for n in numbers),
        )
        yield (
            "recipients",
            ("message_id", "kind", "norm"),
            (
                (n, kind, f"{INBOXES[n % len(INBOXES)]}@acme.example")
                for n in numbers
                for kind in ("to", "envelope")
            ),
        )
        yield (
            "deliveries",
            ("id", "ulid", "account_id", "message_id", "inbox_id", "state", "reason", "facts", "beside", "direction", "evidence", "received_at"),
            (
                (n, f"{n:026d}", 1, n, n % len(INBOXES) + 1, *self._outcome(n), "{}", "[]", "in", "{}", self.at(n))
                for n in numbers
            ),
        )  # fmt: skip
        yield (
            "entries",
            ("delivery_id", "account_id", "owner_id", "unread", "status_id", "received_at"),
            ((n, 1, self.owner(n), n % 9 == 0, n % len(STATUSES) + 1, self.at(n)) for n in numbers),
        )
        yield (
            "filings",
            ("account_id", "delivery_id", "client_id", "how", "fact", "at"),
            (
                (1, n, n % CLIENTS + 1, "FILED_CONTACT", "it is a contact", self.at(n))
                for n in numbers
                if n % 5
            ),
        )

        yield "search_queue", ("delivery_id",), ((n,) for n in numbers)

    def _outcome(self, number: int) -> tuple[Any, ...]:
        return ("filed", "FILED_CONTACT") if number % 5 else ("unfiled", "CLIENT_NOT_FOUND")
