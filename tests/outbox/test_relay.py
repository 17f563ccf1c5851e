"""One session with a relay that behaves, and with relays that do not; on a real socket."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from maild.core.letters import Composed
from maild.model.errand import Done, Fate, Later, Never
from maild.plugs.relay import Relay, RelayError
from maild.settings import RelaySettings
from maild.testing.certificates import Certificates
from tests.outbox.relay_server import CUT, SILENCE, RelayServer, a_relay

PASSWORD = "hunter2-and-more"
MAIL = Composed(
    mail_from="",
    recipient="eva@world.example",
    content=b"Subject: x\r\n\r\n.dot\r\n..two\r\nlast\r\n",
    message_id="m@acme.example",
    needs_utf8=False,
)
EAI = Composed(
    mail_from="", recipient="évà@w.example", content=b"\r\n", message_id="m", needs_utf8=True
)

QUEUED = Done("250 2.0.0 queued")
"""What the relay of these tests says of a mail that it takes."""


@pytest.fixture(scope="module")
def certificates() -> Iterator[Certificates]:
    made = Certificates()
    yield made
    made.remove()


def settings(server: RelayServer, **more: Any) -> RelaySettings:
    return RelaySettings.model_validate(
        {"host": "127.0.0.1", "port": server.port, "tls": "none", "timeout": "5s", **more}
    )


def hand_over(
    server: RelayServer, *mails: Composed, env: dict[str, str] | None = None, **more: Any
) -> list[Fate]:
    async def act() -> list[Fate]:
        async with Relay(settings(server, **more), "mail.acme.example", env or {}) as relay:
            return [await relay.send(mail) for mail in mails or (MAIL,)]

    return asyncio.run(act())


def trouble(server: RelayServer, *mails: Composed, **more: Any) -> str:
    with pytest.raises(RelayError) as raised:
        hand_over(server, *mails, **more)
    return str(raised.value)


def test_a_mail_goes_octet_by_octet_with_an_empty_envelope_sender(relay: RelayServer) -> None:
    assert hand_over(relay) == [QUEUED]
    assert relay.mails == [("", "eva@world.example", MAIL.content)]
    assert relay.lines[0] == "EHLO mail.acme.example"
    assert relay.lines[-1] == "QUIT"


def test_several_mails_go_in_one_session(relay: RelayServer) -> None:
    assert hand_over(relay, MAIL, MAIL, MAIL) == [QUEUED] * 3
    assert (relay.sessions, len(relay.mails)) == (1, 3)


@pytest.mark.parametrize("step", ["mail", "rcpt", "data", "dot"])
@pytest.mark.parametrize(("code", "fate"), [("450 4.2.1 later", Later), ("550 5.1.1 no", Never)])
def test_a_refusal_is_for_now_or_for_good_as_its_code_says_and_the_session_goes_on(
    relay: RelayServer, step: str, code: str, fate: type[Later | Never]
) -> None:
    refusals = iter([code])
    relay.decide = lambda at, line: next(refusals, None) if at == step else None
    first, second = hand_over(relay, MAIL, MAIL)
    assert isinstance(first, fate)
    assert code in first.why
    assert second == QUEUED


@pytest.mark.parametrize("step", ["greeting", "ehlo", "mail", "rcpt", "data", "dot"])
@pytest.mark.parametrize("act", [SILENCE, CUT, "421 4.3.2 going down", "nonsense", "999 what"])
def test_a_relay_that_falls_silent_hangs_up_or_talks_nonsense_is_trouble_of_the_relay(
    relay: RelayServer, step: str, act: str
) -> None:
    relay.replies[step] = act
    said = trouble(relay, timeout="300ms", data_timeout="300ms")
    assert said


def test_a_relay_that_is_not_there_is_trouble_of_the_relay() -> None:
    server = RelayServer()
    server.close()
    assert f"127.0.0.1:{server.port}" in trouble(server)


def test_a_refusal_that_means_the_session_is_no_refusal_of_the_mail(relay: RelayServer) -> None:
    relay.replies["mail"] = "530 5.7.0 sign in first"
    assert "530" in trouble(relay)


def test_a_server_that_answers_at_length_is_not_repeated_at_length(relay: RelayServer) -> None:
    relay.replies["rcpt"] = "550 " + "a" * 4000
    [fate] = hand_over(relay)
    assert isinstance(fate, Never)
    assert len(fate.why) <= 300


def test_what_a_server_says_cannot_steer_a_terminal(relay: RelayServer) -> None:
    relay.replies["rcpt"] = "550-no\r\n550 \x1b[31mred\x07"
    [fate] = hand_over(relay)
    assert isinstance(fate, Never)
    assert fate.why.isprintable()


def test_smtputf8_is_said_only_where_an_address_needs_it(relay: RelayServer) -> None:
    hand_over(relay, MAIL, EAI)
    assert [line for line in relay.lines if line.startswith("MAIL")] == [
        "MAIL FROM:<>",
        "MAIL FROM:<> SMTPUTF8",
    ]


def test_a_relay_without_smtputf8_takes_the_other_mails(relay: RelayServer) -> None:
    relay.offers.clear()
    first, second = hand_over(relay, EAI, MAIL)
    assert isinstance(first, Never)
    assert second == QUEUED


# --- TLS ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
def test_a_mail_goes_over_tls(certificates: Certificates, mode: str) -> None:
    server = RelayServer(tls=certificates.context("good"), is_implicit=mode == "implicit")
    with a_relay(server):
        ca = str(certificates.trusted("good"))
        assert hand_over(server, host="localhost", tls=mode, ca_file=ca) == [QUEUED]
    assert [line for line in server.lines if line.startswith("MAIL")] == ["MAIL FROM:<>"]
    assert ("STARTTLS" in server.lines) is (mode == "starttls")


def test_T15_without_the_starttls_that_was_asked_for_nothing_goes(relay: RelayServer) -> None:
    assert "STARTTLS" in trouble(relay, tls="starttls")
    assert not any(line.startswith("MAIL") for line in relay.lines)


@pytest.mark.parametrize("kind", ["stranger", "expired", "wrong-name", "old"])
@pytest.mark.parametrize("mode", ["starttls", "implicit"])
def test_T15_a_relay_that_is_not_proven_gets_nothing(
    certificates: Certificates, kind: str, mode: str
) -> None:
    server = RelayServer(tls=certificates.context(kind), is_implicit=mode == "implicit")
    with a_relay(server):
        ca = str(certificates.trusted(kind))
        trouble(server, host="localhost", tls=mode, ca_file=ca)
    assert server.mails == []


# --- signing in -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def secret(tmp_path: Path) -> dict[str, Any]:
    file = tmp_path / "password"
    file.write_text(PASSWORD + "\n", encoding="ascii")
    file.chmod(0o600)
    return {"username": "crm", "password_file": str(file)}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def signing(certificates: Certificates) -> Iterator[RelayServer]:
    server = RelayServer(
        tls=certificates.context("good"), is_implicit=True, offers=["AUTH CRAM-MD5 PLAIN LOGIN"]
    )
    with a_relay(server):
        yield server


@pytest.fixture
def over_tls(certificates: Certificates, secret: dict[str, Any]) -> dict[str, Any]:
    ca = str(certificates.trusted("good"))
    return {"host": "localhost", "tls": "implicit", "ca_file": ca, **secret}


def test_it_signs_in_where_it_is_told_to(signing: RelayServer, over_tls: dict[str, Any]) -> None:
    assert hand_over(signing, **over_tls) == [QUEUED]
    assert f"AUTH PLAIN {encoded(chr(0) + 'crm' + chr(0) + PASSWORD)}" in signing.lines


def test_it_signs_in_by_login_where_there_is_nothing_else(
    signing: RelayServer, over_tls: dict[str, Any]
) -> None:
    signing.offers[:] = ["AUTH LOGIN"]
    signing.decide = lambda step, line: (
        "334 UGFzc3dvcmQ6" if step == "auth" else "235 in" if line == encoded(PASSWORD) else None
    )
    assert hand_over(signing, **over_tls) == [QUEUED]


@pytest.mark.parametrize(
    "echo", [f"535 5.7.8 wrong: {PASSWORD}", "535 5.7.8 wrong: {line}", f"454 4.7.0 {PASSWORD}"]
)
def test_D7_a_server_that_repeats_the_password_makes_nobody_tell_it(
    signing: RelayServer,
    over_tls: dict[str, Any],
    echo: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    signing.decide = lambda step, line: echo.replace("{line}", line) if step == "auth" else None
    said = trouble(signing, **over_tls)
    assert echo[:3] in said
    for form in (PASSWORD, encoded(PASSWORD), encoded(f"\0crm\0{PASSWORD}")):
        assert form not in said + caplog.text
    assert len([line for line in signing.lines if line.startswith("AUTH")]) == 1


def test_a_password_that_cannot_be_read_is_trouble_and_nothing_goes(
    signing: RelayServer, over_tls: dict[str, Any], tmp_path: Path
) -> None:
    said = trouble(signing, **{**over_tls, "password_file": str(tmp_path / "none")})
    assert "relay.password" in said
    assert signing.mails == []


def test_T15_a_password_never_goes_in_clear_to_another_machine() -> None:
    with pytest.raises(ValueError, match="in clear"):
        RelaySettings.model_validate(
            {"host": "relay.example", "tls": "none", "username": "u", "password_file": "/p"}
        )
