"""The daemon tells receivers what happens; the examples of docs/webhooks.md verify it and fetch the mail (G)."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import smtplib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from maild import failpoint
from maild.__main__ import run_here
from maild.testing.installation import Installation, a_small_company, free_port
from tests.webhooks.taker import Came, Taker, taking

pytestmark = [pytest.mark.real, pytest.mark.slow]

EXAMPLES = Path(__file__).parents[2] / "examples" / "webhooks"
SUBJECT = "An offer"


@pytest.fixture(scope="module")
def company() -> Iterator[Installation]:
    folder = Path(tempfile.mkdtemp(prefix="maild-test-", dir="/tmp"))
    place = Installation(
        folder / "m",
        web=free_port(),
        extra='[webhooks]\nallow_networks = ["127.0.0.0/8"]\n',
        runs=run_here,
    )
    place.make()
    a_small_company(place)
    yield place
    place.kill()
    shutil.rmtree(folder)


@pytest.fixture
def place(company: Installation) -> Iterator[Installation]:
    company.start()
    yield company
    for hook in company.here("webhook", "list"):
        company.here("webhook", "remove", hook["id"])
    company.stop()
    assert company.run("doctor").returncode == 0


@pytest.fixture
def taker() -> Iterator[Taker]:
    with taking() as running:
        yield running


def send(place: Installation, count: int = 1) -> None:
    """Send mails to info@ that differ."""
    with smtplib.SMTP("127.0.0.1", place.smtp) as client:
        for number in range(count):
            text = f"From: anna@rossi.example\r\nTo: info@acme.example\r\nSubject: {SUBJECT}\r\n"
            text += f"Message-ID: <{time.monotonic_ns()}.{number}@rossi.example>\r\n\r\nHello\r\n"
            client.sendmail("anna@rossi.example", ["info@acme.example"], text)


def hook(place: Installation, port: int, *options: str) -> dict[str, Any]:
    added: dict[str, Any] = place.here("webhook", "add", f"http://127.0.0.1:{port}/hook", *options)
    return added


def token(place: Installation) -> str:
    return str(place.here("token", "create", "--operator", "--name", "crm")["secret"])


def filed(came: list[Came]) -> list[Came]:
    return [one for one in came if json.loads(one.body)["type"] == "mail.filed"]


def test_G_what_comes_is_signed_as_standard_webhooks_says(
    place: Installation, taker: Taker
) -> None:
    added = hook(place, taker.port, "--events", "mail.filed")
    send(place)
    taker.wait(lambda came: len(came) == 1)
    [one] = taker.came
    event = Webhook(added["secret"]).verify(one.body, one.header)
    assert event["type"] == "mail.filed"
    assert place.here("mail", "show", event["data"]["mail"])["subject"] == SUBJECT
    assert one.path == "/hook"
    secret = str(place.here("webhook", "rotate", added["id"])["secret"])
    send(place)
    taker.wait(lambda came: len(came) == 2)
    for each in (added["secret"], secret):
        Webhook(each).verify(taker.came[1].body, taker.came[1].header)


def test_G_a_test_by_hand_says_how_it_went(place: Installation, taker: Taker) -> None:
    added = hook(place, taker.port)
    assert place.here("webhook", "test", added["id"])["taken"]
    Webhook(added["secret"]).verify(taker.came[0].body, taker.came[0].header)
    nobody = place.run("webhook", "test", f"http://127.0.0.1:{free_port()}/", "--json")
    assert nobody.returncode == 1
    assert json.loads(nobody.stdout)["why"] == "127.0.0.1: nobody listens there"


def test_G_a_receiver_that_failed_gets_it_again_and_the_list_says_so(
    place: Installation, taker: Taker
) -> None:
    taker.status = lambda before: 503 if before == 0 else 204
    added = hook(place, taker.port, "--events", "mail.filed")
    send(place)
    taker.wait(lambda came: len(came) == 2)
    assert taker.came[0].id == taker.came[1].id
    assert taker.came[0].body == taker.came[1].body
    deadline = time.monotonic() + 30
    while (shown := place.here("webhook", "show", added["id"]))["last_taken_at"] is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert shown["last_error"] == "the receiver answered 503 Service Unavailable"


@pytest.mark.parametrize(
    "point", [name for name in failpoint.POINTS if name.startswith("webhook.")]
)
def test_G_killed_at_any_point_nothing_is_lost_and_repeats_have_their_id(
    company: Installation, taker: Taker, point: str
) -> None:
    company.environment = {failpoint.VARIABLE: f"{point}=kill"}
    try:
        company.start()
    finally:
        company.environment = {}
    hook(company, taker.port, "--events", "mail.filed")
    send(company, 5)
    deadline = time.monotonic() + 60
    while f"failpoint name={point}" not in company.log.read_text(encoding="utf-8"):
        assert time.monotonic() < deadline, "the point was not passed"
        time.sleep(0.05)
    company.kill()
    company.start()
    try:
        taker.wait(lambda came: len({one.id for one in filed(came)}) == 5)
        bodies = {(one.id, one.body) for one in taker.came}
        assert len(bodies) == 5
        assert len({json.loads(body)["data"]["mail"] for _, body in bodies}) == 5
        assert company.run("doctor").returncode == 0
    finally:
        for one in company.here("webhook", "list"):
            company.here("webhook", "remove", one["id"])
        company.stop()


class TestExamples:
    """As docs/webhooks.md shows them."""

    @pytest.mark.parametrize(
        "command", [[sys.executable, "receive.py"], ["node", "receive.mjs"]], ids=["python", "node"]
    )
    def test_G_a_receiver_verifies_fetches_the_mail_and_prints_it(
        self, place: Installation, command: list[str]
    ) -> None:
        if shutil.which(command[0]) is None:
            pytest.fail(f"{command[0]} is not installed: see tools/test-packages.sh")
        port = free_port()
        added = hook(place, port, "--events", "mail.filed")
        with started([*command, str(port)], added["secret"], place) as running:
            send(place)
            assert running.stdout is not None
            told = json.loads(running.stdout.readline())
            mail = place.here("mail", "show", told["mail"])
            assert (told["type"], told["subject"]) == ("mail.filed", SUBJECT)
            assert mail["subject"] == SUBJECT
            # What nobody signed hears no.
            assert asked(port, b'{"type": "mail.filed", "data": {}}') == 401

    def test_G_one_event_is_taken_by_shell(self, place: Installation, taker: Taker) -> None:
        added = hook(place, taker.port, "--events", "mail.filed")
        send(place)
        taker.wait(lambda came: len(came) == 1)
        [one] = taker.came
        names = ("id", "timestamp", "signature")
        words = [one.header[f"webhook-{name}"] for name in names]
        taken = shell(words, one.body, added["secret"], place)
        assert taken.returncode == 0, taken.stderr
        assert json.loads(taken.stdout)["subject"] == SUBJECT
        forged = one.body.replace(b"mail.filed", b"mail.fined")
        assert shell(words, forged, added["secret"], place).returncode == 1
        old = [words[0], str(int(words[1]) - 1000), words[2]]
        assert shell(old, one.body, added["secret"], place).returncode == 1


def environment(secret: str, place: Installation) -> dict[str, str]:
    url = f"http://127.0.0.1:{place.web}"
    named = {"WEBHOOK_SECRET": secret, "MAILD_URL": url, "MAILD_TOKEN": token(place)}
    return {**os.environ, **named}


@contextmanager
def started(
    command: list[str], secret: str, place: Installation
) -> Iterator[subprocess.Popen[bytes]]:
    running = subprocess.Popen(
        command, cwd=EXAMPLES, env=environment(secret, place), stdout=subprocess.PIPE
    )
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


def shell(
    words: list[str], body: bytes, secret: str, place: Installation
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["/bin/sh", str(EXAMPLES / "take.sh"), *words],
        input=body,
        env=environment(secret, place),
        capture_output=True,
        check=False,
    )


def asked(port: int, body: bytes) -> int:

    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        with closing(line), suppress(OSError):
            line.request("POST", "/", body, {"webhook-id": "x", "webhook-timestamp": "1"})
            return line.getresponse().status
        time.sleep(0.1)
    raise AssertionError("nobody listens")
