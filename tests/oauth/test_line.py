"""What is sent to a token service goes there alone, verified, and within bounds (D7, T15, T17)."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from maild.core.remote import RemoteError, Trouble
from maild.oauth.line import Line
from maild.oauth.provider import SetupError
from maild.testing.certificates import Certificates
from maild.testing.issuer import Fault, Issuer
from tests.oauth.conftest import Ways


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/token",
        "http://localhost/token",
        "ftp://example.org/",
        "file:///etc/passwd",
        "https:///token",
        "https://user:pw@example.org/",
        "https://example.org/a b",
        "https://example.org/\r\nX: y",
        "https://[::1/",
        "https://example.org:99999/",
        "",
    ],
)
def test_T15_an_address_that_is_not_https_is_not_asked(url: str) -> None:
    with pytest.raises(SetupError):
        Line(is_clear_allowed=True).post(url, {"x": "y"})


def test_T15_http_is_refused_on_loopback_too_unless_it_is_allowed() -> None:
    with Issuer() as issuer, pytest.raises(SetupError):
        Line().post(f"{issuer.url}/token", {})


@pytest.mark.parametrize("kind", ["expired", "stranger", "wrong-name"])
def test_T15_nothing_is_sent_to_a_service_that_does_not_prove_itself(
    certificates: Certificates, kind: str
) -> None:
    line = Line(ca_file=str(certificates.trusted(kind)))
    with Issuer(certificate=certificates.path(kind)) as issuer:
        with pytest.raises(RemoteError, match="certificate does not verify"):
            line.post(f"{issuer.url}/token", {"client_secret": "x"})
        assert issuer.asked == []


def test_D7_a_redirect_is_not_followed(ways: Ways) -> None:
    ways.issuer.faults.append(Fault(status=307))
    with pytest.raises(RemoteError) as caught:
        asyncio.run(ways.refresh().get())
    assert caught.value.trouble is Trouble.BROKEN_PROTOCOL
    assert ways.issuer.count() == 1


def test_D7_an_answer_without_end_is_cut_off(ways: Ways) -> None:
    ways.issuer.faults.append(Fault(status=200, body='{"access_token": "' + "a" * 300_000 + '"}'))
    with pytest.raises(RemoteError, match="too large"):
        asyncio.run(ways.refresh().get())


def test_D7_a_service_that_drips_is_left_at_the_end_of_the_time(ways: Ways) -> None:
    ways.timeout = 0.5
    ways.issuer.faults.append(Fault(status=200, body="{" * 100, drip=0.2))
    started = time.monotonic()
    with pytest.raises(RemoteError, match="no answer in time"):
        asyncio.run(ways.refresh().get())
    assert time.monotonic() - started < 10


def test_T17_who_dials_may_refuse_an_address() -> None:
    def dial(host: str, port: int, timeout: float) -> socket.socket:
        raise RemoteError(Trouble.FORBIDDEN_ADDRESS, f"{host}:{port} {timeout:.0f}")

    with pytest.raises(RemoteError, match=r"forbidden_address: 10\.0\.0\.1:443 20"):
        Line(dial=dial).post("https://10.0.0.1/token", {})


def test_D7_the_environment_names_no_proxy(ways: Ways, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for make in (Ways.secret, Ways.service, Ways.refresh):
        assert asyncio.run(make(ways).get())


def test_D7_a_host_that_is_none_is_tried_again_later() -> None:
    with pytest.raises(RemoteError, match=r"token\.invalid: no such host") as caught:
        Line().post("https://token.invalid/", {})
    assert caught.value.trouble is Trouble.LOGIN_LATER


def test_D7_the_time_that_a_connection_took_is_not_given_again(
    certificates: Certificates,
) -> None:
    def slowly(host: str, port: int, timeout: float) -> socket.socket:
        time.sleep(timeout)
        return socket.create_connection((host, port), 10)

    with Issuer(certificate=certificates.path("good")) as issuer:
        line = Line(ca_file=str(certificates.trusted("good")), timeout=0.3, dial=slowly)
        with pytest.raises(RemoteError, match="no answer in time"):
            line.post(f"{issuer.url}/token", {})


def test_D7_certificates_that_cannot_be_read_open_no_connection() -> None:
    def dial(host: str, port: int, timeout: float) -> socket.socket:
        raise AssertionError("it was dialled")

    with pytest.raises(RemoteError, match="no such file"):
        Line(ca_file="/nowhere/ca.pem", dial=dial).post("https://id.example/token", {})
