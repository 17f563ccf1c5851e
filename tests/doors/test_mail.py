"""From 354 to the reply after the dot: every byte form, every size, every fault (D2)."""

from __future__ import annotations

import errno
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings, strategies as st
from typing_extensions import override

from maild.core.dots import DotStream
from maild.core.raw import Raw, Spool
from maild.model.envelope import Door, Envelope, Trust
from maild.model.reason import Answer, Reason
from maild.model.written import UnixSocket
from tests.conftest import absent

if TYPE_CHECKING:
    from tests.doors.conftest import OpenDoor, OpenIt

ALL = b"EHLO me\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<info@acme.example>\r\nDATA\r\n"


@pytest.fixture
def door(open_door: OpenIt) -> OpenDoor:
    return open_door()


@pytest.fixture
def lmtp(open_door: OpenIt) -> OpenDoor:
    return open_door(Door.LMTP)


def test_a_mail_is_kept_as_it_was_with_its_envelope(open_door: OpenIt) -> None:
    door = open_door(trust=Trust(authserv_ids=("mx.acme.example",)))
    client = door.client().to_data("info@acme.example", "CRM@acme.example")
    assert (
        client.send(b"Subject: x\r\n\r\n..dot\r\n...\r\n.\r\n").reply() == "250 2.0.0 stored as T1"
    )
    kept = door.intake.kept[0]
    assert kept.content == b"Subject: x\r\n\r\n.dot\r\n..\r\n"
    assert kept.envelope == Envelope(
        door=Door.SMTP,
        mail_from="a@b.example",
        recipients=("info@acme.example", "CRM@acme.example"),
        peer="127.0.0.1",
        received_at=kept.envelope.received_at,
        helo="client.example",
        tls=False,
        trust=Trust(authserv_ids=("mx.acme.example",)),
    )


def test_the_null_sender_is_the_empty_string(door: OpenDoor) -> None:
    client = door.client()
    client.ask("EHLO me")
    assert client.ask("MAIL FROM:<>").startswith("250")
    client.ask("RCPT TO:<info@acme.example>")
    client.ask("DATA")
    client.send(b"x\r\n.\r\n").reply()
    assert door.intake.kept[0].envelope.mail_from == ""


def test_two_transactions_in_one_packet_are_two_mails(door: OpenDoor) -> None:
    second = ALL.removeprefix(b"EHLO me\r\n") + b"two\r\n.\r\nQUIT\r\n"
    client = door.client().send(ALL + b"one\r\n.\r\n" + second)
    codes = [reply[:3] for reply in client.replies(10)]
    assert codes == ["250", "250", "250", "354", "250", "250", "250", "354", "250", "221"]
    assert [kept.content for kept in door.intake.kept] == [b"one\r\n", b"two\r\n"]


def test_one_byte_at_a_time_is_the_same_mail(door: OpenDoor) -> None:
    client = door.client().to_data()
    for byte in b"a\r\n..b\r\n.\r\n":
        client.send(bytes([byte]))
        time.sleep(0.002)
    assert client.reply().startswith("250")
    assert door.intake.kept[0].content == b"a\r\n.b\r\n"


def test_odd_bytes_in_the_last_chunk_of_a_large_mail_are_found(door: OpenDoor) -> None:
    client = door.client().to_data()
    client.send(b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 20_000 + b"bare\nhere\r\n.\r\n")
    assert client.reply().startswith("550 5.6.0")
    assert door.intake.entered == 0


@pytest.mark.parametrize("kind", [Door.SMTP, Door.LMTP])
def test_an_empty_mail_is_refused(open_door: OpenIt, kind: Door) -> None:
    hello = "LHLO me" if kind is Door.LMTP else "EHLO me"
    client = open_door(kind).client().to_data(hello=hello)
    assert client.send(b".\r\n").reply().startswith("554 5.6.0")
    assert client.ask("NOOP").startswith("250")


def test_a_line_may_have_any_length(door: OpenDoor) -> None:
    client = door.client().to_data()
    client.send(b"x" * 3_000_000 + b"\r\n.\r\n")
    assert client.reply().startswith("250")
    assert door.intake.kept[0].size == 3_000_002


def test_a_mail_of_just_the_limit_is_taken_and_one_more_octet_is_not(open_door: OpenIt) -> None:
    door = open_door(max_size=100_000)
    client = door.client().to_data()
    assert client.send(b"x" * 99_998 + b"\r\n.\r\n").reply().startswith("250")
    client.to_data().send(b"x" * 99_999 + b"\r\n.\r\n")
    assert client.reply() == "552 5.3.4 the mail has 100001 octets; the limit is 100000"
    assert client.ask("NOOP").startswith("250")
    assert len(door.intake.kept) == 1


def test_who_goes_on_far_beyond_the_limit_is_cut_off(open_door: OpenIt) -> None:
    client = open_door(max_size=100_000).client().to_data()
    client.send(b"x" * 200_001 + b"\r\n")
    assert client.reply().startswith("421 4.7.0")
    assert client.is_closed()


def test_the_limit_of_an_inbox_counts_for_all_of_an_smtp_mail(door: OpenDoor) -> None:
    door.intake.inboxes["small@acme.example"] = 1000
    client = door.client().to_data("small@acme.example").send(b"x" * 2000 + b"\r\n.\r\n")
    assert client.reply() == "552 5.3.4 the mail has 2002 octets; the limit is 1000"
    assert door.intake.entered == 0


def test_lmtp_answers_for_each_recipient_in_order(lmtp: OpenDoor) -> None:
    lmtp.intake.inboxes["small@acme.example"] = 1000
    lmtp.intake.inboxes["busy@acme.example"] = None

    def answer(envelope: Envelope, raw: Raw, path: str) -> Answer:
        if path.startswith("busy"):
            return Answer(Reason.BUSY)
        if path.startswith("small"):
            return Answer(Reason.TOO_LARGE, {"size": raw.size, "limit": 1000})
        return Answer(Reason.ACCEPTED, {"ref": "R1"})

    lmtp.intake.answer = answer
    client = lmtp.client()
    client.to_data("small@acme.example", "info@acme.example", "busy@acme.example", hello="LHLO me")
    client.send(b"x" * 2000 + b"\r\n.\r\n")
    assert client.replies(3) == [
        "552 5.3.4 the mail has 2002 octets; the limit is 1000",
        "250 2.0.0 stored as R1",
        "451 4.3.2 too busy; try again later",
    ]
    assert client.ask("NOOP").startswith("250")


@pytest.mark.parametrize(
    ("mail", "code"), [(b".\r\n", "554 5.6.0"), (b"x" * 5000 + b"\r\n.\r\n", "552 5.3.4")]
)
def test_lmtp_refuses_for_each_recipient(open_door: OpenIt, mail: bytes, code: str) -> None:
    client = open_door(Door.LMTP, max_size=4000).client()
    client.to_data("info@acme.example", "crm@acme.example", hello="LHLO me").send(mail)
    assert [reply[:9] for reply in client.replies(2)] == [code, code]
    assert client.ask("NOOP").startswith("250")


@pytest.mark.parametrize(
    ("answers", "reply"),
    [
        ([Reason.ACCEPTED, Reason.BUSY], "451 4.3.2"),
        ([Reason.NO_SUCH_RECIPIENT, Reason.STORE_DOWN], "451 4.3.0"),
        ([Reason.ACCEPTED, Reason.NO_SUCH_RECIPIENT], "550 5.1.1"),
        ([Reason.ACCEPTED, Reason.ACCEPTED], "250 2.0.0"),
    ],
)
def test_one_smtp_reply_stands_for_all(door: OpenDoor, answers: list[Reason], reply: str) -> None:
    given = iter(answers)
    door.intake.answer = lambda envelope, raw, path: Answer(next(given))
    client = door.client().to_data("info@acme.example", "crm@acme.example")
    assert client.send(b"x\r\n.\r\n").reply().startswith(reply)


@pytest.mark.parametrize("kind", [Door.SMTP, Door.LMTP])
def test_an_inside_that_fails_is_temporary(
    open_door: OpenIt, kind: Door, caplog: pytest.LogCaptureFixture
) -> None:
    door = open_door(kind)

    def fail(envelope: Envelope, raw: Raw, path: str) -> Answer:
        raise RuntimeError("secret")

    door.intake.answer = fail
    client = door.client()
    client.to_data(
        "info@acme.example", "crm@acme.example", hello="LHLO x" if kind is Door.LMTP else "EHLO x"
    )
    client.send(b"x\r\n.\r\n")
    for reply in client.replies(2 if kind is Door.LMTP else 1):
        assert reply.startswith("451 4.3.0")
        assert "secret" not in reply
    assert client.ask("NOOP").startswith("250")


class BadDisk(Spool):
    """A disk that stops taking bytes."""

    def __init__(self, folder: Path, error: int, when: str) -> None:
        super().__init__(folder, 1000)
        self._error, self._when = error, when

    @override
    def write(self, piece: bytes, *, is_crlf: bool = False) -> None:
        if self._when == "write" and self.size > 100_000:
            raise OSError(self._error, "disk")
        super().write(piece, is_crlf=is_crlf)

    @override
    def finish(self) -> Raw:
        if self._when == "finish":
            self.abandon()
            raise OSError(self._error, "disk")
        return super().finish()


@pytest.mark.parametrize("when", ["open", "write", "finish"])
@pytest.mark.parametrize(
    ("error", "reply"),
    [(errno.ENOSPC, "452 4.3.1"), (errno.EDQUOT, "452 4.3.1"), (errno.EIO, "451 4.3.0")],
)
def test_a_disk_that_fails_is_temporary_and_the_session_goes_on(
    door: OpenDoor, when: str, error: int, reply: str
) -> None:
    def make() -> Spool:
        if when == "open":
            raise OSError(error, "disk")
        return BadDisk(door.intake.folder, error, when)

    door.intake.make_spool = make
    client = door.client().to_data().send((b"x" * 70 + b"\r\n") * 10_000 + b".\r\n")
    assert client.reply().startswith(reply)
    door.intake.make_spool = None
    assert client.to_data().send(b"x\r\n.\r\n").reply().startswith("250")


# -- pure, and clients -----------------------------------------------------------------------------------------------


@settings(max_examples=500, deadline=None)
@given(
    pieces=st.lists(
        st.sampled_from([b"\r", b"\n", b".", b"\r\n", b"x", b"..", b"\0"]), max_size=30
    ),
    cuts=st.lists(st.integers(1, 5), max_size=60),
)
def test_the_dot_is_found_alike_however_the_mail_is_cut(
    pieces: list[bytes], cuts: list[int]
) -> None:
    body = b"".join(pieces)
    stuffed = (b"\r\n" + body).replace(b"\r\n.", b"\r\n..")[2:]
    sent = stuffed + (b"" if stuffed.endswith(b"\r\n") or not stuffed else b"\r\n") + b".\r\nNEXT"
    want = sent[: -len(b".\r\nNEXT")]
    dots, got, at = DotStream(), b"", 0
    for cut in [*cuts, len(sent)]:
        got += dots.feed(sent[at : at + cut])
        at += cut
        if dots.rest is not None:
            break
    rest = (dots.rest or b"") + sent[at:]
    assert rest == b"NEXT"
    assert got == (b"\r\n" + want).replace(b"\r\n.", b"\r\n")[2:]
    assert dots.size == len(got)
    bare = got.replace(b"\r\n", b"")
    assert dots.has_odd_bytes == any(odd in bare for odd in (b"\r", b"\n", b"\0"))


@pytest.mark.parametrize("kind", [Door.SMTP, Door.LMTP])
def test_swaks_delivers(open_door: OpenIt, kind: Door, tmp_path: Path) -> None:
    if shutil.which("swaks") is None:
        absent("swaks")
    bind = UnixSocket(tmp_path / "lmtp.sock") if kind is Door.LMTP else None
    door = open_door(kind, **({"bind": bind} if bind else {}))
    server = ["--socket", str(tmp_path / "lmtp.sock"), "--protocol", "LMTP"]
    if bind is None:
        server = ["--server", "127.0.0.1", "--port", str(door.listener.port), "--pipeline"]
    done = subprocess.run(
        ["swaks", *server, "--from", "a@b.example", "--to", "info@acme.example,crm@acme.example"],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    kept = door.intake.kept[0]
    assert kept.envelope.recipients == ("info@acme.example", "crm@acme.example")
    assert kept.envelope.peer == ("unix" if bind else "127.0.0.1")


def _memory(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))


def test_a_25_megabyte_mail_needs_no_memory(door: OpenDoor) -> None:
    door.intake.keep_content = False
    client = door.client().to_data()
    block = (b"y" * 70 + b"\r\n") * 1000
    Path("/proc/self/clear_refs").write_text("5")  # The peak begins anew.
    before = _memory("VmRSS")
    for _ in range(25_000_000 // len(block)):
        client.send(block)
    assert client.send(b".\r\n").reply().startswith("250")
    assert _memory("VmHWM") - before < 4 * 1024
