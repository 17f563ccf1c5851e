"""D12 as an admin sees it: a mail that is too large comes as its header, and whole when somebody asks for it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from maild.testing.dovecot import Dovecot
from maild.testing.installation import Installation
from tests.flows.test_sources import COUNT, USER, add, dovecot, mail, mails, place, refused

__all__ = ["dovecot", "place"]

pytestmark = [pytest.mark.real, pytest.mark.slow]

LIMIT = "MAILD_SOURCES__MAX_SIZE"
GIANT = mail("giant") + b"large " * 30_000 + b"\r\n"


@pytest.fixture(params=["imap", "pop"])
def giant(
    request: pytest.FixtureRequest, place: Installation, dovecot: Dovecot
) -> tuple[Installation, Dovecot, dict[str, Any]]:
    """A box of which everything is taken but its largest mail; deleting what is stored is the policy."""
    dovecot.fill(USER, [GIANT])
    place.environment = {LIMIT: "100KiB"}
    add(place, dovecot, request.param, "--since", "all", "--after", "delete")
    figures = place.here("source", "poll", "box")
    assert (figures["stored"], figures["headers"]) == (COUNT, 1)
    place.start()
    (found,) = [one for one in mails(place) if one["reason"] == "TOO_LARGE"]
    return place, dovecot, found


def await_state(place: Installation, ulid: str, state: str) -> None:
    deadline = time.monotonic() + 60
    while place.here("mail", "show", ulid)["state"] != state:
        assert time.monotonic() < deadline, f"it is not {state}"
        time.sleep(0.2)


def test_D12_a_giant_is_a_record_once_and_stays_on_the_server(
    giant: tuple[Installation, Dovecot, dict[str, Any]],
) -> None:
    place, dovecot, record = giant
    assert record["subject"] == "number giant"
    assert str(len(GIANT)) in record["reason_text"]
    assert dovecot.count(USER) == 1, "only what is stored whole is deleted"
    figures = place.here("source", "poll", "box")
    assert (figures["new"], figures["stored"], figures["headers"]) == (0, 0, 0)


def test_D12_a_giant_is_not_fetched_before_the_limit_is_raised(
    giant: tuple[Installation, Dovecot, dict[str, Any]],
) -> None:
    place, _, record = giant
    said = refused(place, "mail", "fetch", record["id"])
    assert "sources.max_size" in said
    assert str(len(GIANT)) in said
    other = next(one for one in mails(place) if one["reason"] != "TOO_LARGE")
    assert "nothing more to fetch" in refused(place, "mail", "fetch", other["id"])


def test_D12_a_giant_comes_whole_when_somebody_asks_and_its_record_is_put_away(
    giant: tuple[Installation, Dovecot, dict[str, Any]],
) -> None:
    place, dovecot, record = giant
    place.stop()
    place.environment = {}
    asked = place.here("mail", "fetch", record["id"])
    assert asked == {"mails": [record["id"]], "sources": ["box"]}
    assert place.here("source", "poll", "box")["stored"] == 1
    place.start()
    found = mails(place)
    (whole,) = [
        one for one in found if one["subject"] == "number giant" and one["id"] != record["id"]
    ]
    assert place.run("mail", "show", whole["id"], "--raw").stdout == GIANT
    await_state(place, record["id"], "ignored")
    assert dovecot.count(USER) == 0, "it is stored whole, and the policy is to delete"
    assert "nothing more to fetch" in refused(place, "mail", "fetch", record["id"])
    assert place.here("doctor")["broken"] == []
