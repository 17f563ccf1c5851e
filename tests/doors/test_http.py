"""The HTTP door: a key opens one inbox, a problem document says why not, and 202 comes after the commit (D1, D2, D6)."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from maild.core.raw import Raw, Spool
from maild.doors.http.door import HttpDoor
from maild.doors.http.facts import HttpFacts
from maild.doors.smtp.sockets import listening
from maild.model.clock import system_clock
from maild.model.envelope import Door, Envelope
from maild.model.reason import Answer, Reason
from maild.model.written import HostPort, UnixSocket
from maild.testing.intake import FakeIntake

MAIL = b"From: anna@rossi.example\r\nTo: info@acme.example\r\nSubject: Offer\r\n\r\nHello\r\n"
KEY = "maild-in-the-key"
INFO = "/in/info@acme.example"


@dataclass
class Inside(FakeIntake):
    """A fake inside whose every inbox is opened by KEY."""

    down: bool = False
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def opens(self, address: str, key: str) -> tuple[Answer, int | None]:
        self.asked.append((address, key))
        if self.down:
            return Answer(Reason.STORE_DOWN), None
        if key != KEY or address.lower() not in self.inboxes:
            return Answer(Reason.NO_SUCH_INBOX), None
        return Answer(Reason.RECIPIENT_OK), self.inboxes[address.lower()]


@dataclass(frozen=True)
class Heard:
    """One response."""

    status: int
    header: dict[str, str]
    body: Any

    @property
    def code(self) -> str:
        return str(self.body["code"])


class Peer:
    """A client that sends what the test says."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.sock.settimeout(20)
        self.stream = sock.makefile("rb")

    def send(self, data: bytes) -> Peer:
        self.sock.sendall(data)
        return self

    def hear(self) -> Heard:
        status = int(self.stream.readline().split()[1])
        header: dict[str, str] = {}
        while line := self.stream.readline().strip().decode():
            name, _, value = line.partition(":")
            header[name.lower()] = value.strip()
        body = self.stream.read(int(header.get("content-length", "0")))
        return Heard(status, header, json.loads(body) if body else None)

    def is_closed(self) -> bool:
        try:
            return self.stream.read(1) == b""
        except ConnectionError:
            return True

    def close(self) -> None:
        self.stream.close()
        self.sock.close()


def head_of(
    path: str = INFO,
    *,
    method: str = "POST",
    key: str | None = KEY,
    kind: str | None = "message/rfc822",
    length: int | None = len(MAIL),
    more: str = "",
) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: mail.acme.example"]
    lines += [] if key is None else [f"Authorization: Bearer {key}"]
    lines += [] if kind is None else [f"Content-Type: {kind}"]
    lines += [] if length is None else [f"Content-Length: {length}"]
    return "\r\n".join([*lines, *([more] if more else [])]).encode() + b"\r\n\r\n"


class OpenHttp:
    """The door and its inside, on a loop in a thread."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        inside: Inside,
        bind: HostPort | UnixSocket,
        facts: HttpFacts,
    ) -> None:
        self.loop = loop
        self.inside = inside
        self.bind = bind
        self.door = HttpDoor(facts, system_clock)
        self.peers: list[Peer] = []
        sockets = listening(bind)
        self.name = sockets[0].getsockname()
        self.run(self.door.start(inside, sockets))

    def run(self, doing: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(doing, self.loop).result(60)

    def peer(self) -> Peer:
        family = socket.AF_UNIX if isinstance(self.bind, UnixSocket) else socket.AF_INET
        sock = socket.socket(family)
        sock.connect(self.name)
        self.peers.append(Peer(sock))
        return self.peers[-1]

    def ask(self, head: bytes, body: bytes = MAIL) -> Heard:
        return self.peer().send(head + body).hear()

    def post(self, body: bytes = MAIL, path: str = INFO, **more: Any) -> Heard:
        return self.ask(head_of(path, length=len(body), **more), body)

    def hold(self) -> None:
        async def make() -> None:
            self.inside.gate = asyncio.Event()

        self.run(make())

    def let_go(self) -> None:
        assert self.inside.gate is not None
        self.loop.call_soon_threadsafe(self.inside.gate.set)

    def wait_until_entered(self, count: int = 1) -> None:
        async def entered() -> None:
            async with asyncio.timeout(20):
                while self.inside.entered < count:
                    await asyncio.sleep(0.005)

        self.run(entered())

    def stop(self, grace: float = 20) -> None:
        self.run(self.door.stop(grace))


@pytest.fixture
def inside(tmp_path: Path) -> Inside:
    folder = tmp_path / "spool"
    folder.mkdir()
    return Inside(folder)


@pytest.fixture
def faults(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """A test that uses this one expects faults of ours in the log."""
    return caplog


class Opening:
    """Opens doors; afterwards nothing may be left over."""

    def __init__(self, loop: asyncio.AbstractEventLoop, inside: Inside) -> None:
        self.loop = loop
        self.inside = inside
        self.doors: list[OpenHttp] = []
        self.errors: list[dict[str, Any]] = []
        loop.set_exception_handler(lambda _, context: self.errors.append(context))

    def __call__(self, bind: HostPort | UnixSocket | None = None, **facts: Any) -> OpenHttp:
        place = bind or HostPort("127.0.0.1", 0)
        self.doors.append(OpenHttp(self.loop, self.inside, place, HttpFacts(**facts)))
        return self.doors[-1]


@pytest.fixture
def open_http(loop: asyncio.AbstractEventLoop, inside: Inside) -> Iterator[Opening]:
    opening = Opening(loop, inside)
    yield opening
    for door in opening.doors:
        for peer in door.peers:
            peer.close()
        door.stop()
    assert not opening.errors
    assert not list(inside.folder.iterdir()), "a spool file was left"


# --- what it takes ----------------------------------------------------------------------------------------------------


def test_D1_a_mail_with_the_inboxs_key_is_stored_and_answered_with_its_id(
    open_http: Opening, inside: Inside
) -> None:
    heard = open_http().post()
    assert (heard.status, heard.body) == (202, {"id": "T1"})
    assert heard.header["content-type"] == "application/json"
    [kept] = inside.kept
    assert kept.content == MAIL
    assert (kept.envelope.door, kept.envelope.peer) == (Door.HTTP, "127.0.0.1")
    assert kept.envelope.recipients == ("info@acme.example",)
    assert (kept.envelope.mail_from, kept.envelope.trust.authenticated_for) == ("", ())


def test_D1_the_answer_comes_after_the_commit(open_http: Opening) -> None:
    door = open_http()
    door.hold()
    peer = door.peer().send(head_of() + MAIL)
    door.wait_until_entered()
    peer.sock.settimeout(0.2)
    with pytest.raises(TimeoutError):
        peer.sock.recv(1)
    door.let_go()
    peer.sock.settimeout(20)
    assert peer.sock.recv(12) == b"HTTP/1.1 202"


def test_D2_lf_becomes_crlf_an_mbox_separator_is_dropped_and_odd_bytes_are_kept(
    open_http: Opening, inside: Inside
) -> None:
    open_http().post(b"From anna Mon Nov 20\nSubject: x\n\na\r b\x00 \xff\n")
    assert inside.kept[0].content == b"Subject: x\r\n\r\na\r b\x00 \xff\r\n"


def test_D2_a_mail_in_chunks_of_any_size_is_the_same_mail(
    open_http: Opening, inside: Inside
) -> None:
    door = open_http()
    body = MAIL.replace(b"\r\n", b"\n")
    chunks = b"".join(b"1\r\n" + body[at : at + 1] + b"\r\n" for at in range(len(body)))
    heard = door.ask(head_of(length=None, more="Transfer-Encoding: chunked"), chunks + b"0\r\n\r\n")
    assert heard.status == 202
    assert inside.kept[0].content == MAIL


def test_D1_a_large_mail_goes_through_a_file(open_http: Opening, inside: Inside) -> None:
    large = MAIL + b"x" * 70 + b"\r\n" + b"y" * 300_000
    assert open_http().post(large).status == 202
    assert inside.kept[0].content == large


@pytest.mark.parametrize(
    ("query", "sender"),
    [
        ("", ""),
        ("?sender=", ""),
        ("?sender=%3C%3E", ""),
        ("?sender=anna@rossi.example", "anna@rossi.example"),
        ("?sender=%3Canna%2Bx@rossi.example%3E", "anna+x@rossi.example"),
    ],
)
def test_D1_the_sender_of_the_envelope_is_what_the_query_says(
    open_http: Opening, inside: Inside, query: str, sender: str
) -> None:
    assert open_http().post(path=INFO + query).status == 202
    assert inside.kept[0].envelope.mail_from == sender


def test_D1_several_mails_come_through_one_connection(open_http: Opening, inside: Inside) -> None:
    peer = open_http().peer()
    for _ in range(3):
        assert peer.send(head_of() + MAIL).hear().status == 202
    assert len(inside.kept) == 3


def test_D1_a_unix_socket_is_a_door_too(open_http: Opening, inside: Inside, tmp_path: Path) -> None:
    heard = open_http(UnixSocket(tmp_path / "web.sock")).post()
    assert heard.status == 202
    assert inside.kept[0].envelope.peer == "unix"


# --- what it refuses --------------------------------------------------------------------------------------------------


def test_D2_wrong_key_no_key_another_scheme_and_unknown_inbox_are_one_answer(
    open_http: Opening, inside: Inside
) -> None:
    door = open_http()
    heard = [
        door.post(key="maild-in-wrong"),
        door.post(key=None),
        door.post(key=None, more=f"Authorization: Basic {KEY}"),
        door.post(path="/in/nobody@acme.example"),
        door.post(path="/in/no-address"),
        door.post(path="/in/nobody@acme.example", kind="text/html"),
        door.post(key=None, kind=None),
    ]
    assert {(one.status, json.dumps(one.body)) for one in heard} == {
        (404, json.dumps(heard[0].body))
    }
    assert heard[0].code == "NO_SUCH_INBOX"
    assert {tuple(sorted(one.header)) for one in heard} == {tuple(sorted(heard[0].header))}
    assert not inside.kept


def test_a_problem_is_a_document_that_programs_can_match(open_http: Opening) -> None:
    heard = open_http().post(key=None)
    assert heard.header["content-type"] == "application/problem+json"
    assert heard.body == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "There is no inbox of that name that this key opens.",
        "code": "NO_SUCH_INBOX",
    }


def test_D2_a_declared_size_above_the_limit_is_refused_at_once(
    open_http: Opening, inside: Inside
) -> None:
    door = open_http(max_size=1000)
    peer = door.peer().send(head_of(length=1001, more="Expect: 100-continue"))
    heard = peer.hear()
    assert (heard.status, heard.code) == (413, "TOO_LARGE")
    assert peer.is_closed()
    assert not inside.entered


def test_D2_a_size_that_was_not_declared_is_refused_while_it_comes(
    open_http: Opening, inside: Inside
) -> None:
    door = open_http(max_size=1000, refused_timeout=0.1)
    chunk = b"%x\r\n" % 500 + b"x" * 500 + b"\r\n"
    peer = door.peer().send(head_of(length=None, more="Transfer-Encoding: chunked") + chunk * 3)
    heard = peer.hear()
    assert (heard.status, heard.code) == (413, "TOO_LARGE")
    assert not inside.entered


def test_D2_an_inboxs_own_limit_counts_where_it_is_lower(
    open_http: Opening, inside: Inside
) -> None:
    inside.inboxes["info@acme.example"] = 50
    assert open_http().post().code == "TOO_LARGE"


def test_D2_who_sends_far_too_much_hears_so_when_the_mail_was_sent(open_http: Opening) -> None:
    """Many clients listen only when they have said everything."""
    heard = open_http(max_size=6_000_000).post(b"x" * 11_000_000)
    assert (heard.status, heard.code) == (413, "TOO_LARGE")


def test_D2_an_empty_mail_is_refused(open_http: Opening, inside: Inside) -> None:
    heard = open_http().post(b"")
    assert (heard.status, heard.code) == (422, "EMPTY_MAIL")
    assert open_http().post(b"From anna Mon Nov 20\n").code == "EMPTY_MAIL"
    assert not inside.entered


@pytest.mark.parametrize("sender", ["anna", "a@b@c", "a%20b@rossi.example", "%00@x.example"])
def test_D2_a_sender_that_is_no_address_is_refused(open_http: Opening, sender: str) -> None:
    heard = open_http().post(path=f"{INFO}?sender={sender}")
    assert (heard.status, heard.code) == (422, "BAD_SENDER")


def test_a_query_that_is_not_known_is_refused_rather_than_passed_over(open_http: Opening) -> None:
    heard = open_http().post(path=f"{INFO}?from=anna@rossi.example")
    assert (heard.status, heard.code) == (400, "BAD_REQUEST")
    assert "from" in heard.body["detail"]
    twice = open_http().post(path=f"{INFO}?sender=a@x.example&sender=b@x.example")
    assert twice.code == "BAD_REQUEST"


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("text/plain", ""),
        ("application/octet-stream", ""),
        ("application/x-www-form-urlencoded", ""),
        (None, ""),
        ("message/rfc822", "Content-Encoding: gzip"),
    ],
)
def test_another_format_than_a_mail_is_refused_with_the_one_that_is_taken(
    open_http: Opening, inside: Inside, kind: str | None, more: str
) -> None:
    heard = open_http().post(kind=kind, more=more)
    assert (heard.status, heard.code) == (415, "NO_MAIL_FORMAT")
    assert "message/rfc822" in heard.body["detail"]
    assert not inside.entered


def test_a_format_may_have_parameters(open_http: Opening) -> None:
    assert open_http().post(kind="Message/RFC822; charset=utf-8").status == 202


def test_another_method_is_refused_with_the_one_that_is_taken(open_http: Opening) -> None:
    heard = open_http().post(method="PUT")
    assert (heard.status, heard.code, heard.header["allow"]) == (405, "METHOD_NOT_ALLOWED", "POST")


@pytest.mark.parametrize("path", ["/", "/in", "/metrics", "/in/../etc/passwd", "//in/x"])
def test_nothing_else_is_served(open_http: Opening, inside: Inside, path: str) -> None:
    heard = open_http().ask(head_of(path, method="GET", length=None), b"")
    assert heard.status in {404, 405}
    assert heard.header["content-type"] == "application/problem+json"


def test_what_is_no_http_hears_so_and_is_gone(open_http: Opening) -> None:
    peer = open_http().peer().send(b"EHLO client.example\r\n\r\n")
    heard = peer.hear()
    assert (heard.status, heard.code) == (400, "BAD_REQUEST")
    assert peer.is_closed()


def test_a_header_beyond_the_limit_is_not_read_to_its_end(
    open_http: Opening, inside: Inside
) -> None:
    endless = head_of(more="X: " + "x" * 40_000).removesuffix(b"\r\n\r\n")
    assert open_http().ask(endless, b"").status == 400
    assert not inside.asked


def test_the_server_does_not_say_what_it_is(open_http: Opening) -> None:
    assert "server" not in open_http().post().header


# --- our own faults are temporary -------------------------------------------------------------------------------------


def temporary(heard: Heard, code: str) -> None:
    assert (heard.status, heard.code) == (503, code)
    assert int(heard.header["retry-after"]) > 0


def test_D2_a_store_that_does_not_answer_is_503(open_http: Opening, inside: Inside) -> None:
    inside.down = True
    temporary(open_http().post(), "STORE_DOWN")


def test_D2_a_disk_below_its_reserve_is_503_before_the_body_is_read(
    open_http: Opening, inside: Inside
) -> None:
    inside.full = Answer(Reason.DISK_FULL)
    peer = open_http().peer().send(head_of(more="Expect: 100-continue"))
    temporary(peer.hear(), "DISK_FULL")


@pytest.mark.parametrize("reason", [Reason.BUSY, Reason.STORE_DOWN, Reason.DISK_FULL])
def test_D2_a_commit_that_fails_is_503(open_http: Opening, inside: Inside, reason: Reason) -> None:
    inside.answer = lambda *_: Answer(reason)
    temporary(open_http().post(), reason.code)
    assert not inside.kept


def test_D2_an_unforeseen_fault_is_503_with_a_reference_and_never_in_its_own_words(
    open_http: Opening, inside: Inside, faults: pytest.LogCaptureFixture
) -> None:
    def fail(envelope: Envelope, raw: Raw, path: str) -> Answer:
        raise RuntimeError("postgresql://maild:secret@db/maild")

    inside.answer = fail
    heard = open_http().post()
    temporary(heard, "INTERNAL_ERROR")
    assert "secret" not in json.dumps(heard.body)
    ref = heard.body["detail"].partition("(")[2].partition(")")[0]
    assert ref
    assert f"ref={ref}" in faults.text


class FullSpool(Spool):
    """A spool on a disk without room."""

    @override
    def write(self, piece: bytes, *, is_crlf: bool = False) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_D2_a_disk_that_becomes_full_is_503(
    open_http: Opening, inside: Inside, faults: pytest.LogCaptureFixture
) -> None:
    inside.make_spool = lambda: FullSpool(inside.folder, 0)
    temporary(open_http().post(), "DISK_FULL")


class HangingSpool(Spool):
    """A spool in a file, on a disk that hangs until the test lets it go."""

    let_go = threading.Event()
    hangs = threading.Event()

    @override
    def write(self, piece: bytes, *, is_crlf: bool = False) -> None:
        if self.is_spooled:
            self.hangs.set()
            self.let_go.wait(60)
        super().write(piece, is_crlf=is_crlf)


def test_D1_a_disk_that_hangs_hangs_nobody_else(open_http: Opening, inside: Inside) -> None:
    HangingSpool.let_go.clear()
    HangingSpool.hangs.clear()
    inside.make_spool = lambda: HangingSpool(inside.folder, 1000)
    door = open_http()
    large = MAIL + b"x" * 200_000
    slow = door.peer().send(head_of(length=len(large)) + large[:100_000])
    # The rest comes by itself: the file is open by then.
    door.run(asyncio.sleep(0.05))
    slow.send(large[100_000:])
    assert HangingSpool.hangs.wait(20)
    assert door.post().status == 202
    HangingSpool.let_go.set()
    assert slow.hear().status == 202
    assert len(inside.kept) == 2


def test_D2_a_peer_that_is_too_slow_while_the_disk_hangs_leaves_nothing(
    open_http: Opening, inside: Inside
) -> None:
    HangingSpool.let_go.clear()
    HangingSpool.hangs.clear()
    inside.make_spool = lambda: HangingSpool(inside.folder, 1000)
    door = open_http(data_timeout=0.5)
    slow = door.peer().send(head_of(length=1_000_000) + b"x" * 100_000)
    door.run(asyncio.sleep(0.05))
    slow.send(b"x" * 100_000)
    assert HangingSpool.hangs.wait(20)
    door.run(asyncio.sleep(0.7))
    HangingSpool.let_go.set()
    assert slow.hear().code == "TOO_SLOW"


def test_D2_an_inbox_that_goes_away_meanwhile_is_the_same_answer_as_none(
    open_http: Opening, inside: Inside
) -> None:
    inside.answer = lambda *_: Answer(Reason.NO_SUCH_RECIPIENT, {"address": "info@acme.example"})
    heard = open_http().post()
    assert (heard.status, heard.code) == (404, "NO_SUCH_INBOX")
    assert "info@" not in json.dumps(heard.body)


# --- peers that come and go -------------------------------------------------------------------------------------------


def test_D1_who_leaves_before_the_end_has_sent_nothing(open_http: Opening, inside: Inside) -> None:
    door = open_http()
    door.peer().send(head_of(length=1000) + MAIL).close()
    chunked = head_of(length=None, more="Transfer-Encoding: chunked")
    door.peer().send(chunked + b"%x\r\n" % len(MAIL) + MAIL + b"\r\n").close()
    assert door.post().status == 202
    assert inside.entered == 1


def test_D1_who_leaves_after_the_last_byte_has_sent_a_mail(
    open_http: Opening, inside: Inside
) -> None:
    door = open_http()
    door.hold()
    door.peer().send(head_of() + MAIL).close()
    door.wait_until_entered()
    door.let_go()
    door.stop()
    assert [kept.content for kept in inside.kept] == [MAIL]


def test_D2_a_peer_that_is_silent_within_its_mail_is_not_waited_for(
    open_http: Opening, inside: Inside
) -> None:
    peer = open_http(idle_timeout=0.2).peer().send(head_of(length=1000) + MAIL)
    heard = peer.hear()
    assert (heard.status, heard.code) == (408, "TOO_SLOW")
    assert peer.is_closed()
    assert not inside.entered


def test_D2_a_peer_that_drips_is_not_waited_for_longer_than_a_mail_may_take(
    open_http: Opening, inside: Inside
) -> None:
    door = open_http(idle_timeout=10, data_timeout=0.5)
    peer = door.peer().send(head_of(length=100_000))

    def drip() -> None:
        for _ in range(200):
            peer.send(b"x")
            door.run(asyncio.sleep(0.05))

    with pytest.raises(OSError):  # noqa: PT011 - reset or broken pipe, as it comes
        drip()
    assert not inside.entered


def test_a_peer_that_never_finishes_its_header_is_not_waited_for(open_http: Opening) -> None:
    door = open_http(head_timeout=0.3)
    silent, dripping = door.peer(), door.peer()
    for piece in head_of()[:4]:
        dripping.send(bytes([piece]))
        door.run(asyncio.sleep(0.02))
    assert silent.is_closed()
    assert dripping.is_closed()


def test_who_answers_slowly_inside_is_no_reason_to_hang_up(open_http: Opening) -> None:
    door = open_http(head_timeout=0.2, idle_timeout=0.2, data_timeout=0.2)
    door.hold()
    peer = door.peer().send(head_of() + MAIL)
    door.wait_until_entered()
    door.run(asyncio.sleep(0.5))
    door.let_go()
    assert peer.hear().status == 202


@pytest.mark.slow
def test_more_connections_than_there_are_places_hear_503(
    open_http: Opening, faults: pytest.LogCaptureFixture
) -> None:
    door = open_http(max_connections=2)
    held = [door.peer().send(head_of(length=1000)) for _ in range(2)]
    door.run(asyncio.sleep(0.05))
    peer = door.peer()
    temporary(peer.hear(), "BUSY")
    assert peer.is_closed()
    for one in held:
        one.close()
    door.run(asyncio.sleep(0.1))
    assert door.post().status == 202


# --- the end ----------------------------------------------------------------------------------------------------------


def test_D1_at_the_end_who_sent_a_whole_mail_is_answered(open_http: Opening) -> None:
    door = open_http()
    door.hold()
    peer = door.peer().send(head_of() + MAIL)
    door.wait_until_entered()
    ending = asyncio.run_coroutine_threadsafe(door.door.stop(20), door.loop)
    door.run(asyncio.sleep(0.3))
    assert not ending.done()
    door.let_go()
    assert peer.hear().status == 202
    ending.result(30)


def test_D1_at_the_end_who_is_still_sending_hears_503_and_nothing_is_stored(
    open_http: Opening, inside: Inside
) -> None:
    door = open_http()
    peer = door.peer().send(head_of(length=1000) + MAIL)
    door.run(asyncio.sleep(0.1))
    door.stop()
    temporary(peer.hear(), "SHUTTING_DOWN")
    assert not inside.entered


def test_at_the_end_idle_connections_are_closed_and_the_place_is_free(open_http: Opening) -> None:
    door = open_http()
    kept_alive = door.peer().send(head_of() + MAIL)
    kept_alive.hear()
    silent = door.peer()
    door.run(asyncio.sleep(0.05))
    door.stop()
    assert kept_alive.is_closed()
    assert silent.is_closed()
    with closing(socket.socket()) as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(door.name)


@pytest.mark.slow
def test_D1_a_commit_that_outlives_the_grace_is_carried_out(
    open_http: Opening, inside: Inside, faults: pytest.LogCaptureFixture
) -> None:
    faults.set_level(logging.CRITICAL, "uvicorn")
    door = open_http()
    door.hold()
    door.peer().send(head_of() + MAIL)
    door.wait_until_entered()
    door.stop(grace=1)
    assert not inside.kept
    door.let_go()
    door.run(asyncio.sleep(0.1))
    assert len(inside.kept) == 1
