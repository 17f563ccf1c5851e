"""What an enemy tried while mail was decided.  Each once broke something (D11, E1)."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update
from typing_extensions import override

from maild.core import decide, rulings
from maild.core.app import OPERATOR, App
from maild.core.decide import decide_due
from maild.daemon.deciders import AgainLane, Decider, FreshLane
from maild.model.envelope import Door
from maild.model.letter import PARSER_VERSION
from maild.parse.pool import ReaderClosedError, ReaderPool
from maild.store import people_tables, schema
from maild.store.engine import StoreDownError
from tests.core.company import CRM, LEA, READER, InProcess, Post, a_company
from tests.core.conftest import Frozen


@pytest.fixture
def post(app: App) -> Post:
    a_company(app)
    return Post(app)


def run(app: App, statement: Any) -> None:
    with app.store.write() as tx:
        tx.connection.execute(statement)


def traces_of(app: App) -> str:
    with app.store.read() as tx:
        rows = tx.connection.execute(schema.traces.select()).all()
    return "\n".join(step["text"] for row in rows for step in row.steps)


def test_D11_a_stored_reading_that_cannot_be_loaded_is_read_again(post: Post) -> None:
    post.send(post.mail())
    post.send(post.mail())
    with post.app.store.write() as tx:
        tx.connection.execute(
            insert(schema.readings).values(
                message_id=1, parser_version=PARSER_VERSION, letter=b'{"not":"a letter"}'
            )
        )
    post.decide()
    assert [row["state"] for row in post.lies()] == ["filed", "filed"]


def test_D11_a_body_whose_file_is_gone_fails_alone_and_says_so(post: Post) -> None:
    mail = post.mail(body="large" * 40_000)
    post.send(mail)
    post.send(post.mail())
    [row, _] = post.lies()
    path = post.app.store.bodies.path(1, str(row["digest"]))
    path.rename(path.with_suffix(".away"))
    with ReaderPool(1) as pool:
        decide_due(post.app, pool)
    path.with_suffix(".away").rename(path)
    assert [(row["state"], row["reason"]) for row in post.lies()] == [
        ("failed", "UNPARSEABLE"),
        ("filed", "FILED_CONTACT"),
    ]
    rulings.retry(post.app, READER, [str(row["ulid"])], by=OPERATOR)
    assert post.lies()[0]["state"] == "filed"


def test_D11_slow_mails_do_not_keep_back_what_was_read_before_them(
    post: Post, clock: Frozen
) -> None:
    post.send(post.mail())
    for _ in range(3):
        post.send(post.mail(body="kill-the-reader"))
    seen: list[str] = []

    class Slow(InProcess):
        @override
        def read_many(self, items: Iterable[bytes | Path]) -> Iterator[Any]:
            for number, item in enumerate(items):
                if number == 3:
                    seen.extend(str(row["state"]) for row in post.lies())
                clock.advance(timedelta(seconds=10))
                yield from super().read_many([item])

    assert decide_due(post.app, Slow()) == 4
    assert seen == ["filed", "received", "received", "received"]


def test_D11_a_reader_that_is_closed_says_so_even_of_the_mail_in_hand(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "never")
    pool = ReaderPool(1)
    with ThreadPoolExecutor(1) as threads:
        reading = threads.submit(
            lambda: list(pool.read_many([tmp_path / "never", b"A: b\r\n\r\nc"]))
        )
        while not pool._busy:
            assert not reading.done(), reading.result()
            time.sleep(0.01)
        pool.close()
        assert [type(outcome) for outcome in reading.result(5)] == [ReaderClosedError] * 2


def test_D11_a_mail_that_nobody_can_own_waits_and_stops_nobody(post: Post, clock: Frozen) -> None:
    """The first mail's account has no active member; the second one's is in order."""
    now = post.app.clock()
    run(
        post.app,
        insert(people_tables.accounts).values(
            id=2, slug="b", name="B", settings={}, created_at=now
        ),
    )
    run(
        post.app,
        insert(people_tables.inboxes).values(
            id=9, account_id=2, norm="info@b.example", kind="shared", mode="distributed",
            sender_policy="record", unknown_policy="hold", created_at=now,
        ),
    )  # fmt: skip
    run(post.app, insert(people_tables.names).values(norm="info@b.example", kind="inbox", ref=9))
    post.send(post.mail(), "info@b.example")
    post.send(post.mail())
    for _ in range(30):
        decide_due(post.app, READER)
        clock.advance(timedelta(minutes=6))
    assert post.outcome()[1] == "FILED_CONTACT"
    run(
        post.app,
        insert(people_tables.memberships).values(
            ulid="M9", account_id=2, user_id=LEA, role="admin", state="active", created_at=now
        ),
    )
    post.decide()
    with post.app.store.read() as tx:
        assert tx.deliveries.waiting(clock()) == 0
        reasons = tx.connection.execute(schema.deliveries.select()).all()
    assert {row.reason for row in reasons} == {"FILED_CONTACT", "CLIENT_NOT_FOUND"}


def test_D11_a_database_that_is_away_while_a_mail_is_judged_is_no_fault_of_the_mail(
    post: Post, clock: Frozen, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*of_what: object) -> None:
        raise StoreDownError("database is locked")

    post.send(post.mail())
    with monkeypatch.context() as patched:
        patched.setattr(decide, "gather", away)
        with pytest.raises(StoreDownError):
            post.decide()
    assert [row["state"] for row in post.lies()] == ["received"]
    clock.advance(decide.TRY_AGAIN)
    post.decide()
    assert [row["state"] for row in post.lies()] == ["filed"]


def test_two_deciders_at_once_decide_each_mail_once(post: Post) -> None:
    for number in range(40):
        post.send(
            post.mail(message_id=f"{number // 2}@twin", body=f"{number}"),
            "info@acme.example",
            "crm@acme.example",
        )
    gate = threading.Barrier(4)

    def work() -> None:
        gate.wait()
        while decide_due(post.app, READER, limit=7):
            pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    post.decide()
    assert (post.table("deliveries"), post.table("traces"), post.table("entries")) == (80, 80, 80)
    assert {len(row["beside"]) for row in post.lies()} == {1}


def test_a_decider_stuck_in_a_long_mail_ends_soon_and_its_mail_is_not_blamed(post: Post) -> None:
    started = threading.Event()

    class Endless(InProcess):
        def __init__(self) -> None:
            self.closed = threading.Event()

        @override
        def read_many(self, items: Iterable[bytes | Path]) -> Iterator[Any]:
            for item in items:
                if b"endless" in bytes(item):
                    started.set()
                    assert self.closed.wait(20)
                    yield ReaderClosedError("The reader is closed.")
                else:
                    yield from super().read_many([item])

        def close(self) -> None:
            self.closed.set()

    post.send(post.mail(body="quick"))
    post.send(post.mail(body="endless"))
    run(post.app, update(schema.deliveries).values(attempts=2))
    reader = Endless()
    decider = Decider("again", reader, AgainLane(post.app, reader).work)
    decider.start()
    decider.wake()
    assert started.wait(10)
    decider.stop(grace=0.1)
    with post.app.store.read() as tx:
        rows = tx.connection.execute(
            schema.deliveries.select().order_by(schema.deliveries.c.id)
        ).all()
    assert [(row.state, row.lease, row.attempts) for row in rows] == [
        ("filed", None, 0),
        ("received", None, 2),
    ]


def test_a_reader_that_cannot_start_at_first_does_not_end_the_decider(post: Post) -> None:
    class Tired(InProcess):
        calls = 0

        @override
        def read_many(self, items: Iterable[bytes | Path]) -> Iterator[Any]:
            self.calls += 1
            if self.calls == 1:
                raise OSError(11, "Resource temporarily unavailable")
            return super().read_many(items)

        def close(self) -> None:
            pass

    post.send(post.mail())
    reader = Tired()
    decider = Decider("fresh", reader, FreshLane(post.app, reader).work)
    decider.start()
    decider.wake()
    until = time.monotonic() + 10
    while time.monotonic() < until and post.lies()[0]["state"] == "received":
        time.sleep(0.02)
    decider.stop()
    assert post.outcome()[0] == "filed"


def another_accounts_user(app: App, state: str | None = None) -> None:
    """Zoe Geheim of account 2; with `state` she has a membership of that state in acme as well."""
    now = app.clock()
    run(
        app,
        insert(people_tables.accounts).values(
            id=2, slug="b", name="B", settings={}, created_at=now
        ),
    )
    run(
        app,
        insert(people_tables.users).values(
            id=9, ulid="U9", display_name="Zoe Geheim", kind="person", created_at=now
        ),
    )
    for number, norm, kind in ((9, "zoe@b.example", "primary"), (10, "zo+x@b.example", "alias")):
        run(
            app,
            insert(people_tables.addresses).values(
                id=number, user_id=9, norm=norm, base=norm.replace("+x", ""), shown=norm,
                kind=kind, verified_at=now, valid_from=now,
            ),
        )  # fmt: skip
        run(app, insert(people_tables.names).values(norm=norm, kind="user", ref=number))
    for account, standing in ((2, "active"), (1, state)):
        if standing is not None:
            run(
                app,
                insert(people_tables.memberships).values(
                    ulid=f"M{account}", account_id=account, user_id=9, role="member",
                    state=standing, created_at=now,
                ),
            )  # fmt: skip


def test_another_accounts_user_is_named_nowhere(post: Post) -> None:
    another_accounts_user(post.app)
    for inbox in ("info@acme.example", "crm@acme.example"):
        post.send(post.mail("zoe@b.example", to=inbox), inbox)
        post.send(post.mail("zo@b.example", to=inbox), inbox)
    post.decide()
    said = traces_of(post.app) + str(post.lies())
    assert "Zoe" not in said
    assert "alias" not in said
    assert "zo+x" not in said


def test_the_tagged_addresses_of_somebody_who_refused_to_join_are_not_told(post: Post) -> None:
    another_accounts_user(post.app, "refused")
    post.send(post.mail("zo@b.example", to="crm@acme.example"), "crm@acme.example")
    post.decide()
    assert "zo+x" not in traces_of(post.app)
    assert post.outcome()[1] == "SENDER_UNKNOWN"


def test_a_forward_inbox_that_refuses_strangers_does_not_file_them(post: Post) -> None:
    run(
        post.app,
        update(people_tables.inboxes)
        .where(people_tables.inboxes.c.id == CRM)
        .values(unknown_policy="refuse"),
    )
    # At the door it would be refused; what is collected is there already.
    post.send(post.mail(to="crm@acme.example"), "crm@acme.example", door=Door.IMAP)
    post.decide()
    assert post.outcome()[:2] == ("held", "SENDER_UNKNOWN")


class Starting(InProcess):
    """A reader during whose reading the daemon's workers start, as after a kill of all of them."""

    def __init__(self, app: App) -> None:
        super().__init__()
        self._app = app
        self.due_meanwhile = -1

    @override
    def read_many(self, items: Iterable[bytes | Path]) -> Iterator[Any]:
        for one in super().read_many(items):
            decide.release_workers(self._app)
            self.due_meanwhile = decide_due(self._app, READER)
            yield one


@pytest.mark.parametrize("by_worker", [True, False])
def test_D11_a_start_takes_the_work_of_dead_workers_and_not_that_of_a_command(
    post: Post, *, by_worker: bool
) -> None:
    post.send(post.mail())
    starting = Starting(post.app)
    if by_worker:
        decide_due(post.app, starting)
    else:
        [row] = post.lies()
        decide.decide_again(post.app, starting, [int(row["id"])])
    assert starting.due_meanwhile == (1 if by_worker else 0)
    assert [row["state"] for row in post.lies()] == ["filed"]
