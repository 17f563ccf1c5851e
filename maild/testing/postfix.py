"""A real Postfix of our own in a temporary folder, for tests: it takes mail by SMTP and hands it to maild.

It needs Debian's postfix and root (Postfix drops its rights by itself).  It never touches the machine's own instance.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import smtplib
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 1 1 qmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
showq     unix  n - n - - showq
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
lmtp      unix  - - n - - lmtp
virtual   unix  - n n - - virtual
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""

_MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
myhostname = mx.test
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_transport = error:no local mail here
relay_domains = {domains}
relay_transport = lmtp:{target}
default_transport = discard:
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions = permit_mynetworks, reject
lmtp_destination_recipient_limit = 50
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
smtputf8_enable = yes
ipc_timeout = 20s
{extra}
"""

_HANG_S = 60.0
_TAKEN = re.compile(r"/(?:smtpd|cleanup|qmgr)\[\d+\]: ([0-9A-F]{6,}): ")
_REMOVED = re.compile(r"/qmgr\[\d+\]: ([0-9A-F]{6,}): removed")


def is_installed() -> bool:
    """Whether Postfix is there and may be started."""
    return shutil.which("postfix") is not None and os.geteuid() == 0


@dataclass
class Postfix:
    """One instance.  `target` is where it delivers: `inet:127.0.0.1:PORT` or `unix:/path`."""

    target: str
    domains: Sequence[str] = ("acme.example",)
    folder: Path = field(
        # Not in pytest's folder: Postfix's own user must be able to walk there.
        default_factory=lambda: Path(tempfile.mkdtemp(prefix="maild-postfix-", dir="/tmp"))
    )
    port: int = 0
    extra: str = ""
    """More lines for main.cf."""

    def start(self) -> None:
        """Write the configuration and start.  Raises CalledProcessError, TimeoutError."""
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.configure()
        self._run("postfix", "start")
        end = time.monotonic() + 20
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as sock:
                if sock.recv(3) == b"220":
                    return
            if time.monotonic() > end:
                raise TimeoutError(f"Postfix does not answer: {self.log()}")
            select.select([], [], [], 0.05)

    def configure(self) -> None:
        """Write the configuration."""
        self.folder.chmod(0o755)
        config = self.folder / "etc"
        config.mkdir()
        (self.folder / "queue").mkdir()
        (self.folder / "data").mkdir()
        shutil.chown(self.folder / "data", "postfix")
        facts = {"folder": self.folder, "domains": " ".join(self.domains), "target": self.target}
        facts["extra"] = self.extra
        (config / "main.cf").write_text(_MAIN.format(**facts), encoding="ascii")
        (config / "master.cf").write_text(_MASTER.format(port=self.port), encoding="ascii")

    def stop(self) -> None:
        """Stop it and remove its folder."""
        with suppress(subprocess.CalledProcessError, TimeoutError):
            self._run("postfix", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def send(self, sender: str, recipients: Sequence[str], mail: str | bytes) -> None:
        """Give it a mail."""
        with smtplib.SMTP("127.0.0.1", self.port, timeout=20) as client:
            client.sendmail(sender, list(recipients), mail)

    def log(self) -> str:
        """Return all it has logged."""
        file = self.folder / "mail.log"
        return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""

    def queue(self) -> str:
        """Return what lies in its queue, a JSON object a line; empty when it has delivered all."""
        return self._run("postqueue", "-j").strip()

    def settle(self, timeout: float = 30.0) -> None:
        """Wait until it is done with every mail that it took.  Raises TimeoutError."""
        end = time.monotonic() + timeout
        # A mail that is just moved from one of its queues to another is listed in none.
        while self.queue() or self._unfinished():
            if time.monotonic() > end:
                raise TimeoutError(f"Postfix still has mail: {self.queue()}{self.log()}")
            select.select([], [], [], 0.1)

    def _unfinished(self) -> set[str]:
        """Return the mails that it took and has not said to be removed."""
        log = self.log()
        return set(_TAKEN.findall(log)) - set(_REMOVED.findall(log))

    def _run(self, program: str, *arguments: str) -> str:
        """Run a program of it.  Raises CalledProcessError, and TimeoutError when it hangs."""
        command = [program, "-c", str(self.folder / "etc"), *arguments]
        # What it starts keeps what it was given as output, so that is no pipe.
        with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
            try:
                done = subprocess.run(  # noqa: S603
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=subprocess.STDOUT,
                    check=False,
                    timeout=_HANG_S,
                )
            except subprocess.TimeoutExpired as error:
                raise TimeoutError(f"{' '.join(command)} hangs: {self.log()}") from error
            said.seek(0)
            if done.returncode != 0:
                raise subprocess.CalledProcessError(done.returncode, command, said.read())
            return said.read()
