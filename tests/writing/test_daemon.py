"""The whole daemon, its command line and a relay: what is written goes by itself, and a kill repeats one mail at most."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from maild import failpoint
from maild.testing.installation import Installation, InstallationError, a_small_company
from tests.outbox.conftest import relay as relay  # noqa: PLC0414 - a fixture
from tests.outbox.relay_server import RelayServer, until
from tests.outbox.test_daemon import configured

pytestmark = [pytest.mark.real, pytest.mark.slow]


@pytest.fixture
def place(relay: RelayServer) -> Iterator[Installation]:
    folder = Path(tempfile.mkdtemp(prefix="maild-writing-", dir="/tmp"))
    made = Installation(folder / "m", extra=configured(relay.port))
    made.make()
    a_small_company(made)
    yield made
    made.kill()
    shutil.rmtree(folder)


def wrote(place: Installation, *words: str) -> str:
    """Write a mail at the command line as Eva; return its id."""
    found = place.here("mail", "compose", "--by", "eva@acme.example", "--subject", "News", *words)
    return str(found["id"])


def fates(place: Installation, ulid: str) -> list[str]:
    return [one["state"] for one in place.here("mail", "show", ulid)["written"]["recipients"]]


def test_M8_what_is_written_goes_by_itself_and_show_tells_what_the_relay_said(
    place: Installation, relay: RelayServer
) -> None:
    place.start()
    text = place.config.parent / "text"
    text.write_text("Grüße an alle.\n", encoding="utf-8")
    ulid = wrote(place, "--to", "Anna <anna@rossi.example>", "--text-file", str(text))
    until(lambda: fates(place, ulid) == ["sent"])
    [(mail_from, recipient, content)] = relay.mails
    assert recipient == "anna@rossi.example"
    assert f"{ulid.lower()}@acme.example".encode() in content
    shown = place.here("mail", "show", ulid)
    assert (shown["direction"], shown["owner"]) == ("out", "eva@acme.example")
    assert shown["inbox"] == mail_from
    assert place.stop() == 0


@pytest.mark.parametrize("point", ["outbox.after_claim", "outbox.after_send"])
def test_M8_a_kill_repeats_one_mail_at_most_with_the_same_message_id(
    place: Installation, relay: RelayServer, point: str
) -> None:
    ulids = [wrote(place, "--to", f"{n}@x.example", "--text", f"To {n}") for n in range(3)]
    place.environment = {failpoint.VARIABLE: f"{point}=kill"}
    with suppress(InstallationError):
        place.start()
    if place.process is not None:
        assert place.process.wait(30) == -9
        place.process = None
    place.environment = {}
    place.start()
    until(lambda: all(fates(place, ulid) == ["sent"] for ulid in ulids))
    assert len({content for _, _, content in relay.mails}) == 3
    assert len(relay.mails) - 3 == (1 if point == "outbox.after_send" else 0)
