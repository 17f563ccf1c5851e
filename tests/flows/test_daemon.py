"""The daemon as its users meet it: real processes, a real Postfix, swaks; then `maild` is asked what it holds."""

from __future__ import annotations

import os
import re
import shutil
import smtplib
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from typing_extensions import override

from maild.testing.installation import Installation, a_small_company
from maild.testing.postfix import Postfix, is_installed
from tests.conftest import absent

pytestmark = [pytest.mark.real, pytest.mark.slow]

SAMPLES = Path(__file__).parent.parent.parent / "fixtures" / "eml"
TERMS = 100 if os.environ.get("MAILD_TEST_FULL") else 6
MAIL = b"From: eva@acme.example\r\nTo: crm@acme.example\r\nSubject: %b\r\nMessage-ID: <%b@load.test>\r\n\r\nhello\r\n"


@pytest.fixture(scope="module")
def company() -> Iterator[Installation]:
    """One installation for the whole file; its folder is short, since a unix socket's path must be."""
    folder = Path(tempfile.mkdtemp(prefix="maild-test-", dir="/tmp"))
    folder.chmod(0o755)
    place = Installation(folder / "m")
    place.make()
    a_small_company(place)
    yield place
    place.kill()
    shutil.rmtree(folder)


@pytest.fixture
def place(company: Installation) -> Iterator[Installation]:
    company.start()
    yield company
    assert company.stop() == 0
    done = company.run("doctor")
    assert done.returncode == 0, done.stdout.decode()


def test_a_forward_by_swaks_is_filed_and_explained(place: Installation) -> None:
    if shutil.which("swaks") is None:
        absent("swaks")
    said = subprocess.run(
        [
            "swaks",
            "--server",
            f"127.0.0.1:{place.submission}",
            "--from",
            "eva@acme.example",
            "--to",
            "crm@acme.example",
            "--data",
            f"@{SAMPLES / 'forward-gmail-en.eml'}",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stdout
    ref = re.search(r"250 2\.0\.0 stored as (\w+)", said.stdout)
    assert ref is not None, said.stdout
    place.settle()
    mail = place.cli("mail", "show", ref[1])
    assert (mail["state"], mail["reason"], mail["user"]) == (
        "filed",
        "FILED_FORWARD",
        "eva@acme.example",
    )
    told = place.run("explain", ref[1]).stdout.decode()
    for fact in (
        "eva@acme.example",
        "people of acme.example who have signed in",
        "anna@rossi.example",
        "Rossi Bau",
        "FILED_FORWARD",
    ):
        assert fact in told, told


def test_D2_postfix_hands_one_mail_to_two_inboxes_with_different_fates(place: Installation) -> None:
    if not is_installed():
        absent("Postfix (or we are not root)")
    place.run(
        "inbox", "add", "small@acme.example", "--kind", "shared", "--owner", "lea@acme.example"
    )
    place.cli("inbox", "set", "small@acme.example", "max_size=2KiB")
    place.folder.chmod(0o755)
    place.lmtp.chmod(0o666)
    postfix = Postfix(f"unix:{place.lmtp}")
    postfix.start()
    try:
        mail = (
            "From: anna@rossi.example\nTo: info@acme.example\nMessage-ID: <fates@rossi.example>\n\n"
            + "x" * 70 * 100
        )
        postfix.send("anna@rossi.example", ["info@acme.example", "small@acme.example"], mail)
        postfix.settle()
        time.sleep(2.5)
        postfix.settle()
        log = postfix.log()
    finally:
        postfix.stop()
    fates = dict(re.findall(r"/lmtp\[\d+\]: \w+: to=<([^>]+)>.* status=(\w+)", log))
    assert fates == {"info@acme.example": "sent", "small@acme.example": "bounced"}, log
    place.settle()
    mails = [
        mail for mail in place.cli("mail", "list") if mail["message_id"] == "fates@rossi.example"
    ]
    assert [(mail["inbox"], mail["door"], mail["reason"]) for mail in mails] == [
        ("info@acme.example", "lmtp", "FILED_CONTACT")
    ]
    assert [
        arrival["retries"] for arrival in place.cli("mail", "show", mails[0]["id"])["arrivals"]
    ] == [0]


def test_the_pipe_delivers_while_the_daemon_runs_and_while_it_does_not(
    company: Installation,
) -> None:
    def deliver(number: int) -> int:
        mail = f"From: anna@rossi.example\nTo: info@acme.example\nMessage-ID: <pipe{number}@rossi.example>\n\nhello\n"
        return company.run(
            "deliver", "--recipient", "info@acme.example", data=mail.encode()
        ).returncode

    assert deliver(1) == 0
    company.start()
    try:
        assert deliver(2) == 0
        company.settle()
        found = {
            mail["message_id"]: mail for mail in company.cli("mail", "list", "--limit", "1000")
        }
        for number in (1, 2):
            mail = found[f"pipe{number}@rossi.example"]
            assert (mail["door"], mail["state"]) == ("pipe", "filed")
    finally:
        assert company.stop() == 0


def test_a_second_daemon_on_one_store_refuses_to_start_and_names_the_first(
    place: Installation,
) -> None:
    assert place.process is not None
    second = place.run("serve")
    assert second.returncode == 75
    assert str(place.process.pid) in second.stderr.decode()
    with smtplib.SMTP("127.0.0.1", place.smtp) as peer:
        assert peer.noop()[0] == 250


def test_a_taken_port_is_named_and_nothing_is_left_open(company: Installation) -> None:
    with closing(socket.socket()) as other:
        # Connections of the test before may linger on the port.
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", company.submission))
        other.listen()
        done = company.run("serve")
    assert done.returncode == 1
    assert str(company.submission) in done.stderr.decode()
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("only", ["doors", "workers"])
def test_roles_can_run_apart(company: Installation, only: str) -> None:
    other = {"doors": "workers", "workers": "doors"}[only]
    started = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "maild",
                "serve",
                "--only",
                role,
                "--config",
                str(company.config),
            ],
            stderr=subprocess.DEVNULL,
        )
        for role in (only, other)
    ]
    try:
        key = f"apart-{only}".encode()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                with smtplib.SMTP("127.0.0.1", company.smtp) as peer:
                    peer.sendmail("eva@acme.example", ["info@acme.example"], MAIL % (key, key))
                break
            except OSError:
                time.sleep(0.1)
        company.settle()
        mails = company.cli("mail", "list", "--limit", "1000")
        assert any(mail["message_id"] == f"apart-{only}@load.test" for mail in mails)
    finally:
        for process in started:
            process.terminate()
        assert [process.wait(30) for process in started] == [0, 0]


class Sender(threading.Thread):
    """Sends mail after mail and notes whether each dot was answered."""

    def __init__(self, port: int, name: str) -> None:
        super().__init__(daemon=True)
        self.port, self.label = port, name
        self.stop = threading.Event()
        self.stored: list[str] = []
        self.unanswered: list[str] = []

    @override
    def run(self) -> None:
        count = 0
        while not self.stop.is_set():
            count += 1
            key = f"{self.label}-{count}"
            try:
                self.one(key)
            except OSError:
                time.sleep(0.005)

    def one(self, key: str) -> None:
        with closing(socket.create_connection(("127.0.0.1", self.port), timeout=20)) as peer:
            stream = peer.makefile("rwb")

            def ask(line: bytes, expected: bytes) -> None:
                stream.write(line)
                stream.flush()
                answer = stream.readline()
                while answer[3:4] == b"-":
                    answer = stream.readline()
                if not answer.startswith(expected):
                    raise ConnectionError(answer)

            ask(b"", b"220")
            ask(b"EHLO x\r\n", b"250")
            ask(b"MAIL FROM:<eva@acme.example>\r\n", b"250")
            ask(b"RCPT TO:<crm@acme.example>\r\n", b"250")
            ask(b"DATA\r\n", b"354")
            stream.write(MAIL % (key.encode(), key.encode()) + b".\r\n")
            stream.flush()
            try:
                answer = stream.readline()
            except OSError:
                answer = b""
            if answer.startswith(b"250"):
                self.stored.append(key)
            elif not answer:
                self.unanswered.append(key)


def test_SIGTERM_answers_every_session_that_is_past_its_dot(company: Installation) -> None:
    stored: list[str] = []
    for round_ in range(TERMS):
        company.start()
        senders = [Sender(company.submission, f"term{round_}-{n}") for n in range(8)]
        for sender in senders:
            sender.start()
        time.sleep(0.3 + 0.05 * (round_ % 5))
        began = time.monotonic()
        assert company.stop() == 0
        assert time.monotonic() - began < 30
        for sender in senders:
            sender.stop.set()
        for sender in senders:
            sender.join(30)
            # A dot that left the peer when the door was closed already was never read: the peer keeps the mail.
            stored += sender.stored
            assert sender.unanswered == []
    company.start()
    company.settle()
    assert company.stop() == 0
    import sqlite3

    with closing(sqlite3.connect(company.folder / "maild.db")) as database:
        kept = {row[0] for row in database.execute("SELECT message_id_header FROM messages")}
    assert {f"{key}@load.test" for key in stored} <= kept
    assert stored
