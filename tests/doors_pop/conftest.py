"""A real Dovecot, sessions with it, and what a session is given."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from maild.core.raw import Raw, Spool
from maild.core.remote import Bounds, Endpoint, Password, Patience
from maild.doors.pop.client import PopClient
from maild.model.source import TlsMode
from maild.testing.dovecot import Dovecot
from tests.conftest import absent

PATIENT = Patience(connect=10, sign_in=20, command=20, idle_data=20, whole_fetch=60)


ODD_PASSWORDS = ["two words", " led by a blank", 'quo"te\\', "pässwörd"]
_users = count()


@pytest.fixture(scope="package")
def dovecot() -> Iterator[Dovecot]:
    if not Dovecot.is_there():
        absent("Dovecot")
    server = Dovecot(
        extra="service anvil {\n  unix_listener anvil-auth-penalty {\n    mode = 0\n  }\n}\n"
    )
    # Dovecot looks at its users once a second at most: all are there from the start.
    for number in range(100):
        server.add_user(f"u{number}")
    for number, password in enumerate(ODD_PASSWORDS):
        server.add_user(f"odd{number}", password)
    server.start()
    yield server
    server.stop()


class Box:
    """A mailbox on Dovecot."""

    def __init__(self, dovecot: Dovecot, user: str, folder: Path) -> None:
        self.dovecot = dovecot
        self.user = user
        self._folder = folder
        self._open: list[PopClient] = []

    def fill(self, *mails: bytes) -> None:
        self.dovecot.fill(self.user, mails)

    def count(self) -> int:
        return self.dovecot.count(self.user)

    def endpoint(self, tls: TlsMode = TlsMode.NONE, host: str = "localhost") -> Endpoint:
        port = self.dovecot.pops if tls is TlsMode.IMPLICIT else self.dovecot.pop
        return Endpoint(host=host, port=port, tls=tls, ca_file=str(self.dovecot.certificate))

    def connect(self, endpoint: Endpoint | None = None) -> PopClient:
        client = PopClient.connect(
            endpoint or self.endpoint(), "127.0.0.1", patience=PATIENT, bounds=Bounds()
        )
        self._open.append(client)
        return client

    def session(self, endpoint: Endpoint | None = None) -> PopClient:
        client = self.connect(endpoint)
        client.sign_in(Password(self.user, "secret"))
        return client

    def spool(self) -> Spool:
        return Spool(self._folder, 32 * 1024)

    def fetch(self, client: PopClient) -> dict[int, Raw | None]:
        numbers = [listed.number for listed in client.listing()]
        return dict(client.fetch(numbers, self.spool, max_size=100_000_000))

    def close(self) -> None:
        for client in self._open:
            client.close()


@pytest.fixture
def box(dovecot: Dovecot, tmp_path: Path) -> Iterator[Box]:
    found = Box(dovecot, f"u{next(_users)}", tmp_path)
    yield found
    found.close()


def content(raw: Raw | None) -> bytes:
    """Return a mail's bytes, and forget its file."""
    assert raw is not None
    if raw.inline is not None:
        return raw.inline
    assert raw.spooled is not None
    octets = raw.spooled.read_bytes()
    raw.discard()
    return octets


def elsewhere(act: Callable[[], object]) -> threading.Thread:
    """Begin something on another thread."""
    thread = threading.Thread(target=act)
    thread.start()
    return thread
