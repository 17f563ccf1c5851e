"""Mail by HTTP, and one mail by every door, through the real daemon and the command line (D1, D6)."""

from __future__ import annotations

import hashlib
import http.client
import json
import shutil
import smtplib
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from maild.testing.installation import Installation, a_small_company, free_port

pytestmark = [pytest.mark.real, pytest.mark.slow]

INFO = "info@acme.example"


@pytest.fixture(scope="module")
def company() -> Iterator[Installation]:
    """One installation for the whole file; its folder is short, since a unix socket's path must be."""
    folder = Path(tempfile.mkdtemp(prefix="maild-test-", dir="/tmp"))
    folder.chmod(0o755)
    filtered = free_port()
    place = Installation(
        folder / "m",
        web=free_port(),
        extra=f'[[listener]]\nbind = "127.0.0.1:{filtered}"\nspam_headers = ["X-Spam-Flag: YES"]\n',
        environment={"FILTERED": str(filtered)},
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
    assert company.stop() == 0
    done = company.run("doctor")
    assert done.returncode == 0, done.stdout.decode()


@pytest.fixture
def key(place: Installation) -> str:
    return str(place.cli("inbox", "key", INFO, "--new")["key"])


def a_mail(name: str, body: str = "Hello") -> bytes:
    return (
        f"From: anna@rossi.example\r\nTo: {INFO}\r\nSubject: {name}\r\n"
        f"Date: Fri, 20 Nov 2026 10:00:00 +0100\r\nMessage-ID: <{name}@http.test>\r\n\r\n{body}\r\n"
    ).encode()


def post(
    place: Installation, key: str, mail: bytes, inbox: str = INFO
) -> tuple[int, dict[str, Any]]:
    """Post a mail; return the status and the document."""
    assert place.web is not None
    with closing(http.client.HTTPConnection("127.0.0.1", place.web, timeout=60)) as peer:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "message/rfc822"}
        peer.request("POST", f"/in/{inbox}?sender=anna@rossi.example", mail, headers)
        heard = peer.getresponse()
        return heard.status, json.loads(heard.read())


def test_D1_a_mail_by_http_is_stored_decided_and_explained(place: Installation, key: str) -> None:
    mail = a_mail("one", "x" * 100_000)
    status, document = post(place, key, mail)
    assert status == 202
    place.settle()
    shown = place.cli("mail", "show", document["id"])
    assert (shown["state"], shown["reason"], shown["door"]) == ("filed", "FILED_CONTACT", "http")
    assert shown["digest"] == f"sha256:{hashlib.sha256(mail).hexdigest()}"
    assert place.run("mail", "show", document["id"], "--raw").stdout == mail
    told = place.run("explain", document["id"]).stdout.decode()
    assert f"http from 127.0.0.1, <anna@rossi.example> to {INFO}" in told


def test_D6_one_mail_by_four_doors_is_one_mail_with_four_arrivals(
    place: Installation, key: str
) -> None:
    mail = a_mail("four")
    with smtplib.SMTP("127.0.0.1", place.smtp) as smtp:
        smtp.sendmail("anna@rossi.example", [INFO], mail)
    lmtp = smtplib.LMTP(str(place.lmtp))
    lmtp.sendmail("anna@rossi.example", [INFO], b"Return-Path: <anna@rossi.example>\r\n" + mail)
    lmtp.quit()
    piped = place.run(
        "deliver", "--recipient", INFO, "--sender", "anna@rossi.example",
        data=b"From anna Fri Nov 20 10:00:00 2026\nDelivered-To: info\n" + mail.replace(b"\r\n", b"\n"),
    )  # fmt: skip
    assert piped.returncode == 0
    traced = b"Received: from a by b\r\nDKIM-Signature: v=1; b=abc\r\n" + mail
    status, document = post(place, key, traced)
    assert (status, post(place, key, traced)) == (202, (202, document))
    place.settle()
    told = place.cli("explain", document["id"])
    assert [(one["door"], one["retries"]) for one in told["arrivals"]] == [
        ("smtp", 0),
        ("lmtp", 0),
        ("pipe", 0),
        ("http", 1),
    ]
    text = place.run("explain", document["id"]).stdout.decode()
    for sentence in (
        "It came in by smtp from 127.0.0.1.",
        "It came in by lmtp from unix.",
        "It came in by pipe from local.",
        "It came in by http from 127.0.0.1, and was offered again once.",
    ):
        assert sentence in text


def test_a_key_is_made_told_of_and_ended_at_the_command_line(place: Installation) -> None:
    crm = "crm@acme.example"
    assert place.cli("inbox", "key", crm) == {"inbox": crm, "since": None, "key": None}
    made = place.run("inbox", "key", crm, "--new")
    text = made.stdout.decode().strip()
    assert text.startswith("maild-in-")
    assert "not shown again" in made.stderr.decode()
    assert post(place, text, a_mail("crm"), crm)[0] == 202
    shown = place.cli("inbox", "key", crm)
    assert shown["since"] is not None
    assert text not in json.dumps(shown)
    place.cli("inbox", "key", crm, "--revoke")
    assert post(place, text, a_mail("crm"), crm)[1]["code"] == "NO_SUCH_INBOX"
    assert "has no key" in place.run("inbox", "key", crm).stdout.decode()
    assert place.run("inbox", "key", crm, "--new", "--revoke").returncode == 2


def test_a_marked_mail_is_put_aside_counted_explained_and_released(place: Installation) -> None:
    mail = b"X-Spam-Flag: YES\r\n" + a_mail("spam")
    with smtplib.SMTP("127.0.0.1", int(place.environment["FILTERED"])) as smtp:
        smtp.sendmail("anna@rossi.example", [INFO], mail)
    place.settle()
    [spam] = place.cli("mail", "list", "--reason", "SPAM")
    assert (spam["state"], spam["owner"]) == ("ignored", None)
    [counted] = place.cli("mail", "counts", "--inbox", INFO)
    assert (counted["ignored"], counted["reasons"]["SPAM"]) == (1, 1)
    assert "1 ignored" in place.run("mail", "counts").stdout.decode()
    assert "marked as spam: X-Spam-Flag: YES" in place.run("explain", spam["id"]).stdout.decode()
    released = place.cli("mail", "release", spam["id"])
    assert released["moved"] == [spam["id"]]
    assert place.cli("mail", "show", spam["id"])["reason"] == "FILED_CONTACT"
    place.cli("mail", "undo", released["change"])
    assert place.cli("mail", "show", spam["id"])["reason"] == "SPAM"
    assert place.run("mail", "release", spam["id"]).returncode == 0


def test_check_says_what_the_web_serves(place: Installation) -> None:
    told = [line for line in place.cli("check") if line["what"].startswith("web on")]
    assert [line["verdict"] for line in told] == ["OK", "OK"]
    assert "POST /in/ADDRESS" in told[1]["text"]
    assert "the API (/api/v1)" in told[1]["text"]


def test_a_port_that_is_taken_is_a_sentence_and_no_traceback(
    company: Installation, tmp_path: Path
) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        other = Installation(tmp_path / "m", web=taken.getsockname()[1])
        other.make()
        done = other.run("serve")
        assert done.returncode != 0
        said = done.stderr.decode()
        assert "another program listens there already" in said
        assert "Traceback" not in said
        [line] = [one for one in _check(other) if one["verdict"] == "FAIL"]
        assert "another program listens there already" in line["text"]


def _check(place: Installation) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(place.run("check", "--json").stdout)
    return found


def test_D1_sigterm_under_load_loses_nothing_that_was_answered(
    company: Installation,
) -> None:
    company.start()
    key = str(company.cli("inbox", "key", INFO, "--new")["key"])
    answered: dict[str, str] = {}
    stop = threading.Event()

    def client(number: int) -> None:
        count = 0
        while not stop.is_set():
            count += 1
            name = f"load-{number}-{count}"
            with suppress(OSError, http.client.HTTPException):
                status, document = post(company, key, a_mail(name))
                if status == 202:
                    answered[name] = document["id"]

    threads = [threading.Thread(target=client, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 60
    while len(answered) < 40 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert company.stop() == 0
    stop.set()
    for thread in threads:
        thread.join()
    assert len(answered) >= 40
    company.start()
    company.settle()
    assert company.stop() == 0
    stored = {
        mail["subject"]: mail["id"] for mail in company.cli("mail", "list", "--limit", "1000")
    }
    assert {name: stored.get(name) for name in answered} == answered
