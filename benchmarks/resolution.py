"""Who sent it, among a million addresses: how long one mail's sender takes on each database (I1).

python benchmarks/resolution.py [--addresses 1000000] [--mails 3000] [--rounds 3]

“Resolved” is what `core.facts` asks of the directory for the author of a mail (addresses with their users and
memberships, and +tags of the same base), and `identify`, to the one user; mail by mail, within a view that is opened for a
hundred, as a worker opens it for a batch.  Beside it, in turn, the driver alone with the same two questions as plain text.
Then the same with a view for each mail, and everything that deciding reads, of which this is a part.  Every answer is
compared with what was stored.  The figures decide nothing.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from _people import Directory, a_postgresql, fill_postgresql, fill_sqlite

from maild.core.app import App
from maild.core.facts import gather, valid_at
from maild.model.facts import Directory as Facts, InboxFacts, Proven
from maild.model.identify import Known, Stranger, identify
from maild.model.letter import Author, Letter
from maild.model.people import InboxKind
from maild.model.states import State
from maild.model.trace import Trace
from maild.parse import read_letter
from maild.store import migrate
from maild.store.deliveries import Claimed
from maild.store.store import Store, Tx

_QUESTION = """
    SELECT a.id, a.norm, a.kind, a.verified_at, a.valid_from, a.valid_to, u.id, u.display_name, u.disabled_at,
           m.account_id, m.state
    FROM addresses a JOIN users u ON u.id = a.user_id LEFT JOIN memberships m ON m.user_id = u.id
    WHERE a.{column} = {mark} AND a.valid_to IS NULL ORDER BY a.id"""


@dataclass(frozen=True)
class Mail:
    """One mail, and what is the right answer."""

    letter: Letter
    author: str
    account: int
    person: int | None
    """None: a stranger's."""


def mails_of(directory: Directory, count: int) -> list[Mail]:
    """Return mails of people of chance, one in six a stranger's."""
    chance = random.Random(5)
    mails = []
    for number in range(count):
        person: int | None = chance.randrange(1, directory.people + 1)
        account = chance.choice(directory.accounts_of(person or 1))
        author = chance.choice(directory.addresses_of(person or 1))[0]
        if number % 6 == 0:
            author, person = f"stranger{number}@elsewhere.example", None
        raw = f"From: {author}\r\nTo: crm@firma{account - 1}.example\r\nSubject: S\r\n\r\nHello\r\n"
        letter = read_letter(raw.encode())
        mails.append(Mail(letter, author, account, person))
    return mails


def resolved(tx: Tx, mail: Mail) -> int | None:
    """Return who sent it, as deciding finds it."""
    assert isinstance(mail.letter.sender, Author)
    author, now = mail.letter.sender.address, datetime.now(UTC)
    bindings = tx.facts.bindings([author], now)
    tagged = tx.facts.tagged([author], now)
    inbox = InboxFacts(
        norm="crm",
        kind=InboxKind.FORWARD,
        sender_policy="require",
        unknown_policy="hold",
        account_name="Firma",
    )
    facts = Facts(
        bindings={one.norm: one for of, one in valid_at(bindings, now) if of == mail.account},
        tagged={author: tuple(one for of, one in valid_at(tagged, now) if of == mail.account)},
    )
    match identify(mail.letter, inbox, facts, Proven("the benchmark says so"), Trace()):
        case Known(binding):
            return binding.user_id
        case Stranger():
            return None
        case unknown:
            raise RuntimeError(f"{author}: {unknown}")


def resolved_alone(app: App, mail: Mail) -> int | None:
    """The same, with a view of its own."""
    with app.store.read() as tx:
        return resolved(tx, mail)


def everything(app: App, mails: Sequence[Mail]) -> None:
    """Read all that deciding these mails needs."""
    now = datetime.now(UTC)
    batch = [(_claimed(number, mail, now), mail.letter) for number, mail in enumerate(mails, 1)]
    with app.store.read() as tx:
        gather(app, tx, batch)


def _claimed(number: int, mail: Mail, now: datetime) -> Claimed:
    return Claimed(
        id=number,
        ulid=f"{number:026d}",
        account_id=mail.account,
        message_id=number,
        inbox_id=mail.account,
        state=State.RECEIVED,
        attempts=1,
        received_at=now,
        digest="0" * 64,
        size=100,
        message_id_header=None,
        content_key="",
    )


class Bare:
    """The driver alone: what the database and the way to it cost."""

    def __init__(self, url: str) -> None:
        self._database: Any
        if url.startswith("sqlite"):
            self._database = sqlite3.connect(url.removeprefix("sqlite:///"))
            mark = "?"
        else:
            self._database = psycopg.connect(url.replace("+psycopg", ""))
            mark = "%s"
        self._questions = [_QUESTION.format(column=one, mark=mark) for one in ("norm", "base")]

    def ask(self, mail: Mail) -> int | None:
        found = [
            row
            for question in self._questions
            for row in self._database.execute(question, (mail.author,)).fetchall()
        ]
        return next(
            (row[6] for row in found if row[1] == mail.author and row[9] == mail.account), None
        )

    def close(self) -> None:
        self._database.close()


def timed(ask: Callable[[Mail], int | None], mail: Mail, times: list[float]) -> None:
    began = time.perf_counter()
    found = ask(mail)
    times.append((time.perf_counter() - began) * 1000)
    if found != mail.person:
        raise RuntimeError(f"{mail.author} is {mail.person}, not {found}")


def _quantiles(times: Sequence[float]) -> tuple[float, float]:
    return statistics.median(times), statistics.quantiles(times, n=100)[98]


def measure(name: str, url: str, mails: Sequence[Mail], rounds: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="maild-bench-"))
    app = App(store=Store(url, folder))
    bare = Bare(url)
    try:
        medians = [_round(app, bare, name, mails) for _ in range(rounds)]
        middle = statistics.median(medians)
        verdict = "under" if middle < 1 else "OVER"
        spread = f"{min(medians):.3f} to {max(medians):.3f}"
        print(f"{name:10}  median of rounds {middle:.3f} ms ({spread}), {verdict} 1 ms")
        _print_wider(app, name, mails)
    finally:
        bare.close()
        app.store.close()
        shutil.rmtree(folder, ignore_errors=True)


def _round(app: App, bare: Bare, name: str, mails: Sequence[Mail]) -> float:
    ours: list[float] = []
    theirs: list[float] = []
    for start in range(0, len(mails), 100):
        with app.store.read() as tx:
            for mail in mails[start : start + 100]:
                timed(partial(resolved, tx), mail, ours)
                timed(bare.ask, mail, theirs)
    (median, p99), (bare_median, bare_p99) = _quantiles(ours), _quantiles(theirs)
    print(
        f"{name:10}  resolved: median {median:.3f} ms, p99 {p99:.3f}; "
        f"driver alone: {bare_median:.3f}, p99 {bare_p99:.3f}; ratio {median / bare_median:.2f}"
    )
    return median


def _print_wider(app: App, name: str, mails: Sequence[Mail]) -> None:
    alone: list[float] = []
    whole: list[float] = []
    for mail in mails[:500]:
        timed(partial(resolved_alone, app), mail, alone)
        began = time.perf_counter()
        everything(app, [mail])
        whole.append((time.perf_counter() - began) * 1000)
    some = mails[:1000]
    began = time.perf_counter()
    for start in range(0, len(some), 100):
        everything(app, some[start : start + 100])
    of_batch = (time.perf_counter() - began) * 1000 / len(some)
    (median, p99), (whole_median, whole_p99) = _quantiles(alone), _quantiles(whole)
    print(
        f"{name:10}  with a view for each mail: {median:.2f} ms, p99 {p99:.2f}; all that deciding reads: "
        f"{whole_median:.2f} ms a mail alone, p99 {whole_p99:.2f}; {of_batch:.2f} in batches of 100"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--addresses", type=int, default=1_000_000)
    parser.add_argument("--mails", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    directory = Directory(arguments.addresses)
    mails = mails_of(directory, arguments.mails)
    gc.collect()
    gc.freeze()  # A daemon has no thousands of mails in hand, which the collector would go over again and again.
    load = os.getloadavg()[0]
    print(
        f"load average {load:.1f}{'' if load < 2 else ': others are at work, the figures say little'}"
    )
    with tempfile.TemporaryDirectory(prefix="maild-bench-") as folder:
        file = Path(folder) / "maild.db"
        with closing(Store(f"sqlite:///{file}", Path(folder) / "bodies")) as store:
            migrate.upgrade(store.database)
        began = time.perf_counter()
        fill_sqlite(file, directory)
        print(
            f"SQLite: {arguments.addresses:,} addresses written in {time.perf_counter() - began:.0f} s"
        )
        measure("SQLite", f"sqlite:///{file}", mails, arguments.rounds)
    with a_postgresql() as url, tempfile.TemporaryDirectory(prefix="maild-bench-") as folder:
        if url is None:
            print("PostgreSQL is not installed")
            return
        with closing(Store(url, Path(folder))) as store:
            migrate.upgrade(store.database)
        began = time.perf_counter()
        fill_postgresql(url, directory)
        print(
            f"PostgreSQL: {arguments.addresses:,} addresses written in {time.perf_counter() - began:.0f} s"
        )
        measure("PostgreSQL", url, mails, arguments.rounds)


if __name__ == "__main__":
    main()
