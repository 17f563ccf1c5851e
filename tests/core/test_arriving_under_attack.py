"""What an enemy tried while mail came in: races, hostile text, faults midway.  Each once broke something (D1, D6, I3)."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from maild.core import decide, facts
from maild.core.accept import accept
from maild.core.acceptor import accept_all
from maild.core.app import App
from maild.core.raw import raw_of
from maild.model.envelope import Door, Trust
from maild.model.reason import Reason
from maild.store import bodies, schema
from tests.core.company import SIGNED_IN, Post, a_company
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
