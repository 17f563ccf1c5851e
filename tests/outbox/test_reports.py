"""U14, F7: Debian's Postfix reports that a mailbox was full, and the daemon knows its own mail in the report."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from maild.testing.installation import Installation, a_small_company
from maild.testing.postfix import Postfix, is_installed
from tests.conftest import absent
from tests.outbox.relay_server import RelayServer, until
from tests.outbox.test_daemon import listed, queue

pytestmark = [pytest.mark.real, pytest.mark.slow]

_SAYS = {"full.example": "552 5.2.2 no room here", "gone.example": "550 5.1.1 nobody here"}
"""What the people's own server answers, to which the relay goes on."""


def _refusal(step: str, line: str) -> str | None:
    if step != "rcpt":
        return None
    return next((said for domain, said in _SAYS.items() if domain in line), None)


@pytest.fixture
def postfix(relay: RelayServer) -> Iterator[Postfix]:
    if not is_installed():
        absent("Postfix (or we are not root)")
    relay.decide = _refusal
    ways = ", ".join(f"{{{domain}=smtp:[127.0.0.1]:{relay.port}}}" for domain in _SAYS)
    folder = Path(tempfile.mkdtemp(prefix="maild-reports-", dir="/tmp"))
    folder.chmod(0o755)
    made = Postfix(f"unix:{folder}/m/lmtp.sock", extra=f"transport_maps = inline:{{{ways}}}")
    made.start()
    yield made
    made.stop()
    shutil.rmtree(folder)


@pytest.fixture
def place(postfix: Postfix) -> Iterator[Installation]:
    relay = f'[relay]\nhost = "127.0.0.1"\nport = {postfix.port}\ntls = "none"\nfrom_address = "info@acme.example"\n'
    made = Installation(Path(postfix.target.partition(":")[2]).parent, extra=relay)
    made.make()
    made.folder.chmod(0o755)
    a_small_company(made)
    for local in ("full", "gone"):
        made.here("user", "add", "--email", f"ole@{local}.example", "--name", f"Ole {local}")
    made.start()
    made.lmtp.chmod(0o666)
    yield made
    made.kill()


def test_U14_a_report_of_a_full_mailbox_pauses_its_owners_digest(
    place: Installation, postfix: Postfix
) -> None:
    queue(place, "one", to="ole@full.example")
    until(lambda: place.here("user", "show", "ole@full.example")["digest"] == "paused", 60)
    assert [one["last_error"] for one in listed(place)] == ["it came back: 5.2.2"]
    [report] = place.here("mail", "list", "--inbox", "info@acme.example")
    assert report["reason"] == "BOUNCE"


def test_F7_a_report_of_another_fault_marks_the_mail_and_pauses_nothing(
    place: Installation, postfix: Postfix
) -> None:
    queue(place, "one", to="ole@gone.example")
    until(lambda: listed(place)[0]["last_error"] == "it came back: 5.1.1", 60)
    assert place.here("user", "show", "ole@gone.example")["digest"] == "on"
