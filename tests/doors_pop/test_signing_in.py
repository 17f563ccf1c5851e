"""Tokens, and what a refused sign-in means."""

from __future__ import annotations

from base64 import b64encode
from contextlib import closing

import pytest

from maild.core.remote import Bearer, Bounds, Password, RemoteError, Trouble
from maild.doors.pop.client import PopClient
from maild.testing.scripted_pop import NAME, SECRET, PopServer, scripted
from tests.doors_pop.conftest import PATIENT


def connect(server: PopServer) -> PopClient:
    return PopClient.connect(server.endpoint(), server.address, patience=PATIENT, bounds=Bounds())


@pytest.mark.parametrize("script", ["xoauth2", "xoauth2-one-line"])
def test_D7_a_token_signs_in(script: str) -> None:
    with scripted(script, [b"A: b\r\n\r\n"]) as server:
        client = connect(server)
        client.sign_in(Bearer(NAME, SECRET))
        assert len(client.listing()) == 1
        client.commit()


@pytest.mark.parametrize("script", ["xoauth2", "xoauth2-one-line"])
def test_D7_a_token_that_is_refused_is_so_at_once_and_never_shown(script: str) -> None:
    with scripted(script) as server:
        client = connect(server)
        with pytest.raises(RemoteError) as failed:
            client.sign_in(Bearer(NAME, "st0len"))
    assert failed.value.trouble is Trouble.REFUSED_LOGIN
    reply = b64encode(f"user={NAME}\x01auth=Bearer st0len\x01\x01".encode()).decode()
    assert "st0len" not in str(failed.value)
    assert reply not in str(failed.value)


def test_D7_a_token_that_the_server_repeats_in_part_is_not_shown() -> None:
    token = "st0len" * 300
    with scripted("repeats-the-token") as server:
        client = connect(server)
        with pytest.raises(RemoteError) as failed:
            client.sign_in(Bearer(NAME, token))
    proof = b64encode(f"user={NAME}\x01auth=Bearer {token}\x01\x01".encode()).decode()
    assert proof[30:60] not in str(failed.value)
    assert failed.value.said == "no such token: ***"


def test_a_token_cannot_hold_a_second_field() -> None:
    with scripted("xoauth2") as server:
        client = connect(server)
        with pytest.raises(RemoteError):
            client.sign_in(Bearer(f"{NAME}\x01auth=Bearer {SECRET}\x01", "x"))
        assert "auth" not in server.commands


def test_an_empty_name_is_not_sent() -> None:
    with scripted("behaves") as server:
        client = connect(server)
        with pytest.raises(RemoteError) as failed:
            client.sign_in(Password("", SECRET))
    assert failed.value.trouble is Trouble.REFUSED_LOGIN
    assert "pass" not in server.commands


def test_without_user_auth_plain_signs_in() -> None:
    with scripted("no-user") as server, closing(connect(server)) as client:
        client.sign_in(Password(NAME, SECRET))
        assert "user" not in server.commands


def test_delay_and_expiry_are_read() -> None:
    with scripted("login-delay-announced") as server, closing(connect(server)) as client:
        assert (client.login_delay, client.expire) == (900, 0)


def test_no_delay_and_no_expiry_are_none() -> None:
    with scripted("behaves") as server, closing(connect(server)) as client:
        assert (client.login_delay, client.expire) == (None, None)
