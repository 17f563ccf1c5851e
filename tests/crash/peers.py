"""Peers that behave as MTAs do, and the verdict on what maild kept of their mails."""

from __future__ import annotations

import hashlib
import http.client
import os
import random
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from maild.testing.installation import Installation, a_small_company, free_port
from maild.testing.processes import beneath

INBOXES = ("crm@acme.example", "info@acme.example")
SENDER = "eva@acme.example"
SMALL, LARGE = 2_000, 600_000
"""Octets: within the database, and beyond `inline_max` and a chunk of the doors, so that a file is written in pieces."""
HANG_S = 60.0
"""Against hangs only."""
DECIDED = frozenset({"filed", "unfiled", "held"})


class Said(Enum):
    """What a peer heard about a mail as a whole."""

    STORED = "stored"
    LATER = "later"
    NEVER = "never"
    NOTHING = "nothing"


@dataclass(slots=True)
class Mail:
    """One mail, and what its peer knows of it."""

    key: str
    door: str
    content: bytes
    inboxes: tuple[str, ...] = INBOXES
    attempts: int = 0
    answered: bool = False
    is_under_way: bool = False
    """Whether a daemon has taken the connection, and the peer waits for the end."""
    slowest: float = 0.0
    """Seconds that the longest of its answers took."""
    last_words: str = ""


def a_mail(door: str, key: str, size: int, rng: random.Random | None = None) -> Mail:
    """A mail of about that many octets, told from all others by its Message-ID."""
    rng = rng or random.Random(key)
    body = "\r\n".join(rng.choice(["abc", "def ghi", "0123456789" * 7]) for _ in range(size // 30))
    content = (
        f"From: {SENDER}\r\nTo: {INBOXES[0]}\r\nSubject: load {key}\r\n"
        f"Date: Fri, 20 Nov 2026 10:00:00 +0100\r\nMessage-ID: <{key}@load.test>\r\n\r\n{body}\r\n"
    )
    # A request over HTTP is for one inbox.
    inboxes = INBOXES[1:] if door == "http" else INBOXES
    return Mail(f"{key}@load.test", door, content.encode(), inboxes)


def an_installation(folder: Path) -> Installation:
    """A small company whose every door is open, the one for HTTP too; the inbox's key lies beside the configuration."""
    place = Installation(folder, web=free_port())
    place.make()
    a_small_company(place)
    key = place.cli("inbox", "key", INBOXES[1], "--new")["key"]
    (folder / "http.key").write_text(key, encoding="ascii")
    return place


class Wire:
    """One connection that speaks SMTP or LMTP, in bytes."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(HANG_S)
        self._sock = sock
        self._stream = sock.makefile("rb")
        self.slowest = 0.0
        self.said: list[str] = []

    def ask(self, request: bytes = b"") -> str:
        """Send something and return the last line of the reply, or nothing when the other side has gone."""
        began = time.monotonic()
        if request:
            self._sock.sendall(request)
        line = self._stream.readline()
        while line[3:4] == b"-":
            line = self._stream.readline()
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.said.append(line.decode("ascii", "replace").strip())
        return self.said[-1] if line.endswith(b"\n") else ""

    def close(self) -> None:
        self._stream.close()
        self._sock.close()


def connect(place: Installation, door: str) -> socket.socket:
    """Raises OSError."""
    if door == "lmtp":
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(HANG_S)
        try:
            sock.connect(str(place.lmtp))
        except OSError:
            sock.close()
            raise
        return sock
    return socket.create_connection(("127.0.0.1", place.submission), timeout=HANG_S)


def offer(place: Installation, mail: Mail, *, size: int | None = None) -> Said:
    """Offer a mail once by its door; `size` is what an SMTP peer says that it is long."""
    mail.attempts += 1
    match mail.door:
        case "pipe":
            said = _by_pipe(place, mail)
        case "http":
            said = _by_http(place, mail)
        case _:
            said = _by_wire(place, mail, size)
    mail.answered = mail.answered or said is Said.STORED
    return said


def _by_wire(place: Installation, mail: Mail, size: int | None) -> Said:
    try:
        wire = Wire(connect(place, mail.door))
    except OSError:
        return Said.NOTHING
    mail.is_under_way = True
    try:
        return _talk(wire, mail, size)
    except OSError:
        return Said.NOTHING
    finally:
        mail.is_under_way = False
        mail.slowest = max(mail.slowest, wire.slowest)
        mail.last_words = " | ".join(wire.said[-2:])
        wire.close()


def _talk(wire: Wire, mail: Mail, size: int | None) -> Said:
    hello = b"LHLO peer.test\r\n" if mail.door == "lmtp" else b"EHLO peer.test\r\n"
    declared = b"" if size is None else b" SIZE=%d" % size
    steps = [b"", hello, b"MAIL FROM:<%b>%b\r\n" % (SENDER.encode(), declared)]
    steps += [b"RCPT TO:<%b>\r\n" % name.encode() for name in mail.inboxes]
    for step in [*steps, b"DATA\r\n"]:
        answer = wire.ask(step)
        if answer[:1] not in {"2", "3"}:
            return _verdict_in([answer])
    stuffed = mail.content.replace(b"\r\n.", b"\r\n..")
    answers = [wire.ask(stuffed + b".\r\n")]
    if mail.door == "lmtp":
        answers += [wire.ask() for _ in mail.inboxes[1:]]
    said = _verdict_in(answers)
    if said is Said.STORED:
        wire.ask(b"QUIT\r\n")
    return said


def _verdict_in(answers: Iterable[str]) -> Said:
    """A mail is stored when it is for all; whatever is final for one is the worst that can be heard."""
    firsts = {answer[:1] for answer in answers}
    if "5" in firsts:
        return Said.NEVER
    if firsts == {"2"}:
        return Said.STORED
    return Said.LATER if "4" in firsts else Said.NOTHING


def _by_http(place: Installation, mail: Mail) -> Said:
    began = time.monotonic()
    key = (place.folder / "http.key").read_text(encoding="ascii")
    peer = http.client.HTTPConnection("127.0.0.1", place.web, timeout=HANG_S)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "message/rfc822"}
    try:
        peer.connect()
        mail.is_under_way = True
        peer.request(
            "POST", f"/in/{mail.inboxes[0]}?sender={SENDER}", mail.content, headers=headers
        )
        response = peer.getresponse()
        mail.last_words = f"{response.status} {response.read().decode(errors='replace')}"
    except (OSError, http.client.HTTPException):
        return Said.NOTHING
    finally:
        mail.is_under_way = False
        mail.slowest = max(mail.slowest, time.monotonic() - began)
        peer.close()
    if response.status == 202:
        return Said.STORED
    return Said.LATER if response.status >= 500 else Said.NEVER


def _by_pipe(place: Installation, mail: Mail) -> Said:
    began = time.monotonic()
    done = place.run(
        "deliver",
        "--sender",
        SENDER,
        *(f"--recipient={name}" for name in mail.inboxes),
        data=mail.content,
    )
    mail.slowest = max(mail.slowest, time.monotonic() - began)
    mail.last_words = done.stderr.decode(errors="replace")
    return said_by(done.returncode)


def said_by(status: int) -> Said:
    """What an MTA makes of the exit status of its pipe."""
    if status == 0:
        return Said.STORED
    if status < 0:
        return Said.NOTHING
    return Said.LATER if status == 75 else Said.NEVER


def offer_until_stored(place: Installation, mail: Mail, tries: int = 60) -> list[Said]:
    """Offer a mail again and again, as an MTA does; return all that was heard."""
    heard: list[Said] = []
    while not mail.answered and len(heard) < tries:
        heard.append(offer(place, mail))
        assert heard[-1] is not Said.NEVER, f"{mail.key} was refused for good: {mail.last_words}"
        if not mail.answered:
            time.sleep(0.05)
    assert mail.answered, f"{mail.key} was never taken: {heard}, {mail.last_words}"
    return heard


def look(place: Installation) -> sqlite3.Connection:
    """A connection that only reads."""
    return sqlite3.connect(f"file:{place.folder / 'maild.db'}?mode=ro", uri=True, timeout=30)


def undecided(place: Installation) -> int:
    """How many deliveries wait or are in hand."""
    with closing(look(place)) as database:
        found = database.execute(
            "SELECT count(*) FROM deliveries WHERE state = 'received' OR lease IS NOT NULL"
        ).fetchone()
    return int(found[0])


def wait_until_decided(place: Installation, seconds: float = HANG_S) -> None:
    deadline = time.monotonic() + seconds
    while left := undecided(place):
        assert time.monotonic() < deadline, f"{left} deliveries are still not decided"
        time.sleep(0.05)


def verdict(place: Installation, mails: Iterable[Mail], states: frozenset[str] = DECIDED) -> None:
    """Nothing is lost, doubled, damaged or undecided.  Of a mail that was never answered anything may be there, once."""
    with closing(look(place)) as database:
        rows = Counter(
            database.execute(
                "SELECT m.message_id_header, m.digest, d.inbox_id, d.state, m.account_id, d.reason || d.facts"
                " FROM messages m LEFT JOIN deliveries d ON m.id = d.message_id"
            )
        )
        bodies = dict(database.execute("SELECT digest, bytes FROM bodies"))
    inboxes: dict[str, list[int]] = {}
    for (key, digest, inbox, state, account, why), count in rows.items():
        assert count == 1, f"{key} is in inbox {inbox} {count} times"
        inboxes.setdefault(key, []).append(inbox)
        assert state in states, f"{key} is {state}: {why}"
        content = bodies[digest]
        if content is None:
            file = place.folder / "bodies" / str(account) / digest[:2] / digest
            content = file.read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest, f"{key} is damaged"
    sent = {mail.key: mail for mail in mails}
    digests = {row[0]: row[1] for row in rows}
    for key, mail in sent.items():
        found = inboxes.get(key, [])
        assert len(found) == len(set(found)), f"{key} lies in an inbox twice: {found}"
        if mail.answered:
            assert len(found) == len(mail.inboxes), f"{key} was taken and lies in {found}"
        if key in digests:
            assert digests[key] == hashlib.sha256(mail.content).hexdigest(), f"{key} is another"


def doctor_is_content(place: Installation) -> None:
    place.here("doctor")


def spool_files(place: Installation) -> set[str]:
    return {path.name for path in (place.folder / "bodies" / "tmp").iterdir()}


def resident_kib(pid: int) -> int:
    """The memory of a process and of those beneath it that is in use now."""
    kib = 0
    for one in (pid, *beneath(pid)):
        with suppress(OSError):
            for line in Path(f"/proc/{one}/status").read_text(encoding="ascii").splitlines():
                if line.startswith("VmRSS:"):
                    kib += int(line.split()[1])
    return kib


def deliver_command(place: Installation) -> list[str]:
    """The pipe's command line, for who puts another program in front of it."""
    recipients = [f"--recipient={name}" for name in INBOXES]
    command = [sys.executable, "-m", "maild", "deliver", "--sender", SENDER]
    return [*command, f"--config={place.config}", *recipients]


def run_with_mail(
    command: Sequence[str], mail: Mail, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command,
        input=mail.content,
        capture_output=True,
        check=False,
        timeout=HANG_S,
        env={**os.environ, **(environment or {})},
    )
