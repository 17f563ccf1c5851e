"""What an enemy tried: races, hostile text, faults midway.  Each of these once broke something (D1, D6, D11, I3, M1)."""

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
from hypothesis import HealthCheck, given, settings, strategies as st
from sqlalchemy import insert, update
from typing_extensions import override

from maild.core import decide, facts, rulings
from maild.core.accept import accept
from maild.core.acceptor import accept_all
from maild.core.app import OPERATOR, Actor, App
from maild.core.decide import decide_due
from maild.core.mailbox import give, set_status, take, undo
from maild.core.raw import raw_of
from maild.daemon.deciders import AgainLane, Decider, FreshLane
from maild.model.envelope import Door, Trust
from maild.model.letter import PARSER_VERSION
from maild.model.reason import Reason, RefusedError
from maild.parse.pool import ReaderClosedError, ReaderPool
from maild.store import bodies, schema
from tests.core.company import CRM, EVA, JAN, LEA, READER, SIGNED_IN, InProcess, Post, a_company
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


# --- coming in ----------------------------------------------------------------------------------------------------------


def test_D6_the_same_mail_accepted_at_the_same_time_in_several_places_is_one_mail(
    post: Post,
) -> None:
    for _ in range(5):
        mail = post.mail()
        ways = [post.incoming(mail), post.incoming(mail), post.incoming(mail, door=Door.LMTP)]
        ways.append(post.incoming(mail, "crm@acme.example"))
        gate = threading.Barrier(len(ways))

        def one(way: Any, gate: threading.Barrier = gate) -> Reason:
            gate.wait()
            return accept(post.app, [way])[0][0].reason

        with ThreadPoolExecutor(len(ways)) as threads:
            assert set(threads.map(one, ways)) == {Reason.ACCEPTED}
    assert [post.table(name) for name in ("messages", "arrivals", "deliveries")] == [5, 15, 10]


def test_D6_a_device_with_one_message_id_and_no_date_is_heard_each_night(
    post: Post, clock: Frozen
) -> None:
    mail = post.mail(body="backup OK", message_id="fixed@device").replace(
        b"Date: Fri, 20 Nov 2026 10:00:00 +0100\r\n", b""
    )
    post.send(mail)
    clock.advance(timedelta(hours=24))
    post.send(mail)
    assert post.table("messages") == 2


def test_D6_the_body_is_the_same_in_whatever_pieces_and_with_whatever_line_ends_it_came(
    tmp_path: Path,
) -> None:
    from maild.core.raw import Spool

    mail = b"A: b\r\n\r\none\ntwo\r\n\r\nthree\r\r\nfour\n\r\n"
    whole = raw_of(mail, tmp_path, 1000)
    for size in range(1, len(mail)):
        spool = Spool(tmp_path, 1000)
        for start in range(0, len(mail), size):
            spool.write(mail[start : start + size])
        assert spool.finish() == whole
    crlf = mail.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    assert raw_of(crlf, tmp_path, 1000).body_digest == whole.body_digest


def test_D6_a_header_block_at_the_limit_is_cut_alike_in_whatever_pieces_it_came(
    tmp_path: Path,
) -> None:
    from maild.core.raw import HEAD_MAX, Spool

    for over in range(-4, 4):
        mail = b"A: ".ljust(HEAD_MAX + over, b"x") + b"\r\n\r\nbody"
        whole = raw_of(mail, tmp_path, 10**6)
        for cut in range(HEAD_MAX - 4, HEAD_MAX + 5):
            spool = Spool(tmp_path, 10**6)
            spool.write(mail[:cut])
            spool.write(mail[cut:])
            assert spool.finish() == whole


def test_I3_a_signed_in_listener_speaks_even_if_an_open_one_of_the_same_door_came_first(
    post: Post,
) -> None:
    mail = post.mail("eva@acme.example", to="crm@acme.example", body="hello")
    post.send(mail, "crm@acme.example")
    post.decide()
    assert post.outcome()[1] == "SENDER_NOT_VERIFIED"
    post.send(mail, "crm@acme.example", trust=SIGNED_IN)
    post.decide()
    assert post.outcome()[1] == "ONLY_USERS_INVOLVED"


def test_I3_a_proof_that_arrives_while_the_mail_is_being_decided_is_not_lost(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail = post.mail("eva@acme.example", to="crm@acme.example", body="hello")
    post.send(mail, "crm@acme.example")
    real = facts.gather
    done: list[int] = []

    def gather(app: Any, tx: Any, batch: Any) -> Any:
        found = real(app, tx, batch)
        if not done:
            done.append(1)
            post.send(mail, "crm@acme.example", door=Door.LMTP, trust=SIGNED_IN)
        return found

    monkeypatch.setattr(decide, "gather", gather)
    post.decide()
    assert post.outcome()[1] == "ONLY_USERS_INVOLVED"


def test_I3_a_copy_with_other_recipients_that_came_first_does_not_borrow_the_proof(
    post: Post,
) -> None:
    """Who saw a user's mail could send a copy with other headers before it: that copy is another mail."""
    true = post.mail("eva@acme.example", to="marc@dupont.example", body="hi", message_id="m@eva")
    false = true.replace(b"To: marc@dupont.example", b"To: anna@rossi.example")
    post.send(false, "crm@acme.example")
    post.send(true, "crm@acme.example", trust=SIGNED_IN)
    post.decide()
    found = {(row["state"], row["reason"]) for row in post.lies()}
    assert found == {("held", "SENDER_NOT_VERIFIED"), ("filed", "FILED_CAPTURE")}
    assert "Rossi" not in traces_of(post.app)


@pytest.mark.parametrize("text", ["nul\0nul", "lone\udce4surrogate", "x" * 100_000, "", "💥"])
def test_hostile_text_of_a_peer_never_keeps_its_mail_out(post: Post, text: str) -> None:
    from dataclasses import replace

    incoming = post.incoming(
        post.mail(more=f"Authentication-Results: mx.acme.example; x={text!a}\0\r\n"),
        mail_from=text,
        trust=Trust(authserv_ids=("mx.acme.example",)),
    )
    envelope = replace(incoming.envelope, helo=text, peer=text)
    answers = accept(post.app, [replace(incoming, envelope=envelope)])
    assert answers[0][0].reason is Reason.ACCEPTED
    post.decide()
    assert post.outcome()[1] == "FILED_CONTACT"


def test_D1_a_large_body_is_flushed_even_if_an_earlier_attempt_left_it_there(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[Path] = []
    real = bodies._flush_folder

    def broken(folder: Path) -> None:
        raise OSError(5, "Input/output error")

    incoming = post.incoming(post.mail(body="large" * 40_000))
    monkeypatch.setattr(bodies, "_flush_folder", broken)
    with pytest.raises(OSError, match="Input"):
        accept(post.app, [incoming])

    def told(folder: Path) -> None:
        flushed.append(folder)
        real(folder)

    monkeypatch.setattr(bodies, "_flush_folder", told)
    accept(post.app, [incoming])
    assert post.app.store.bodies.path(1, incoming.raw.digest).parent in flushed


def test_the_acceptor_outlives_spool_files_that_do_not_go_away(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    from maild.core.raw import Raw

    stuck = post.incoming(post.mail(body="large" * 40_000))
    assert stuck.raw.spooled is not None
    stuck.raw.spooled.unlink()
    stuck.raw.spooled.mkdir()
    bad, good = accept_all(post.app, [stuck, post.incoming(post.mail())])
    assert bad[0].reason.is_temporary
    assert good[0].reason is Reason.ACCEPTED
    assert isinstance(stuck.raw, Raw)
    stuck.raw.spooled.rmdir()


# --- being decided ------------------------------------------------------------------------------------------------------


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
            time.sleep(0.01)
        pool.close()
        assert [type(outcome) for outcome in reading.result(5)] == [ReaderClosedError] * 2


def test_D11_a_mail_that_nobody_can_own_waits_and_stops_nobody(post: Post, clock: Frozen) -> None:
    """The first mail's account has no active member; the second one's is in order."""
    now = post.app.clock()
    run(
        post.app,
        insert(schema.accounts).values(id=2, slug="b", name="B", settings={}, created_at=now),
    )
    run(
        post.app,
        insert(schema.inboxes).values(
            id=9, account_id=2, norm="info@b.example", kind="shared", mode="distributed",
            sender_policy="record", unknown_policy="hold", created_at=now,
        ),
    )  # fmt: skip
    run(post.app, insert(schema.names).values(norm="info@b.example", kind="inbox", ref=9))
    post.send(post.mail(), "info@b.example")
    post.send(post.mail())
    for _ in range(30):
        decide_due(post.app, READER)
        clock.advance(timedelta(minutes=6))
    assert post.outcome()[1] == "FILED_CONTACT"
    run(
        post.app,
        insert(schema.memberships).values(
            ulid="M9", account_id=2, user_id=LEA, role="admin", state="active", created_at=now
        ),
    )
    post.decide()
    with post.app.store.read() as tx:
        assert tx.deliveries.waiting(clock()) == 0
        reasons = tx.connection.execute(schema.deliveries.select()).all()
    assert {row.reason for row in reasons} == {"FILED_CONTACT", "CLIENT_NOT_FOUND"}


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


# --- who sent it --------------------------------------------------------------------------------------------------------


def another_accounts_user(app: App, state: str | None = None) -> None:
    """Zoe Geheim of account 2; with `state` she has a membership of that state in acme as well."""
    now = app.clock()
    run(app, insert(schema.accounts).values(id=2, slug="b", name="B", settings={}, created_at=now))
    run(
        app,
        insert(schema.users).values(
            id=9, ulid="U9", display_name="Zoe Geheim", kind="person", created_at=now
        ),
    )
    for number, norm, kind in ((9, "zoe@b.example", "primary"), (10, "zo+x@b.example", "alias")):
        run(
            app,
            insert(schema.addresses).values(
                id=number, user_id=9, norm=norm, base=norm.replace("+x", ""), shown=norm,
                kind=kind, verified_at=now, valid_from=now,
            ),
        )  # fmt: skip
        run(app, insert(schema.names).values(norm=norm, kind="user", ref=number))
    for account, standing in ((2, "active"), (1, state)):
        if standing is not None:
            run(
                app,
                insert(schema.memberships).values(
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
        update(schema.inboxes).where(schema.inboxes.c.id == CRM).values(unknown_policy="refuse"),
    )
    post.send(post.mail(to="crm@acme.example"), "crm@acme.example")
    post.decide()
    assert post.outcome()[:2] == ("held", "SENDER_UNKNOWN")


# --- mailbox ------------------------------------------------------------------------------------------------------------


def a_mail(post: Post) -> str:
    post.send(post.mail())
    post.decide()
    return str(post.lies()[-1]["ulid"])


def test_M1_however_many_take_it_at_once_it_has_one_owner_and_the_others_are_told(
    post: Post,
) -> None:
    mail = a_mail(post)
    gate = threading.Barrier(3)

    def one(user: int) -> str:
        gate.wait()
        try:
            take(post.app, mail, by=Actor(user), seen_version=1)
        except RefusedError as error:
            return error.reason.code
        return "taken"

    with ThreadPoolExecutor(3) as threads:
        said = sorted(threads.map(one, [EVA, JAN, EVA]))
    assert said in (
        ["OWNER_CHANGED", "OWNER_CHANGED", "taken"],
        ["OWNER_CHANGED", "taken", "taken"],
    )
    assert (post.table("entries"), post.table("transfers")) == (1, 1)


def test_M4_bulk_acts_in_opposite_orders_at_once_do_not_fail(post: Post) -> None:
    mails = [a_mail(post) for _ in range(12)]
    gate = threading.Barrier(2)

    def one(order: list[str], to: int) -> str:
        gate.wait()
        try:
            give(post.app, order, to=to, by=OPERATOR)
        except RefusedError as error:
            return error.reason.code
        return "given"

    with ThreadPoolExecutor(2) as threads:
        said = list(threads.map(one, [mails, mails[::-1]], [EVA, JAN]))
    assert "given" in said
    assert set(said) <= {"given", "OWNER_CHANGED"}


def test_M4_a_mail_that_was_given_away_while_it_was_dismissed_comes_back_to_its_new_owner(
    post: Post,
) -> None:
    mail = a_mail(post)
    given: list[int] = []

    class Meanwhile(InProcess):
        @override
        def read_many(self, items: Iterable[bytes | Path]) -> Iterator[Any]:
            if not given:
                given.append(1)
                give(post.app, [mail], to=JAN, by=OPERATOR)
            return super().read_many(items)

    change = rulings.dismiss(post.app, Meanwhile(), [mail], by=Actor(LEA))
    undo(post.app, READER, by=OPERATOR, change_id=change.id)
    assert post.outcome()[2] == "jan@acme.example"


def test_M4_undoing_a_dismissal_brings_the_status_back_too(post: Post) -> None:
    mail = a_mail(post)
    set_status(post.app, [mail], "Waiting", by=OPERATOR)
    change = rulings.dismiss(post.app, READER, [mail], by=Actor(LEA))
    undo(post.app, READER, by=Actor(LEA), change_id=change.id)
    assert post.lies()[0]["status"] == "Waiting"


@pytest.mark.parametrize("moved", [False, True])
def test_M1_a_released_mail_whose_owner_has_left_comes_to_the_owner_chain(
    post: Post, *, moved: bool
) -> None:
    mail = a_mail(post)
    give(post.app, [mail], to=JAN if moved else LEA, by=OPERATOR)
    if not moved:
        run(post.app, update(schema.entries).values(owner_id=JAN))
    change = rulings.dismiss(post.app, READER, [mail], by=OPERATOR)
    run(
        post.app,
        schema.memberships.delete().where(schema.memberships.c.user_id == JAN),
    )
    undo(post.app, READER, by=OPERATOR, change_id=change.id)
    assert post.outcome()[2:] == ("lea@acme.example", True)


def test_M1_undo_gives_nothing_back_to_somebody_who_has_left(post: Post) -> None:
    mail = a_mail(post)
    give(post.app, [mail], to=JAN, by=OPERATOR)
    change = give(post.app, [mail], to=EVA, by=OPERATOR)
    run(
        post.app,
        schema.memberships.delete().where(schema.memberships.c.user_id == JAN),
    )
    assert undo(post.app, READER, by=OPERATOR, change_id=change.id).unchanged == (mail,)
    assert post.outcome()[2] == "eva@acme.example"


# --- whatever comes -----------------------------------------------------------------------------------------------------

_PEER = st.text(st.characters(codec=None), max_size=20)
_LINES = st.sampled_from(
    [
        b"From: eva@acme.example", b"From: \0@x", b"From: =?utf-8?q?=00=ED=A0=80?= <a@b.example>",
        b"Subject: =?utf-8?b?AAD/?=", b"Subject: \xed\xa0\x80\0\xff", b"Message-ID: <\0@x>",
        b"Message-ID: <a@b>", b"In-Reply-To: <\0\xff@x>", b"References: " + b"<a@b> " * 300,
        b"Date: Fri, 31 Dec 9999 23:59:59 -1200", b"Date: Mon, 1 Jan 0001 00:00:00 +1400",
        b"To: " + b"a@" + b"x" * 300 + b".example, \"\0\"@b.example, info@acme.example",
        b"Cc: <\xed\xa0\x80@b.example>", b"Delivered-To: \0", b"List-Id: \0<x.y>",
        b"Content-Type: text/plain; charset=utf-16", b"Content-Type: multipart/mixed; boundary=\0",
        b"Authentication-Results: mx.acme.example; dmarc=pass header.from=\0\xff",
        b"\0: \0", b"Auto-Submitted: \0yes",
    ]
)  # fmt: skip


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    heads=st.lists(st.lists(_LINES, max_size=6), min_size=1, max_size=8),
    body=st.binary(max_size=60),
    peer=_PEER,
)
def test_no_mail_and_no_envelope_is_a_fault_of_ours(
    app: App, heads: list[list[bytes]], body: bytes, peer: str
) -> None:
    from dataclasses import replace

    if (post := Post(app)).table("accounts") == 0:
        a_company(app)
    batch = []
    for lines in heads:
        one = post.incoming(
            b"\r\n".join(lines)
            + b"\r\n\r\n"
            + body
            + b"\r\n\r\n---------- Forwarded message ---------\r\n"
            b"From: \0\xff <\0@x.example>\r\nSubject: \xed\xa0\x80\r\nDate: x\r\nTo: a\r\n\r\nx",
            "info@acme.example",
            "crm@acme.example",
            mail_from=peer,
            trust=Trust(authserv_ids=("mx.acme.example",)),
        )
        batch.append(replace(one, envelope=replace(one.envelope, helo=peer, peer=peer)))
    assert {answer.reason for answers in accept(app, batch) for answer in answers} == {
        Reason.ACCEPTED
    }
    post.decide()
    assert "INTERNAL_ERROR" not in {row["reason"] for row in post.lies()}
    assert "received" not in {row["state"] for row in post.lies()}
