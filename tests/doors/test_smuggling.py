"""One mail stays one mail: no other form of its end, however it is cut, lets a second one in (CVE-2023-51764 and kin)."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from maild.model.envelope import Door
from maild.model.reason import Answer, Reason

if TYPE_CHECKING:
    from tests.doors.conftest import Client, OpenDoor, OpenIt

FORMS = [
    b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\r\n\0.\r\n", b"\r\r\n.\r\r\n",
    b"\r\n.\0\r\n", b"\n\n.\r\n", b"\r\n.\r\r\n",
]  # fmt: skip
ENVELOPE = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<info@acme.example>\r\nDATA\r\n"
SECOND = b"MAIL FROM:<evil@b.example>\r\nRCPT TO:<info@acme.example>\r\nDATA\r\nsmuggled"
END = b"\r\n.\r\n"
WAYS = ["pipelined", "at once", "in pieces", "octet by octet"]


def _attack(client: Client, hello: bytes, form: bytes, way: str) -> str:
    """Send one mail with a second one behind the form; return the reply after the true end, and say QUIT."""
    begin = hello + b" me\r\n" + ENVELOPE
    pieces = [b"one", form, SECOND, END]
    if way == "pipelined":
        client.send(begin + b"".join(pieces) + b"QUIT\r\n")
        assert [reply[:3] for reply in client.replies(4)] == ["250", "250", "250", "354"]
        return client.reply()
    client.send(begin)
    assert [reply[:3] for reply in client.replies(4)] == ["250", "250", "250", "354"]
    if way == "at once":
        pieces = [b"".join(pieces)]
    elif way == "octet by octet":
        pieces = [bytes([octet]) for octet in b"".join(pieces)]
    for piece in pieces:
        client.send(piece)
        time.sleep(0.001)
    reply = client.reply()
    client.send(b"QUIT\r\n")
    return reply


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("form", FORMS)
def test_D2_no_other_form_of_the_end_smuggles_a_second_mail(
    open_door: OpenIt, form: bytes, way: str
) -> None:
    door = open_door()
    client = door.client()
    assert _attack(client, b"EHLO", form, way).startswith("550 5.6.0")
    assert client.reply().startswith("221")
    assert client.is_closed()
    assert door.intake.entered == 0


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("form", FORMS)
def test_D2_lmtp_keeps_one_mail_as_received(open_door: OpenIt, form: bytes, way: str) -> None:
    door = open_door(Door.LMTP)
    client = door.client()
    assert _attack(client, b"LHLO", form, way).startswith("250 2.0.0")
    assert client.reply().startswith("221")
    assert client.is_closed()
    # A dot that begins a line is stuffing even where the line is odd (RFC 5321 4.5.2).
    content = b"one" + form.replace(b"\r\n.", b"\r\n") + SECOND + b"\r\n"
    assert [kept.content for kept in door.intake.kept] == [content]


# -- what comes after a mail that is not taken -----------------------------------------------------------------------


def _codes(client: Client) -> list[str]:
    codes = []
    while reply := client.reply():
        codes.append(reply[:3])
    return codes


def test_nothing_is_obeyed_after_a_flood(open_door: OpenIt) -> None:
    door = open_door(max_size=10_000)
    client = door.client().send(b"EHLO me\r\n" + ENVELOPE + b"x" * 20_001 + b"\r\n")
    assert _codes_of(client, 5) == ["250", "250", "250", "354", "421"]
    with suppress(ConnectionError):
        client.send(SECOND + END)
    assert client.is_closed()
    assert door.intake.entered == 0


def test_nothing_is_obeyed_after_a_mail_that_stalled(open_door: OpenIt) -> None:
    door = open_door(idle_timeout=0.2)
    client = door.client().send(b"EHLO me\r\n" + ENVELOPE + b"half a mail")
    assert _codes(client) == ["250", "250", "250", "354", "421"]
    with suppress(ConnectionError):
        client.send(END + SECOND + END)
    assert client.is_closed()
    assert door.intake.entered == 0


@pytest.mark.parametrize("hello", [b"EHLO", b"LHLO"])
def test_a_mail_too_large_is_read_to_its_end(open_door: OpenIt, hello: bytes) -> None:
    door = open_door(Door.LMTP if hello == b"LHLO" else Door.SMTP, max_size=1000)
    large = b"x" * 1000 + b"\r\n.\r" + SECOND
    client = door.client().send(hello + b" me\r\n" + ENVELOPE + large + END + b"QUIT\r\n")
    assert _codes(client) == ["250", "250", "250", "354", "552", "221"]
    assert door.intake.entered == 0


def test_the_first_mail_is_answered_before_the_next_command_is_looked_at(
    open_door: OpenIt,
) -> None:
    door: OpenDoor = open_door()
    door.intake.answer = lambda envelope, raw, path: Answer(Reason.BUSY)
    client = door.client().send(b"EHLO me\r\n" + ENVELOPE + b"one" + END + SECOND + END)
    assert _codes_of(client, 8) == ["250", "250", "250", "354", "451", "250", "250", "354"]


def _codes_of(client: Client, count: int) -> list[str]:
    return [reply[:3] for reply in client.replies(count)]
