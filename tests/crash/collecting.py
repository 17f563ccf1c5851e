"""A mailbox on a real server, a maild that collects it, and the verdict on both.

It must never judge by what maild says of itself: the store's tables and the server's mailbox are asked.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maild import failpoint
from maild.__main__ import run_here
from maild.testing.dovecot import Dovecot
from maild.testing.installation import Installation, InstallationError, a_small_company
from tests.crash.peers import look

HANG_S = 60.0
"""Against hangs only."""
LEASE_S = 1.0
SOURCES = f"""\
[sources]
allow_networks = ["127.0.0.0/8"]
lease = "{LEASE_S:g}s"
connect_timeout = "5s"
command_timeout = "5s"
fetch_timeout = "20s"
"""
WITHOUT_MOVE = """\
protocol imap {
  imap_capability = IMAP4rev1 SASL-IR LITERAL+ ENABLE IDLE UIDPLUS NAMESPACE SPECIAL-USE
}
"""
TARGET = "Taken"
"""The folder of `move`."""
EXPUNGED_TRIES = 50
"""How often a mailbox is asked again because mails went while it was listed."""


def a_letter(key: str, lines: int = 3) -> bytes:
    """A mail, told from all others by its Message-ID."""
    body = "".join(f"line {number} of {key}\r\n" for number in range(lines))
    return (
        f"From: anna@rossi.example\r\nTo: info@acme.example\r\nSubject: {key}\r\n"
        f"Date: Fri, 20 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{key}@rossi.example>\r\n\r\n{body}"
    ).encode()


def rows(place: Installation, question: str) -> list[Any]:
    """Ask the store's tables."""
    if place.database.startswith("postgresql"):
        import psycopg

        with psycopg.connect(place.database.replace("+psycopg", "")) as connection:
            return connection.execute(question.encode()).fetchall()
    with closing(look(place)) as database:
        return database.execute(question).fetchall()


def stored(place: Installation) -> Counter[str]:
    """How often each mail lies in an inbox, by its digest."""
    found = rows(
        place,
        "SELECT m.digest FROM messages m LEFT JOIN deliveries d ON d.message_id = m.id",
    )
    return Counter(row[0] for row in found)


@dataclass
class Box:
    """A user's mailbox on the server, with other people's mails in it, and what was sent to it since."""

    dovecot: Dovecot
    user: str
    sent: list[bytes] = field(default_factory=list)

    @property
    def others(self) -> list[str]:
        """The keys of the mails that are not ours to take."""
        return [f"others-{number}-{self.user.partition('@')[0]}" for number in range(2)]

    def open(self) -> None:
        """Let two mails of others lie there; a person has marked one of them for deletion."""
        self.dovecot.fill(self.user, map(a_letter, self.others))
        self.dovecot.doveadm("mailbox", "create", "-u", self.user, TARGET)
        words = ("mailbox", "INBOX", "subject", "others-0")
        self.dovecot.doveadm("flags", "add", "-u", self.user, "\\Deleted", *words)

    def send(self, name: str, count: int = 3, lines: int = 3) -> list[str]:
        """Let mails come in; return their keys."""
        keys = [f"{name}-{number}-{self.user.partition('@')[0]}" for number in range(count)]
        letters = [a_letter(key, lines) for key in keys]
        self.dovecot.fill(self.user, letters)
        self.sent += letters
        return keys

    def holds(self, mailbox: str = "INBOX", *query: str) -> Counter[str]:
        """Return the keys of the mails in a mailbox, less those of others, which are checked."""
        asked = query or ("ALL",)
        said = self._asked_again_while_mails_go(
            "fetch", "-u", self.user, "hdr.message-id", "mailbox", mailbox, *asked
        )
        found = Counter(re.findall(r"<([^@>]+)@rossi\.example>", said))
        others = {key for key in found if key.startswith("others-")}
        if mailbox == "INBOX" and not query:
            assert others == set(self.others), f"others' mails went; there are {others}"
        for key in others:
            del found[key]
        return found

    def _asked_again_while_mails_go(self, *words: str) -> str:
        """Run doveadm, which fails at a mail that is expunged between its listing and its reading."""
        for _ in range(EXPUNGED_TRIES):
            try:
                return self.dovecot.doveadm(*words)
            except InstallationError as error:
                if "Message was expunged" not in str(error):
                    raise
        return self.dovecot.doveadm(*words)

    def assert_each_once(self, place: Installation) -> None:
        """Every mail that was sent is stored once, whole; nothing else came from this box."""
        kept = stored(place)
        wanted = {hashlib.sha256(letter).hexdigest(): letter for letter in self.sent}
        wrong = {wanted[digest][:200]: kept[digest] for digest in wanted if kept[digest] != 1}
        assert not wrong, wrong
        others = [hashlib.sha256(a_letter(key)).hexdigest() for key in self.others]
        assert all(kept[digest] == 0 for digest in others)


def add_source(
    place: Installation, box: Box, name: str, kind: str, after: str, *, port: int = 0, **more: str
) -> None:
    """Connect the box: what lies there now is others'; from now on all is collected, when somebody asks."""
    secret = place.folder / "password"
    secret.write_text("secret\n", encoding="ascii")
    secret.chmod(0o600)
    given = {
        "inbox": "info@acme.example",
        "kind": kind,
        "host": "127.0.0.1",
        "port": str(port or {"imap": box.dovecot.imap, "pop": box.dovecot.pop}[kind]),
        "tls": "none",
        "username": box.user,
        "password-file": str(secret),
        "after": after,
        "since": "none",
        "every": "3600s",
    } | more
    words = [word for key, value in given.items() for word in (f"--{key}", value)]
    command(place, "source", "add", name, *words)


def command(place: Installation, *words: str) -> Any:
    """Run a command in this process, which is a second less than in one of its own; return its document."""
    out, before = io.StringIO(), os.environ.get("MAILD_CONFIG")
    os.environ["MAILD_CONFIG"] = str(place.config)
    try:
        with redirect_stdout(out):
            status = run_here([*words, "--json"])
    finally:
        os.environ.pop("MAILD_CONFIG")
        if before is not None:
            os.environ["MAILD_CONFIG"] = before
    assert status == 0, out.getvalue()
    return json.loads(out.getvalue())


def poll_until_done(place: Installation, name: str) -> dict[str, Any]:
    """Poll by command, as an admin would; the dead poller's lease has to run out first."""
    await_free_lease(place)
    figures: dict[str, Any] = command(place, "source", "poll", name)
    return figures


def await_free_lease(place: Installation) -> None:
    """Wait until no source's lease runs any more."""
    deadline = time.monotonic() + HANG_S
    while any(until > time.time() * 1e6 for until in lease_ends(place)):
        assert time.monotonic() < deadline, "a dead poller's lease does not end"
        time.sleep(0.05)


def lease_ends(place: Installation) -> list[int]:
    """Until when each source's lease runs, in microseconds."""
    found = rows(place, "SELECT until FROM leases WHERE name LIKE 'source %'")
    return [as_microseconds(row[0]) for row in found]


def as_microseconds(value: Any) -> int:
    """Return a moment as both databases give it."""
    return value if isinstance(value, int) else int(value.timestamp() * 1e6)


def pollers(
    place: Installation, armed: str = "", *, log: Path | None = None
) -> subprocess.Popen[bytes]:
    """Start the pollers alone, with a fail point armed."""
    environment = {**os.environ, "MAILD_CONFIG": str(place.config), failpoint.VARIABLE: armed}
    with (log or place.log).open("ab") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "maild", "serve", "--only", "pollers"],
            stderr=said,
            env=environment,
        )


def assert_dies_at(place: Installation, point: str) -> None:
    """Let the pollers work until the point kills them."""
    start = place.log.stat().st_size if place.log.exists() else 0
    child = pollers(place, f"{point}=kill")
    try:
        code = child.wait(HANG_S)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"{point} was not passed: {said_since(place, start)}") from None
    finally:
        child.kill()
        child.wait()
    said = said_since(place, start)
    assert code == -9, said
    assert f"failpoint name={point} act=kill" in said, said


def said_since(place: Installation, start: int) -> str:
    """What the daemon has logged since."""
    with place.log.open("rb") as log:
        log.seek(start)
        return log.read().decode(errors="replace")


@contextmanager
def a_site(
    users: Sequence[str], *extras: str, database: str = ""
) -> Iterator[tuple[Installation, Sequence[Dovecot]]]:
    """An installation, and as many servers for these users as there are additions to their configuration.

    The users are there from the start: a server that is asked for one too soon after does not know them yet.
    """
    folder = Path(tempfile.mkdtemp(prefix="maild-test-", dir="/tmp"))
    servers = [Dovecot(extra=extra) for extra in extras]
    place = Installation(folder / "m", extra=SOURCES)
    if database:
        place.database = database
    try:
        for server in servers:
            for user in users:
                server.add_user(user)
            server.start()
        place.make()
        a_small_company(place)
        yield place, servers
    finally:
        for server in servers:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
