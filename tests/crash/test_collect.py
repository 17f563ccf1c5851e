"""Collecting that dies, fails or waits at any point, or whose line breaks anywhere: one copy, none lost, others untouched."""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest

from maild import failpoint
from maild.testing.dovecot import Dovecot
from maild.testing.installation import Installation
from tests.crash.collecting import (
    TARGET,
    WITHOUT_MOVE,
    Box,
    a_site,
    add_source,
    assert_dies_at,
    command,
    poll_until_done,
)
from tests.crash.peers import doctor_is_content

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.skipif(not Dovecot.is_there(), reason="Dovecot is not installed"),
]

FULL = bool(os.environ.get("MAILD_TEST_FULL"))
STORING = ["collect.before_store", "collect.after_store"]
ACTING = [
    "collect.before_intent",
    "collect.after_intent",
    "collect.before_done",
    "collect.after_done",
]
WAITS = "delete:2d"
POLICIES = {
    "imap": ["keep", "seen", "delete", WAITS, f"move:{TARGET}", "copy"],
    "pop": ["keep", "delete", WAITS],
}
"""`copy` is the move of a server that has no MOVE."""
WINDOWS = ["collect.after_store", "collect.after_intent", "collect.before_done"]
TRACKS = [(kind, policy) for kind, policies in POLICIES.items() for policy in policies]


@dataclass
class Track:
    """A box that is collected by one protocol and policy; what comes in goes through every point in turn."""

    place: Installation
    box: Box
    name: str
    kind: str
    policy: str
    taken: Counter[str]

    @property
    def waits(self) -> bool:
        return self.policy == WAITS

    def poll(self) -> None:
        poll_until_done(self.place, self.name)

    def age(self) -> None:
        """Let three days pass since everything was stored."""
        with closing(sqlite3.connect(self.place.folder / "maild.db", timeout=30)) as database:
            database.execute("UPDATE remote_copies SET stored_at = stored_at - 259200000000")
            database.commit()

    def judge(self) -> None:
        """Each mail is stored once, and the server's mailbox is as the policy says."""
        self.box.assert_each_once(self.place)
        states = command(self.place, "source", "show", self.name)["copies"]
        assert states == {"stored": len(self.box.sent), "skipped": 2}, states
        proven = command(self.place, "source", "prove", self.name)
        assert (proven["again"], proven["would_fetch"]) == (0, 0), proven
        moved = self.box.holds(TARGET)
        if self.policy in {"keep", "seen"}:
            assert self.box.holds() == self.taken
            if self.kind == "imap":  # POP's server marks by itself what it gives.
                seen = self.box.holds("INBOX", "SEEN")
                assert seen == (self.taken if self.policy == "seen" else Counter())
            assert moved == Counter()
        else:
            assert self.box.holds() == Counter()
            is_moved = self.policy.startswith("move:") or self.policy == "copy"
            assert moved == (self.taken if is_moved else Counter())


def name_of(kind: str, policy: str) -> str:
    return f"{kind}-{policy.replace(':', '-').lower()}"


class Tracks:
    """The tracks; each is begun when it is first asked for."""

    def __init__(self, place: Installation, usual: Dovecot, without_move: Dovecot) -> None:
        self._place = place
        self._servers = {"copy": without_move}
        self._usual = usual
        self._made: dict[str, Track] = {}

    def of(self, kind: str, policy: str) -> Track:
        name = name_of(kind, policy)
        if name not in self._made:
            self.rest()
            self._made[name] = self._begin(name, kind, policy)
        return self._made[name]

    def _begin(self, name: str, kind: str, policy: str) -> Track:
        box = Box(self._servers.get(policy, self._usual), f"{name}@acme.example")
        box.open()
        after = f"move:{TARGET}" if policy == "copy" else policy
        add_source(self._place, box, name, kind, after)
        made = Track(self._place, box, name, kind, policy, Counter())
        made.poll()
        return made

    def rest(self) -> None:
        """Let the pollers leave those alone that had their turn."""
        for name in self._made:
            command(self._place, "source", "pause", name)


@pytest.fixture(scope="module")
def tracks() -> Iterator[Tracks]:
    users = [f"{name_of(*track)}@acme.example" for track in TRACKS]
    with a_site(users, "", WITHOUT_MOVE) as (place, servers):
        yield Tracks(place, *servers)
        doctor_is_content(place)


def is_passed(kind: str, policy: str, point: str) -> bool:
    """Whether a policy meets the point; reduced, the points before and after an act are met by one policy a protocol."""
    if policy == "keep" and point in ACTING:
        return False
    return FULL or point in WINDOWS or policy in {"copy", "delete"}


@pytest.mark.parametrize(
    ("kind", "policy", "point"),
    [
        (*track, point)
        for track in TRACKS
        for point in [*STORING, *ACTING]
        if is_passed(*track, point)
    ],
)
def test_D5_a_kill_at_the_point_loses_nothing_doubles_nothing_and_is_made_good(
    tracks: Tracks, kind: str, policy: str, point: str
) -> None:
    track = tracks.of(kind, policy)
    track.taken.update(track.box.send(point.partition(".")[2]))
    if track.waits and point in ACTING:
        track.poll()
        track.age()
    assert_dies_at(track.place, point)
    track.poll()
    if track.waits and point in STORING:
        assert len(track.box.holds()) == 3, "they went before their time"
        track.age()
        track.poll()
    track.judge()


def test_every_point_of_collecting_is_passed_here() -> None:
    """Those of adopting are passed where servers number anew."""
    elsewhere = {"collect.before_adopt", "collect.after_adopt"}
    here = {point for point in failpoint.POINTS if point.startswith("collect.")} - elsewhere
    assert here == {*STORING, *ACTING}
