"""Telling systemd how the daemon is (sd_notify(3)); silent where nobody listens."""

from __future__ import annotations

import os
import socket


def notify(message: str) -> None:
    """Send a state such as READY=1 to the supervisor, if there is one."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.connect(address)
        channel.sendall(message.encode())
