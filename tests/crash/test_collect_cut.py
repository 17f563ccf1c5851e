"""A line that breaks at any octet or word, in either direction: one copy, none lost, what went from the server is here."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
from collections.abc import Iterator
from datetime import timedelta

import pytest

from maild.config import load
from maild.core import collect
from maild.core.app import OPERATOR, App, open_app
from maild.core.remote import RemoteError
from maild.core.sources import source_row
from maild.daemon.lines import Lines
from maild.daemon.rounds import Rounds
from maild.testing.dovecot import Dovecot
from maild.testing.installation import Installation
from tests.crash.collecting import (
    TARGET,
    WITHOUT_MOVE,
    Box,
    a_site,
    add_source,
    command,
    stored,
)
from tests.crash.cutter import Cut, Cutter
from tests.crash.peers import doctor_is_content

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.skipif(not Dovecot.is_there(), reason="Dovecot is not installed"),
]

FULL = bool(os.environ.get("MAILD_TEST_FULL"))
TIMES = 20 if FULL else 3
"""How often a line breaks at each word."""
STEP = 7 if FULL else 150
"""Octets between two cuts."""
MOVE = f"move:{TARGET}"
BOXES = {
    "pop": ("pop", "delete"),
    "imap": ("imap", "delete"),
    "move": ("imap", MOVE),
    "copy": ("imap", MOVE),
}
"""`copy` is the move of a server that has no MOVE."""


class Cutting:
    """Boxes that are collected through a line that breaks."""

    def __init__(self, place: Installation, usual: Dovecot, without_move: Dovecot) -> None:
        self.place = place
        self.app: App = open_app(load(place.config, {}))
        self.boxes: dict[str, Box] = {}
        self.cutters: dict[str, Cutter] = {}
        for name, (kind, after) in BOXES.items():
            server = without_move if name == "copy" else usual
            box = Box(server, f"{name}@acme.example")
            box.open()
            cutter = Cutter(server.pop if kind == "pop" else server.imap)
            add_source(place, box, name, kind, after, port=cutter.port)
            self.boxes[name], self.cutters[name] = box, cutter
            assert self.poll(name)

    def close(self) -> None:
        self.app.store.close()
        for cutter in self.cutters.values():
            cutter.__exit__()

    def poll(self, name: str) -> bool:
        """Do a round as the daemon does; say whether the line held."""

        async def round_() -> bool:
            lines = Lines(self.app, load(self.place.config, {}))
            source = source_row(self.app, name, by=OPERATOR)
            claim = collect.claim(self.app, source, "cutting", timedelta(hours=1))
            assert claim is not None
            try:
                await Rounds(self.app, lines).poll(claim, lambda _: None)
            except RemoteError:
                return False
            finally:
                collect.give_up(self.app, claim)
                lines.close()
            return True

        return asyncio.run(round_())

    def break_at(self, name: str, cut: Cut, count: int = 2) -> bool:
        """Let mails come in and the line break over them; then poll until the line has held.  Was it cut?"""
        box, cutter = self.boxes[name], self.cutters[name]
        box.send(f"cut{len(box.sent)}", count, lines=10)
        before = cutter.broken
        cutter.set(cut)
        self.poll(name)
        cutter.settle()
        self.assert_none_lost(name)
        cutter.set(None)
        assert self.poll(name) or self.poll(name), (
            "the line held, and the round failed all the same"
        )
        return cutter.broken > before

    def assert_none_lost(self, name: str) -> None:
        """What the server no longer has in either folder is stored here."""
        box = self.boxes[name]
        there = box.holds() + box.holds(TARGET)
        kept = stored(self.place)
        for letter in box.sent:
            key = letter.partition(b"Subject: ")[2].partition(b"\r")[0].decode()
            assert there[key] or kept[hashlib.sha256(letter).hexdigest()], f"{key} is lost"

    def judge(self, name: str) -> None:
        """One copy here, none in the server's INBOX; one in the folder that it was to be moved to."""
        box = self.boxes[name]
        box.assert_each_once(self.place)
        assert not box.holds()
        moved = box.holds(TARGET)
        is_moved = BOXES[name][1] == MOVE
        assert moved.total() == len(moved) == (len(box.sent) if is_moved else 0)
        proven = command(self.place, "source", "prove", name)
        assert (proven["again"], proven["would_fetch"]) == (0, 0), proven


@pytest.fixture(scope="module")
def cutting() -> Iterator[Cutting]:
    users = [f"{name}@acme.example" for name in BOXES]
    with a_site(users, "", WITHOUT_MOVE) as (place, (usual, without_move)):
        made = Cutting(place, usual, without_move)
        try:
            yield made
        finally:
            made.close()
        doctor_is_content(place)


def client(words: bytes, *, through: bool = False, passing: int = 1) -> Cut:
    return Cut(says="client", words=words, lets_through=through, passing=passing)


def server(words: bytes, *, through: bool = False, passing: int = 1) -> Cut:
    return Cut(says="server", words=words, lets_through=through, passing=passing)


WORDS = {
    "pop": {
        "before the password": client(b"PASS "),
        "in the first answer to RETR": server(b"line 5 of", through=True),
        "in the second answer to RETR": server(b"line 5 of", through=True, passing=2),
        "before DELE": client(b"DELE "),
        "after the first DELE": client(b"DELE 3\r\n", through=True),
        "before QUIT": client(b"QUIT"),
        "after QUIT, before its answer": client(b"QUIT\r\n", through=True),
    },
    "imap": {
        "in the first body": server(b"line 5 of", through=True),
        "in the second body": server(b"line 5 of", through=True, passing=2),
        "before STORE": client(b"UID STORE"),
        "after STORE, before EXPUNGE": client(b"UID EXPUNGE"),
        "in UID EXPUNGE": client(b"UID EXPUNGE", through=True),
        "after UID EXPUNGE": server(b" EXPUNGE\r\n"),
    },
    "move": {
        "before MOVE": client(b"UID MOVE"),
        "in MOVE's answer": server(b"COPYUID"),
        "after MOVE's answer": server(b"COPYUID", through=True),
    },
    "copy": {
        "before COPY": client(b"UID COPY"),
        "in COPY's answer": server(b"COPYUID"),
        "after COPY, before STORE": client(b"UID STORE"),
        "after STORE, before EXPUNGE": client(b"UID EXPUNGE"),
        "after UID EXPUNGE": server(b" EXPUNGE\r\n"),
    },
}


@pytest.mark.parametrize(
    ("name", "where"), [(name, where) for name, words in WORDS.items() for where in words]
)
def test_D5_a_line_that_breaks_there_loses_nothing_and_doubles_nothing(
    cutting: Cutting, name: str, where: str
) -> None:
    for _ in range(TIMES):
        assert cutting.break_at(name, WORDS[name][where]), "nothing was cut"
    cutting.judge(name)


@pytest.mark.parametrize("says", ["client", "server"])
@pytest.mark.parametrize("name", BOXES)
def test_D5_a_line_that_breaks_at_any_octet_loses_nothing_and_doubles_nothing(
    cutting: Cutting, name: str, says: str
) -> None:
    cutter = cutting.cutters[name]
    cutting.break_at(name, Cut(says=says, words=b"never said"))
    cutter.set(None)
    cutting.boxes[name].send(f"measured-{says}", 2, lines=10)
    assert cutting.poll(name)
    length = cutter.octets[says]
    places = range(random.Random(name).randrange(1, STEP), length, STEP)
    cuts = sum(cutting.break_at(name, Cut(says=says, octets=octets)) for octets in places)
    print(f"{name} {says}: {cuts} cuts of a line of {length} octets")
    assert cuts >= len(places) // 2
    cutting.judge(name)
