"""XOAUTH2 with the real Dovecot, whose tokens come from an issuer of our own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing

import pytest

from maild.core.remote import Bearer, Bounds, Endpoint, RemoteError, Trouble
from maild.doors.pop.client import PopClient
from maild.model.source import TlsMode
from maild.oauth.choose import provider_for
from maild.oauth.line import Line
from maild.testing.dovecot import Dovecot
from maild.testing.issuer import Issuer
from tests.conftest import absent
from tests.doors_pop.conftest import PATIENT

ANN = "ann@example.org"


@pytest.fixture(scope="module")
def services() -> Iterator[tuple[Issuer, Dovecot]]:
    if not Dovecot.is_there():
        absent("Dovecot")
    with Issuer() as issuer:
        dovecot = Dovecot(tokeninfo=issuer.tokeninfo)
        dovecot.add_user(ANN)
        dovecot.start()
        yield issuer, dovecot
        dovecot.stop()


def a_token(issuer: Issuer) -> str:
    options = {"token_uri": f"{issuer.url}/token", "client_id": "app"}
    secret, line = issuer.new_refresh_token(), Line(is_clear_allowed=True)
    return asyncio.run(provider_for("refresh", options, secret, keep=print, line=line).get())


def connect(dovecot: Dovecot) -> PopClient:
    endpoint = Endpoint(
        host="localhost",
        port=dovecot.pops,
        tls=TlsMode.IMPLICIT,
        ca_file=str(dovecot.certificate),
    )
    return PopClient.connect(endpoint, "127.0.0.1", patience=PATIENT, bounds=Bounds())


@pytest.mark.slow
def test_D7_dovecot_lets_a_token_in(services: tuple[Issuer, Dovecot]) -> None:
    issuer, dovecot = services
    dovecot.fill(ANN, [b"Subject: x\r\n\r\nx\r\n"])
    with closing(connect(dovecot)) as client:
        client.sign_in(Bearer(ANN, a_token(issuer)))
        assert len(client.listing()) == 1


@pytest.mark.slow
def test_D7_dovecot_refuses_a_token_that_is_none(services: tuple[Issuer, Dovecot]) -> None:
    _, dovecot = services
    with closing(connect(dovecot)) as client:
        with pytest.raises(RemoteError) as failed:
            client.sign_in(Bearer(ANN, "no-such-token"))
        assert failed.value.trouble is Trouble.REFUSED_LOGIN
        assert "no-such-token" not in str(failed.value)
