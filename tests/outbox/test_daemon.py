"""The whole daemon and a relay: what is queued goes by itself, and a kill at any point repeats one mail at most."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from maild import failpoint
from maild.config import load
from maild.core.app import open_app
from maild.core.letters import Notice, Posted, post
from maild.testing.installation import Installation, InstallationError, a_small_company
from tests.outbox.relay_server import RelayServer, until

pytestmark = [pytest.mark.real, pytest.mark.slow]

POINTS = [point for point in failpoint.POINTS if point.startswith("outbox.")]
SENT_ALREADY = {"outbox.after_send"}
"""Where the relay has the mail and nobody wrote it down: the one place of a repeat."""


def configured(port: int) -> str:
    return f"""
[relay]
host = "127.0.0.1"
port = {port}
tls = "none"
from_address = "crm-bot@acme.example"
"""


@pytest.fixture
def place(relay: RelayServer) -> Iterator[Installation]:
    folder = Path(tempfile.mkdtemp(prefix="maild-outbox-", dir="/tmp"))
    made = Installation(folder / "m", extra=configured(relay.port))
    made.make()
    a_small_company(made)
    yield made
    made.kill()
    shutil.rmtree(folder)


def queue(place: Installation, *keys: str, to: str = "eva@acme.example") -> list[str]:
    """Queue a mail for each key, as a use case would; return the errands' ids."""
    app = open_app(load(place.config, {}))
    posted: list[str] = []
    try:
        with app.store.write() as tx:
            for key in keys:
                notice = Notice(to=to, subject=key, text=f"This is {key}.")
                queued = post(tx, app, notice, key=key)
                assert isinstance(queued, Posted)
                posted.append(queued.errand)
    finally:
        app.store.close()
    return posted


def listed(place: Installation, *options: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = place.here("outbox", "list", *options)
    return found


def test_what_is_queued_goes_by_itself_and_the_list_says_so(
    place: Installation, relay: RelayServer
) -> None:
    place.start()
    [ulid] = queue(place, "one")
    until(lambda: bool(listed(place, "--state", "done")))
    [shown] = listed(place)
    assert (shown["id"], shown["state"], shown["to"]) == (ulid, "done", "eva@acme.example")
    assert [recipient for _, recipient, _ in relay.mails] == ["eva@acme.example"]
    assert place.stop() == 0


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_the_point_loses_nothing_and_repeats_one_mail_at_most(
    place: Installation, relay: RelayServer, point: str
) -> None:
    queue(place, "one", "two", "three")
    place.environment = {failpoint.VARIABLE: f"{point}=kill"}
    with suppress(InstallationError):  # It may die before its doors are open.
        place.start()
    if place.process is not None:
        assert place.process.wait(30) == -9
        place.process = None
    assert f"failpoint name={point} act=kill" in place.log.read_text(encoding="utf-8")
    place.environment = {}
    before = list(relay.mails)
    place.start()
    until(lambda: len(listed(place, "--state", "done")) == 3)
    assert len({content for _, _, content in relay.mails}) == 3
    repeated = len(relay.mails) - 3
    assert repeated == (1 if point in SENT_ALREADY else 0)
    if repeated:
        assert relay.mails.count(before[0]) == 2
    assert place.stop() == 0
    assert place.run("doctor").returncode == 0


def test_a_fault_of_our_own_loses_nothing_and_holds_up_nothing(
    place: Installation, relay: RelayServer
) -> None:
    queue(place, "one", "two")
    points = ("outbox.after_claim", "outbox.after_done")
    place.environment = {failpoint.VARIABLE: ";".join(f"{point}=error@1" for point in points)}
    place.start()
    place.environment = {}
    until(lambda: len(listed(place, "--state", "done")) == 2, 60)
    assert len(relay.mails) == 2
    assert place.stop() == 0


def test_the_operator_sees_why_a_mail_did_not_go_and_has_it_tried_again(
    place: Installation, relay: RelayServer
) -> None:
    relay.replies["rcpt"] = "550 5.7.1 not from you"
    [ulid] = queue(place, "one")
    place.start()
    until(lambda: bool(listed(place, "--state", "dead")))
    [dead] = listed(place)
    assert "550 5.7.1 not from you" in dead["last_error"]
    lines = place.run("check", "--json").stdout.decode()
    assert "outbox list --state dead" in lines
    del relay.replies["rcpt"]
    [revived] = place.cli("outbox", "retry", ulid)
    assert revived["state"] == "waiting"
    until(lambda: bool(listed(place, "--state", "done")))
    assert place.run("outbox", "retry", ulid).returncode == 1
    assert place.run("outbox", "retry", "nonsense").returncode == 1
    assert place.run("outbox", "list", "--state", "nonsense").returncode == 2
    people = place.run("outbox", "list").stdout.decode()
    assert ulid in people
    assert "eva@acme.example" in people


def test_check_goes_to_the_relay_and_tells_what_is_wrong_with_it(
    place: Installation, relay: RelayServer
) -> None:
    def line() -> dict[str, str]:
        found: list[dict[str, str]] = json.loads(place.run("check", "--json").stdout)
        return next(one for one in found if one["what"].startswith("relay"))

    good = line()
    assert good["verdict"] == "OK"
    assert "crm-bot@acme.example" in good["text"]
    assert relay.mails == []
    relay.replies["greeting"] = "554 5.7.1 go away"
    bad = line()
    assert bad["verdict"] == "FAIL"
    assert "554 5.7.1 go away" in bad["text"]
