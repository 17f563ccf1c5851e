"""A mailbox of a million mails: what people ask of it all day, on both databases, and whether it costs more as it grows (M1-M6).

python benchmarks/mailbox.py [--mails 1000000] [--small 10000] [--rounds 3] [--only sqlite|postgresql]

Every question is the use case of core that the command line, the API and the pages call, with its documents.  Each is asked
of a small mailbox and of the large one, of people and words of chance; the figures are the median and the 99th of a
hundred in milliseconds, of three rounds the middle one, and how much dearer the large one's median is.  The plainest
form of the first one, as text by the driver alone, is asked in turn with it.  The mails are written as fast as the
database takes them; the search index is made by the product's own catching up.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import psycopg
from _mails import COMMON, DISTRIBUTOR, INBOXES, PEOPLE, Mails
from _people import a_postgresql, fill_postgresql, fill_sqlite
from rich.progress import track

from maild.core.app import Actor, App
from maild.core.giving import give_found
from maild.core.indexing import index_round
from maild.core.lists import Wanted, list_mails
from maild.core.mailbox import give, undo
from maild.core.mailbox_counts import count_mailboxes
from maild.core.profiles import ProfileText, add_profile, show_profile
from maild.store import migrate
from maild.store.store import Store

PORTION = 2000
"""Mails that are indexed in one transaction."""
Question = Callable[[], object]


@dataclass
class Here:
    """One filled installation."""

    app: App
    mails: Mails
    bare: Callable[[int], list[Any]]
    chance: Random

    def member(self) -> int:
        return self.chance.randrange(2, PEOPLE + 1)

    def page(self, by: int, **wanted: Any) -> None:
        list_mails(self.app, Wanted(account="acme", **wanted), by=Actor(by))

    def questions(self) -> dict[str, Question]:
        """Return what is asked, by what it is called."""
        mine = self.page
        number = lambda: str(self.chance.randrange(1, self.mails.count))  # noqa: E731 - one mail has it in its subject
        info = f"to:{INBOXES[0]}@acme.example"
        return {
            "my mailbox, newest 50": lambda: self._mailbox(self.member()),
            "the same, the driver alone": lambda: self.bare(self.member()),
            "my mailbox, from anywhere on": lambda: mine(
                (who := self.member()), owner=_email(who), after=self._anywhere()
            ),
            f"All Received with {info}": lambda: mine(
                self.member(), all_received=True, search=info
            ),
            "the distributor's counts": lambda: count_mailboxes(
                self.app, _email(DISTRIBUTOR), account="acme", by=Actor(DISTRIBUTOR)
            ),
            "the distributor's unread mails": lambda: count_mailboxes(
                self.app,
                _email(DISTRIBUTOR),
                account="acme",
                unread_only=True,
                by=Actor(DISTRIBUTOR),
            ),
            "a profile's count": lambda: show_profile(
                self.app, "Open offers", account="acme", counts=True, by=Actor(DISTRIBUTOR)
            ),
            "full text, a word of one mail": lambda: mine(
                DISTRIBUTOR, all_received=True, search=number()
            ),
            "full text, a common word": lambda: mine(DISTRIBUTOR, all_received=True, search=COMMON),
            "full text, a common word and an owner": lambda: mine(
                DISTRIBUTOR, search=f"{COMMON} owner:{_email(self.member())}"
            ),
        }

    def _mailbox(self, who: int) -> None:
        self.page(who, owner=_email(who))

    def _anywhere(self) -> str:
        return f"{self.chance.randrange(1, self.mails.count + 1):026d}"

    def transfer(self) -> float:
        """Return the milliseconds of giving the distributor's newest 500 to a colleague; they are taken back."""
        page = list_mails(
            self.app,
            Wanted(account="acme", owner=_email(DISTRIBUTOR), limit=500),
            by=Actor(DISTRIBUTOR),
        )
        began = time.perf_counter()
        done = give(self.app, [one["id"] for one in page.mails], to=2, by=Actor(DISTRIBUTOR))
        took = (time.perf_counter() - began) * 1000
        if len(done.moved) != 500:
            raise RuntimeError(f"{len(done.moved)} moved instead of 500")
        self._take_back(done.id)
        return took

    def by_search(self) -> float:
        """Return the seconds of giving 10,000 by search (fewer where there are fewer); they are taken back."""
        began = time.perf_counter()
        done = give_found(
            self.app,
            Wanted(account="acme", search=f"{COMMON} is:unread"),
            to=2,
            by=Actor(DISTRIBUTOR),
        )
        took = time.perf_counter() - began
        if done.unchanged or not done.moved:
            raise RuntimeError(f"{len(done.moved)} moved, {len(done.unchanged)} not")
        self._take_back(done.id)
        return took

    def _take_back(self, change: str) -> None:
        undo(self.app, _NoReader(), by=Actor(DISTRIBUTOR), change_id=change)


class _NoReader:
    """Nothing is read again where only owners go back."""

    def read_many(self, contents: Any) -> Iterator[Any]:
        raise RuntimeError("something was to be read")


def _email(who: int) -> str:
    return f"person{who}@acme.example"


_BARE = """
    SELECT d.ulid, m.subject, m.from_shown FROM entries e JOIN deliveries d ON d.id = e.delivery_id
    JOIN messages m ON m.id = d.message_id WHERE e.owner_id = {mark}
    ORDER BY e.received_at DESC, e.delivery_id DESC LIMIT 50"""


@contextmanager
def filled(name: str, url: str, folder: Path, count: int) -> Iterator[Here]:
    """Write so many mails and let the product make of them what it makes."""
    with closing(Store(url, folder)) as store:
        migrate.upgrade(store.database)
    mails = Mails(count)
    began = time.perf_counter()
    if name == "SQLite":
        database: Any = sqlite3.connect(url.removeprefix("sqlite:///"))
        fill_sqlite(Path(url.removeprefix("sqlite:///")), mails)
    else:
        fill_postgresql(url, mails)
        database = psycopg.connect(url.replace("+psycopg", ""), autocommit=True)
        _count_on(database)
    written = time.perf_counter() - began
    with closing(Store(url, folder)) as store, closing(database):
        app = App(store=store)
        began = time.perf_counter()
        _index(app, count)
        indexed = time.perf_counter() - began
        print(f"{name}: {count:,} mails written in {written:.0f} s, indexed in {indexed:.0f} s")
        if name == "SQLite":
            database.execute("ANALYZE")
        else:
            database.execute("VACUUM ANALYZE")
        new = ProfileText(name="Open offers", query=f"is:unread {COMMON}")
        add_profile(app, new, account="acme", by=Actor(DISTRIBUTOR))
        bare = _BARE.format(mark="?" if name == "SQLite" else "%s")
        yield Here(app, mails, lambda who: database.execute(bare, (who,)).fetchall(), Random(3))


def _index(app: App, count: int) -> None:
    for _ in track(range(0, count, PORTION), description="indexing", transient=True):
        index_round(app, limit=PORTION)
    if index_round(app):
        raise RuntimeError("not everything was indexed")


def _count_on(database: Any) -> None:
    """Let the next ids come behind those that were written."""
    for (table,) in database.execute(
        "SELECT table_name FROM information_schema.columns WHERE column_name = 'id' AND table_schema = 'public'"
    ).fetchall():
        if database.execute("SELECT pg_get_serial_sequence(%s, 'id')", (table,)).fetchone()[0]:
            database.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), coalesce(max(id), 0) + 1) FROM {table}"
            )


def measured(here: Here, rounds: int, asked: int = 100) -> dict[str, tuple[float, float]]:
    """Return median and 99th of each question, of the middle round."""
    found: dict[str, list[tuple[float, float]]] = {}
    for _ in range(rounds):
        for name, ask in here.questions().items():
            ask()
            times = []
            for _ in range(asked):
                began = time.perf_counter()
                ask()
                times.append((time.perf_counter() - began) * 1000)
            found.setdefault(name, []).append(
                (statistics.median(times), statistics.quantiles(times, n=100)[98])
            )
    return {name: sorted(pairs)[len(pairs) // 2] for name, pairs in found.items()}


def compare(name: str, small: Here, large: Here, rounds: int) -> None:
    """Print what the two cost."""
    few, many = measured(small, rounds), measured(large, rounds)
    print(
        f"\n| {name} | {small.mails.count:,} | {large.mails.count:,}: median / 99th, ms | ratio |"
    )
    print("|---|---|---|---|")
    for question, (median, p99) in many.items():
        before = few[question][0]
        print(f"| {question} | {before:.2f} | {median:.2f} / {p99:.2f} | {median / before:.2f} |")
    for title, unit, ask in (
        ("transfer of the newest 500", "ms", Here.transfer),
        ("transfer of 10,000 by search", "s", Here.by_search),
    ):
        before, after = (
            statistics.median(ask(one) for _ in range(rounds)) for one in (small, large)
        )
        print(f"| {title}, {unit} | {before:.2f} | {after:.2f} | {after / before:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, default=1_000_000)
    parser.add_argument("--small", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    print(
        f"load average {load:.1f}{'' if load < 2 else ': others are at work, the figures say little'}"
    )
    sizes = (arguments.small, arguments.mails)
    with tempfile.TemporaryDirectory(prefix="maild-bench-") as name:
        folder = Path(name)
        if arguments.only != "postgresql":
            urls = [f"sqlite:///{folder}/{size}.db" for size in sizes]
            _both("SQLite", urls, folder, sizes, arguments.rounds)
        if arguments.only != "sqlite":
            with a_postgresql() as one, a_postgresql() as other:
                if one is None or other is None:
                    print("PostgreSQL is not installed")
                    return
                _both("PostgreSQL", [one, other], folder, sizes, arguments.rounds)


def _both(name: str, urls: list[str], folder: Path, sizes: tuple[int, int], rounds: int) -> None:
    with (
        filled(name, urls[0], folder / "small", sizes[0]) as small,
        filled(name, urls[1], folder / "large", sizes[1]) as large,
    ):
        compare(name, small, large, rounds)


if __name__ == "__main__":
    main()
