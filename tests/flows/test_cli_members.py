"""The command line of confirming addresses and of working for several accounts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from maild.config import load
from maild.core.app import open_app
from tests.flows.test_cli_people import Cli, acme, cli, template

__all__ = ["acme", "cli", "template"]

_RELAY = '\n[relay]\nhost = "relay.acme.example"\nfrom_address = "maild@acme.example"\n'


@pytest.fixture
def sending(acme: Cli) -> Cli:
    """With a relay; nothing runs that would go to it."""
    acme.config.write_text(acme.config.read_text() + _RELAY)
    return acme


@pytest.fixture
def two(acme: Cli) -> Cli:
    """With an account that Bo is the admin of."""
    acme.ok("account", "add", "beta", "Beta")
    words = ["--email", "bo@beta.example", "--name", "Bo", "--role", "admin", "--account", "beta"]
    acme.ok("user", "add", *words)
    return acme


def code_for(cli: Cli) -> str:
    """Return the code of the newest mail."""
    app = open_app(load(cli.config, {}))
    try:
        with app.store.read() as tx:
            text = tx.outbox.page(None, account_id=None, limit=1)[0].payload["text"]
    finally:
        app.store.close()
    found = re.search(r"--code (\S+)\)", text)
    assert found is not None
    return found[1]


def test_U5_an_address_is_confirmed_by_the_code_of_its_mail(sending: Cli) -> None:
    added = sending.ok("address", "add", "lea@acme.example", "brandt@acme.example")
    assert (added["verified"], added["link"]["sent"]) == (False, True)
    said = sending.ok("address", "verify", "brandt@acme.example")
    assert said["sent"]
    words = ["address", "verify", "brandt@acme.example", "--code"]
    assert sending.refused(*words, "wrong") == "LINK_ENDED"
    assert sending.ok(*words, code_for(sending))["verified"]
    assert sending.ok("address", "verify", "brandt@acme.example")["verified"]


def test_U5_without_a_relay_it_says_what_to_do(acme: Cli) -> None:
    assert acme("address", "add", "lea@acme.example", "brandt@acme.example") == 0
    assert "maild address add lea@acme.example brandt@acme.example --confirm" in acme.err
    assert acme("address", "verify", "brandt@acme.example") == 1
    assert "no relay" in acme.err


def test_U3_the_ways_out_have_codes_and_commands(acme: Cli) -> None:
    assert acme("--json", "user", "add", "--email", "lea@acme.example", "--name", "L") == 1
    import json

    error = json.loads(acme.out)["error"]
    codes = [way["code"] for way in error["ways"]]
    assert {"ADD_ALIAS", "USE_TAG", "ADD_COMMUNAL_USER", "INVITE", "CHANGE_EMAIL"} <= set(codes)
    assert len(error["actions"]) == len(codes)
    assert all(isinstance(action, str) for action in error["actions"])


def test_U9_a_request_is_seen_granted_and_left_again(two: Cli) -> None:
    asked = two.ok("--by", "lea@acme.example", "member", "request", "beta")
    assert "If there is an account" in asked["message"]
    [waiting] = [
        one for one in two.ok("member", "list", "--account", "beta") if one["state"] == "requested"
    ]
    granted = two.ok(
        "--by", "bo@beta.example", "member", "grant", waiting["id"], "--role", "member"
    )
    assert granted["state"] == "active"
    own = two.ok("--by", "lea@acme.example", "member", "list", "--own")
    assert {one["account"] for one in own} == {"acme", "beta"}
    left = two.ok(
        "--by", "lea@acme.example", "member", "remove", "lea@acme.example", "--account", "beta"
    )
    assert left["state"] == "refused"


def test_U9_a_request_is_refused_by_an_admin(two: Cli) -> None:
    two.ok("--by", "lea@acme.example", "member", "request", "beta")
    [waiting] = [
        one for one in two.ok("member", "list", "--account", "beta") if one["state"] == "requested"
    ]
    refused = two.ok("--by", "bo@beta.example", "member", "refuse", waiting["id"])
    assert refused["state"] == "refused"


def test_U9_many_are_invited_with_an_answer_per_line(two: Cli, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text(
        "email,role\nlea@acme.example,admin\nnobody@acme.example,\nbo@beta.example,king\n"
    )
    answers = two.lines("member", "import", file, "--account", "beta")
    assert [(one["line"], one["outcome"], one["code"]) for one in answers] == [
        (2, "join_requested", "JOIN_REQUESTED"),
        (3, "refused", "NOT_FOUND"),
        (4, "refused", "INVALID_VALUE"),
    ]
    assert two("member", "import", file, "--account", "beta") == 1
