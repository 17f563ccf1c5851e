"""A real maild in a folder: its configuration, its child process, and its command line, for tests and demos."""

from __future__ import annotations

import io
import json
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maild import failpoint
from maild.faces.cli.main import COMMANDS, run

START_S = 120.0
"""How long a daemon may take to open its doors on a busy machine."""


_GIVEN: set[int] = set()
"""Ports that this process had."""


class InstallationError(Exception):
    """The daemon or a command did not do what the test needs; the message holds what it said."""


def free_port() -> int:
    """Return a TCP port of the loopback that nobody listens on at this moment.

    It lies below the ports that the kernel lends to clients (ip_local_port_range): one of those may be in use as some
    connection's own end by the time a restarted daemon wants it back.  None is returned twice by one process: nobody
    need listen on it yet when the next is asked for.
    """
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        if port in _GIVEN:
            continue
        _GIVEN.add(port)
        with closing(socket.socket()) as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _of_the_face(arguments: list[str]) -> int:
    return run(arguments, COMMANDS)


@dataclass
class Installation:
    """One folder with a maild in it.

    Three doors: `smtp` for the world, `submission` for authenticated users of `domain`, `lmtp` on a unix socket.
    """

    folder: Path
    domain: str = "acme.example"
    database: str = "sqlite:///maild.db"
    smtp: int = field(default_factory=free_port)
    submission: int = field(default_factory=free_port)
    web: int | None = None
    """The port of the HTTP door; None: it is closed."""
    environment: Mapping[str, str] = field(default_factory=dict)
    extra: str = ""
    """More lines for the end of the configuration."""
    process: subprocess.Popen[bytes] | None = None
    runs: Callable[[list[str]], int] = _of_the_face
    """Runs a command line in this process; those of the daemon are known to `maild.__main__.run_here` alone."""

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.folder / "maild.toml"

    @property
    def lmtp(self) -> Path:
        """The LMTP socket."""
        return self.folder / "lmtp.sock"

    @property
    def log(self) -> Path:
        """What the daemon said on stderr, of all its lives."""
        return self.folder / "maild.log"

    def make(self) -> None:
        """Write the configuration and create the schema."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config.write_text(
            f"""\
database = "{self.database}"
hostname = "mail.{self.domain}"
[store]
reserve = "0B"
[[listener]]
bind = "127.0.0.1:{self.smtp}"
trusted_authserv_ids = ["mx.{self.domain}"]
[[listener]]
bind = "127.0.0.1:{self.submission}"
authenticated_for = ["{self.domain}"]
[[listener]]
protocol = "lmtp"
bind = "unix:lmtp.sock"
[web]
bind = "{"" if self.web is None else f"127.0.0.1:{self.web}"}"
[log]
format = "logfmt"
{self.extra}
""",
            encoding="utf-8",
        )
        key = self.folder / "maild.key"
        if not key.exists():
            key.touch(0o600)
            key.write_text(secrets.token_urlsafe(32), encoding="ascii")
        self.here("db", "upgrade")

    def run(self, *arguments: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run `maild` with these arguments and the configuration; return how it ended, whatever that is."""
        return subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "maild", *arguments],
            input=data,
            capture_output=True,
            check=False,
            env=self._environment(),
        )

    def cli(self, *arguments: str) -> Any:
        """Run `maild … --json` and return its document.  Raises InstallationError when it fails."""
        done = self.run(*arguments, "--json")
        if done.returncode != 0:
            said = (done.stdout + done.stderr).decode(errors="replace")
            raise InstallationError(f"maild {' '.join(arguments)}: exit {done.returncode}: {said}")
        text = done.stdout.decode()
        return json.loads(text) if text.strip() else None

    def here(self, *arguments: str) -> Any:
        """Do as `cli`, in this process: a second less for each command.  Not while the daemon is watched for its load."""
        if failpoint.VARIABLE in self.environment:
            return self.cli(*arguments)
        out, mask, environment = io.StringIO(), os.umask(0o077), dict(os.environ)
        os.environ.update(self.environment)
        try:
            with redirect_stdout(out), redirect_stderr(io.StringIO()):
                status = self.runs(["--config", str(self.config), *arguments, "--json"])
        finally:
            os.umask(mask)
            os.environ.clear()
            os.environ.update(environment)
        text = out.getvalue()
        if status != 0:
            raise InstallationError(f"maild {' '.join(arguments)}: exit {status}: {text}")
        return json.loads(text) if text.strip() else None

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "MAILD_CONFIG": str(self.config), **self.environment}

    def start(self, *arguments: str) -> None:
        """Start the daemon, with these options of `serve`, and wait until its doors are open."""
        with self.log.open("ab") as log:
            start = log.tell()
            self.process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", "maild", "serve", *arguments],
                stderr=log,
                env=self._environment(),
            )
        deadline = time.monotonic() + START_S
        while b"event=ready" not in (said := self._said_since(start)):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise InstallationError(
                    f"the daemon did not open its doors: {said.decode(errors='replace')}"
                )
            time.sleep(0.01)

    def _said_since(self, start: int) -> bytes:
        with self.log.open("rb") as log:
            log.seek(start)
            return log.read()

    def kill(self) -> None:
        """End the daemon at once, as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self, timeout: float = 60.0) -> int:
        """End the daemon in good order; return its exit status."""
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout)
        finally:
            self.kill()

    def settle(self, timeout: float = 60.0) -> None:
        """Wait until nothing is received and undecided any more."""
        deadline = time.monotonic() + timeout
        while self.here("mail", "list", "--state", "received", "--limit", "1"):
            if time.monotonic() > deadline:
                raise InstallationError("mail is still waiting to be decided")
            select.select([], [], [], 0.2)


def a_small_company(place: Installation) -> None:
    """Fill an installation with an account, three users, both kinds of inbox and two clients."""
    place.here("account", "add", "acme", "Acme")
    for local, name, role in (
        ("lea", "Lea Brandt", "distributor"),
        ("eva", "Eva Moser", "member"),
        ("jan", "Jan Novak", "member"),
    ):
        place.here(
            "user", "add", "--email", f"{local}@{place.domain}", "--name", name, "--role", role
        )
    owner = f"lea@{place.domain}"
    place.here("inbox", "add", f"crm@{place.domain}", "--kind", "forward", "--owner", owner)
    place.here("inbox", "add", f"info@{place.domain}", "--kind", "shared", "--owner", owner)
    place.here(
        "client", "add", "Rossi Bau", "--contact", "anna@rossi.example", "--domain", "rossi.example"
    )
    place.here("client", "add", "Dupont SARL", "--contact", "marc.dupont@dupont.example")
