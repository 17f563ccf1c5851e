"""XOAUTH2 with a real Dovecot, which asks a local issuer about each token (D7)."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from typing_extensions import override

from maild.core.remote import Bearer, Endpoint, RemoteError, Tls, Trouble
from maild.doors.imap.client import ImapClient
from maild.testing.dovecot import Dovecot
from tests.conftest import absent
from tests.doors_imap.round import with_client

TOKEN = "ya29." + "a-long-token" * 200


class Issuer(BaseHTTPRequestHandler):
    """Knows one token."""

    def do_GET(self) -> None:
        asked = parse_qs(urlsplit(self.path).query).get("token", [""])[0]
        known = asked == TOKEN
        answer = json.dumps({"email": "ann", "expires_in": 300} if known else {"error": "no"})
        self.send_response(200 if known else 400)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer.encode())

    @override
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    if not Dovecot.is_there():
        absent("Dovecot")
    issuer = ThreadingHTTPServer(("127.0.0.1", 0), Issuer)
    thread = threading.Thread(target=issuer.serve_forever, args=[0.05])
    thread.start()
    port = issuer.server_address[1]
    server = Dovecot(tokeninfo=f"http://127.0.0.1:{port}/tokeninfo?token=")
    server.add_user("ann")
    server.start()
    yield server
    server.stop()
    issuer.shutdown()
    thread.join()
    issuer.server_close()


async def opens(client: ImapClient) -> None:
    assert (await client.select("INBOX")).exists == 0
    assert client.can_idle


@pytest.mark.slow
def test_D7_a_token_opens_the_mailbox(dovecot: Dovecot) -> None:
    endpoint = Endpoint(host="localhost", port=dovecot.imap, tls=Tls.NONE)
    with_client(endpoint, Bearer("ann", TOKEN), opens)


@pytest.mark.slow
def test_D7_a_token_that_is_nobodys_is_REFUSED_LOGIN(dovecot: Dovecot) -> None:
    endpoint = Endpoint(host="localhost", port=dovecot.imap, tls=Tls.NONE)
    with pytest.raises(RemoteError) as caught:
        with_client(endpoint, Bearer("ann", "wrong"), opens)
    assert caught.value.trouble is Trouble.REFUSED_LOGIN
