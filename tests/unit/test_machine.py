"""F7, E1: what a sales person reads of a mail that a machine made."""

from __future__ import annotations

import pytest

from maild.model.letter import Kind, Returned
from maild.model.machine import told_of
from maild.testing.letters import a_letter


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (
            Returned(status="5.2.2", recipients=("bo@x.test",)),
            "a mail server's notice that a mail did not reach bo@x.test: the mailbox is full, code 5.2.2 (X-Failed-Recipients)",
        ),
        (
            Returned(status="5.0.0", recipients=("bo@x.test", "cy@x.test")),
            "a mail server's notice that a mail did not reach bo@x.test and 1 more: code 5.0.0 (X-Failed-Recipients)",
        ),
        (
            Returned(status="4.4.1", recipients=("bo@x.test",), is_delayed=True),
            "a mail server's notice that a mail is delayed on its way to bo@x.test: the other server does not answer, code 4.4.1 (X-Failed-Recipients)",
        ),
        (
            Returned(),
            "a mail server's notice that a mail did not reach its recipient (X-Failed-Recipients)",
        ),
    ],
)
def test_E1_a_bounce_is_told_with_whom_it_missed_and_why(said: Returned, text: str) -> None:
    letter = a_letter(kind=Kind.BOUNCE, kind_proof="X-Failed-Recipients", returned=said)
    assert told_of(letter) == text


@pytest.mark.parametrize(
    ("kind", "proof", "text"),
    [
        (Kind.LIST, "List-Id", "mail of a mailing list or newsletter (List-Id)"),
        (Kind.AUTO_REPLY, "X-Autoreply", "an automatic answer or notice (X-Autoreply)"),
        (Kind.REPORT, "a read receipt: Content-Class", "a read receipt: Content-Class"),
    ],
)
def test_E1_other_machines_are_told_by_what_they_send(kind: Kind, proof: str, text: str) -> None:
    assert told_of(a_letter(kind=kind, kind_proof=proof)) == text
