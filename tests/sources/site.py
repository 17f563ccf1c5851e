"""An app that collects mailboxes of servers, round by round, in this process; and the mailboxes.

It never judges a round by the round's own figures alone: the store and the server are asked as well.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from maild.core import collect
from maild.core.app import OPERATOR, App
from maild.core.polling import Figures
from maild.core.proving import Proven
from maild.core.remote import RemoteError
from maild.core.source_words import sentence
from maild.core.sources import NewSource, SourceChanged, add_source, set_source, source_row
from maild.core.views import explain_mail
from maild.daemon.lines import Lines, no_step
from maild.daemon.rounds import Counts, Rounds
from maild.model.source import SignIn, SourceKind, TlsMode
from maild.settings import Settings
from maild.store.list_walks import Filter
from maild.testing.dovecot import Dovecot
from tests.core.company import Post

FULL = bool(os.environ.get("MAILD_TEST_FULL"))
INBOX = "info@acme.example"
SECRET = "secret"
HOST = "127.0.0.1"
MOST_MAILS = 20_000
T = TypeVar("T")


def letter(key: str, *more: str, body: str = "", message_id: bool = True) -> bytes:
    """A mail, told from all others by its Message-ID and its subject; `more` are header lines on top."""
    fields = [
        *more,
        "From: Anna Rossi <anna@rossi.example>",
        f"To: {INBOX}",
        "Date: Fri, 20 Nov 2026 10:00:00 +0000",
        f"Subject: {key}",
        *([f"Message-ID: <{key}@rossi.example>"] if message_id else []),
    ]
    return ("\r\n".join(fields) + f"\r\n\r\nHello {body or key}\r\n").encode()


@dataclass
class Clock:
    """It moves when it is told to."""

    now: datetime = field(default_factory=lambda: datetime(2026, 11, 20, 9, 42, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        self.now += by


@dataclass
class Mailbox:
    """A user's mailbox on a Dovecot."""

    dovecot: Dovecot
    user: str

    def fill(self, mails: Iterable[bytes], folder: str = "") -> None:
        self.dovecot.fill(self.user, mails, folder)

    def send(self, *keys: str, folder: str = "") -> None:
        self.fill(map(letter, keys), folder)

    def create(self, folder: str) -> None:
        self.dovecot.doveadm("mailbox", "create", "-u", self.user, folder)

    def rename(self, old: str, new: str) -> None:
        self.dovecot.doveadm("mailbox", "rename", "-u", self.user, old, new)

    def flag(self, flag: str, *query: str) -> None:
        words = query or ("mailbox", "INBOX", "ALL")
        self.dovecot.doveadm("flags", "add", "-u", self.user, flag, *words)

    def subjects(self, folder: str = "INBOX", *query: str) -> list[str]:
        """The subjects of the mails that a folder holds, sorted."""
        words = query or ("ALL",)
        said = self.dovecot.doveadm(
            "fetch", "-u", self.user, "hdr.subject", "mailbox", folder, *words
        )
        return sorted(re.findall(r"^hdr\.subject: (.*)$", said, re.MULTILINE))

    def count(self, folder: str = "INBOX") -> int:
        return self.dovecot.count(self.user, folder)


@dataclass
class Collector:
    """A company's app and its sources."""

    app: App
    settings: Settings
    folder: Path

    def with_settings(self, **changes: Any) -> Collector:
        """The same app under other settings of sources."""
        sources = self.settings.sources.model_copy(update=changes)
        changed = self.settings.model_copy(update={"sources": sources})
        return Collector(self.app, changed, self.folder)

    def secret_file(self, secret: str = SECRET, name: str = "pw") -> str:
        path = self.folder / name
        path.touch(0o600)
        path.write_text(f"{secret}\n", encoding="utf-8")
        return str(path)

    def add(self, name: str, box: Mailbox, kind: str = "imap", **more: Any) -> None:
        port = box.dovecot.imap if kind == "imap" else box.dovecot.pop
        self.add_at(name, port, box.user, kind, **more)

    def add_at(self, name: str, port: int, user: str, kind: str, **more: Any) -> None:
        """Connect a mailbox; `since` is `all` unless it is given."""
        given: dict[str, Any] = {
            "name": name,
            "kind": SourceKind(kind),
            "host": HOST,
            "port": port,
            "tls": TlsMode.NONE,
            "username": user,
            "inbox": None if more.get("is_central") else INBOX,
            "sign_in": SignIn.FILE,
            "options": {"ref": self.secret_file()},
            "since": "all",
            "every": "1h",
        }
        add_source(self.app, NewSource(**{**given, **more}), by=OPERATOR)

    def set(self, name: str, **changes: str) -> SourceChanged:
        return set_source(self.app, name, changes, by=OPERATOR)

    # -- what goes to the server -----------------------------------------------------------------------------------

    def poll(self, name: str, *, is_full: bool = True, may_renumber: bool = False) -> Figures:
        """Do a round as the daemon does, with the lease."""
        source = source_row(self.app, name, by=OPERATOR)
        claim = collect.claim(self.app, source, "test", timedelta(hours=1))
        assert claim is not None
        try:
            return self._go(
                lambda rounds: rounds.poll(
                    claim, lambda _: None, is_full=is_full, may_renumber=may_renumber
                )
            )
        finally:
            collect.give_up(self.app, claim)

    def poll_on_a_line(self, name: str, *between: Callable[[], object]) -> list[Figures]:
        """Do a full round, then after each of these acts one that asks for news alone; all on one line while it stands.

        A line that is lost is followed by a full round on another, as in the daemon.
        """
        source = source_row(self.app, name, by=OPERATOR)
        claim = collect.claim(self.app, source, "test", timedelta(hours=1))
        assert claim is not None

        async def rounds() -> list[Figures]:
            lines = Lines(self.app, self.settings)
            each = Rounds(self.app, lines)
            client = await lines.imap(source)
            done = [await each.poll_on(client, claim, lambda _: None, is_full=True)]
            for act in between:
                act()
                try:
                    done.append(await each.poll_on(client, claim, lambda _: None, is_full=False))
                except RemoteError:
                    client.close()
                    client = await lines.imap(source)
                    done.append(await each.poll_on(client, claim, lambda _: None, is_full=True))
            client.close()
            lines.close()
            return done

        try:
            return asyncio.run(rounds())
        finally:
            collect.give_up(self.app, claim)

    def prove(self, name: str) -> Proven:
        source = source_row(self.app, name, by=OPERATOR)
        return self._go(lambda rounds: rounds.prove(source))

    def test(self, name: str) -> Counts:
        source = source_row(self.app, name, by=OPERATOR)
        return self._go(lambda rounds: rounds.test(source, no_step))

    def trouble(self, name: str) -> str:
        """The sentence that an admin reads after a round that fails; empty if it does not."""
        try:
            self.poll(name)
        except RemoteError as error:
            source = source_row(self.app, name, by=OPERATOR)
            return sentence(source, error.trouble, error.said)
        return ""

    def _go(self, act: Callable[[Rounds], Awaitable[T]]) -> T:
        async def gone() -> T:
            lines = Lines(self.app, self.settings)
            try:
                return await act(Rounds(self.app, lines))
            finally:
                lines.close()

        return asyncio.run(gone())

    # -- what is here ----------------------------------------------------------------------------------------------

    def mails(self) -> list[dict[str, Any]]:
        """All mails, decided, oldest first."""
        Post(self.app).decide()
        with self.app.store.read() as tx:
            page = tx.lists.page(Filter(account_id=1, limit=MOST_MAILS))
        assert len(page) < MOST_MAILS
        return list(reversed(page))

    def subjects(self) -> list[str]:
        return sorted(one["subject"] for one in self.mails())

    def explain(self, mail: dict[str, Any]) -> dict[str, Any]:
        return explain_mail(self.app, mail["ulid"], by=OPERATOR)

    def still_to_act(self, name: str) -> int:
        """How many mails the server is still to be told something about."""
        source = source_row(self.app, name, by=OPERATOR)
        with self.app.store.read() as tx:
            return sum(
                len(tx.ledger.to_act(one, stored_before=self.app.clock(), after=None, limit=1000))
                for one in tx.ledger.folders(source.id)
            )

    def assert_nothing_again(self, name: str) -> None:
        """What the next round would do is nothing, and so says the proof."""
        proven = self.prove(name)
        assert (proven.would_fetch, proven.again) == (0, 0), proven
        figures = self.poll(name)
        assert (figures.new, figures.stored, figures.headers) == (0, 0, 0), figures
