"""A small company in rows, and mails in a few words, for the tests of core."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import insert, text

from maild.core.accept import accept
from maild.core.app import App
from maild.core.decide import decide_due
from maild.core.raw import raw_of
from maild.core.share import Incoming
from maild.model.envelope import Door, Envelope, Trust
from maild.model.letter import Letter, UnreadableError
from maild.model.reason import Answer
from maild.model.shown import Shown, Wish
from maild.parse import read_letter
from maild.parse.pool import ReaderDiedError
from maild.parse.showing import show
from maild.store import people_tables, schema
from maild.store.list_walks import Filter
from maild.store.metadata import metadata

SIGNED_IN = Trust(authenticated_for=("acme.example",))
LEA, EVA, JAN = 1, 2, 3
CRM, INFO, SMALL = 1, 2, 3


class InProcess:
    """A reader without processes; mails that contain b"kill-the-reader" end it."""

    def read_many(
        self, items: Iterable[bytes | Path]
    ) -> Iterator[Letter | UnreadableError | ReaderDiedError]:
        for item in items:
            raw = item if isinstance(item, bytes) else item.read_bytes()
            if b"kill-the-reader" in raw:
                yield ReaderDiedError("The reader was killed.")
                continue
            try:
                yield read_letter(raw)
            except UnreadableError as error:
                yield error

    def show(self, raw: bytes | Path, wish: Wish) -> Shown:
        content = raw if isinstance(raw, bytes) else raw.read_bytes()
        if b"kill-the-reader" in content:
            raise ReaderDiedError("The reader was killed.")
        return show(content, wish)


READER = InProcess()


def a_company(app: App) -> None:
    """Account acme with Lea (distributor), Eva and Jan; crm@, info@ and small@ (1 KiB); Rossi Bau and Dupont."""
    now = app.clock()
    with app.store.write() as tx:
        run = tx.connection.execute
        run(
            insert(people_tables.accounts).values(
                id=1, slug="acme", name="Acme", settings={}, created_at=now
            )
        )
        for number, name in ((LEA, "lea"), (EVA, "eva"), (JAN, "jan")):
            norm = f"{name}@acme.example"
            run(
                insert(people_tables.users).values(
                    id=number,
                    ulid=app.ids(),
                    display_name=name.title(),
                    kind="person",
                    created_at=now,
                )
            )
            run(
                insert(people_tables.addresses).values(
                    id=number,
                    user_id=number,
                    norm=norm,
                    base=norm,
                    shown=norm,
                    kind="primary",
                    verified_at=now,
                    valid_from=now,
                )
            )
            run(insert(people_tables.names).values(norm=norm, kind="user", ref=number))
            role = "distributor" if number == LEA else "member"
            run(
                insert(people_tables.memberships).values(
                    ulid=app.ids(),
                    account_id=1,
                    user_id=number,
                    role=role,
                    state="active",
                    created_at=now,
                )
            )
        for number, local, kind, policy, limit in (
            (CRM, "crm", "forward", "require", None),
            (INFO, "info", "shared", "record", None),
            (SMALL, "small", "shared", "record", 1024),
        ):
            norm = f"{local}@acme.example"
            run(
                insert(people_tables.inboxes).values(
                    id=number,
                    account_id=1,
                    norm=norm,
                    kind=kind,
                    mode="distributed",
                    sender_policy=policy,
                    unknown_policy="hold",
                    max_size=limit,
                    created_at=now,
                )
            )
            run(insert(people_tables.names).values(norm=norm, kind="inbox", ref=number))
            run(insert(people_tables.owner_chain).values(inbox_id=number, rank=0, user_id=LEA))
        for rank, name in enumerate(("New", "In progress", "Waiting", "Done")):
            run(insert(schema.statuses).values(account_id=1, name=name, rank=rank))
        for number, name, contact in (
            (1, "Rossi Bau", "anna@rossi.example"),
            (2, "Dupont", "marc@dupont.example"),
        ):
            run(
                insert(people_tables.clients).values(
                    id=number, ulid=f"C{number}", account_id=1, name=name, created_at=now
                )
            )
            run(insert(people_tables.contacts).values(account_id=1, client_id=number, norm=contact))
        if tx.connection.dialect.name == "postgresql":
            # Rows with ids of our own choosing do not move the sequences that make the next ones.
            for table in ("accounts", "users", "addresses", "inboxes", "clients"):
                run(text(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), 100)"))


@dataclass
class Post:
    """Sends mails into an app as a door would."""

    app: App
    count: int = 0

    def mail(
        self,
        from_: str = "anna@rossi.example",
        *,
        to: str = "info@acme.example",
        body: str = "Hello",
        message_id: str | None = "",
        more: str = "",
        date: str = "Fri, 20 Nov 2026 10:00:00 +0100",
    ) -> bytes:
        """Return a mail; `message_id` "" makes a fresh one, None leaves it out."""
        self.count += 1
        fields = [f"From: {from_}", f"To: {to}", f"Subject: {body[:20]}", f"Date: {date}"]
        if message_id is not None:
            fields.append(f"Message-ID: <{message_id or f'{self.count}@test'}>")
        head = "\r\n".join(fields)
        return f"{head}\r\n{more}\r\n{body}\r\n".encode()

    def send(
        self,
        content: bytes,
        *recipients: str,
        door: Door = Door.SMTP,
        trust: Trust | None = None,
        mail_from: str = "sender@world.example",
    ) -> list[Answer]:
        """Accept one mail for these recipients (info@ if none are given)."""
        return accept(
            self.app,
            [self.incoming(content, *recipients, door=door, trust=trust, mail_from=mail_from)],
        )[0]

    def incoming(
        self,
        content: bytes,
        *recipients: str,
        door: Door = Door.SMTP,
        trust: Trust | None = None,
        mail_from: str = "sender@world.example",
    ) -> Incoming:
        """Return one mail on its way in."""
        envelope = Envelope(
            door=door,
            mail_from=mail_from,
            recipients=recipients or ("info@acme.example",),
            peer="192.0.2.1",
            received_at=self.app.clock(),
            trust=trust or Trust(),
        )
        return Incoming(
            envelope, raw_of(content, self.app.store.bodies.tmp, self.app.store.inline_max)
        )

    def decide(self) -> None:
        """Decide all that is due."""
        while decide_due(self.app, READER):
            pass

    def lies(self, **wanted: Any) -> list[dict[str, Any]]:
        """Return the mails of a list, oldest first."""
        with self.app.store.read() as tx:
            return list(reversed(tx.lists.page(Filter(account_id=1, limit=1000, **wanted))))

    def outcome(self) -> tuple[str, str, str | None, bool | None]:
        """Return state, reason, owner and unread of the only mail."""
        [row] = self.lies()
        return row["state"], row["reason"], row["owner"], row["unread"]

    def table(self, name: str) -> int:
        """Return how many rows a table has."""
        from sqlalchemy import func, select

        with self.app.store.read() as tx:
            return tx.connection.execute(
                select(func.count()).select_from(metadata.tables[name])
            ).scalar_one()
