"""A hostile mail in a real Chromium: nothing is asked of anybody, nothing runs, the page around it stays (M13, ux.md 2.1)."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest
from typing_extensions import override

from maild.core.app import OPERATOR
from maild.core.showing import ticket_for
from maild.parse.safe_html import sanitised
from maild.testing.world import World
from tests.api.served import Served
from tests.browser.vectors import FOREIGN, VECTORS, page_of
from tests.conftest import absent
from tests.core.company import Post

pytestmark = [pytest.mark.real, pytest.mark.slow]

FRAME = (
    "<!DOCTYPE html><title>Inbox</title><p>Around</p>"
    '<iframe sandbox="allow-popups allow-popups-to-escape-sandbox" src="{src}"></iframe>'
)


class Foreign:
    """A listener elsewhere: whoever connects has been made to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._hear, args=(peer,), daemon=True).start()

    def _hear(self, peer: socket.socket) -> None:
        with peer:
            peer.settimeout(5)
            try:
                said = peer.recv(4096)
            except OSError:
                said = b""
            self.asked.append(
                said.split(b" ")[1].decode() if said.startswith(b"GET ") else repr(said[:40])
            )
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class App:
    """The origin of maild's own pages: what is put here, and the API behind it."""

    def __init__(self, api: Served) -> None:
        self.pages: dict[str, tuple[dict[str, str], bytes]] = {}
        self.asked: list[tuple[str, int]] = []
        outer = self

        class Serves(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                status, header, body = outer.answer(self.path, api)
                outer.asked.append((self.path, status))
                self.send_response(status)
                for name, value in header.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            @override
            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Serves)
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, path: str, api: Served) -> tuple[int, dict[str, str], bytes]:
        if path in self.pages:
            return 200, *self.pages[path]
        if not path.startswith("/api/"):
            return 404, {}, b""
        connection = HTTPConnection(api.address[0], api.address[1], timeout=30)
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        passed = {
            name: text
            for name, text in response.getheaders()
            if name.lower() not in {"content-length", "connection"}
        }
        return response.status, passed, body

    def put(self, path: str, html: str, **header: str) -> str:
        named = {name.replace("_", "-"): text for name, text in header.items()}
        self.pages[path] = ({"Content-Type": "text/html; charset=utf-8", **named}, html.encode())
        return self.origin + path


class Browser:
    def __init__(self, folder: Path, foreign: Foreign) -> None:
        program = shutil.which("chromium")
        if program is None:
            absent("Chromium")
        self._program = str(program)
        self._folder = folder
        self._foreign = foreign

    def open(self, url: str) -> tuple[str, list[str]]:
        """Open a page, let ten of its seconds pass, and return what it is then, and what was asked elsewhere."""
        self._foreign.asked.clear()
        return self._run("--dump-dom", url), sorted(set(self._foreign.asked))

    def colours(self, url: str) -> set[bytes]:
        """Return the colours of which a page is drawn."""
        drawn = self._folder.with_suffix(".png")
        self._run(f"--screenshot={drawn}", url)
        return colours_of(drawn.read_bytes())

    def _run(self, *asked: str) -> str:
        return subprocess.run(
            [
                self._program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", f"--user-data-dir={self._folder}",
                f"--host-resolver-rules=MAP {FOREIGN} 127.0.0.1:{self._foreign.port}, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                "--virtual-time-budget=10000", *asked,
            ],
            capture_output=True, text=True, timeout=120, check=True,
        ).stdout  # fmt: skip


@contextmanager
def elsewhere() -> Iterator[Foreign]:
    foreign = Foreign()
    try:
        yield foreign
    finally:
        foreign.close()


@pytest.fixture
def foreign() -> Iterator[Foreign]:
    with elsewhere() as listening:
        yield listening


@pytest.fixture
def browser(tmp_path: Path, foreign: Foreign) -> Browser:
    return Browser(tmp_path / "chromium", foreign)


@pytest.fixture
def site(served: Served) -> Iterator[App]:
    made = App(served)
    yield made
    made.server.shutdown()
    made.server.server_close()


GREEN = b"\x01\xc8\x02"


def painted(colour: bytes, side: int = 64) -> bytes:
    """Return a PNG of one colour."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            len(content).to_bytes(4, "big")
            + kind
            + content
            + zlib.crc32(kind + content).to_bytes(4, "big")
        )

    head = side.to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    rows = zlib.compress((b"\0" + colour * side) * side)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def colours_of(png: bytes) -> set[bytes]:
    """Return the colours of a PNG of eight bits a channel."""
    at, packed = 8, b""
    width = int.from_bytes(png[16:20], "big")
    each = {2: 3, 6: 4}[png[25]]
    while at < len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        if png[at + 4 : at + 8] == b"IDAT":
            packed += png[at + 8 : at + 8 + length]
        at += length + 12
    rows = zlib.decompress(packed)
    found: set[bytes] = set()
    above = bytearray(width * each)
    for begins in range(0, len(rows), width * each + 1):
        row = bytearray(rows[begins + 1 : begins + 1 + width * each])
        for i, step in enumerate(row):
            left, up, corner = (
                (row[i - each], above[i], above[i - each]) if i >= each else (0, above[i], 0)
            )
            row[i] = (step + _guess(rows[begins], left, up, corner)) & 0xFF
        found.update(bytes(row[i : i + 3]) for i in range(0, len(row), each))
        above = row
    return found


def _guess(kind: int, left: int, up: int, corner: int) -> int:
    """Return what a filter of PNG expects (PNG 9.2)."""
    if kind == 4:
        near = left + up - corner
        return min((left, up, corner), key=lambda one: abs(near - one))
    return (0, left, up, (left + up) // 2)[kind]


def mailed(world: World, html: str) -> str:
    """Let a mail with this HTML, and a picture of its own, come in; return its id."""
    raw = (
        (
            "From: anna@rossi.example\r\nTo: info@acme.example\r\nContent-Type: multipart/related; boundary=b\r\n\r\n"
            f'--b\r\nContent-Type: text/html\r\n\r\n<img src="cid:own@mail">{html}\r\n'
            "--b\r\nContent-Type: image/png\r\nContent-ID: <own@mail>\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        ).encode()
        + painted(GREEN)
        + b"\r\n--b--\r\n"
    )
    post = Post(world.app)
    [answer] = post.send(raw)
    post.decide()
    return str(answer.facts["ref"])


def body_of(world: World, mail: str, *, images: bool = False) -> str:
    ticket = ticket_for(world.app, mail, by=OPERATOR, images=images).ticket
    return f"/api/v1/mails/{mail}/body?ticket={quote(ticket)}"


ALL = page_of(list(VECTORS))
# What leaves the page, or makes another of it, would hide what stands behind it.
STAYING = page_of(
    [
        name
        for name in VECTORS
        if name not in {"refresh", "script-top", "form", "frame", "base", "ping"}
    ]
)


def test_M13_a_hostile_mail_as_it_came_would_load_and_run(browser: Browser, site: App) -> None:
    """Proves that the tests below could fail."""
    dom, asked = browser.open(site.put("/raw", STAYING))
    assert len(asked) >= 25, asked
    assert {"/img", "/css-import", "/script", "/iframe"} <= set(asked)
    assert "<title>changed</title>" in dom


def test_M13_a_hostile_mail_asks_nothing_of_anybody(
    browser: Browser, site: App, acme: World
) -> None:
    mail = mailed(acme, ALL)
    dom, asked = browser.open(site.origin + body_of(acme, mail))
    assert asked == []
    assert "<title>Mail</title>" in dom
    assert "evil.example" not in dom.replace('title="evil.example"', "").replace(
        "https://evil.example/", ""
    )

    framed = site.put("/inbox", FRAME.format(src=body_of(acme, mail)))
    site.asked.clear()
    dom, asked = browser.open(framed)
    assert asked == []
    assert "Around" in dom
    assert "<title>Inbox</title>" in dom
    assert {path.partition("?")[0] for path, _ in site.asked if "cid" not in path} <= {
        "/inbox", f"/api/v1/mails/{mail}/body", "/favicon.ico",
    }  # fmt: skip
    pictures = [status for path, status in site.asked if f"/mails/{mail}/cid/" in path]
    assert pictures == [200]


def test_M13_the_mails_own_picture_is_drawn_in_its_page_and_within_a_frame(
    browser: Browser, site: App, acme: World
) -> None:
    """That it was served says nothing: the browser decides what a page of no origin may draw."""
    mail = mailed(acme, "x")
    assert GREEN not in browser.colours(site.put("/none", FRAME.format(src="about:blank")))
    assert GREEN in browser.colours(site.origin + body_of(acme, mail))
    assert GREEN in browser.colours(site.put("/inbox", FRAME.format(src=body_of(acme, mail))))


def test_M13_either_line_of_defence_holds_without_the_other(
    browser: Browser, site: App, served: Served, acme: World
) -> None:
    mail = mailed(acme, "x")
    page = served.ask("GET", body_of(acme, mail))
    policy = page.header["content-security-policy"]
    # No policy forbids a browser to connect ahead of a request that it may not make: it says nothing then.
    _, asked = browser.open(site.put("/header-alone", ALL, Content_Security_Policy=policy))
    assert set(asked) <= {repr(b"")}
    assert browser.open(site.put("/sanitiser-alone", sanitised(ALL, {}).html))[1] == []


def test_M13_pictures_that_are_asked_for_come_and_nothing_else(
    browser: Browser, site: App, acme: World
) -> None:
    """By https, which the listener does not speak: that somebody came is all that it can tell."""
    mail = mailed(acme, page_of([name for name in VECTORS if "<img" not in VECTORS[name]]))
    assert browser.open(site.origin + body_of(acme, mail, images=True))[1] == []
    mail = mailed(acme, ALL)
    _, asked = browser.open(site.origin + body_of(acme, mail, images=True))
    assert asked
    assert not [one for one in asked if one.startswith("/")], asked
