"""Debian's Postfix as the relay: mail goes into a Maildir; and what a user's own rule sends back to us is stopped."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from maild.model.letter import Kind
from maild.parse import read_letter
from maild.testing.installation import Installation, a_small_company
from maild.testing.postfix import Postfix, is_installed
from tests.conftest import absent
from tests.outbox.relay_server import until
from tests.outbox.test_daemon import configured, listed, queue

pytestmark = [pytest.mark.real, pytest.mark.slow]

_EXTRA = """\
virtual_mailbox_domains = people.example
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = inline:{{eva@people.example=eva/}}
virtual_alias_maps = inline:{{rule@people.example=info@acme.example}}
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
virtual_minimum_uid = 1000
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that Postfix's own user can walk into."""
    made = Path(tempfile.mkdtemp(prefix="maild-relay-", dir="/tmp"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def postfix(folder: Path) -> Iterator[Postfix]:
    if not is_installed():
        absent("Postfix (or we are not root)")
    made = Postfix(f"unix:{folder}/m/lmtp.sock", extra=_EXTRA.format(folder=folder))
    (folder / "mail").mkdir()
    os.chown(folder / "mail", 65534, 65534)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def place(folder: Path, postfix: Postfix) -> Iterator[Installation]:
    made = Installation(folder / "m", extra=configured(postfix.port))
    made.make()
    made.folder.chmod(0o755)
    a_small_company(made)
    made.start()
    made.lmtp.chmod(0o666)
    yield made
    made.kill()


def test_a_mail_goes_through_postfix_into_a_mailbox(
    place: Installation, postfix: Postfix, folder: Path
) -> None:
    queue(place, "Grüße an Eva", to="eva@people.example")
    until(lambda: bool(listed(place, "--state", "done")))
    postfix.settle()
    arrived = folder / "mail" / "eva" / "new"
    until(arrived.exists)
    [file] = arrived.iterdir()
    raw = file.read_bytes().replace(b"\n", b"\r\n")
    letter = read_letter(raw)
    assert (letter.subject, letter.kind) == ("Grüße an Eva", Kind.AUTO_REPLY)
    assert raw.startswith(b"Return-Path: <>\r\n")
    assert place.stop() == 0


def test_a_recipient_whom_postfix_refuses_makes_a_dead_letter(
    place: Installation, postfix: Postfix
) -> None:
    queue(place, "one", to="nobody@people.example")
    until(lambda: bool(listed(place, "--state", "dead")))
    [dead] = listed(place)
    assert "550 5.1.1" in dead["last_error"]


def test_a_mail_that_a_users_own_rule_sends_back_to_an_inbox_is_stopped(
    place: Installation, postfix: Postfix
) -> None:
    queue(place, "one", to="rule@people.example")
    until(
        lambda: bool(
            place.here("mail", "list", "--inbox", "info@acme.example", "--state", "ignored")
        )
    )
    postfix.settle()
    [back] = place.here("mail", "list", "--inbox", "info@acme.example", "--state", "ignored")
    assert back["reason"] == "LOOP_STOPPED"
    said = place.run("explain", back["id"]).stdout.decode()
    assert "X-Maild-Loop" in said
    assert [one["state"] for one in listed(place)] == ["done"]
