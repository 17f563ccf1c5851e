"""A secret that a real daemon signs in with is nowhere to be read, in no encoding (D7, T16).

Logs at DEBUG, what the commands say, the database's files, and what `ps` shows while it polls.
"""

from __future__ import annotations

import json
import logging
import secrets
import tempfile
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest

from maild.testing.dovecot import Dovecot
from maild.testing.installation import Installation, a_small_company
from maild.testing.issuer import Issuer
from maild.testing.scripted_imap import NAME, SECRET, ScriptedImap
from tests.conftest import absent
from tests.sources.conftest import CANARY_SECRET, CANARY_USER, NO_PENALTY
from tests.sources.site import INBOX, Collector, Mailbox, letter

HANG_S = 60.0
"""Against hangs only."""
USERS = ["plain@acme.example", "pop@acme.example", "wrong@acme.example", "wrong-pop@acme.example"]

WRONG = ("wrong", "wrong-pop", "ended")
"""Sources that cannot sign in."""


def forms(secret: str) -> set[bytes]:
    """All that a secret may look like: itself, quoted, escaped, and within base64 at each of the three offsets."""
    raw = secret.encode()
    found = {raw, quote(secret).encode(), repr(secret)[1:-1].encode(), repr(raw)[2:-1].encode()}
    found |= {json.dumps(secret)[1:-1].encode(), raw.hex().encode()}
    for encode in (b64encode, urlsafe_b64encode):
        for offset, skipped in enumerate((0, 2, 3)):
            # The first and the last letters hold bits of what stands beside it.
            found.add(encode(b"\0" * offset + raw)[skipped:-4])
    return found


@dataclass
class Site:
    """A daemon with a source for each way to sign in, some of them wrong."""

    place: Installation
    issuer: Issuer
    canaries: set[str] = field(default_factory=set)
    said: bytes = b""
    """What commands and processes showed."""
    sources: list[str] = field(default_factory=list)

    def hush(self, secret: str) -> str:
        """Put a secret into a file; it is not to be seen."""
        self.canaries.add(secret)
        path = self.place.folder / f"pw{len(self.canaries)}"
        path.touch(0o600)
        path.write_text(f"{secret}\n", encoding="utf-8")
        return str(path)

    def run(self, *words: str) -> None:
        done = self.place.run(*words)
        self.said += done.stdout + done.stderr

    def add(self, name: str, kind: str, port: int, user: str, secret: str, *more: str) -> None:
        self.place.cli(
            "source", "add", name, "--inbox", INBOX, "--kind", kind, "--host", "127.0.0.1",
            "--port", str(port), "--tls", "none", "--username", user, "--since", "all",
            "--every", "5s", "--password-file", self.hush(secret), *more,
        )  # fmt: skip
        self.sources.append(name)

    def look_at_processes(self) -> None:
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                self.said += (process / "cmdline").read_bytes() + b"\n"

    def poll_all(self) -> None:
        """Let the daemon go to every server, and watch the processes meanwhile."""
        self.place.start("--only", "pollers")
        deadline = time.monotonic() + HANG_S
        while any(one["last_try_at"] is None for one in self.place.cli("source", "list")):
            assert time.monotonic() < deadline
            for _ in range(20):
                self.look_at_processes()
                time.sleep(0.02)

    def all_that_was_said(self) -> bytes:
        files = [self.place.log, *self.place.folder.glob("maild.db*")]
        bodies = [path for path in self.place.folder.rglob("*") if "bodies" in path.parts]
        files += [path for path in bodies if path.is_file()]
        return self.said + b"".join(path.read_bytes() for path in files)

    def seen(self, text: bytes) -> list[str]:
        secrets_ = self.canaries | self.issuer.secrets_told()
        return [one for one in secrets_ if any(form in text for form in forms(one))]


@pytest.fixture
def site() -> Iterator[Site]:
    if not Dovecot.is_there():
        absent("Dovecot")
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="maild-test-", dir="/tmp"))
        issuer = stack.enter_context(Issuer())
        dovecot = Dovecot(tokeninfo=issuer.tokeninfo, extra=NO_PENALTY)
        passwords = {user: f"canary-{secrets.token_urlsafe(18)}" for user in USERS}
        for user, password in passwords.items():
            dovecot.add_user(user, password)
        stack.callback(dovecot.stop)
        dovecot.start()
        scripted = stack.enter_context(ScriptedImap("good with LOGIN"))
        extra = '[sources]\nallow_networks = ["127.0.0.0/8"]\n'
        debug = {"MAILD_LOG__LEVEL": "debug"}
        place = Installation(Path(folder) / "m", extra=extra, environment=debug)
        stack.callback(place.kill)
        place.make()
        a_small_company(place)
        made = Site(place, issuer)
        _connect(made, dovecot, scripted, passwords)
        yield made


def _connect(
    site: Site, dovecot: Dovecot, scripted: ScriptedImap, passwords: dict[str, str]
) -> None:
    plain, pop, wrong, wrong_pop = USERS
    for user in (plain, pop, site.issuer.mailbox):
        dovecot.fill(user, [letter(f"for-{user}")])
    site.add("plain", "imap", dovecot.imap, plain, passwords[plain])
    site.add("pop", "pop", dovecot.pop, pop, passwords[pop])
    site.add("login", "imap", scripted.port, NAME, SECRET)
    service = (f"token_uri={site.issuer.url}/token", "client_id=app")
    options = [word for option in service for word in ("--option", option)]
    for name, kind, port in (("token", "imap", dovecot.imap), ("token-pop", "pop", dovecot.pop)):
        user = site.issuer.mailbox if kind == "imap" else f"+{site.issuer.mailbox}"
        token = site.issuer.new_refresh_token()
        site.add(name, kind, port, user, token, "--oauth", "refresh", *options)
    site.add("wrong", "imap", dovecot.imap, wrong, f"wrong-{secrets.token_urlsafe(18)}")
    site.add("wrong-pop", "pop", dovecot.pop, wrong_pop, f"wrong-{secrets.token_urlsafe(18)}")
    site.add("ended", "imap", dovecot.imap, "ended@x.example", "ended-" + "r" * 20,
             "--oauth", "refresh", *options)  # fmt: skip


@pytest.mark.real
@pytest.mark.slow
def test_D7_no_secret_that_signs_in_is_to_be_read_anywhere(site: Site) -> None:
    site.poll_all()
    states = {one["name"]: one["state"] for one in site.place.cli("source", "list")}
    signed_in = {name for name, state in states.items() if state == "OK"}
    assert {"plain", "pop", "login", "token"} <= signed_in
    assert signed_in.isdisjoint(WRONG)
    for name in ("token", *WRONG):
        site.run("source", "test", name)
    site.run("source", "show", "wrong", "--json")
    site.run("source", "list", "--json")
    running = site.all_that_was_said()
    site.place.stop()
    text = running + site.all_that_was_said()
    assert b"refuses wrong@acme.example" in text
    assert site.seen(text) == []


@pytest.mark.parametrize("is_right", [True, False], ids=["right", "wrong"])
@pytest.mark.parametrize("kind", ["imap", "pop"])
def test_D7_no_logger_of_any_library_tells_a_password_at_debug(
    here: Collector,
    dovecot: Dovecot,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    is_right: bool,
) -> None:
    secret = CANARY_SECRET if is_right else f"{CANARY_SECRET}-not"
    box = Mailbox(dovecot, CANARY_USER)
    box.send(f"by-{kind}")
    here.add("box", box, kind, options={"ref": here.secret_file(secret, "canary-pw")})
    for name in (None, "aioimaplib", "aioimaplib.aioimaplib"):
        caplog.set_level(logging.DEBUG, logger=name)
    trouble = here.trouble("box")
    assert bool(trouble) is not is_right
    assert "selector" in caplog.text, "nothing was told at DEBUG"
    said = (caplog.text + trouble).encode()
    assert not [form for form in forms(secret) | forms(CANARY_SECRET) if form in said]


@pytest.mark.parametrize("before", [b"", b"\0user\0", b"user=ann\x01auth=Bearer ", b"x"])
def test_D7_the_canary_is_heard_within_base64(before: bytes) -> None:
    secret = f"canary-{secrets.token_urlsafe(18)}"
    said = b64encode(before + secret.encode() + b"\x01\x01")
    assert any(form in said for form in forms(secret))
    assert not any(form in b64encode(before) + b"canary" for form in forms(secret))
