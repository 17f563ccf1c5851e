"""A real Dovecot takes the tokens that the providers get (D7)."""

from __future__ import annotations

import asyncio
import base64
import imaplib
import poplib
from collections.abc import Iterator

import pytest

from maild.oauth.choose import provider_for
from maild.oauth.line import Line
from maild.testing.dovecot import Dovecot
from maild.testing.issuer import Issuer
from tests.conftest import absent

# Else it makes who was refused wait.
_NO_PENALTY = "service anvil {\n  unix_listener anvil-auth-penalty {\n    mode = 0\n  }\n}\n"


@pytest.fixture(scope="module")
def services() -> Iterator[tuple[Issuer, Dovecot]]:
    if not Dovecot.is_there():
        absent("Dovecot")
    with Issuer() as issuer:
        dovecot = Dovecot(tokeninfo=issuer.tokeninfo, extra=_NO_PENALTY)
        dovecot.add_user("ann@example.org")
        dovecot.start()
        yield issuer, dovecot
        dovecot.stop()


def fetched(issuer: Issuer) -> str:
    options = {"token_uri": f"{issuer.url}/token", "client_id": "app"}
    secret, line = issuer.new_refresh_token(), Line(is_clear_allowed=True)
    return asyncio.run(provider_for("refresh", options, secret, keep=print, line=line).get())


def said(token: str) -> bytes:
    return f"user=ann@example.org\x01auth=Bearer {token}\x01\x01".encode()


def by_imap(dovecot: Dovecot, token: str) -> str:
    with imaplib.IMAP4("127.0.0.1", dovecot.imap, timeout=30) as client:
        client.authenticate("XOAUTH2", lambda asked: said(token) if not asked else b"")
        return client.select("INBOX")[0]


def by_pop(dovecot: Dovecot, token: str) -> int:
    client = poplib.POP3("127.0.0.1", dovecot.pop, timeout=30)
    command = f"AUTH XOAUTH2 {base64.b64encode(said(token)).decode()}"
    try:
        client._shortcmd(command)  # type: ignore[attr-defined]  # poplib has no AUTH of its own
        return client.stat()[0]
    finally:
        client.close()


@pytest.mark.slow
def test_D7_dovecot_lets_a_token_in_by_imap(services: tuple[Issuer, Dovecot]) -> None:
    issuer, dovecot = services
    assert by_imap(dovecot, fetched(issuer)) == "OK"
    assert issuer.count("/tokeninfo") >= 1


@pytest.mark.slow
def test_D7_dovecot_lets_a_token_in_by_pop(services: tuple[Issuer, Dovecot]) -> None:
    issuer, dovecot = services
    dovecot.fill("ann@example.org", [b"Subject: x\r\n\r\nx\r\n"])
    assert by_pop(dovecot, fetched(issuer)) == 1


@pytest.mark.slow
def test_D7_dovecot_refuses_a_token_that_was_revoked(services: tuple[Issuer, Dovecot]) -> None:
    issuer, dovecot = services
    token = fetched(issuer)
    issuer.revoke_all()
    with pytest.raises(imaplib.IMAP4.error):
        by_imap(dovecot, token)
    with pytest.raises(poplib.error_proto):
        by_pop(dovecot, token)


@pytest.mark.slow
def test_D7_dovecot_refuses_a_token_for_another_s_mailbox(
    services: tuple[Issuer, Dovecot],
) -> None:
    issuer, dovecot = services
    issuer.mailbox = "bob@example.org"
    try:
        token = fetched(issuer)
    finally:
        issuer.mailbox = "ann@example.org"
    with pytest.raises(imaplib.IMAP4.error):
        by_imap(dovecot, token)
