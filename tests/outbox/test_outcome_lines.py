"""M12: the line to the forwarder out of the whole daemon: headers, kills, and two installations that know each other."""

from __future__ import annotations

import shutil
import smtplib
import tempfile
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from maild import failpoint
from maild.testing.installation import Installation, a_small_company, free_port
from tests.outbox.relay_server import RelayServer, until

pytestmark = [pytest.mark.real, pytest.mark.slow]

FORWARD = """\
From: {from_}
To: {to}
Subject: Fwd: Offer
Message-ID: <{id_}@world.example>
Date: Fri, 20 Nov 2026 10:00:00 +0100

Please look at this.

---------- Forwarded message ---------
From: Anna Rossi <anna@rossi.example>
Date: Thu, 19 Nov 2026 at 09:00
Subject: Offer
To: <{from_}>

Hello
"""


def forward(port: int, from_: str, to: str, id_: str = "one") -> None:
    text = FORWARD.format(from_=from_, to=to, id_=id_).replace("\n", "\r\n")
    with smtplib.SMTP("127.0.0.1", port) as session:
        session.sendmail(from_, [to], text)


def relayed(port: int, from_address: str) -> str:
    return f'[relay]\nhost = "127.0.0.1"\nport = {port}\ntls = "none"\nfrom_address = "{from_address}"\n'


def errands(place: Installation) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = place.here("outbox", "list")
    return found


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="maild-outcome-", dir="/tmp"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def place(folder: Path, relay: RelayServer) -> Iterator[Installation]:
    made = Installation(folder / "m", extra=relayed(relay.port, "crm@acme.example"))
    made.make()
    a_small_company(made)
    made.here("account", "set", "acme", "outcome_line=yes")
    yield made
    made.kill()


def test_M12_the_line_goes_out_with_the_fields_that_stop_answers(
    place: Installation, relay: RelayServer
) -> None:
    place.start()
    forward(place.submission, "eva@acme.example", "crm@acme.example")
    until(lambda: bool(relay.mails))
    [(_, recipient, content)] = relay.mails
    mail = message_from_bytes(content, policy=policy.default)
    assert recipient == "eva@acme.example"
    assert mail["Auto-Submitted"] == "auto-replied"
    assert mail["In-Reply-To"] == "<one@world.example>"
    assert mail["X-Auto-Response-Suppress"]
    assert mail["X-Maild-Loop"]
    assert mail.get_content().strip() == "Filed under Rossi Bau."


@pytest.mark.parametrize(
    "point",
    [point for point in failpoint.POINTS if point.startswith("decide.") and "release" not in point],
)
def test_M12_a_kill_at_any_step_of_deciding_tells_once(
    place: Installation, relay: RelayServer, point: str
) -> None:
    place.environment = {failpoint.VARIABLE: f"{point}=kill@1"}
    place.start()
    forward(place.submission, "eva@acme.example", "crm@acme.example")
    assert place.process is not None
    place.process.wait(60)  # For a test the daemon is one thing and dies as one.
    place.environment = {}
    place.start()
    until(lambda: bool(relay.mails))
    place.settle()
    assert [one["state"] for one in errands(place)] == ["done"]
    assert place.stop() == 0
    assert len(relay.mails) == 1


def test_M12_two_installations_that_answer_each_other_stop_after_one(folder: Path) -> None:
    ports = {"acme": free_port(), "beta": free_port()}
    places: dict[str, Installation] = {}
    for own, other in (("acme", "beta"), ("beta", "acme")):
        # A door for the other's mail, which is proven: nothing but the mail itself can stop the answers.
        door = f'[[listener]]\nbind = "127.0.0.1:{ports[own]}"\nauthenticated_for = ["{other}.example"]\n'
        made = Installation(
            folder / own,
            domain=f"{own}.example",
            extra=door + relayed(ports[other], f"crm@{own}.example"),
        )
        made.make()
        a_small_company(made)
        made.here("account", "set", "acme", "outcome_line=yes")
        # Each takes the other's inbox for one of its users.
        made.here("user", "add", "--email", f"crm@{other}.example", "--name", "The other one")
        places[own] = made
    acme, beta = places["acme"], places["beta"]
    try:
        for one in places.values():
            one.start()
        forward(ports["acme"], "crm@beta.example", "crm@acme.example")
        until(lambda: [one["state"] for one in errands(acme)] == ["done"])
        until(lambda: len(beta.here("mail", "list")) == 1)
        beta.settle()
        [answer] = beta.here("mail", "list")
        assert (answer["state"], answer["reason"]) == ("ignored", "AUTO_REPLY")
        assert errands(beta) == []
        assert len(errands(acme)) == 1
        assert len(acme.here("mail", "list")) == 1
    finally:
        for one in places.values():
            one.kill()
