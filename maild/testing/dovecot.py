"""A real Dovecot of our own in a temporary folder, for tests: IMAP and POP3, clear, STARTTLS and implicit TLS.

It needs Debian's dovecot-imapd and dovecot-pop3d, and root (Dovecot drops its rights by itself).  It never touches the
machine's own instance.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from maild.testing.installation import InstallationError, free_port

_START_S = 30.0
_SUBJECT = "/CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1"
_CONFIG = """\
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
ssl_dh = </usr/share/dovecot/dh.pem
disable_plaintext_auth = no
auth_mechanisms = plain login {mechanisms}
auth_failure_delay = 0
auth_cache_size = 0
protocols = imap pop3
listen = 127.0.0.1
mail_location = maildir:{folder}/mail/%u:INDEX={folder}/index/%u
mail_fsync = never
first_valid_uid = 1
last_valid_uid = 65535
first_valid_gid = 1
last_valid_gid = 65535
mail_max_userip_connections = 5000
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Trash {{
    auto = create
    special_use = \\Trash
  }}
}}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {folder}/users
}}
{oauth}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/home/%u
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
  client_limit = 5000
  process_limit = 100
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop}
  }}
  inet_listener pop3s {{
    port = {pops}
    ssl = yes
  }}
  client_limit = 5000
}}
service imap {{
  process_limit = 5000
}}
service pop3 {{
  process_limit = 500
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
{extra}
"""
_OAUTH = """\
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {folder}/oauth2.conf.ext
}}
"""


@dataclass
class Dovecot:
    """One Dovecot.  Use: `start`, `add_user`, `fill`; `stop` at the end."""

    folder: Path = field(
        default_factory=lambda: Path(tempfile.mkdtemp(prefix="maild-dovecot-", dir="/tmp"))
    )
    imap: int = field(default_factory=free_port)
    imaps: int = field(default_factory=free_port)
    pop: int = field(default_factory=free_port)
    pops: int = field(default_factory=free_port)
    tokeninfo: str = ""
    """The address that is asked about a token, for XOAUTH2 and OAUTHBEARER: `http://127.0.0.1:PORT/tokeninfo?token=`."""
    certificate: Path | None = None
    key: Path | None = None
    extra: str = ""
    """More lines of dovecot.conf, such as `protocol pop3 { pop3_no_flag_updates = yes }`."""
    _users: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def is_there() -> bool:
        """Whether Dovecot is installed."""
        return shutil.which(_program("dovecot")) is not None

    def start(self) -> None:
        """Start it and wait until its ports answer.  Raises InstallationError."""
        self.folder.chmod(0o755)
        owner = pwd.getpwnam("nobody")
        for name in ("run", "state", "mail", "index", "home"):
            (self.folder / name).mkdir(exist_ok=True)
        for name in ("mail", "index", "home"):
            os.chown(self.folder / name, owner.pw_uid, owner.pw_gid)
        if self.certificate is None:
            self.certificate, self.key = self.folder / "cert.pem", self.folder / "key.pem"
            command = f"openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj {_SUBJECT}".split()
            subprocess.run(  # noqa: S603
                [*command, "-keyout", str(self.key), "-out", str(self.certificate)],
                check=True,
                capture_output=True,
            )
        self._write_users()
        self._configure(owner.pw_uid, owner.pw_gid)
        # Its children keep what it was given as output, so that is no pipe.
        with (self.folder / "start.log").open("w+", encoding="utf-8") as said:
            done = subprocess.run(  # noqa: S603
                [_program("dovecot"), "-c", str(self.folder / "dovecot.conf")],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                check=False,
                timeout=_START_S,
            )
            if done.returncode != 0:
                said.seek(0)
                raise InstallationError(said.read())
        deadline = time.monotonic() + _START_S
        for port in (self.imap, self.imaps, self.pop, self.pops):
            while not _answers(port):
                if time.monotonic() > deadline:
                    raise InstallationError(self.log())
                time.sleep(0.05)

    def _configure(self, uid: int, gid: int) -> None:
        oauth = ""
        if self.tokeninfo:
            oauth = _OAUTH.format(folder=self.folder)
            (self.folder / "oauth2.conf.ext").write_text(
                f"tokeninfo_url = {self.tokeninfo}\nusername_attribute = email\n"
                "force_introspection = no\n",
                encoding="utf-8",
            )
        text = _CONFIG.format(
            folder=self.folder,
            certificate=self.certificate,
            key=self.key,
            mechanisms="xoauth2 oauthbearer" if self.tokeninfo else "",
            oauth=oauth,
            uid=uid,
            gid=gid,
            imap=self.imap,
            imaps=self.imaps,
            pop=self.pop,
            pops=self.pops,
            extra=self.extra,
        )
        (self.folder / "dovecot.conf").write_text(text, encoding="utf-8")

    def add_user(self, name: str, password: str = "secret") -> None:  # noqa: S107 - a test's
        """Let somebody sign in, from now on."""
        self._users[name] = password
        self._write_users()

    def _write_users(self) -> None:
        lines = [f"{name}:{{PLAIN}}{password}::::::\n" for name, password in self._users.items()]
        (self.folder / "users").write_text("".join(lines), encoding="utf-8")
        (self.folder / "users").chmod(0o644)

    def fill(self, user: str, mails: Iterable[bytes], mailbox: str = "") -> None:
        """Put mails into a mailbox (INBOX by default), by writing its Maildir; Dovecot finds them at its next look."""
        owner = pwd.getpwnam("nobody")
        top = self.folder / "mail" / user
        box = top / f".{mailbox.replace('/', '.')}" if mailbox else top
        for path in (top, box, box / "tmp", box / "new", box / "cur"):
            if not path.exists():
                path.mkdir(parents=True)
                os.chown(path, owner.pw_uid, owner.pw_gid)
        for mail in mails:
            name = f"1.{secrets.token_hex(12)}.test"
            path = box / "tmp" / name
            path.write_bytes(mail.replace(b"\r\n", b"\n"))
            os.chown(path, owner.pw_uid, owner.pw_gid)
            path.rename(box / "new" / name)

    def doveadm(self, *words: str) -> str:
        """Run doveadm; return what it said."""
        return self._run("doveadm", "-c", str(self.folder / "dovecot.conf"), *words)

    def lose_uids(self, user: str, mailbox: str = "") -> None:
        """Make every UID, UIDVALIDITY and UIDL of a mailbox new, as after a restore from a backup."""
        box = self.folder / "mail" / user / (f".{mailbox}" if mailbox else "")
        for path in box.glob("dovecot-uidlist*"):
            path.unlink()
        shutil.rmtree(self.folder / "index" / user, ignore_errors=True)
        for path in box.glob("dovecot.index*"):
            path.unlink()

    def count(self, user: str, mailbox: str = "INBOX") -> int:
        """Return how many mails a mailbox holds."""
        said = self.doveadm("mailbox", "status", "-u", user, "messages", mailbox)
        return int(said.rpartition("=")[2])

    def log(self) -> str:
        """Return what Dovecot has logged."""
        with suppress(OSError):
            return (self.folder / "dovecot.log").read_text(encoding="utf-8", errors="replace")
        return ""

    def stop(self) -> None:
        """End it and remove its folder."""
        with suppress(OSError, subprocess.CalledProcessError, InstallationError):
            self._run("doveadm", "-c", str(self.folder / "dovecot.conf"), "stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *words: str) -> str:
        done = subprocess.run(  # noqa: S603
            [_program(program), *words], capture_output=True, text=True, check=False, timeout=60
        )
        if done.returncode != 0:
            raise InstallationError(f"{program} {words}: {done.stderr}{done.stdout}")
        return done.stdout


def _program(name: str) -> str:
    """Return where a program lies; Dovecot's own is not for everybody's PATH."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or name


def _answers(port: int) -> bool:
    with closing(socket.socket()) as probe, suppress(OSError):
        probe.settimeout(1)
        probe.connect(("127.0.0.1", port))
        return True
    return False
