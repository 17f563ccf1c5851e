"""kill -9 at random moments under mixed load, by every door: nothing lost, nothing double, doctor clean (D1, D6)."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from maild.testing.installation import Installation
from tests.crash.peers import (
    Mail,
    Said,
    a_mail,
    an_installation,
    doctor_is_content,
    offer,
    verdict,
    wait_until_decided,
)

KILLS = 1000 if os.environ.get("MAILD_TEST_FULL") else 10
CLIENTS = ("smtp", "smtp", "lmtp", "http", "pipe")
SEED = int(os.environ.get("MAILD_TEST_SEED", "20261121"))
SIZES = [200, 1_000, 4_000, 60_000]
"""Most are small; some outgrow the database's share and go to a file."""


@dataclass
class Load:
    """Clients that each send mail after mail, and offer a mail again until somebody took it."""

    place: Installation
    stop: threading.Event = field(default_factory=threading.Event)
    sent: dict[str, Mail] = field(default_factory=dict)
    in_hand: dict[int, Mail] = field(default_factory=dict)
    """What each client sends now."""
    refused: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def client(self, number: int, door: str) -> None:
        rng = random.Random(f"{SEED}-{number}")
        count = 0
        while not self.stop.is_set():
            count += 1
            mail = a_mail(door, f"{number}-{count}", rng.choice(SIZES), rng)
            with self.lock:
                self.sent[mail.key] = self.in_hand[number] = mail
            while not mail.answered and not self.stop.is_set():
                self.offer(mail)

    def offer(self, mail: Mail) -> None:
        said = offer(self.place, mail)
        if said is Said.NEVER:
            self.refused.append(f"{mail.key}: {mail.last_words}")
        if said is not Said.STORED:
            time.sleep(0.03)

    def is_in_flight(self) -> bool:
        """Whether the daemon has a mail in hand; the pipe is a process of its own."""
        with self.lock:
            return any(mail.is_under_way for mail in self.in_hand.values())


@pytest.fixture
def place() -> Iterator[Installation]:
    """Its folder is short, since a unix socket's path must be."""
    folder = Path(tempfile.mkdtemp(prefix="maild-test-", dir="/tmp"))
    made = an_installation(folder / "m")
    yield made
    made.kill()
    shutil.rmtree(folder)


@pytest.mark.real
@pytest.mark.slow
def test_D1_kill_9_under_load_loses_nothing_and_doubles_nothing(place: Installation) -> None:
    load = Load(place)
    clients = [
        threading.Thread(target=load.client, args=(n, door), daemon=True)
        for n, door in enumerate(CLIENTS)
    ]
    rng = random.Random(SEED)
    hits = 0
    place.start()
    for client in clients:
        client.start()
    for _ in range(KILLS):
        time.sleep(rng.uniform(0.02, 0.5))
        hits += load.is_in_flight()
        place.kill()
        place.start()
    time.sleep(0.5)
    load.stop.set()
    for client in clients:
        client.join(60)
    # Mail came in while nobody had the time to decide: the more kills, the longer the queue.
    wait_until_decided(place, 60 + KILLS)
    assert place.stop() == 0
    assert load.refused == [], "our own fault is never a refusal for good"
    mails = load.sent.values()
    verdict(place, mails)
    doctor_is_content(place)
    by_door = Counter(mail.door for mail in mails if mail.answered)
    print(
        f"kills={KILLS} in_flight={hits} mails={len(load.sent)} by_door={dict(by_door)} "
        f"unanswered_attempts={sum(mail.attempts - mail.answered for mail in mails)} lost=0 doubled=0"
    )
    assert set(by_door) == set(CLIENTS), f"a door took nothing: {by_door}"
    assert hits >= KILLS * 0.6, (
        f"only {hits} of {KILLS} kills met a mail in flight; the test proves too little"
    )
