"""What an import fetches of a server's mailbox: all that is not surely here, and nothing that is a source's (D13, D6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import pytest
from sqlalchemy import insert

from maild.core.app import OPERATOR, App
from maild.core.archives import Import, OldMail, bring_in
from maild.core.archives_listed import Listed, Marks, unknown_on_server
from maild.store.source_tables import source_folders, sources
from tests.core.company import INFO, READER, Post, a_company
from tests.core.conftest import app, clock

__all__ = ["app", "clock"]

INTO = Import(inbox="info@acme.example")
VALIDITY = 7


@dataclass
class ASource:
    id: int = 1
    folder: str = "INBOX"


@pytest.fixture
def post(app: App) -> Post:
    a_company(app)
    return Post(app)


def listed(uid: int, content: bytes) -> Listed:
    return Listed(uid, len(content), content.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")


def to_fetch(app: App, *some: Listed, seen: set[Marks] | None = None) -> set[int]:
    source = cast("Any", ASource())
    return unknown_on_server(app, source, VALIDITY, some, INTO, seen=seen, by=OPERATOR)


def bring(app: App, *contents: bytes) -> None:
    bring_in(app, READER, [OldMail(content=one) for one in contents], INTO, by=OPERATOR)


def report(post: Post, night: str, date: str) -> bytes:
    return post.mail("backup@device.example", message_id="backup@device", body=night, date=date)


def begun_source(app: App, *, uid_high: int) -> None:
    with app.store.write() as tx:
        tx.connection.execute(
            insert(sources).values(
                id=1,
                account_id=1,
                name="old",
                inbox_id=INFO,
                is_central=False,
                kind="imap",
                host="mail.example",
                port=993,
                tls="implicit",
                username="u",
                sign_in="password",
                options={},
                folder="INBOX",
                mailbox="m",
                after="keep",
                since="none",
                every_s=60,
                is_paused=False,
                created_at=app.clock(),
            )
        )
        tx.connection.execute(
            insert(source_folders).values(
                source_id=1,
                name="INBOX",
                uidvalidity=VALIDITY,
                generation=1,
                uid_high=uid_high,
                baseline=uid_high + 1,
                is_begun=True,
            )
        )


@pytest.mark.parametrize("size", [10, 300 * 1024], ids=["in the database", "in a file"])
def test_D13_what_is_here_is_not_fetched_again(app: App, post: Post, size: int) -> None:
    mail = post.mail(body="x" * size)
    assert to_fetch(app, listed(1, mail)) == {1}
    bring(app, mail)
    assert to_fetch(app, listed(1, mail)) == set()


def test_D6_one_message_id_for_all_reports_hides_none_of_them(app: App, post: Post) -> None:
    first = report(post, "night 1 OK", "Thu, 19 Nov 2026 03:00:00 +0100")
    second = report(post, "night 2 KO", "Fri, 20 Nov 2026 03:00:00 +0100")
    assert len(first) == len(second)
    bring(app, first)
    assert to_fetch(app, listed(1, first), listed(2, second)) == {2}


def test_D6_of_mails_that_differ_in_their_bodies_alone_each_is_fetched(
    app: App, post: Post
) -> None:
    date = "Thu, 01 Jan 1970 00:00:00 +0000"
    first = b"Subject: report\r\n" + report(post, "night 1 OK", date)
    second = b"Subject: report\r\n" + report(post, "night 2 KO", date)
    bring(app, first)
    seen: set[Marks] = set()
    assert to_fetch(app, listed(1, first), seen=seen) == set()
    assert to_fetch(app, listed(2, second), seen=seen) == {2}
    assert to_fetch(app, listed(1, first), listed(2, second)) == {2}


def test_D13_a_message_id_that_everything_has_names_nothing(app: App, post: Post) -> None:
    many = [report(post, f"{n:03}", "Thu, 19 Nov 2026 03:00:00 +0100") for n in range(25)]
    bring(app, *many)
    assert to_fetch(app, listed(1, many[0])) == {1}


def test_D13_what_a_begun_source_will_take_is_the_sources(app: App, post: Post) -> None:
    begun_source(app, uid_high=10)
    old, today = post.mail(), post.mail()
    assert to_fetch(app, listed(10, old), listed(12, today)) == {10}
