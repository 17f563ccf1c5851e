"""A Dovecot for this folder's tests, and a user of its own for each of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from maild.core.raw import Spool
from maild.core.remote import Endpoint, Password, Tls
from maild.testing.dovecot import Dovecot
from tests.conftest import absent

_NUMBERS = itertools.count(1)
ODD_SECRETS = ('a"b', "back\\slash", "a b  c", "grün", "{5}", "(%*", "'")


def odd_name(secret: str) -> str:
    """Return a name for a secret; Dovecot escapes quotes and backslashes in its own look-up, so that such users are nobody."""
    return f"odd (name) {ODD_SECRETS.index(secret)}"


@dataclass
class Account:
    """A mailbox on a real server."""

    dovecot: Dovecot
    name: str
    folder: Path
    secret: str = "secret"

    @property
    def proof(self) -> Password:
        return Password(self.name, self.secret)

    def endpoint(self, tls: Tls = Tls.NONE, host: str = "localhost") -> Endpoint:
        port = self.dovecot.imaps if tls is Tls.IMPLICIT else self.dovecot.imap
        return Endpoint(host=host, port=port, tls=tls, ca_file=str(self.dovecot.certificate))

    def fill(self, *mails: bytes, mailbox: str = "") -> None:
        self.dovecot.fill(self.name, mails, mailbox)

    def spool(self) -> Spool:
        return Spool(self.folder, 65_536)

    def flags(self, mailbox: str = "INBOX") -> dict[int, str]:
        """Return the flags of all mails, as another program sees them."""
        said = self.dovecot.doveadm(
            "-f", "tab", "fetch", "-u", self.name, "uid flags", "mailbox", mailbox
        )
        rows = [line.split("\t") for line in said.splitlines()[1:]]
        return {int(uid): " ".join(flags) for uid, *flags in rows}


@pytest.fixture(scope="session")
def dovecot() -> Iterator[Dovecot]:
    if not Dovecot.is_there():
        absent("Dovecot")
    server = Dovecot(extra="auth_username_chars =\n")
    # All of them now: Dovecot reads its file again when the second of its change is another.
    for number in range(1, 100):
        server.add_user(f"user{number}")
    for secret in ODD_SECRETS:
        server.add_user(odd_name(secret), secret)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def account(dovecot: Dovecot, tmp_path: Path) -> Account:
    name = f"user{next(_NUMBERS)}"
    return Account(dovecot, name, tmp_path)
