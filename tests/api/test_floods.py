"""Whatever the API is asked, by however many: the doors go on, and nobody waits for ever."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from maild.core.app import OPERATOR, Actor, App
from maild.doors.http.facts import HttpFacts
from maild.faces.api.work import Limits
from maild.testing.world import World
from tests.api.served import Heard, Served, serving

MAIL = b"From: anna@rossi.example\r\nSubject: Offer\r\n\r\nHello\r\n"


class Lock:
    """Holds everybody who asks, until it is opened; counts them."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.entered = threading.Semaphore(0)

    def opens(self, app: App, secret: str) -> Actor:
        if secret == "waits":
            self.entered.release()
            assert self.opened.wait(60)
        return OPERATOR

    def wait_for(self, count: int) -> None:
        for _ in range(count):
            assert self.entered.acquire(timeout=20)


@contextmanager
def held(acme: World, folder: Path, limits: Limits) -> Iterator[tuple[Served, Lock]]:
    lock = Lock()
    with serving(acme.app, folder, limits, opens=lock.opens) as served:
        try:
            yield served, lock
        finally:
            lock.opened.set()


def mail_comes_in(served: Served) -> bool:
    header = {"Authorization": "Bearer the-key", "Content-Type": "message/rfc822"}
    return served.ask("POST", "/in/info@acme.example", MAIL, header=header).status == 202


def asking(pool: ThreadPoolExecutor, served: Served, times: int) -> list[Future[Heard]]:
    return [pool.submit(served.ask, "GET", "/accounts", token="waits") for _ in range(times)]


class TestTooMuchAtATime:
    def test_what_is_over_the_limit_hears_so_at_once_and_mail_comes_in(
        self, acme: World, tmp_path: Path
    ) -> None:
        limits = Limits(threads=2, most=4)
        with ThreadPoolExecutor(5) as pool, held(acme, tmp_path, limits) as (served, lock):
            busy, answers = one_too_many(asking(pool, served, 5))
            lock.wait_for(2)
            assert (busy.status, busy.code) == (503, "BUSY")
            assert busy.header["retry-after"] == "60"
            assert mail_comes_in(served)
            lock.opened.set()
            assert [answer.result().status for answer in answers] == [200] * 4
            assert served.ask("GET", "/accounts", token="other").status == 200

    def test_who_has_no_token_waits_for_nobody_and_nobody_waits_for_them(
        self, acme: World, tmp_path: Path
    ) -> None:
        with (
            ThreadPoolExecutor(2) as pool,
            held(acme, tmp_path, Limits(threads=2, most=2)) as (served, lock),
        ):
            answers = asking(pool, served, 2)
            lock.wait_for(2)
            assert served.ask("GET", "/accounts").code == "TOKEN_REFUSED"
            lock.opened.set()
            assert [answer.result().status for answer in answers] == [200, 200]

    def test_one_token_does_not_take_the_place_of_all(self, acme: World, tmp_path: Path) -> None:
        limits = Limits(threads=3, most=10, most_each=2)
        with ThreadPoolExecutor(3) as pool, held(acme, tmp_path, limits) as (served, lock):
            busy, answers = one_too_many(asking(pool, served, 3))
            lock.wait_for(2)
            assert busy.code == "BUSY"
            assert served.ask("GET", "/accounts", token="other").status == 200
            lock.opened.set()
            assert [answer.result().status for answer in answers] == [200, 200]

    def test_an_act_that_hangs_is_answered_and_the_next_one_goes_on(
        self, acme: World, tmp_path: Path
    ) -> None:
        limits = Limits(threads=2, patience=0.3)
        with held(acme, tmp_path, limits) as (served, _):
            assert served.ask("GET", "/accounts", token="waits").code == "STORE_DOWN"
            assert served.ask("GET", "/accounts", token="other").status == 200


def one_too_many(asked: list[Future[Heard]]) -> tuple[Heard, list[Future[Heard]]]:
    """The first that is answered, while the others are held; and those."""
    [first], others = wait(asked, 60, FIRST_COMPLETED)
    return first.result(), list(others)


class TestSlowPeers:
    def test_a_body_that_drips_is_given_up(self, acme: World, tmp_path: Path) -> None:
        with serving(acme.app, tmp_path, Limits(idle_timeout=0.3)) as served:
            token = served.token(None)
            with served.connect() as peer:
                peer.sendall(head(token, "POST", "Content-Length: 100\r\n") + b"{")
                assert answer_of(peer).startswith(b"HTTP/1.1 408 ")

    def test_a_body_may_not_take_for_ever_though_it_never_stops(
        self, acme: World, tmp_path: Path
    ) -> None:
        limits = Limits(idle_timeout=5, body_timeout=0.5)
        with serving(acme.app, tmp_path, limits) as served:
            token = served.token(None)
            with served.connect() as peer:
                peer.sendall(head(token, "POST", "Content-Length: 100000\r\n"))
                deadline = time.monotonic() + 20
                peer.settimeout(0.05)
                while time.monotonic() < deadline:
                    peer.sendall(b" ")
                    try:
                        assert peer.recv(100).startswith(b"HTTP/1.1 408 ")
                        break
                    except TimeoutError:
                        continue
                else:
                    raise AssertionError("it was never answered")

    def test_peers_that_say_nothing_do_not_keep_others_out(
        self, acme: World, tmp_path: Path
    ) -> None:
        with serving(acme.app, tmp_path, Limits(most=4)) as served, ExitStack() as stack:
            token = served.token(None)
            for _ in range(50):
                stack.enter_context(served.connect()).sendall(b"GET /api/v1/me HT")
            assert served.ask("GET", "/me", token=token).status == 200
            assert mail_comes_in(served)

    def test_bodies_that_drip_where_no_token_is_needed_keep_nobody_else_out(
        self, acme: World, tmp_path: Path
    ) -> None:
        limits = Limits(most=4, most_each=2, idle_timeout=30)
        with serving(acme.app, tmp_path, limits) as served, ExitStack() as stack:
            token = served.token(None)
            for _ in range(2):  # As many as have a place.
                peer = stack.enter_context(served.connect())
                peer.sendall(b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\n")
                peer.sendall(b"Content-Type: application/json\r\nContent-Length: 99\r\n\r\n{")
            wait_until(lambda: served.connections() == 2)
            tried = served.ask("POST", "/login", {"name": "x", "password": "y"})
            assert tried.code == "SIGN_IN_REFUSED", "nobody else is kept from signing in, either"
            assert served.ask("GET", "/me", token=token).status == 200

    def test_U10_one_person_with_many_tokens_keeps_nobody_else_out(
        self, acme: World, tmp_path: Path
    ) -> None:
        """Each of them sends a body that never ends."""
        limits = Limits(most=4, most_each=2, reading=4, idle_timeout=30, refused_timeout=0.1)
        with serving(acme.app, tmp_path, limits) as served, ExitStack() as stack:
            other = served.token("lea@acme.example")
            reading = served.api.asgi._reading._taken
            for count in range(1, 6):
                peer = stack.enter_context(served.connect())
                eva = served.token("eva@acme.example")
                peer.sendall(head(eva, "POST", "Content-Length: 100000\r\n") + b"{")
                if count > limits.most_each:
                    assert answer_of(peer).startswith(b"HTTP/1.1 503 ")
                else:
                    wait_until(partial(lambda so_many: reading.total() == so_many, count))
            assert served.ask("GET", "/me", token=other).status == 200
            assert served.ask("POST", "/mails/search", {"terms": []}, token=other).status == 200
            tried = served.ask("POST", "/login", {"name": "x", "password": "y"})
            assert tried.code == "SIGN_IN_REFUSED"

    def test_who_needs_no_token_sends_little(self, served: Served) -> None:
        body = b" " * (64 * 1024) + b"{}"
        assert served.ask("POST", "/login", body).code == "BODY_TOO_LARGE"

    @pytest.mark.slow
    def test_who_never_reads_the_answers_is_cut_off(self, acme: World, tmp_path: Path) -> None:
        asked = 1000
        slow = HttpFacts(head_timeout=1)
        with serving(acme.app, tmp_path, facts=slow) as served, served.connect() as peer:
            request = b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
            wait_until(lambda: served.connections() == 1)
            peer.settimeout(3)
            with suppress(OSError):
                for _ in range(asked):
                    peer.sendall(request)
            wait_until(lambda: served.connections() == 0)

    @pytest.mark.slow
    def test_who_never_reads_the_last_answer_is_cut_off_too(
        self, acme: World, tmp_path: Path
    ) -> None:
        async def page(scope: Scope, receive: Receive, send: Send) -> None:
            await Response(b"x" * 40_000)(scope, receive, send)

        slow = HttpFacts(head_timeout=1)
        with serving(acme.app, tmp_path, facts=slow) as served:
            served.door.beside["/page"] = page
            # Less than the loop may hold back, and more than the system takes.
            served.listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            with closing(socket.socket()) as peer:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                peer.connect(served.address)
                wait_until(lambda: served.connections() == 1)
                peer.sendall(b"GET /page HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                assert peer.recv(8) == b"HTTP/1.1"
                wait_until(lambda: served.connections() == 0)

    def test_the_end_of_the_daemon_answers_what_is_in_hand(
        self, acme: World, tmp_path: Path
    ) -> None:
        with ThreadPoolExecutor(2) as pool:
            lock = Lock()
            with serving(acme.app, tmp_path, opens=lock.opens) as served:
                [answer] = asking(pool, served, 1)
                lock.wait_for(1)
                stopping = pool.submit(served.run, served.door.stop(20))
                lock.opened.set()
                assert answer.result().status == 200
                stopping.result(30)


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def head(token: str, method: str, more: str) -> bytes:
    return (
        f"{method} /api/v1/users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\n{more}\r\n"
    ).encode()


def answer_of(peer: socket.socket) -> bytes:
    peer.settimeout(20)
    return peer.recv(100)
