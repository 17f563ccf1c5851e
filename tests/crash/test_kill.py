"""kill -9 at random moments under SMTP load: nothing lost, nothing double, doctor clean (D1, D6)."""

from __future__ import annotations

import hashlib
import os
import random
import smtplib
import sqlite3
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from maild.testing.installation import Installation, a_small_company

KILLS = 1000 if os.environ.get("MAILD_TEST_FULL") else 100
CLIENTS = 4
SEED = int(os.environ.get("MAILD_TEST_SEED", "20261121"))


@dataclass
class Sent:
    """What one client knows of one mail."""

    content: bytes
    answered: bool = False
    attempts: int = 0


@dataclass
class Load:
    """Clients that each send mail after mail, and offer a mail again until somebody said 250."""

    place: Installation
    stop: threading.Event = field(default_factory=threading.Event)
    sent: dict[str, Sent] = field(default_factory=dict)
    in_flight: int = 0
    refused: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def client(self, number: int) -> None:
        rng = random.Random(f"{SEED}-{number}")
        count = 0
        while not self.stop.is_set():
            count += 1
            key = f"{number}-{count}@load.test"
            mail = Sent(a_mail(key, rng))
            with self.lock:
                self.sent[key] = mail
            while not mail.answered and not self.stop.is_set():
                self.offer(mail)

    def offer(self, mail: Sent) -> None:
        try:
            with smtplib.SMTP("127.0.0.1", self.place.submission, timeout=30) as peer:
                mail.attempts += 1
                with self.lock:
                    self.in_flight += 1
                try:
                    peer.sendmail(
                        "eva@acme.example", ["crm@acme.example", "info@acme.example"], mail.content
                    )
                    mail.answered = True
                finally:
                    with self.lock:
                        self.in_flight -= 1
        except smtplib.SMTPResponseException as error:
            if error.smtp_code >= 500:
                self.refused.append(f"{error.smtp_code} {error.smtp_error!r}")
            time.sleep(0.01)
        except smtplib.SMTPRecipientsRefused as error:
            if any(code >= 500 for code, _ in error.recipients.values()):
                self.refused.append(repr(error.recipients))
            time.sleep(0.01)
        except (smtplib.SMTPException, OSError):
            time.sleep(0.01)


def a_mail(key: str, rng: random.Random) -> bytes:
    """Most are small; some outgrow the database's share and go to a file."""
    size = rng.choice([200, 1_000, 4_000, 60_000])
    body = "\r\n".join(rng.choice(["abc", "def ghi", "0123456789" * 7]) for _ in range(size // 40))
    return (
        f"From: eva@acme.example\r\nTo: crm@acme.example\r\nSubject: load {key}\r\n"
        f"Date: Fri, 20 Nov 2026 10:00:00 +0100\r\nMessage-ID: <{key}>\r\n\r\n{body}\r\n"
    ).encode()


@pytest.mark.real
@pytest.mark.slow
def test_D1_kill_9_under_load_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    place = Installation(tmp_path / "maild")
    place.make()
    a_small_company(place)
    load = Load(place)
    clients = [threading.Thread(target=load.client, args=(n,), daemon=True) for n in range(CLIENTS)]
    rng = random.Random(SEED)
    hits = 0
    place.start()
    for client in clients:
        client.start()
    for _ in range(KILLS):
        time.sleep(rng.uniform(0.02, 0.5))
        hits += load.in_flight > 0
        place.kill()
        place.start()
    time.sleep(0.5)
    load.stop.set()
    for client in clients:
        client.join(60)
    # Mail came in while nobody had the time to decide: the more kills, the longer the queue.
    place.settle(60 + KILLS)
    assert place.stop() == 0
    verdict(place, load)
    print(
        f"kills={KILLS} in_flight={hits} mails={len(load.sent)} "
        f"unanswered_attempts={sum(mail.attempts - mail.answered for mail in load.sent.values())} lost=0 doubled=0"
    )
    assert hits >= KILLS * 0.6, (
        f"only {hits} of {KILLS} kills met a mail in flight; the test proves too little"
    )


def verdict(place: Installation, load: Load) -> None:
    assert load.refused == [], "our own fault is never a permanent refusal"
    database = sqlite3.connect(place.folder / "maild.db")
    stored = Counter(
        database.execute(
            "SELECT m.message_id_header, m.digest, d.inbox_id FROM deliveries d JOIN messages m ON m.id = d.message_id"
        )
    )
    assert [row for row, count in stored.items() if count > 1] == []
    inboxes = Counter(key for key, _, _ in stored)
    digests = {key: digest for key, digest, _ in stored}
    for key, mail in load.sent.items():
        if mail.answered:
            assert inboxes[key] == 2, (
                f"{key} was answered 250 and lies in {inboxes[key]} of 2 inboxes"
            )
        if key in digests:
            assert digests[key] == hashlib.sha256(mail.content).hexdigest(), f"{key} is damaged"
    assert set(inboxes) <= set(load.sent)
    states = dict(database.execute("SELECT state, count(*) FROM deliveries GROUP BY state"))
    assert set(states) <= {"filed", "unfiled", "held"}, states
    entries = database.execute("SELECT count(*) FROM entries").fetchone()[0]
    assert entries == sum(states.values()), "every mail lies in exactly one mailbox"
    database.close()
    done = place.run("doctor")
    assert done.returncode == 0, done.stdout + done.stderr
