"""Collecting as an admin does it: the commands, the daemon, and a real Dovecot."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from maild.__main__ import run_here
from maild.testing.dovecot import Dovecot
from maild.testing.installation import Installation, InstallationError, a_small_company
from tests.conftest import absent

pytestmark = [pytest.mark.real, pytest.mark.slow]

USER = "info@acme.example"
COUNT = 30


def mail(number: int | str, *more: str) -> bytes:
    lines = [
        "From: Anna Rossi <anna@rossi.example>",
        *more,
        "Date: Fri, 20 Nov 2026 10:00:00 +0000",
        f"Message-ID: <{number}@rossi.example>",
        f"Subject: number {number}",
        "",
        f"Hello {number}",
        "",
    ]
    return "\r\n".join(lines).encode()


@pytest.fixture
def dovecot() -> Iterator[Dovecot]:
    if not Dovecot.is_there():
        absent("Dovecot")
    made = Dovecot()
    made.add_user(USER)
    made.start()
    made.fill(USER, (mail(number) for number in range(COUNT)))
    yield made
    made.stop()


@pytest.fixture
def place() -> Iterator[Installation]:
    with tempfile.TemporaryDirectory(prefix="maild-test-", dir="/tmp") as folder:
        made = Installation(
            Path(folder) / "m",
            extra='[sources]\nallow_networks = ["127.0.0.0/8"]\nlease = "2s"\n',
            runs=run_here,
        )
        made.make()
        a_small_company(made)
        secret = made.folder / "pw"
        secret.touch(0o600)
        secret.write_text("secret\n")
        yield made
        made.kill()


def add(place: Installation, dovecot: Dovecot, kind: str, *more: str, name: str = "box") -> Any:
    port = dovecot.imaps if kind == "imap" else dovecot.pops
    where = () if "--central" in more else ("--inbox", USER)
    return place.here(
        "source", "add", name, *where, "--kind", kind, "--host", "localhost", "--port", str(port),
        "--ca-file", str(dovecot.certificate), "--username", USER,
        "--password-file", str(place.folder / "pw"), *more,
    )  # fmt: skip


def mails(place: Installation) -> list[dict[str, Any]]:
    place.settle()
    found: list[dict[str, Any]] = place.here("mail", "list", "--limit", "500")
    return found


def refused(place: Installation, *words: str) -> str:
    with pytest.raises(InstallationError) as failure:
        place.here(*words)
    return str(failure.value)


@pytest.mark.parametrize("kind", ["imap", "pop"])
def test_D5_a_box_is_collected_once_whatever_happens_to_its_numbers(
    place: Installation, dovecot: Dovecot, kind: str
) -> None:
    assert add(place, dovecot, kind)["state"] == "PAUSED"
    counts = place.here("source", "test", "box")
    assert (counts["listed"], counts["known"]) == (COUNT, 0)
    assert "since" in refused(place, "source", "poll", "box")
    place.here("source", "set", "box", "since=all")
    assert place.here("source", "poll", "box")["stored"] == COUNT
    assert place.here("source", "poll", "box")["stored"] == 0
    assert place.here("source", "prove", "box")["would_fetch"] == 0
    dovecot.lose_uids(USER)
    dovecot.fill(USER, [mail("new")])
    proven = place.here("source", "prove", "box")
    assert (proven["would_fetch"], proven["again"], proven["renumbered"]) == (1, 0, True)
    figures = place.here("source", "poll", "box")
    assert figures["stored"] == 1
    assert figures["renumbered"]["matched"] == COUNT
    place.start()
    found = mails(place)
    assert len(found) == COUNT + 1
    assert {one["door"] for one in found} == {kind}
    assert place.here("doctor")["broken"] == []


@pytest.mark.parametrize("kind", ["imap", "pop"])
def test_D9_the_daemon_collects_what_comes_and_heals_when_the_server_is_back(
    place: Installation, dovecot: Dovecot, kind: str
) -> None:
    add(place, dovecot, kind, "--since", "none", "--every", "5s")
    place.start()
    until(lambda: place.here("source", "show", "box")["copies"].get("skipped") == COUNT)
    dovecot.fill(USER, [mail("first")])
    until(lambda: len(mails(place)) == 1)
    assert place.here("source", "poll", "box")["stored"] == 0
    assert place.here("source", "show", "box")["state"] == "OK"


@pytest.mark.parametrize("kind", ["imap", "pop"])
def test_D4_deleting_says_how_many_will_go_and_waits_for_a_yes(
    place: Installation, dovecot: Dovecot, kind: str
) -> None:
    add(place, dovecot, kind, "--since", "all")
    place.here("source", "poll", "box")
    assert f"{COUNT} mails" in refused(place, "source", "set", "box", "after=delete")
    assert dovecot.count(USER) == COUNT
    place.here("source", "set", "box", "after=delete", "--yes")
    assert place.here("source", "poll", "box")["acted"] == COUNT
    assert dovecot.count(USER) == 0
    place.start()
    assert len(mails(place)) == COUNT


def test_D10_a_mailbox_has_one_source(place: Installation, dovecot: Dovecot) -> None:
    add(place, dovecot, "imap")
    with pytest.raises(InstallationError, match="polled already"):
        add(place, dovecot, "pop", name="twin")


def test_D14_a_mailbox_for_many_asks_the_mail_for_whom_it_is(
    place: Installation, dovecot: Dovecot
) -> None:
    dovecot.fill(USER, [mail("to-crm", "Delivered-To: crm@acme.example", f"To: {USER}")])
    dovecot.fill(USER, [mail("to-nobody", "Delivered-To: someone@else.example")])
    add(place, dovecot, "imap", "--central", "--since", "all")
    place.here("source", "poll", "box")
    place.start()
    by_subject = {one["subject"]: one for one in mails(place)}
    assert by_subject["number to-crm"]["inbox"] == "crm@acme.example"
    assert by_subject["number to-nobody"]["reason"] == "NO_RECIPIENT_MARKER"
    said = place.here("explain", by_subject["number to-crm"]["id"])
    assert said["arrivals"][0]["origin"] == "Delivered-To"


def test_T16_a_secret_does_not_follow_its_source_to_another_server(
    place: Installation, dovecot: Dovecot
) -> None:
    add(place, dovecot, "imap", "--since", "all")
    place.here("source", "set", "box", "username=other@acme.example")
    assert "NO_SECRET" in refused(place, "source", "test", "box")
    assert "secret" not in str(place.here("source", "show", "box")).replace("has_secret", "")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("port=1", "NOT_REACHED"),
        ("folder=Nowhere", "NO_SUCH_FOLDER"),
        ("ca_file=", "TLS_FAILED"),
        ("host=nowhere.invalid", "NO_SUCH_HOST"),
    ],
)
def test_D8_each_failure_is_a_sentence_of_its_own(
    place: Installation, dovecot: Dovecot, change: str, code: str
) -> None:
    add(place, dovecot, "imap", "--since", "all")
    place.here("source", "set", "box", change, "--password-file", str(place.folder / "pw"))
    assert code in refused(place, "source", "test", "box")


def until(is_so: Any) -> None:
    deadline = time.monotonic() + 40
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.3)
