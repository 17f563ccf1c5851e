"""U3: ways out of a refusal are phrases for people, and for programs codes with commands."""

from __future__ import annotations

import pytest

from maild.model.reason import Reason, RefusedError
from maild.model.way import Way, way_of


@pytest.mark.parametrize(
    ("phrase", "code", "command"),
    [
        ("maild inbox set info@x.example owner=EMAIL", "INBOX_SET", "maild inbox set info@x.example owner=EMAIL"),
        ("Look: maild user show a@x.example", "USER_SHOW", "maild user show a@x.example"),
        ("maild user change-email A NEW", "USER_CHANGE_EMAIL", "maild user change-email A NEW"),
        ("maild db upgrade", "DB_UPGRADE", "maild db upgrade"),
        ("Wait until tomorrow", "READ", None),
        ("Ask who runs maild for it", "READ", None),
        ("", "READ", None),
    ],
)  # fmt: skip
def test_U3_a_phrase_with_a_command_has_that_commands_code(
    phrase: str, code: str, command: str | None
) -> None:
    way = way_of(phrase)
    assert (way.code, way.command) == (code, command)


@pytest.mark.parametrize("phrase", ["maild db upgrade", "Look: maild user show A", "Wait"])
def test_U3_people_read_the_phrase_as_it_was_written(phrase: str) -> None:
    assert way_of(phrase).phrase == phrase


def test_U3_a_refusal_tells_both() -> None:
    way = Way("ADD_ALIAS", "Add an alias", "maild address add EMAIL ADDR")
    refused = RefusedError(Reason.CONFLICT, actions=(way, "Wait"), why="x")
    assert refused.actions == ("Add an alias: maild address add EMAIL ADDR", "Wait")
    assert [one.code for one in refused.ways] == ["ADD_ALIAS", "READ"]
