"""Submission with SMTP AUTH by the real daemon: a mail program signs in over TLS, and its user's mail is filed (I3)."""

from __future__ import annotations

import base64
import smtplib
import ssl
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from maild.testing.certificates import Certificates
from maild.testing.installation import Installation, a_small_company, free_port

pytestmark = [pytest.mark.real, pytest.mark.slow]

PASSWORD = "a canary that sings"
EVA, JAN = "eva@acme.example", "jan@acme.example"
FORWARD = """\
From: {from_}
To: crm@acme.example
Subject: Fwd: Offer
Message-ID: <{name}@submission.test>
Date: Fri, 20 Nov 2026 10:00:00 +0100

---------- Forwarded message ---------
From: Anna Rossi <anna@rossi.example>
Date: Thu, Nov 19, 2026 at 9:00 AM
Subject: Offer
To: <eva@acme.example>

Please send it.
"""


class Site(Installation):
    """An installation with a door where people sign in."""

    certificates: Certificates
    port: int

    @contextmanager
    def program(self) -> Iterator[smtplib.SMTP]:
        """A mail program, within TLS."""
        trust = ssl.create_default_context(cafile=str(self.certificates.trusted("good")))
        with smtplib.SMTP("localhost", self.port, timeout=30) as program:
            program.starttls(context=trust)
            yield program

    def refusal(self, name: str, secret: str) -> tuple[int, bytes]:
        with self.program() as program, pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            program.login(name, secret)
        error = refused.value.smtp_error
        return refused.value.smtp_code, error if isinstance(error, bytes) else error.encode()

    def outcome(self, message_id: str) -> tuple[str, str, str | None]:
        self.settle()
        mails = self.here("mail", "list")
        [mail] = [one for one in mails if one["message_id"] == f"{message_id}@submission.test"]
        return mail["state"], mail["reason"], mail["user"]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    certificates, port = Certificates(), free_port()
    with tempfile.TemporaryDirectory(prefix="maild-test-") as folder:
        pem = certificates.path("good")
        place = Site(
            Path(folder) / "m",
            extra=f'level = "debug"\n[[listener]]\nbind = "127.0.0.1:{port}"\nauth = true\n'
            f'tls_cert = "{pem}"\ntls_key = "{pem}"\n',
        )
        place.certificates, place.port = certificates, port
        place.make()
        a_small_company(place)
        secret = Path(folder) / "password"
        secret.write_text(PASSWORD, encoding="utf-8")
        for email in (EVA, JAN):
            place.here("user", "password", email, "--password-file", str(secret))
        place.start()
        yield place
        assert place.stop() == 0
        certificates.remove()


def send(program: smtplib.SMTP, name: str, from_: str = EVA) -> None:
    program.sendmail(
        "bounces@home.example", ["crm@acme.example"], FORWARD.format(from_=from_, name=name)
    )


def test_I3_a_user_signs_in_and_the_mail_is_filed_as_theirs(site: Site) -> None:
    with site.program() as program:
        program.login(EVA, PASSWORD)
        send(program, "signed-in")
    assert site.outcome("signed-in") == ("filed", "FILED_FORWARD", EVA)


def test_I3_who_signed_in_does_not_speak_for_a_colleague(site: Site) -> None:
    with site.program() as program:
        program.login(JAN, PASSWORD)
        send(program, "as-a-colleague")
    assert site.outcome("as-a-colleague") == ("held", "SENDER_NOT_VERIFIED", None)


def test_D2_who_does_not_sign_in_is_a_peer_like_any_other(site: Site) -> None:
    with site.program() as program:
        send(program, "not-signed-in")
    assert site.outcome("not-signed-in") == ("held", "SENDER_NOT_VERIFIED", None)


def test_U10_a_token_signs_in_until_it_is_revoked(site: Site) -> None:
    token = site.here("token", "create", EVA, "--name", "phone")
    with site.program() as program:
        program.login(EVA, token["secret"])
    site.here("token", "revoke", token["id"])
    assert site.refusal(EVA, token["secret"])[0] == 535


def test_T23_a_wrong_password_and_an_unknown_name_hear_the_same(site: Site) -> None:
    assert site.refusal(EVA, "wrong") == site.refusal("nobody@acme.example", "wrong")


def test_twelve_mail_programs_at_once_all_sign_in_and_the_door_goes_on_answering(
    site: Site,
) -> None:
    def sign_in(_: int) -> int:
        with site.program() as program:
            return program.login(EVA, PASSWORD)[0]

    with ThreadPoolExecutor(12) as programs:
        found = programs.map(sign_in, range(12))
        with site.program() as program:
            assert program.noop()[0] == 250
        assert set(found) == {235}


def test_D7_no_password_and_no_token_is_in_the_log_at_debug(site: Site) -> None:
    token = site.here("token", "create", EVA, "--name", "log")["secret"]
    wrong = f"{PASSWORD} out of tune"
    for secret in (token, PASSWORD):
        with site.program() as program:
            program.login(EVA, secret)
    site.refusal(EVA, wrong)
    log = site.log.read_bytes()
    assert b"sign_in_refused" in log
    for secret in (token, PASSWORD, wrong, f"\0{EVA}\0{PASSWORD}", f"\0{EVA}\0{token}"):
        assert secret.encode() not in log
        assert base64.b64encode(secret.encode()).rstrip(b"=")[:-2] not in log
