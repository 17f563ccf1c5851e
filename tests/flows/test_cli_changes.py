"""`maild user change-email | undo-change | merge | unmerge | changes`: the contract of the command line."""

from __future__ import annotations

import pytest

from tests.flows.test_cli_people import Cli, cli, template

__all__ = ["cli", "template"]

EVA, JAN, NEW = "eva@acme.example", "jan@acme.example", "eva.huber@acme.example"


@pytest.fixture
def acme(cli: Cli) -> Cli:
    cli.ok("account", "add", "acme", "Acme")
    cli.ok("user", "add", "--email", "lea@acme.example", "--name", "Lea", "--role", "admin")
    cli.ok("user", "add", "--email", EVA, "--name", "Eva")
    cli.ok("user", "add", "--email", JAN, "--name", "Jan")
    return cli


def test_U11_the_plan_is_a_document_and_sentences_and_does_nothing(acme: Cli) -> None:
    told = acme.ok("user", "change-email", EVA, NEW, "--plan")
    assert (told["plan"]["kind"], told["plan"]["old"], told["plan"]["new"]) == ("rename", EVA, NEW)
    assert acme("user", "change-email", EVA, NEW, "--plan") == 0
    assert acme.out.splitlines() == told["sentences"]
    assert told["plan"]["digest"] in acme.err
    assert acme.ok("user", "show", EVA)["email"] == EVA


def test_U11_with_a_yes_it_is_done_and_can_be_taken_back(acme: Cli) -> None:
    done = acme.ok("user", "change-email", EVA, NEW, "--reason", "she married", "--yes")
    assert acme.ok("user", "show", NEW)["name"] == "Eva"
    [listed] = acme.ok("user", "changes")
    assert (listed["id"], listed["reason"]) == (done["id"], "she married")
    assert acme.ok("user", "undo-change", done["id"])["stayed"] == []
    assert acme.ok("user", "show", EVA)["name"] == "Eva"
    assert acme.refused("user", "undo-change", done["id"]) == "CANNOT_UNDO"


def test_U11_a_plan_that_was_looked_at_is_done_or_refused_as_stale(acme: Cli) -> None:
    digest = acme.ok("user", "change-email", EVA, NEW, "--plan")["plan"]["digest"]
    acme.ok("address", "add", EVA, "moser@acme.example", "--confirm")
    again = ("user", "change-email", EVA, NEW, "--reason", "x", "--yes", "--expect", digest)
    assert acme.refused(*again) == "PLAN_OUTDATED"


def test_U11_an_empty_plan_is_not_the_one_that_was_looked_at(acme: Cli) -> None:
    change = ("user", "change-email", EVA, NEW, "--reason", "x", "--yes", "--expect", "")
    assert acme.refused(*change) == "PLAN_OUTDATED"
    assert acme.refused("user", "merge", EVA, JAN, "--yes", "--expect", "") == "PLAN_OUTDATED"


def test_U14_an_address_is_not_added_when_its_inbox_is_refused(acme: Cli) -> None:
    add = ("address", "add", EVA, "hand@acme.example", "--confirm", "--delivers-to", "nonsense")
    assert acme.refused(*add) == "INVALID_EMAIL"
    assert [row["address"] for row in acme.ok("address", "list", EVA)] == [EVA]


def test_U11_without_a_yes_nothing_is_done(acme: Cli) -> None:
    assert acme.refused("user", "change-email", EVA, NEW, "--reason", "x", status=2) == "USAGE"
    assert acme.refused("user", "change-email", EVA, NEW, "--yes", status=2) == "USAGE"
    assert acme.ok("user", "show", EVA)["email"] == EVA


def test_U11_a_swap_of_roles_needs_its_option(acme: Cli) -> None:
    swap = ("user", "change-email", EVA, "lea@acme.example", "--reason", "x", "--yes")
    assert acme.refused(*swap) == "ROLES_DIFFER"
    acme.ok(*swap, "--swap-roles")
    assert acme.ok("user", "show", EVA)["name"] == "Lea"


def test_U11_an_alias_travels_where_that_is_said(acme: Cli) -> None:
    acme.ok("address", "add", EVA, "hand@acme.example", "--confirm")
    acme.ok(
        *("user", "change-email", EVA, JAN, "--reason", "x", "--yes"),
        *("--alias-travels", "hand@acme.example"),
    )
    assert acme.ok("user", "show", "hand@acme.example")["name"] == "Jan"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("nobody@acme.example", NEW, "CURRENT_EMAIL_NOT_FOUND"),
        (EVA, EVA, "SAME_EMAIL"),
        (EVA, "x", "INVALID_EMAIL"),
    ],
)
def test_U11_each_refusal_has_its_code(acme: Cli, old: str, new: str, code: str) -> None:
    assert acme.refused("user", "change-email", old, new, "--plan") == code


def test_U11_nobody_does_it_in_a_users_name(acme: Cli) -> None:
    who = ("--by", "lea@acme.example")
    assert acme.refused(*who, "user", "change-email", EVA, NEW, "--plan") == "OPERATOR_ONLY"
    assert acme.refused(*who, "user", "undo-change", "x") == "OPERATOR_ONLY"
    assert acme.refused(*who, "user", "merge", EVA, JAN, "--plan") == "OPERATOR_ONLY"
    assert acme.refused(*who, "user", "unmerge", "x") == "OPERATOR_ONLY"
    assert acme.refused(*who, "user", "changes") == "OPERATOR_ONLY"


def test_U13_a_merge_is_planned_done_and_taken_back(acme: Cli) -> None:
    assert acme.ok("user", "merge", EVA, JAN, "--plan")["plan"]["kind"] == "merge"
    assert acme.refused("user", "merge", EVA, JAN, status=2) == "USAGE"
    done = acme.ok("user", "merge", EVA, JAN, "--yes")
    assert acme.ok("user", "show", EVA)["name"] == "Jan"
    acme.ok("user", "unmerge", done["id"])
    assert acme.ok("user", "show", EVA)["name"] == "Eva"
    assert acme.ok("doctor")
