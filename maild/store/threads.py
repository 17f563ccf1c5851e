"""Conversations: which messages belong together (M14).  Grouping is for view: nothing is filed or shown by it (F4).

Each Message-ID that a mail has or quotes leads to a thread, also one that never came in: its answers belong together, and
when it comes it finds them.  A mail that quotes several threads makes them one.  Anybody can quote anything, so all is
bounded: what is looked at of a mail, and what a thread may hold; one that is full goes on as a new one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, bindparam, func, select, update

from maild.store.schema import deliveries, messages
from maild.store.sql import ForEach, slices
from maild.store.thread_tables import thread_links

QUOTED_MAX = 20
"""Message-IDs of one mail that are looked at: the nearest that it answers."""
THREAD_MAX = 1000
"""Messages of one thread."""

Key = tuple[int, int]
"""An account, and the print of a Message-ID."""

_ADD_LINKS = ForEach.insert_new(thread_links, "account_id", "print", "thread_id")
_RELINK = ForEach(
    lambda _: (
        update(thread_links)
        .where(
            thread_links.c.account_id == bindparam("account"),
            thread_links.c.print == bindparam("of"),
        )
        .values(thread_id=bindparam("thread"))
    )
)
_JOIN = ForEach(
    lambda _: (
        update(messages)
        .where(messages.c.id == bindparam("message"))
        .values(thread_id=bindparam("thread"))
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quoting:
    """A message, and the Message-IDs that it answers, the nearest first."""

    message_id: int
    quotes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class _Joining:
    message_id: int
    keys: tuple[Key, ...]
    """Its own and what it quotes, of its account."""
    thread_id: int | None


@dataclass(slots=True)
class _Plan:
    """What a batch makes of the threads that it found."""

    links: dict[Key, int]
    """As they were found, and as they are to be."""
    sizes: dict[int, int]
    heirs: dict[int, int] = field(default_factory=dict)
    """Into which thread one went."""
    joined: dict[int, int] = field(default_factory=dict)
    """Threads of the batch's messages."""

    def now(self, thread: int) -> int:
        """Return the thread that this one is part of by now."""
        while thread in self.heirs:
            thread = self.heirs[thread]
        return thread

    def one_of(self, threads: Iterable[int]) -> int | None:
        """Make threads one, the smaller part of the larger, as far as they fit; return it."""
        ranked = sorted(
            {self.now(thread) for thread in threads},
            key=lambda thread: (-self.sizes.get(thread, 0), thread),
        )
        if not ranked:
            return None
        first = ranked[0]
        for other in ranked[1:]:
            size = self.sizes.get(first, 0) + self.sizes.get(other, 0)
            if size <= THREAD_MAX:
                self.heirs[other] = first
                self.sizes[first] = size
        return first


class ThreadRows:
    """Queries about conversations."""

    def __init__(self, connection: Connection) -> None:
        """Read and write through an open transaction."""
        self._connection = connection

    def join(self, batch: Sequence[Quoting]) -> None:
        """Give each message its thread, and make one of those that it connects.

        Safe to repeat, as when a message is read again.  Two writers at once on PostgreSQL find each other's links after
        their own are written.
        """
        joining = self._joining(batch)
        keys = {key for one in joining for key in one.keys}
        before = self._links(keys)
        there = {one.thread_id for one in joining if one.thread_id is not None}
        plan = _Plan(dict(before), self._sizes({*before.values(), *there}))
        for one in joining:
            _join(plan, one)
        self._write(plan, before, {one.message_id: one.thread_id for one in joining})
        if self._connection.dialect.name == "postgresql":
            self._reconcile(plan)

    def _joining(self, batch: Sequence[Quoting]) -> list[_Joining]:
        quotes = {one.message_id: one.quotes for one in batch}
        found = []
        for some in slices(quotes):
            rows = self._connection.execute(
                select(
                    messages.c.id,
                    messages.c.account_id,
                    messages.c.message_id_header,
                    messages.c.thread_id,
                )
                .where(messages.c.id.in_(some))
                .order_by(messages.c.id)
            )
            for row in rows:
                own = () if row.message_id_header is None else (row.message_id_header,)
                texts = dict.fromkeys([*own, *quotes[row.id][:QUOTED_MAX]])
                keys = tuple((row.account_id, _print(text)) for text in texts)
                found.append(_Joining(row.id, keys, row.thread_id))
        return found

    def _links(self, keys: Iterable[Key]) -> dict[Key, int]:
        wanted = set(keys)
        accounts = {account for account, _ in wanted}
        found = {}
        for some in slices(print_ for _, print_ in wanted):
            rows = self._connection.execute(
                select(
                    thread_links.c.account_id, thread_links.c.print, thread_links.c.thread_id
                ).where(thread_links.c.account_id.in_(accounts), thread_links.c.print.in_(some))
            )
            found.update({(row.account_id, row.print): row.thread_id for row in rows})
        return {key: thread for key, thread in found.items() if key in wanted}

    def _sizes(self, threads: Iterable[int]) -> dict[int, int]:
        found = {}
        for some in slices(threads):
            rows = self._connection.execute(
                select(messages.c.thread_id, func.count().label("size"))
                .where(messages.c.thread_id.in_(some))
                .group_by(messages.c.thread_id)
            )
            found.update({row.thread_id: row.size for row in rows})
        return found

    def _write(
        self, plan: _Plan, before: Mapping[Key, int], were: Mapping[int, int | None]
    ) -> None:
        self._merge(plan.heirs)
        links = {key: plan.now(thread) for key, thread in plan.links.items()}
        # In one order: two writers at once never wait for each other in a circle.
        new = sorted(key for key in links if key not in before)
        _ADD_LINKS.run(
            self._connection,
            [{"account_id": key[0], "print": key[1], "thread_id": links[key]} for key in new],
        )
        changed = sorted(key for key, thread in before.items() if links[key] != plan.now(thread))
        _RELINK.run(
            self._connection,
            [{"account": key[0], "of": key[1], "thread": links[key]} for key in changed],
        )
        joined = {message: plan.now(thread) for message, thread in plan.joined.items()}
        _JOIN.run(
            self._connection,
            [
                {"message": message, "thread": thread}
                for message, thread in sorted(joined.items())
                if were[message] != thread
            ],
        )

    def _merge(self, heirs: Mapping[int, int]) -> None:
        plan = _Plan({}, {}, dict(heirs))
        for thread in sorted(heirs):
            heir = plan.now(thread)
            for table in (messages, thread_links):
                self._connection.execute(
                    update(table).where(table.c.thread_id == thread).values(thread_id=heir)
                )

    def _reconcile(self, plan: _Plan) -> None:
        """Make one of ours and of what another writer linked in the meantime."""
        ours = {key: plan.now(thread) for key, thread in plan.links.items()}
        theirs = self._links(ours)
        split = {(ours[key], thread) for key, thread in theirs.items() if ours[key] != thread}
        if not split:
            return
        again = _Plan({}, self._sizes({thread for pair in split for thread in pair}))
        for pair in sorted(split):
            again.one_of(pair)
        self._merge(again.heirs)

    def of(self, message_id: int) -> int | None:
        """Return a message's thread; None while it has none."""
        found: int | None = self._connection.execute(
            select(messages.c.thread_id).where(messages.c.id == message_id)
        ).scalar_one()
        return found

    def deliveries(self, message_id: int, limit: int) -> list[int]:
        """Return the deliveries of a message's conversation, oldest first: its own, and the newest others up to `limit`."""
        thread = self.of(message_id)
        belongs = messages.c.id == message_id if thread is None else messages.c.thread_id == thread
        # By when they came, which is not the order of their rows where history was brought in later.
        rows = self._connection.execute(
            select(deliveries.c.received_at, deliveries.c.id)
            .join(messages, messages.c.id == deliveries.c.message_id)
            .where(belongs)
            .order_by(
                (deliveries.c.message_id == message_id).desc(),
                deliveries.c.received_at.desc(),
                deliveries.c.id.desc(),
            )
            .limit(limit)
        )
        return [row.id for row in sorted(rows, key=tuple)]

    def without(self, *, after: int, limit: int) -> list[int]:
        """Return the next messages that have no thread; one that waits to be read gets its whole one then."""
        rows = self._connection.execute(
            select(messages.c.id)
            .where(messages.c.thread_id.is_(None), messages.c.id > after)
            .order_by(messages.c.id)
            .limit(limit)
        )
        return list(rows.scalars())


def _join(plan: _Plan, one: _Joining) -> None:
    known = [plan.links[key] for key in one.keys if key in plan.links]
    before = [] if one.thread_id is None else [one.thread_id]
    thread = plan.one_of([*before, *known])
    is_new = one.thread_id is None
    if thread is None:
        thread = one.message_id
    elif one.thread_id is not None:
        thread = plan.now(one.thread_id)
    elif plan.sizes.get(thread, 0) >= THREAD_MAX:
        # It is full: the conversation goes on in a thread of its own, which those who answer this one find.
        thread = one.message_id
        for key in one.keys:
            plan.links[key] = thread
    for key in one.keys:
        plan.links.setdefault(key, thread)
    if is_new:
        plan.sizes[thread] = plan.sizes.get(thread, 0) + 1
    plan.joined[one.message_id] = thread


def _print(message_id: str) -> int:
    """Return what a Message-ID is kept as: of one size, however long it is."""
    digest = hashlib.sha256(message_id.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
