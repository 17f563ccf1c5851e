"""One poller for a source (D10): whoever dies, is paused or lost its lease, nothing is doubled, lost, or deleted unstored."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlalchemy import text
from typing_extensions import override

from maild import failpoint
from maild.config import load
from maild.core import collect
from maild.core.app import OPERATOR, App, open_app
from maild.core.collect import Claim, LeaseLostError
from maild.core.polling import Figures
from maild.core.sources import ask_for_round, source_row
from maild.daemon.lines import Lines
from maild.daemon.rounds import Rounds
from maild.store.engine import StoreDownError
from maild.testing import scripted_imap, scripted_pop
from maild.testing.dovecot import Dovecot
from maild.testing.installation import Installation
from maild.testing.pop_server import Peer, PopServer
from maild.testing.scripted_imap import ScriptedImap
from tests.crash.collecting import (
    HANG_S,
    LEASE_S,
    Box,
    a_letter,
    a_site,
    add_source,
    as_microseconds,
    command,
    poll_until_done,
    pollers,
    rows,
    stored,
)

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.skipif(not Dovecot.is_there(), reason="Dovecot is not installed"),
]

FULL_S, REDUCED_S = 120.0, 6.0
"""How long pollers are paused and mails come, for each database."""
KINDS = ("imap", "pop")
USERS = [f"{kind}@acme.example" for kind in KINDS]


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease as it stands."""

    holder: str
    epoch: int
    until: float
    """By the store's clock."""

    def is_of(self, process: subprocess.Popen[bytes]) -> bool:
        return self.holder.endswith(f" {process.pid}")


class Site:
    """Mailboxes that are deleted from, and any number of processes that poll them."""

    def __init__(self, place: Installation, dovecot: Dovecot) -> None:
        self.place = place
        self.app: App = open_app(load(place.config, {}))
        self.boxes = {kind: Box(dovecot, f"{kind}@acme.example") for kind in KINDS}
        self.children: list[subprocess.Popen[bytes]] = []
        for kind, box in self.boxes.items():
            box.open()
            add_source(place, box, kind, kind, "delete", every="5s")
            poll_until_done(place, kind)

    def start(self) -> subprocess.Popen[bytes]:
        """Start a process of pollers, and wait until it works."""
        log = self.place.folder / f"pollers{len(self.children)}.log"
        self.children.append(pollers(self.place, log=log))
        until(lambda: b"event=ready" in log.read_bytes())
        return self.children[-1]

    def end(self) -> None:
        """End those that are left, in good order where they can."""
        for child in self.children:
            child.send_signal(signal.SIGCONT)
            child.terminate()
        for child in self.children:
            try:
                child.wait(HANG_S)
            finally:
                child.kill()
                child.wait()
        self.app.store.close()

    def lease(self, kind: str) -> Lease | None:
        source_id = source_row(self.app, kind, by=OPERATOR).id
        found = rows(
            self.place,
            f"SELECT holder, epoch, until FROM leases WHERE name = 'source {source_id}'",
        )
        if not found:
            return None
        holder, epoch, end = found[0]
        return Lease(holder, epoch, as_microseconds(end) / 1e6)

    def ask(self) -> None:
        """Have whoever polls do so now; one that was stopped amid a write has SQLite's lock, and is asked again later."""
        for kind in KINDS:
            with suppress(StoreDownError):
                ask_for_round(self.app, source_row(self.app, kind, by=OPERATOR).id)

    def is_all_stored(self) -> bool:
        kept = stored(self.place)
        return all(kept[digest(one)] for box in self.boxes.values() for one in box.sent)

    def assert_none_lost(self) -> None:
        """What a server no longer has is stored here; the server is asked first, for what goes in between was stored."""
        there = {kind: box.holds() for kind, box in self.boxes.items()}
        kept = stored(self.place)
        for kind, box in self.boxes.items():
            for letter in box.sent:
                key = letter.partition(b"Subject: ")[2].partition(b"\r")[0].decode()
                assert there[kind][key] or kept[digest(letter)], f"{key} is lost"

    def judge(self) -> None:
        """Each mail came in once, and none is left on a server."""
        for box in self.boxes.values():
            box.assert_each_once(self.place)
            assert box.holds() == Counter()
        twice = rows(
            self.place,
            "SELECT message_id FROM arrivals GROUP BY message_id HAVING count(*) > 1",
        )
        assert twice == [], "mails were fetched twice"
        assert command(self.place, "doctor")["broken"] == []


def digest(letter: bytes) -> str:
    return hashlib.sha256(letter).hexdigest()


def until(is_so: Callable[[], bool], what: str = "it never came about") -> None:
    deadline = time.monotonic() + HANG_S
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else ""
    with a_site(USERS, "", database=url) as (place, (dovecot,)):
        made = Site(place, dovecot)
        try:
            yield made
        finally:
            made.end()


def test_D10_of_two_pollers_that_are_paused_at_random_none_doubles_loses_or_deletes_unstored(
    site: Site,
) -> None:
    chance = random.Random(4)
    children = [site.start(), site.start()]
    held = {kind: site.lease(kind) for kind in KINDS}
    seconds = FULL_S if os.environ.get("MAILD_TEST_FULL") else REDUCED_S
    end, number = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        victim = _holder(site, children) if chance.random() < 0.7 else chance.choice(children)
        pause_end = time.monotonic() + LEASE_S * chance.uniform(1.1, 2.2)
        while time.monotonic() < pause_end:
            for box in site.boxes.values():
                box.send(f"n{number}", chance.randrange(1, 6))
            number += 1
            site.ask()
            time.sleep(chance.uniform(0, 0.4))  # It is stopped at whatever it does with them.
            victim.send_signal(signal.SIGSTOP)
        site.assert_none_lost()
        victim.send_signal(signal.SIGCONT)
        time.sleep(chance.uniform(0, 0.5))
    site.ask()
    until(site.is_all_stored, "mails are not collected")
    until(lambda: not any(box.holds() for box in site.boxes.values()), "mails are not deleted")
    epochs = {kind: (lease.epoch if (lease := site.lease(kind)) else 0) for kind in KINDS}
    print(f"{number} times mails came; epochs {held} to {epochs}")
    assert min(epochs.values()) >= 3, "the lease did not go to and fro"
    site.judge()


def _holder(site: Site, children: Sequence[subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    lease = site.lease("imap")
    return next((one for one in children if lease is not None and lease.is_of(one)), children[0])


def test_D10_when_the_holder_is_killed_another_takes_over_after_its_lease_and_not_before(
    site: Site,
) -> None:
    config = site.place.config.read_text(encoding="utf-8")
    longer = config.replace(f'lease = "{LEASE_S:g}s"', f'lease = "{LONGER_S:g}s"')
    assert longer != config
    site.place.config.write_text(longer, encoding="utf-8")
    first = site.start()
    until(lambda: all((one := site.lease(kind)) and one.is_of(first) for kind in KINDS))
    second = site.start()
    time.sleep(LONGER_S / 2)  # It has asked for the leases by now.
    first.kill()
    first.wait()
    dead = {kind: one for kind in KINDS if (one := site.lease(kind)) and one.is_of(first)}
    assert dead, "the second took what the first had"
    for box in site.boxes.values():
        box.send("after")
    until(lambda: all((one := site.lease(kind)) and one.is_of(second) for kind in KINDS))
    for kind, before in dead.items():
        now = site.lease(kind)
        assert now is not None
        assert now.epoch == before.epoch + 1
        # It began so long before its end; if it was renewed since, it began earlier than that.
        assert now.until - LONGER_S >= before.until
        assert now.until - LONGER_S <= before.until + LONGER_S + BUSY_S
    until(site.is_all_stored)
    until(lambda: not any(box.holds() for box in site.boxes.values()))
    site.judge()


LONGER_S = 3.0
"""A lease that a process on a busy machine does not fail to renew."""
BUSY_S = 8.0
"""What a busy machine may add to a lease time."""


# -- what a poller does that has lost its lease ------------------------------------------------------------------------


class Robbed:
    """A round whose lease another process takes in the middle of it."""

    def __init__(self, place: Installation) -> None:
        self.settings = load(place.config, {})
        self.app = open_app(self.settings)
        self.claim: Claim | None = None
        self.is_taken = False

    def rob(self) -> None:
        """Be the other process; once."""
        if not self.is_taken and self.claim is not None:
            self.is_taken = True
            source, hour = self.claim.source, timedelta(hours=1)
            assert collect.claim(self.app, source, "another", hour) is not None

    def round(self, name: str, tell: Callable[[Figures], None]) -> None:
        """Do a round under a lease that has run out, but is ours until somebody takes it.  Raises LeaseLostError."""
        source = source_row(self.app, name, by=OPERATOR)
        self.claim = collect.claim(self.app, source, "this one", timedelta(0))
        assert self.claim is not None

        async def gone(claim: Claim) -> None:
            lines = Lines(self.app, self.settings)
            try:
                await Rounds(self.app, lines).poll(claim, tell)
            finally:
                lines.close()

        asyncio.run(gone(self.claim))


@contextmanager
def a_robbed_round(kind: str, after: str, port: int, user: str, secret: str) -> Iterator[Robbed]:
    with a_site([]) as (place, _):
        robbed = Robbed(place)
        box = Box(Dovecot(), user)
        words = {"since": "all", "password-file": str(place.folder / "secret")}
        (place.folder / "secret").write_text(secret, encoding="utf-8")
        (place.folder / "secret").chmod(0o600)
        add_source(place, box, "box", kind, after, port=port, **words)
        try:
            yield robbed
        finally:
            robbed.app.store.close()


def test_D10_a_pop_session_that_lost_its_lease_before_quit_says_rset_and_deletes_nothing() -> None:
    class Thief(Peer):
        """Another process takes the lease while this one deletes."""

        @override
        def do_dele(self, argument: bytes) -> None:
            robbed.rob()
            super().do_dele(argument)

    letters = [a_letter(f"pop-{number}") for number in range(3)]
    with (
        PopServer(Thief, letters) as server,
        a_robbed_round("pop", "delete", server.port, "anna", scripted_pop.SECRET) as robbed,
    ):
        with pytest.raises(LeaseLostError):
            robbed.round("box", lambda _: None)
        assert robbed.is_taken
        assert server.commands.count("dele") == 3
        assert server.commands[server.commands.index("dele") + 3] == "rset"
        assert len(server.mails) == 3
        assert server.deleted == []


@pytest.mark.parametrize("after", ["delete", "seen", "move:Done"])
def test_D10_an_imap_round_that_lost_its_lease_after_storing_changes_nothing_on_the_server(
    after: str,
) -> None:
    name, secret = scripted_imap.NAME, scripted_imap.SECRET
    with (
        ScriptedImap("good") as server,
        a_robbed_round("imap", after, server.port, name, secret) as robbed,
    ):

        def tell(figures: Figures) -> None:
            if figures.stored == len(scripted_imap.MAILS):
                robbed.rob()

        with pytest.raises(LeaseLostError):
            robbed.round("box", tell)
        assert robbed.is_taken
        assert_changed_nothing(server)


def test_D10_an_imap_round_that_lost_its_lease_while_its_intent_was_written_changes_nothing() -> (
    None
):
    name, secret = scripted_imap.NAME, scripted_imap.SECRET
    with (
        ScriptedImap("good") as server,
        a_robbed_round("imap", "delete", server.port, name, secret) as robbed,
    ):
        failpoint.arm("collect.after_intent=sleep:3")
        thief = threading.Thread(target=rob_when_begun, args=(robbed,))
        thief.start()
        try:
            with pytest.raises(LeaseLostError):
                robbed.round("box", lambda _: None)
        finally:
            failpoint.disarm()
            thief.join()
        assert_changed_nothing(server)


def rob_when_begun(robbed: Robbed) -> None:
    query = text("SELECT count(*) FROM remote_copies WHERE acted = 'begun'")

    def is_begun() -> bool:
        with robbed.app.store.read() as tx:
            return bool(tx.connection.execute(query).scalar_one())

    until(is_begun)
    robbed.rob()


def assert_changed_nothing(server: ScriptedImap) -> None:
    said = [word for word in server.commands if CHANGING & set(word.upper().split()[:2])]
    assert said == []
    assert server.mails == scripted_imap.MAILS
    assert server.moved == {}


CHANGING = {"STORE", "EXPUNGE", "MOVE", "COPY"}
