"""Debian's Postfix as the peer to measure against: an instance that only queues, and one that delivers to a Maildir."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from maild.testing.postfix import Postfix

RECIPIENT = "info@acme.example"

_HOLD = """
smtpd_client_restrictions = check_client_access static:HOLD
"""
_MAILDIR = """
relay_domains =
virtual_mailbox_domains = acme.example
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = static:box/
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
virtual_transport = virtual
"""
_LIKE_OURS = """
smtpd_relay_restrictions = permit_mynetworks, permit_auth_destination, reject
mailbox_size_limit = 0
virtual_mailbox_limit = 0
message_size_limit = 36700160
smtpd_client_connection_count_limit = 0
in_flow_delay = {in_flow_delay}
"""
_VIRTUAL = "virtual   unix  - n n - - virtual\n"


@dataclass
class MeasuredPostfix(Postfix):
    """Postfix with Debian's defaults, no TLS, no filters; `delivers` to a Maildir, or holds everything in its queue."""

    target: str = "unused"
    delivers: bool = False
    in_flow_delay: str = "1s"

    def configure(self) -> None:
        """Add what the measurement needs to the plain instance's files."""
        super().configure()
        main, master = self.folder / "etc" / "main.cf", self.folder / "etc" / "master.cf"
        text = (_MAILDIR if self.delivers else _HOLD) + _LIKE_OURS
        lines = text.format(folder=self.folder, in_flow_delay=self.in_flow_delay)
        main.write_text(main.read_text("ascii") + lines, encoding="ascii")
        master.write_text(master.read_text("ascii") + _VIRTUAL, encoding="ascii")
        box = self.folder / "mail"
        box.mkdir()
        os.chown(box, 65534, 65534)

    def delivered(self) -> int:
        """Return how many mails lie in the Maildir."""
        new = self.folder / "mail" / "box" / "new"
        return sum(1 for _ in new.iterdir()) if new.exists() else 0

    def empty(self) -> None:
        """Forget every mail, so that no round measures the rounds before it."""
        shutil.rmtree(self.folder / "mail" / "box", ignore_errors=True)
        for kind in ("hold", "deferred", "active", "incoming"):
            for path in Path(self.folder / "queue" / kind).rglob("*"):
                if path.is_file():
                    path.unlink()
